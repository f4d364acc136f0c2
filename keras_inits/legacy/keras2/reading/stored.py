"""The weights of a `.keras` or `.weights.h5` file of tf.keras 2.12 and later."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from keras_inits.legacy.keras2.mending.graph import is_model, name_of

# What tf.keras called the layers inside a layer, in the order of their weights.
_INSIDE: dict[str, tuple[str, ...]] = {
    "MultiHeadAttention": ("_query_dense", "_key_dense", "_value_dense", "_output_dense"),
    "Bidirectional": ("forward_layer", "backward_layer"),
}
#: Layers that have the first weight of the layer inside them for their own.
_SHARING = ("SpectralNormalization",)
_ORDERED = ("cells",)  # lists, whose members are numbered by class


def stored_weights(file: Any, config: dict[str, Any]) -> dict[str, list[tuple[str, np.ndarray]]]:
    """The weights of each layer of the model, by its name, in the order of `layer.weights`.

    The file knows a layer by its class and its number among those of its class.
    """
    if "layers" not in file:
        raise ValueError("it holds no layers' weights that are known")
    found = {}
    for node, group in _children(file["layers"], config):
        values = _values(group, node)
        if values:
            found[name_of(node)] = values
    return found


def _children(groups: Any, config: dict[str, Any]) -> list[tuple[dict[str, Any], Any]]:
    inner = config["config"]
    counts: Counter[str] = Counter()
    pairs = []
    for node in inner if isinstance(inner, list) else inner["layers"]:
        stem = _snake(node["class_name"])
        name = f"{stem}_{counts[stem]}" if counts[stem] else stem
        counts[stem] += 1
        if name in groups:
            pairs.append((node, groups[name]))
    return pairs


def _values(group: Any, node: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    """A layer's own weights and those of the layers inside it."""
    own = group.get("vars", {})
    found = [(f"vars/{key}", np.asarray(own[key])) for key in sorted(own, key=int)]
    if is_model(node):
        pairs = _children(group["layers"], node) if "layers" in group else []
        return found + [value for inner, part in pairs for value in _values(part, inner)]
    inner = (
        node["config"].get("layer")
        or node["config"].get("cell")
        or {"class_name": "", "config": {}}
    )
    names = [name for name in group if name != "vars" and _holds(group[name])]
    order = _INSIDE.get(node["class_name"], tuple(names))
    if set(names) - set(order) or (len(names) > 1 and node["class_name"] not in _INSIDE):
        raise ValueError(f"layer {name_of(node)!r} has parts whose order is not known: {names}")
    for name in order:
        if name not in names:
            continue
        if name in _ORDERED:
            cells = {"class_name": "", "config": node["config"][name]}
            for cell, part in _children(group[name], cells):
                found += _values(part, cell)
        else:
            found += _values(group[name], inner)[node["class_name"] in _SHARING :]
    return found


def _holds(group: Any) -> bool:
    """Whether a group has weights anywhere within."""
    if not hasattr(group, "items"):
        return True
    return any(_holds(part) for part in group.values())


def _snake(name: str) -> str:
    """The class's name as the file has it."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
