"""A model's layers against those of its copy, each with what it keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras

from keras_inits.host import is_keras
from keras_inits.models.saving.differences import (
    assigned_later,
    attribute_differences,
    bare_names,
    change,
    config_differences,
    object_differences,
    parts,
)
from keras_inits.registry import snake_case

#: Changes by the layer (its id) and the argument in which they are, "" for the layer itself.
Changes = dict[tuple[int, str], list[str]]

_SHOWN = 3  # differences that a reason names


def children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that a layer holds, each once."""
    found = {id(child): child for inside in parts(layer).values() for child in inside}
    found.pop(id(layer), None)
    return list(found.values())


def arguments(layer: keras.layers.Layer) -> Iterator[tuple[str, Any]]:
    """Initializers, activations and the like that the layer keeps under its arguments' names."""
    for name, value in vars(layer).items():
        other = isinstance(value, (keras.layers.Layer, keras.DTypePolicy, type))
        is_argument = callable(value) and (
            hasattr(value, "get_config") or hasattr(value, "__name__")
        )
        if is_argument and not other and not name.startswith("_") and name not in bare_names():
            yield name, value


def compare(
    layer: Any,
    back: Any,
    found: Changes,
    seen: set[int],
    owner: keras.layers.Layer | None = None,
    within: str = "",
) -> None:
    """Note what is otherwise in a copy; `owner` is the layer of one's own that made this one."""
    if id(layer) in seen:
        return
    seen.add(id(layer))
    own = not is_keras(type(layer))
    inside = parts(layer)
    alike = type(back) is type(layer)
    kept = dict(arguments(layer)) if alike else {}
    lost = False
    # What Keras's own layer is made of is compared by itself.
    if own or not inside or not alike:
        but = {*kept, *inside, "trainable"}  # of which `compare_trainable` tells
        but |= {"name"} if owner or _automatic(layer) else set()
        changes = config_differences(layer, back, but, again=owner is None)
        _add(found, owner or layer, "", changes, within)
        lost = own and bool(changes)
    for name, value in kept.items():
        other = getattr(back, name, None)
        if changes := object_differences(value, other):
            if owner and (lost or not own):
                _add(found, owner, "", [change(name, value, other)], within)
            else:
                _add(found, layer, name, changes)
    if not alike:
        return
    if own and not (lost and owner):
        _add(found, layer, "", attribute_differences(layer, back, set(kept)))
        if not owner:
            _add(found, layer, "", _base_differences(layer, back))
    owner = owner or (layer if own else None)
    copies = parts(back)
    for attribute, theirs in inside.items():
        others = copies.get(attribute, [])
        if len(theirs) != len(others):
            if attribute == "layers" or not assigned_later(layer, attribute):
                text = f"{attribute} has {len(theirs)} layers and comes back with {len(others)}"
                _add(found, owner or layer, "", [text], within)
            continue
        for child, other in zip(theirs, others, strict=True):
            path = f"{within}{child.name}." if owner else ""
            compare(child, other, found, seen, owner, path)


def _base_differences(layer: Any, back: Any) -> list[str]:
    """What every layer takes, and a config without that of the base class forgets."""
    pairs = {
        "name": (layer.name, back.name),
        "dtype": (layer.dtype_policy.name, back.dtype_policy.name),
    }
    return [
        f"{field}={value!r} becomes {other!r}"
        for field, (value, other) in pairs.items()
        if value != other and not (field == "name" and _automatic(layer))
    ]


def _automatic(layer: Any) -> bool:
    """Whether the layer's name is one that Keras gives, which is another each time."""
    return bool(re.fullmatch(rf"{snake_case(type(layer).__name__)}(_\d+)?", layer.name))


def compare_weights(layer: Any, back: Any, found: Changes, seen: set[int]) -> None:
    """Note the layers whose own weights are otherwise in a copy.

    A layer that two others share may be two in the copy, for only a whole file says so.
    """
    if id(layer) in seen or _shapes(layer) == _shapes(back):
        return
    seen.add(id(layer))
    here, there = _own_shapes(layer), _own_shapes(back)
    if len(here) != len(there):
        text = f"it has {len(here)} weights and is built with {len(there)} when it comes back"
        _add(found, layer, "", [text])
    elif here != there:
        _add(found, layer, "", ["its weights come back with other shapes"])
    copies = parts(back)
    for attribute, theirs in parts(layer).items():
        for child, other in zip(theirs, copies.get(attribute, []), strict=False):
            compare_weights(child, other, found, seen)


def compare_trainable(
    layer: Any, back: Any, found: Changes, seen: set[int], owner: Any = None, within: str = ""
) -> None:
    """Note what is frozen in one of a layer and its copy only.

    `owner` is the outermost layer around it of which a file holds nothing but a config.
    """
    if id(layer) in seen:
        return
    seen.add(id(layer))
    pairs = [
        pair
        for attribute, theirs in parts(layer).items()
        for pair in zip(theirs, parts(back).get(attribute, []), strict=False)
    ]
    of_keras = is_keras(type(layer))
    if of_keras and isinstance(layer, keras.Model):
        # It tells its layers, and each of them says it of itself in the file.
        matters = bool(layer.trainable_weights) != bool(back.trainable_weights)
        held = owner
    else:
        matters = not of_keras or bool(layer.weights) or not layer.built
        held = owner or layer
    texts = []
    if layer.trainable != back.trainable:
        if matters:
            texts = [change(f"{within}trainable", layer.trainable, back.trainable)]
    elif len(own := _own_weights(layer)) == len(others := _own_weights(back)):
        texts = [
            change(f"{within}{weight.name}.trainable", weight.trainable, other.trainable)
            for weight, other in zip(own, others, strict=True)
            if weight.trainable != other.trainable
        ]
    _add(found, owner or layer, "", texts)
    for child, other in pairs:
        path = f"{within}{child.name}." if held else ""
        compare_trainable(child, other, found, seen, held, path)


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _own_shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in _own_weights(layer)]


def _own_weights(layer: Any) -> list[keras.Variable]:
    """The weights that no layer inside has."""
    inside = {id(weight) for child in children(layer) for weight in child.weights}
    return [weight for weight in layer.weights if id(weight) not in inside]


def _add(found: Changes, layer: Any, argument: str, changes: list[str], prefix: str = "") -> None:
    if changes:
        known = found.setdefault((id(layer), argument), [])
        known += [f"{prefix}{change}" for change in changes]


def different(changes: list[str]) -> str:
    """One reason of all the changes: first what is a sentence by itself, then the fields."""
    sentences = [text for text in changes if text.startswith(("it ", "its ", "what "))]
    fields = [text for text in changes if text not in sentences]
    if fields:
        shown = ", ".join(fields[:_SHOWN])
        more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
        sentences.append(f"it comes back different: {shown}{more}")
    return "; ".join(sentences)
