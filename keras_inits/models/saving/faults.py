"""Which parts of a model do not come back from its file, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_inits.configs import is_object, nodes
from keras_inits.host import is_keras
from keras_inits.models.saving.copies import NotSavedError, rebuilt, serialized
from keras_inits.models.saving.differences import object_differences
from keras_inits.models.saving.trees import (
    Changes,
    arguments,
    children,
    compare,
    compare_trainable,
    compare_weights,
    different,
)

#: Reasons by the layer (its id) and the argument in which they are, "" for the layer itself.
Faults = dict[tuple[int, str], str]


def faults(model: keras.layers.Layer) -> Faults:
    """Make the whole of the model once more and compare; where that fails, find out what fails."""
    failed: Faults = {}
    changes: Changes = {}
    try:
        back = rebuilt(model)
    except NotSavedError:
        _locate(model, failed, changes, {})
    else:
        compare(model, back, changes, set())
        if model.built and not changes:
            compare_weights(model, back, changes, set())
        compare_trainable(model, back, changes, set())
    return {key: different(texts) for key, texts in changes.items()} | failed


def _locate(
    layer: keras.layers.Layer, failed: Faults, changes: Changes, known: dict[int, bool]
) -> bool:
    """Whether the layer fails; the reason is kept with the innermost part that does."""
    if id(layer) in known:
        return known[id(layer)]
    known[id(layer)] = False  # while it is looked at, for a layer that holds itself
    before = dict(changes)
    fails = [_locate(child, failed, changes, known) for child in _saved_children(layer)]
    for name, value in _saved_arguments(layer):
        try:
            texts = object_differences(value, rebuilt(value))
        except NotSavedError as error:
            failed[id(layer), name] = str(error)
            fails.append(True)
        else:
            changes |= {(id(layer), name): texts} if texts else {}
    if not any(fails):
        try:
            back = rebuilt(layer)
        except NotSavedError as error:
            failed[id(layer), ""] = str(error)
            fails.append(True)
        else:
            # What is inside is compared once more: what is around it may lose more.
            changes.clear()
            changes.update(before)
            compare(layer, back, changes, set())
            compare_trainable(layer, back, changes, set())
    known[id(layer)] = any(fails)
    return known[id(layer)]


def _saved_children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers inside that are part of the layer's config: others its constructor makes."""
    inside = children(layer)
    if is_keras(type(layer)):
        return inside
    try:
        config = layer.get_config()
        saved = {node["config"].get("name") for node in nodes(serialized(layer)) if _is_named(node)}
    except Exception as error:
        return [child for child in inside if _fails_alike(child, error)]
    given = {id(value) for value in config.values()}
    return [child for child in inside if id(child) in given or child.name in saved]


def _is_named(node: dict[str, Any]) -> bool:
    return is_object(node) and isinstance(node["config"], dict)


def _fails_alike(layer: keras.layers.Layer, error: Exception) -> bool:
    try:
        layer.get_config()
        serialized(layer)
    except NotSavedError as own:
        return str(error) == str(own)
    except Exception as own:
        return str(error) == str(own)
    return False


def _saved_arguments(layer: keras.layers.Layer) -> Iterator[tuple[str, Any]]:
    try:
        config = layer.get_config()
    except Exception:
        config = None
    for name, value in arguments(layer):
        # A class of one's own may write something else about it, its name for one.
        if is_keras(type(layer)) or (
            config and not isinstance(config.get(name), (str, type(None)))
        ):
            yield name, value
