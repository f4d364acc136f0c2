"""Model configs of Keras 2 and tf.keras, made such that Keras 3 builds the same model from them."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_inits.legacy.keras2.initializers import upgrade_initializer
from keras_inits.legacy.keras2.mending import graph
from keras_inits.legacy.keras2.mending.arguments import without_lost
from keras_inits.legacy.keras2.mending.lambdas import upgrade_activation, upgrade_lambda
from keras_inits.legacy.keras2.mending.replaced import is_mended, mended
from keras_inits.legacy.keras2.operations.layer import upgrade_operation

_MODELS = ("Model", "Functional")
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


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
# TensorFlow's names of dtypes, and a policy that left the choice to the input.
_DTYPES = {
    **{"float": "float32", "double": "float64", "half": "float16"},
    **{"infer": None, "_infer": None, "infer_float32_vars": None},
}


def class_of(config: dict[str, Any]) -> str:
    """The layer's class, without the suffix that tells tf.keras's implementations apart."""
    name = config["class_name"]
    if not isinstance(name, str):
        raise TypeError(f"upgrade_model: config must be a layer's, got one of {name!r}")
    plain = name[:-2] if name[-2:] in ("V1", "V2") else name
    return plain if plain != name and is_known(plain) else name


def is_known(name: str) -> bool:
    """Whether Keras 3 has a layer of this name, or its counterpart is known."""
    found = getattr(keras.layers, name, None)
    is_layer = isinstance(found, type) and issubclass(found, keras.layers.Layer)
    return is_layer or is_mended(name) or name in graph.FUNCTIONS


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
        return _named(config, "keras", _functional(inner, era), "Model")
    if graph.is_model(config):
        return _named(config, None, _functional(inner, era))
    return _layer(config, era)


def _named(
    config: dict[str, Any], module: str | None, inner: dict[str, Any], name: str | None = None
) -> dict[str, Any]:
    """The node around a config, with what Keras 3 looks its class up by."""
    name = name or config["class_name"]
    registered = None if module else config.get("registered_name") or name
    kept = {"name": config["name"]} if "name" in config else {}
    return {
        "module": module,
        "class_name": name,
        "config": inner,
        "registered_name": registered,
        **kept,
    }


def _functional(inner: dict[str, Any], era: str) -> dict[str, Any]:
    inner = graph.from_first_call(graph.without_losses(inner))
    names = graph.new_names(inner["layers"])
    layers = [_placed(layer, names, era) for layer in inner["layers"]]
    graph.check_order(str(inner.get("name")), layers)
    ends = {key: graph.ends(inner[key], names) for key in ("input_layers", "output_layers")}
    return _renamed({**inner, "layers": layers, **ends})


def _placed(layer: dict[str, Any], names: dict[str, str], era: str) -> dict[str, Any]:
    """A layer of a functional model, with its calls."""
    calls = [graph.call_of(node, names) for node in layer["inbound_nodes"]]
    if class_of(layer) in graph.FUNCTIONS:
        node, inputs = upgrade_operation({**layer, "class_name": class_of(layer)}, calls)
        nodes = [{"args": [value], "kwargs": {}} for value in inputs]
    else:
        node = upgrade_model(layer, era)
        nodes = [_call(node, first, further) for first, further in calls]
    name = names[graph.name_of(layer)]
    return {
        **node,
        "name": name,
        "config": {**node["config"], "name": name},
        "inbound_nodes": nodes,
    }


def _call(node: dict[str, Any], first: Any, further: dict[str, Any]) -> dict[str, Any]:
    """A call as Keras 3 writes it."""
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    cls = getattr(keras.layers, node["class_name"], None) if node["module"] else None
    if cls is None:
        return {"args": [first], "kwargs": further}
    if issubclass(cls, _RECURRENT) and isinstance(first, list):
        # Keras 2 gave the states as further inputs.
        first, further = first[0], {**further, "initial_state": first[1:]}
    takes = inspect.signature(cls.call).parameters
    for key, value in further.items():
        if key not in takes and value is not None and key not in ("training", "name"):
            raise ValueError(
                f"upgrade_model: layer {node['config'].get('name')!r} ({node['class_name']}) must "
                f"be called with arguments that Keras 3 takes, got {key}={value!r}"
            )
    kept = {key: value for key, value in further.items() if key in takes}
    return {"args": [first], "kwargs": kept}


def _sequential(config: dict[str, Any], era: str) -> dict[str, Any]:
    inner = config["config"]
    if isinstance(inner, list):  # before 2.2.3
        inner = {"name": config.get("name", "sequential"), "layers": inner}
    names = graph.new_names(inner["layers"])
    layers = [upgrade_model(layer, era) for layer in inner["layers"]]
    for old, new in zip(inner["layers"], layers, strict=True):
        new["config"] = {**new["config"], "name": names[graph.name_of(old)]}
    first: dict[str, Any] = inner["layers"][0] if layers else {"class_name": "InputLayer"}
    shape = None if first["class_name"] == "InputLayer" else _input_shape(first)
    if shape is None and layers and first["class_name"] != "InputLayer":
        # A model that was built when it was called, not when it was made.
        shape = None if graph.is_model(first) else inner.get("build_input_shape")
    if shape is not None:
        wrapped = first["config"].get("layer", first)["config"]
        dtype = wrapped.get("dtype")
        entry = {
            "batch_shape": list(shape),
            "dtype": _dtype(dtype) if isinstance(dtype, str) else "float32",
            "name": f"{layers[0]['config']['name']}_input",
        }
        layers.insert(0, _named({"class_name": "InputLayer"}, "keras.layers", entry))
    kept = {key: value for key, value in inner.items() if key != "build_input_shape"}
    return _renamed({**kept, "layers": layers})


def _renamed(inner: dict[str, Any]) -> dict[str, Any]:
    name = inner.get("name")
    return {**inner, "name": graph.new_name(name)} if isinstance(name, str) else inner


def _input_shape(layer: dict[str, Any]) -> list[int | None] | None:
    """The shape that the layer says its input has; a wrapper may leave that to what it wraps."""
    inner = layer["config"]
    if not isinstance(inner, dict):
        return None
    shape = inner.get("batch_input_shape")
    if shape is None and isinstance(inner.get("layer"), dict):
        shape = inner["layer"]["config"].get("batch_input_shape")
    return None if shape is None else list(shape)


def _layer(config: dict[str, Any], era: str) -> dict[str, Any]:
    name = class_of(config)
    inner = {str(key): _argument(key, value, era) for key, value in config["config"].items()}
    inner = _renamed(inner)
    shape = inner.pop("batch_input_shape", None)
    if not is_known(name):
        return _named(config, None, inner)
    name, inner = mended(name, inner) or (name, inner)
    if name == "InputLayer":
        inner.setdefault("batch_shape", shape)
    if name == "Lambda":
        inner = upgrade_lambda(inner)
    if str(inner.get("dtype", "")).startswith("int") and name == "Embedding":
        del inner["dtype"]  # that of its input
    return _named(config, "keras.layers", without_lost(name, inner), name)


def _argument(key: str, value: Any, era: str) -> Any:
    if key.endswith("_initializer"):
        return upgrade_initializer(value, era)
    if key.endswith("activation"):
        return _activation(value, era)
    if key == "dtype":
        return _dtype(value.get("config", {}).get("name") if isinstance(value, dict) else value)
    if isinstance(value, dict) and value.keys() == {"type", "value"}:  # a NumPy array
        return value["value"]
    if (
        isinstance(value, dict)
        and isinstance(value.get("config"), (dict, list))
        and key.endswith(("layer", "cell"))
    ):
        return upgrade_model(value, era)
    if key == "cells" and isinstance(value, list):
        return [upgrade_model(cell, era) for cell in value]
    return value


def _dtype(name: Any) -> Any:
    return _DTYPES.get(name, name) if isinstance(name, str) else name


def _activation(value: Any, era: str) -> Any:
    plain = value.get("config") if isinstance(value, dict) else value
    if isinstance(plain, dict):
        return upgrade_model(value, era)  # a layer
    if isinstance(value, dict) and "value" in value:
        return upgrade_activation(value)
    return _ACTIVATIONS.get(plain, value) if isinstance(plain, str) else value
