"""Models of Keras 1: a Sequential, the graph of a Model, and what is nested in them."""

from __future__ import annotations

import re
from typing import Any

import keras

from keras_inits.legacy.keras1.port import convolution, core, recurrent
from keras_inits.legacy.keras1.port.common import OWNER, Node, Origin, Port, keras_name
from keras_inits.legacy.keras1.port.merge import merge

MODELS = ("Sequential", "Model", "Container")
_PORTS = {**core.PORTS, **convolution.PORTS, **recurrent.PORTS, "Merge": merge}


def port(layer: dict[str, Any], origin: Origin) -> Port:
    """A layer or model in Keras 3. ValueError, with its name, for what Keras 3 cannot make."""
    kind, config = layer["class_name"], layer["config"]
    if kind in MODELS:
        return _model(layer, origin)
    if not isinstance(kind, str) or not isinstance(config, dict):
        raise TypeError(f"a layer has a class and a config, got {kind!r}")
    node = Node(kind, config, origin)
    known = kind in _PORTS or kind in ("TimeDistributed", "Bidirectional")
    if not known and kind not in origin.custom_objects:
        raise ValueError(
            f"{OWNER}: custom_objects must have the class {kind!r} of layer "
            f"{config.get('name')!r}, which Keras 3 does not have"
        )
    try:
        return _leaf(node)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{OWNER}: "):
            raise
        raise ValueError(f"{_where(node)} cannot be made by Keras 3: {_reason(error)}") from error


def _leaf(node: Node) -> Port:
    if node.kind in node.origin.custom_objects:
        return core.custom(node)
    if node.kind in _PORTS:
        return _PORTS[node.kind](node)
    inner = node["layer"]
    if node.kind == "TimeDistributed":
        return recurrent.time_distributed(node, port(inner, node.origin))
    return recurrent.bidirectional(node, Node(inner["class_name"], inner["config"], node.origin))


def _where(node: Node) -> str:
    return f"{OWNER}: layer {node.config.get('name')!r} ({node.kind})"


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its config must have {error}"
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line for line in text.splitlines() if line.strip() and not _AROUND.match(line)]
    return (lines or [type(error).__name__])[0].strip()[:300]


_AROUND = re.compile(r"Exception encountered|Arguments received|\s*•")


def _call(part: Port, inputs: list[Any], origin: Origin) -> list[Any]:
    """The layer's outputs; an error that names the layer where it does not take these inputs."""
    dots = isinstance(part.layers[0], keras.layers.Dot)
    if dots and not origin.theano and any(len(x.shape) > 3 for x in inputs):
        raise ValueError(
            f"{OWNER}: layer {part.name!r} ({part.kind}) must join tensors of rank 3 at most, for "
            "TensorFlow took products of higher ranks in another way"
        )
    try:
        outputs = part(inputs[0] if len(inputs) == 1 else inputs)
    except Exception as error:
        raise ValueError(
            f"{OWNER}: layer {part.name!r} ({part.kind}) does not take the inputs that it has in "
            f"the file: {_reason(error)}"
        ) from error
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _model(layer: dict[str, Any], origin: Origin) -> Port:
    config = layer["config"]
    inner = config if isinstance(config, dict) else {"layers": config}
    name = layer.get("name") or inner.get("name") or ""
    made = _sequential if layer["class_name"] == "Sequential" else _functional
    model, parts = made(inner, {"name": keras_name(name)} if name else {}, origin)
    return Port(name, layer["class_name"], [model], parts=parts)


def _one(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


Made = tuple[keras.Model, list[Port]]


def _sequential(inner: dict[str, Any], named: dict[str, str], origin: Origin) -> Made:
    first, *rest = inner["layers"]
    if _joins(first):
        inputs, tensors, parts = _start(first, origin)
    else:
        parts = [port(first, origin)]
        inputs = tensors = _inputs(first, parts[0])
        rest.insert(0, None)
    parts += [port(layer, origin) for layer in rest if layer is not None]
    todo = parts[len(parts) - len(rest) :]
    if todo == parts and len(inputs) == 1:
        chain = [layer for part in parts for layer in part.layers]
        try:
            return keras.Sequential([*inputs, *chain], **named), parts
        except Exception:
            pass  # the calls one by one tell which layer it is
    for part in todo:
        tensors = _call(part, tensors, origin)
    return keras.Model(_one(inputs), _one(tensors), **named), parts


def _joins(layer: dict[str, Any]) -> bool:
    return bool(layer["class_name"] == "Merge" and layer["config"].get("layers"))


Start = tuple[list[Any], list[Any], list[Port]]


def _start(first: dict[str, Any], origin: Origin) -> Start:
    """A Sequential's inputs, the outputs of its first layer, and the layers so far."""
    if _joins(first):
        starts = [_branch(layer, origin) for layer in first["config"]["layers"]]
        merged = port(first, origin)
        outputs = _call(merged, [x for _, tensors, _ in starts for x in tensors], origin)
        inputs = [x for found, _, _ in starts for x in found]
        return inputs, outputs, [*(p for _, _, parts in starts for p in parts), merged]
    part = port(first, origin)
    inputs = _inputs(first, part)
    return inputs, _call(part, inputs, origin), [part]


def _branch(layer: dict[str, Any], origin: Origin) -> Start:
    """What a Merge joins: the layers of a Sequential are the joined model's own."""
    if layer["class_name"] != "Sequential":
        return _start(layer, origin)
    config = layer["config"]
    layers = config["layers"] if isinstance(config, dict) else config
    inputs, tensors, parts = _start(layers[0], origin)
    for node in layers[1:]:
        parts.append(port(node, origin))
        tensors = _call(parts[-1], tensors, origin)
    return inputs, tensors, parts


def _inputs(layer: dict[str, Any], part: Port) -> list[Any]:
    if layer["class_name"] in MODELS:
        return [
            keras.Input(batch_shape=x.shape, dtype=x.dtype, name=f"{x.name}_outer")
            for x in part.layers[0].inputs
        ]
    own = layer["config"]
    if not own.get("batch_input_shape"):  # a wrapper may leave it to what it wraps
        own = (own.get("layer") or {}).get("config", {})
    if not own.get("batch_input_shape"):
        raise ValueError(
            f"{OWNER}: layer {part.name!r} ({part.kind}) must have a batch_input_shape, being the "
            "first one"
        )
    return [_input(own, f"{keras_name(part.name)}_input")]


def _input(config: dict[str, Any], name: str) -> Any:
    options = {"sparse": True} if config.get("sparse") else {}
    dtype = config.get("input_dtype") or "float32"
    return keras.Input(
        batch_shape=tuple(config["batch_input_shape"]), dtype=dtype, name=name, **options
    )


def _functional(inner: dict[str, Any], named: dict[str, str], origin: Origin) -> Made:
    """The graph: each layer is called on what its nodes name, as soon as all of that is there."""
    found: dict[tuple[str, int], list[Any]] = {}
    parts: dict[str, Port] = {}
    calls: list[tuple[str, int, list[Any]]] = []
    offset = {}
    for layer in inner["layers"]:
        name = layer.get("name") or layer["config"]["name"]
        # The call 0 of a model was its own graph.
        offset[name] = 1 if layer["class_name"] in MODELS else 0
        if layer["class_name"] == "InputLayer":
            found[name, 0] = [_input(layer["config"], keras_name(name))]
            continue
        parts[name] = port({**layer, "name": name}, origin)
        calls += [(name, i + offset[name], node) for i, node in enumerate(layer["inbound_nodes"])]

    def tensor(reference: list[Any]) -> Any:
        return found[reference[0], reference[1]][reference[2]]

    while calls:
        ready = next((c for c in calls if all((r[0], r[1]) in found for r in c[2])), None)
        if ready is None:
            lost = next(r for c in calls for r in c[2] if (r[0], r[1]) not in found)
            raise ValueError(
                f"{OWNER}: the call {lost[1]} of layer {lost[0]!r} must be in the model's graph, "
                "got none"
            )
        calls.remove(ready)
        name, call, node = ready
        found[name, call] = _call(parts[name], [tensor(r) for r in node], origin)
    inputs, outputs = ([tensor(r) for r in inner[f"{end}_layers"]] for end in ("input", "output"))
    return keras.Model(_one(inputs), _one(outputs), **named), list(parts.values())
