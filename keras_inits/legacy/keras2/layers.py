"""Model configs of Keras 2 and tf.keras, made such that Keras 3 builds the same model from them."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_inits.legacy.keras2.initializers import upgrade_initializer

_MODELS = ("Model", "Functional", "Sequential")
# What a layer said about how it computes, not what.
_NO_EFFECT = frozenset(
    {"implementation", "input_length", "fused", "input_dtype", "ragged", "dtype_policy"}
)
# tf.keras wrote these arguments of a base class, which the layer itself had no use for.
_UNUSED = {
    "groups": ("DepthwiseConv", "SeparableConv"),
    "kernel_initializer": ("DepthwiseConv", "SeparableConv"),
    "kernel_regularizer": ("DepthwiseConv", "SeparableConv"),
    "kernel_constraint": ("DepthwiseConv", "SeparableConv"),
    "renorm_momentum": ("BatchNormalization",),
}
_LAYER_ARGUMENTS = frozenset({"name", "trainable", "dtype", "activity_regularizer", "autocast"})


@keras.saving.register_keras_serializable("keras2")
def hard_sigmoid(x: Any) -> Any:
    """min(max(0.2 x + 0.5, 0), 1): Keras 1 and 2; Keras 3 has the slope 1/6 instead of 0.2."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


# Activations whose name means another function now, and what to write instead.
_ACTIVATIONS: dict[str, Any] = {
    # Written out: Keras's own serializer would import tensorflow, whatever the backend.
    "hard_sigmoid": {
        "module": "builtins",
        "class_name": "function",
        "config": "keras2>hard_sigmoid",
        "registered_name": "function",
    },
    "softmax_v2": "softmax",
}


def upgrade_model(config: dict[str, Any], era: str) -> dict[str, Any]:
    """The config of a model or layer of `era`, as Keras 3 writes one that computes the same.

    Initializers get the law that they had; a Sequential model's first `batch_input_shape` becomes
    an InputLayer; activations and arguments whose meaning changed are replaced. Custom classes stay
    as they are. The argument is not changed. Raises ValueError, which names the layer, for an
    argument that has no counterpart.
    """
    inner = config["config"]
    if config["class_name"] == "Sequential" and isinstance(inner, (dict, list)):
        return _named(config, "keras", _sequential(config, era))
    if not isinstance(config["class_name"], str) or not isinstance(inner, dict):
        raise TypeError(
            f"upgrade_model: config must be a layer's, got one of {config['class_name']!r}"
        )
    if config["class_name"] in _MODELS:
        inner = _from_first_call(inner)
        inner["layers"] = [upgrade_model(layer, era) for layer in inner["layers"]]
        return _named(config, "keras", inner, "Model")
    return _layer(config, era)


def _named(
    config: dict[str, Any], module: str | None, inner: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    """The node around a config, with what Keras 3 looks its class up by."""
    name = name or config["class_name"]
    kept: dict[str, Any] = {key: config[key] for key in ("name", "inbound_nodes") if key in config}
    registered = None if module else config.get("registered_name") or name
    return {
        "module": module,
        "class_name": name,
        "config": inner,
        "registered_name": registered,
        **kept,
    }


def _from_first_call(inner: dict[str, Any]) -> dict[str, Any]:
    """A functional config in which the calls of a nested Sequential are numbered from 0.

    Keras 2 counted from 1, for a Sequential had a node of its own.
    """
    calls = {
        layer["name"]: len(layer["inbound_nodes"])
        for layer in inner["layers"]
        if layer["class_name"] == "Sequential"
    }
    late = {ref[0] for ref in _references(inner, calls) if ref[1] >= calls[ref[0]]}

    def shifted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shifted(item) for key, item in value.items()}
        if not isinstance(value, list):
            return value
        if _is_reference(value, late):
            return [value[0], value[1] - 1, *value[2:]]
        return [shifted(item) for item in value]

    nodes = (
        {**layer, "inbound_nodes": shifted(layer["inbound_nodes"])} for layer in inner["layers"]
    )
    return {**inner, "layers": list(nodes), "output_layers": shifted(inner["output_layers"])}


def _references(inner: dict[str, Any], names: Any) -> list[list[Any]]:
    """Every [layer, call, tensor, ...] in the graph that names one of the layers."""
    found: list[list[Any]] = []
    pending = [[layer["inbound_nodes"] for layer in inner["layers"]], inner["output_layers"]]
    while pending:
        value = pending.pop()
        if _is_reference(value, names):
            found.append(value)
        elif isinstance(value, (list, dict)):
            pending += value.values() if isinstance(value, dict) else value
    return found


def _is_reference(value: Any, names: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and value[0] in names
        and isinstance(value[1], int)
    )


def _sequential(config: dict[str, Any], era: str) -> dict[str, Any]:
    inner = config["config"]
    if isinstance(inner, list):  # before 2.2.3
        inner = {"name": config.get("name", "sequential"), "layers": inner}
    layers = [upgrade_model(layer, era) for layer in inner["layers"]]
    first: dict[str, Any] = inner["layers"][0] if layers else {"class_name": "InputLayer"}
    shape = None if first["class_name"] in ("InputLayer", *_MODELS) else _input_shape(first)
    if shape is not None:
        wrapped = first["config"].get("layer", first)["config"]
        dtype = wrapped.get("dtype")
        entry = {
            "batch_shape": shape,
            "dtype": dtype if isinstance(dtype, str) else "float32",
            "name": f"{first['config']['name']}_input",
        }
        layers.insert(0, _named({"class_name": "InputLayer"}, "keras.layers", entry))
    kept = {key: value for key, value in inner.items() if key != "build_input_shape"}
    return {**kept, "layers": layers}


def _input_shape(layer: dict[str, Any]) -> list[int | None] | None:
    """The shape that the layer says its input has; a wrapper may leave that to what it wraps."""
    inner = layer["config"]
    shape = inner.get("batch_input_shape")
    if shape is None and isinstance(inner.get("layer"), dict):
        shape = inner["layer"]["config"].get("batch_input_shape")
    return None if shape is None else list(shape)


def _layer(config: dict[str, Any], era: str) -> dict[str, Any]:
    name = config["class_name"]
    if name[-2:] in ("V1", "V2") and _is_keras_layer(name[:-2]):
        name = name[:-2]
    inner = {str(key): _argument(key, value, era) for key, value in config["config"].items()}
    shape = inner.pop("batch_input_shape", None)
    if not _is_keras_layer(name):
        return _named(config, None, inner)
    if name == "InputLayer":
        inner.setdefault("batch_shape", shape)
    if str(inner.get("dtype", "")).startswith("int") and name != "InputLayer":
        del inner["dtype"]  # an Embedding's: that of its input
    if name == "GRU":
        inner.setdefault("reset_after", False)
    if name == "BatchNormalization" and isinstance(inner.get("axis"), list):
        (inner["axis"],) = inner["axis"]
    if name == "LeakyReLU" and "alpha" in inner:
        inner["negative_slope"] = inner.pop("alpha")
    return _named(config, "keras.layers", _without_lost(name, inner), name)


def _argument(key: str, value: Any, era: str) -> Any:
    if key.endswith("_initializer"):
        return upgrade_initializer(value, era)
    if key.endswith("activation"):
        plain = value.get("config") if isinstance(value, dict) else value
        return _ACTIVATIONS.get(plain, value) if isinstance(plain, str) else value
    if key == "dtype" and isinstance(value, dict):  # a policy
        return value.get("config", {}).get("name")
    if (
        isinstance(value, dict)
        and isinstance(value.get("config"), dict)
        and key.endswith(("layer", "cell"))
    ):
        return upgrade_model(value, era)
    if key == "cells" and isinstance(value, list):
        return [upgrade_model(cell, era) for cell in value]
    return value


def _without_lost(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """The arguments that Keras 3's layer takes; an error for one that it lost and that mattered."""
    known = _arguments_of(getattr(keras.layers, name))
    kept = {}
    for key, value in inner.items():
        if key in known:
            kept[key] = value
            continue
        unused = key in _NO_EFFECT or name.startswith(_UNUSED.get(key, ("-",)))
        if not unused and value is not None and value is not False:
            raise ValueError(
                f"upgrade_model: layer {inner.get('name')!r} ({name}) must have no argument that "
                f"Keras 3 lost, got {key}={value!r}"
            )
    return kept


def _arguments_of(cls: type) -> frozenset[str]:
    """The arguments of a layer's constructor and of those that it passes the rest on to."""
    names = set(_LAYER_ARGUMENTS)
    for base in cls.__mro__:
        if base is keras.layers.Layer:
            break
        if "__init__" in vars(base):
            names.update(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return frozenset(names)


def _is_keras_layer(name: str) -> bool:
    found = getattr(keras.layers, name, None)
    return isinstance(found, type) and issubclass(found, keras.layers.Layer)
