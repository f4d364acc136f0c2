"""One layer for all functions that tf.keras wrote into models, and its config from theirs."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_inits.legacy.keras2.mending.graph import is_tensor, name_of
from keras_inits.legacy.keras2.operations.functions import FUNCTIONS
from keras_inits.legacy.keras2.operations.raw import RAW, parse, takes

# Arguments that change no value, where they are of these.
_IDLE: dict[str, tuple[Any, ...]] = {
    "conjugate": (False,),
    "validate_indices": (True, False),
    "optimize": (True, False),
}


@keras.saving.register_keras_serializable("keras2")
class Operation(keras.layers.Layer):
    """A function of TensorFlow, computed by `keras.ops` on every backend.

    `function` is its public name (`"math.add"`), or that of a raw operation (`"raw.AddV2"`);
    `arguments` are its `args` and `kwargs`, with `{"tensor": i}` where the i-th input goes.
    """

    def __init__(self, function: str, arguments: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.function = function
        self.arguments = arguments
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """The function of the inputs and of what stands in the config."""
        tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        kind, _, raw = self.function.partition(".")
        function = RAW[raw] if kind == "raw" else FUNCTIONS[self.function]
        filled = _filled(self.arguments, tensors)
        made = function(*filled["args"], **filled["kwargs"])
        # A tensor that comes back as it came keeps its mask: in TensorFlow from a cast to its own dtype.
        same = self.function != "cast" and any(made is tensor for tensor in tensors)
        return keras.ops.copy(made) if same else made

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """No mask goes on, as in tf.keras."""

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            **super().get_config(),
            "function": self.function,
            "arguments": self.arguments,
        }


def _filled(value: Any, tensors: list[Any]) -> Any:
    if isinstance(value, dict) and value.keys() == {"tensor"}:
        return tensors[value["tensor"]]
    if isinstance(value, dict):
        return {key: _filled(item, tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(item, tensors) for item in value]
    return value


def upgrade_operation(
    layer: dict[str, Any], calls: list[tuple[Any, dict[str, Any]]]
) -> tuple[dict[str, Any], list[Any]]:
    """(config of an `Operation`, the inputs of each call) of a layer that was a function.

    Raises ValueError, which names the layer and the function, for one that is not in the tables.
    """
    read = _raw_layer if layer["class_name"] == "TensorFlowOpLayer" else _lambda
    made = [read(layer, first, further) for first, further in calls]
    function, arguments, _ = made[0] if made else read(layer, [], {})
    if any(other[:2] != (function, arguments) for other in made[1:]):
        raise _problem(layer, "be called with the same constants", function)
    config = {
        "name": name_of(layer),
        "dtype": _policy(layer["config"].get("dtype")),
        "function": function,
        "arguments": arguments,
    }
    node = {
        "module": None,
        "class_name": "Operation",
        "config": config,
        "registered_name": "keras2>Operation",
    }
    return node, [inputs[0] if len(inputs) == 1 else inputs for _, _, inputs in made]


def _policy(dtype: Any) -> str:
    """The name of a dtype or of a policy, which tf.keras wrote as a config."""
    name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
    return name if isinstance(name, str) else "float32"


def _lambda(
    layer: dict[str, Any], first: Any, further: dict[str, Any]
) -> tuple[str, dict[str, Any], list[Any]]:
    name = str(layer["config"].get("function")).removeprefix("compat.v1.")
    if name not in FUNCTIONS:
        raise _problem(layer, "be a function that keras.ops has", name)
    kwargs = {
        key: value
        for key, value in further.items()
        if value is not None and key != "name" and value not in _IDLE.get(key, ())
    }
    inputs: list[Any] = []
    arguments = {"args": [_template(first, inputs)], "kwargs": _template(kwargs, inputs)}
    if "keep_dims" in arguments["kwargs"]:
        arguments["kwargs"]["keepdims"] = arguments["kwargs"].pop("keep_dims")
    try:
        inspect.signature(FUNCTIONS[name]).bind(*arguments["args"], **arguments["kwargs"])
    except TypeError as error:
        raise _problem(layer, f"have arguments that are known ({error})", name) from error
    return name, arguments, inputs


def _raw_layer(
    layer: dict[str, Any], first: Any, further: dict[str, Any]
) -> tuple[str, dict[str, Any], list[Any]]:
    name, attributes = parse(layer["config"].get("node_def"))
    inputs: list[Any] = []
    args = _template(first if isinstance(first, list) else [first], inputs)
    constants = layer["config"].get("constants") or {}
    for index in sorted(constants, key=int):
        args.insert(int(index), _plain(constants[index]))
    if name not in RAW or not takes(name, len(args), attributes):
        raise _problem(layer, f"be an operation that keras.ops has, not with {attributes}", name)
    return f"raw.{name}", {"args": args, "kwargs": attributes}, inputs


def _plain(constant: Any) -> Any:
    """A constant as lists; tf.keras wrote arrays in several ways."""
    if isinstance(constant, dict):
        return constant.get("value", constant.get("config", {}).get("value"))
    return constant


def _template(value: Any, inputs: list[Any]) -> Any:
    """The arguments with places for tensors, which are appended to `inputs`."""
    if is_tensor(value):
        inputs.append(value)
        return {"tensor": len(inputs) - 1}
    if isinstance(value, dict) and value.get("class_name") == "__tensor__":
        return value["config"]["value"]
    if isinstance(value, dict):
        return {key: _template(item, inputs) for key, item in value.items()}
    return [_template(item, inputs) for item in value] if isinstance(value, list) else value


def _problem(layer: dict[str, Any], expected: str, got: str) -> ValueError:
    return ValueError(
        f"upgrade_model: layer {name_of(layer)!r} ({layer['class_name']}) must {expected}, "
        f"got {got!r}"
    )
