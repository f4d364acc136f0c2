"""Every layer of a model, with or without variables, and its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.models.variables.origin import sublayers
from keras_inits.models.variables.walk import children, renumbered, stem


@dataclass(frozen=True)
class Place:
    """A layer, its path in the model, as in `walk`, and the layers around it, outermost first."""

    layer: Any
    path: str
    around: tuple[Any, ...]


def places(model: Any) -> list[Place]:
    """All layers inside of `model` and the model itself, each once, parents first."""
    found: dict[int, Place] = {}
    _visit(model, (), (), found)
    return list(found.values())


def _visit(
    layer: Any, around: tuple[Any, ...], names: tuple[str, ...], found: dict[int, Place]
) -> None:
    if id(layer) in found:
        return
    found[id(layer)] = Place(layer, "/".join(names) or layer.name, around)
    nested = sublayers(layer)
    if not nested and not isinstance(layer, keras.Model):  # most layers hold no others
        return
    # The graph that a Sequential makes of its layers holds the same variables.
    inside = [child for child, _ in children(layer, layer.variables, nested)]
    listed = list(layer.layers) if isinstance(layer, keras.Model) else []
    chosen = {id(child): child for child in inside}
    empty = {id(c): c for c in (*listed, *nested) if id(c) not in chosen and not c.variables}
    if isinstance(layer, keras.Sequential):
        empty = {key: c for key, c in empty.items() if not isinstance(c, keras.Model)}
    ordered = [*chosen.values(), *empty.values()]
    segments = renumbered((child.name, stem(child)) for child in ordered)
    for child, segment in zip(ordered, segments, strict=True):
        _visit(child, (*around, layer), (*names, segment), found)
