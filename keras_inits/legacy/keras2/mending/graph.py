"""The graph of a functional model of Keras 2, as Keras 3 writes one: calls, names, tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MODELS = ("Model", "Functional", "Sequential")
#: The classes of layers that were a function: of tf.keras 2.4 to 2.15, and of the releases before.
FUNCTIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
#: What tf.keras made of `add_loss` and `add_metric`.
LOSSES = ("AddLoss", "AddMetric")
_CONSTANT = "_CONSTANT_VALUE"  # stands where a layer's name does, for a number or an array


def new_name(name: str, *, dots: bool = True) -> str:
    """A name that Keras 3 takes: it allows no "/", and none of weights a "." on PyTorch."""
    name = name.replace("/", "_")
    return name.replace(".", "_") if dots else name


def new_names(layers: list[dict[str, Any]]) -> dict[str, str]:
    """What each layer is called in Keras 3, the same on every backend.

    >>> new_names([{"name": n, "class_name": "ReLU", "config": {}} for n in ("a/b", "relu")])
    {'a/b': 'a_b', 'relu': 'relu'}
    """
    # Functions of TensorFlow have a "." in their names, and no weights.
    plain = {
        name_of(x): new_name(name_of(x), dots=x["class_name"] not in FUNCTIONS) for x in layers
    }
    taken = {old for old, new in plain.items() if old == new}
    names: dict[str, str] = {}
    for old, stem in plain.items():
        new, number = stem, 0
        while old != stem and new in taken:
            number += 1
            new = f"{stem}_{number}"
        taken.add(new)
        names[old] = new
    return names


def name_of(layer: Mapping[str, Any]) -> str:
    """The name by which a model knows its layer."""
    inner = layer.get("config")
    return str(layer.get("name") or (inner.get("name", "") if isinstance(inner, dict) else ""))


def is_model(config: Mapping[str, Any]) -> bool:
    """Whether a config is that of a model with layers, also of a class of the user's."""
    inner = config.get("config")
    return config.get("class_name") in MODELS or (
        isinstance(inner, dict) and "layers" in inner and "output_layers" in inner
    )


def from_first_call(inner: dict[str, Any]) -> dict[str, Any]:
    """A functional config in which the calls of a model inside are numbered from 0.

    Keras 2 counted from 1, for a model had a node of its own. Keras 3 does so no more, but in the
    list of outputs, where it takes one off for what it loads as a functional model.
    """
    calls = {name_of(x): len(x["inbound_nodes"]) for x in inner["layers"] if is_model(x)}
    graph = [[layer["inbound_nodes"] for layer in inner["layers"]], inner["output_layers"]]
    late = {ref[0] for ref in references(graph, calls) if ref[1] >= calls[ref[0]]}
    functional = {
        name_of(layer) for layer in inner["layers"] if layer["class_name"] != "Sequential"
    }

    def shifted(value: Any, names: set[str]) -> Any:
        if isinstance(value, dict):
            return {key: shifted(item, names) for key, item in value.items()}
        if not isinstance(value, list):
            return value
        if is_reference(value, names):
            return [value[0], value[1] - 1, value[2], *(shifted(x, names) for x in value[3:])]
        return [shifted(item, names) for item in value]

    def outputs(value: Any) -> Any:
        # A model that was numbered from 0 all the same has to be counted from 1 here.
        early = functional & calls.keys() - late
        if is_reference(value, early):
            return [value[0], value[1] + 1, value[2]]
        if isinstance(value, dict):
            return {key: outputs(item) for key, item in value.items()}
        return [outputs(item) for item in value] if isinstance(value, list) else value

    layers = [
        {**layer, "inbound_nodes": shifted(layer["inbound_nodes"], late)}
        for layer in inner["layers"]
    ]
    last = shifted(inner["output_layers"], late - functional)
    return {**inner, "layers": layers, "output_layers": outputs(last)}


def without_losses(inner: dict[str, Any]) -> dict[str, Any]:
    """A functional config without its losses and metrics, and the layers that lead to them alone."""
    layers = inner["layers"]
    names = {name_of(layer) for layer in layers}
    while any(layer["class_name"] in LOSSES for layer in inner["layers"]):
        graph = [[layer["inbound_nodes"] for layer in layers], inner["output_layers"]]
        used = {reference[0] for reference in references(graph, names)}
        kept = [x for x in layers if name_of(x) in used or x["class_name"] == "InputLayer"]
        if len(kept) == len(layers):
            return {**inner, "layers": kept}
        layers = kept
    return inner


def references(value: Any, names: Any) -> Iterator[list[Any]]:
    """Every [layer, call, tensor, ...] in a structure that names one of the layers."""
    if is_reference(value, names):
        yield value
        value = value[3:]
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item, names)


def is_reference(value: Any, names: Any) -> bool:
    """Whether a value stands for the output of one of the layers."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(number, int) and number >= 0 for number in value[1:3])
    )


def ends(value: Any, names: Mapping[str, str]) -> Any:
    """The inputs or outputs of a model, one alone not in a list, with the new names."""

    def renamed(item: Any) -> Any:
        if is_reference(item, names):
            return [names[item[0]], *item[1:3]]
        if isinstance(item, dict):
            return {key: renamed(part) for key, part in item.items()}
        if isinstance(item, list) and not (len(item) == 3 and isinstance(item[0], str)):
            return [renamed(part) for part in item]
        raise ValueError(f"upgrade_model: the model's ends must name its layers, got {item!r}")

    found = renamed(value)
    is_single = len(found) == 1 and isinstance(found, list) and not isinstance(found[0], dict)
    return found[0] if is_single else found


def call_of(node: Any, names: Mapping[str, str]) -> tuple[Any, dict[str, Any]]:
    """(first argument, further ones) of a call, each tensor a reference by new name.

    Keras 2 wrote the further arguments beside each tensor of the first.
    """
    further: dict[str, Any] = {}

    def first(value: Any) -> Any:
        if isinstance(value, list) and len(value) in (3, 4) and value[0] == _CONSTANT:
            further.update(_later(value))
            return value[2]
        if is_reference(value, names):
            further.update(_later(value))
            return _tensor(value, names)
        if isinstance(value, dict):
            return {key: first(item) for key, item in value.items()}
        if isinstance(value, list) and not (len(value) > 2 and isinstance(value[0], str)):
            return [first(item) for item in value]
        raise ValueError(f"upgrade_model: a call must be of layers in the model, got {value!r}")

    argument = first(node)
    return argument, {key: _tensors(value, names) for key, value in further.items()}


def _later(reference: list[Any]) -> dict[str, Any]:
    return reference[3] if len(reference) == 4 and isinstance(reference[3], dict) else {}


def _tensors(value: Any, names: Mapping[str, str]) -> Any:
    if is_reference(value, names) and len(value) == 3:
        return _tensor(value, names)
    if isinstance(value, dict):
        return {key: _tensors(item, names) for key, item in value.items()}
    return [_tensors(item, names) for item in value] if isinstance(value, list) else value


def _tensor(reference: list[Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A tensor as Keras 3 writes it; it reads the history alone."""
    history = [names[reference[0]], *reference[1:3]]
    inner = {"shape": [1], "dtype": "float32", "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": inner}


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor that `call_of` wrote."""
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def tensors_in(value: Any) -> Iterator[dict[str, Any]]:
    """The tensors in a structure of arguments, in order."""
    if is_tensor(value):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)


def check_order(name: str, layers: list[dict[str, Any]]) -> None:
    """An error for a graph in which a call waits for one that never comes."""
    calls = {
        layer["name"]: [
            [tuple(x["config"]["keras_history"][:2]) for x in tensors_in([n["args"], n["kwargs"]])]
            for n in layer["inbound_nodes"]
        ]
        for layer in layers
    }
    made = {layer["name"]: int(layer["class_name"] == "InputLayer") for layer in layers}
    waiting = [key for key, nodes in calls.items() if nodes]
    while waiting:
        before = sum(made.values())
        still = []
        for key in waiting:
            nodes = calls[key]
            while made[key] < len(nodes) and all(made[x] > n for x, n in nodes[made[key]]):
                made[key] += 1
            if made[key] < len(nodes):
                still.append(key)
        if sum(made.values()) == before:
            raise ValueError(
                f"upgrade_model: model {name!r} must be a graph without loops, got layer "
                f"{still[0]!r}, whose inputs are never made"
            )
        waiting = still
