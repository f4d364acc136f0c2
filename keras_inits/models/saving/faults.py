"""Which parts of a model do not come back from its file, and why."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import keras

from keras_inits.configs import is_object, nodes, outermost
from keras_inits.models.saving.copies import (
    NotSavedError,
    first_line,
    from_config,
    is_keras,
    rebuilt,
    serialized,
)
from keras_inits.models.saving.differences import (
    assigned_later,
    attribute_differences,
    bare_names,
    config_differences,
    object_differences,
    parts,
)
from keras_inits.registry import snake_case

#: Reasons by the layer (its id) and the argument in which they are, "" for the layer itself.
Faults = dict[tuple[int, str], str]

_SHOWN = 3  # differences that a reason names
# What a layer made by another's constructor may have otherwise: names are given anew, and a model
# that is told to be trainable tells it to all that is inside.
_FREE = ("name", "trainable")


def faults(model: keras.layers.Layer) -> Faults:
    """Make the whole of the model once more and compare; where that fails, find out what fails."""
    found: Faults = {}
    try:
        back = rebuilt(model)
    except NotSavedError:
        _locate(model, found, {})
    else:
        _compare(model, back, found, set())
        if model.built:
            _compare_weights(model, back, found, set())
    return found


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


def _locate(layer: keras.layers.Layer, found: Faults, failing: dict[int, bool]) -> bool:
    """Whether the layer fails; the reason is kept with the innermost part that does."""
    if id(layer) in failing:
        return failing[id(layer)]
    failing[id(layer)] = False  # while it is looked at, for a layer that holds itself
    before = dict(found)
    inside = [_locate(child, found, failing) for child in _saved_children(layer)]
    for name, value in _saved_arguments(layer):
        try:
            back = rebuilt(value)
        except NotSavedError as error:
            found[id(layer), name] = str(error)
            inside.append(True)
        else:
            if changes := object_differences(value, back):
                found[id(layer), name] = _different(changes)
    if not any(inside):
        try:
            back = rebuilt(layer)
        except NotSavedError as error:
            found[id(layer), ""] = str(error)
            inside = [True]
        else:
            # Compared once more with what is around it, which may lose more.
            found.clear()
            found.update(before)
            _compare(layer, back, found, set())
    failing[id(layer)] = any(inside)
    return failing[id(layer)]


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
    held = {id(value) for value in config.values()}
    return [child for child in inside if id(child) in held or child.name in saved]


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


def _compare(
    layer: Any,
    back: Any,
    found: Faults,
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
        but = {*kept, *inside, *(_FREE if owner else ())}
        changes = config_differences(layer, back, but, again=owner is None)
        _add(found, owner or layer, "", changes, within)
        lost = own and bool(changes)
    for name, value in kept.items():
        if changes := object_differences(value, getattr(back, name, None)):
            if owner and (lost or not own):
                _add(found, owner, "", changes, f"{within}{name}.")
            else:
                _add(found, layer, name, changes, "")
    if not alike:
        return
    if own and not (lost and owner):
        _add(found, layer, "", attribute_differences(layer, back, set(kept)), "")
        if not owner:
            _add(found, layer, "", _base_differences(layer, back), "")
    owner = owner or (layer if own else None)
    copies = parts(back)
    for attribute, held in inside.items():
        others = copies.get(attribute, [])
        if len(held) != len(others):
            if attribute == "layers" or not assigned_later(layer, attribute):
                text = f"{attribute} has {len(held)} layers and comes back with {len(others)}"
                _add(found, owner or layer, "", [text], within)
            continue
        for child, other in zip(held, others, strict=True):
            path = f"{within}{child.name}." if owner else ""
            _compare(child, other, found, seen, owner, path)


def _base_differences(layer: Any, back: Any) -> list[str]:
    """What every layer takes, and a config without that of the base class forgets."""
    pairs = {
        "name": (layer.name, back.name),
        "trainable": (layer.trainable, back.trainable),
        "dtype": (layer.dtype_policy.name, back.dtype_policy.name),
    }
    automatic = re.fullmatch(rf"{snake_case(type(layer).__name__)}(_\d+)?", layer.name)
    return [
        f"{field}={value!r} becomes {other!r}"
        for field, (value, other) in pairs.items()
        if value != other and not (field == "name" and automatic)
    ]


def _compare_weights(layer: Any, back: Any, found: Faults, seen: set[int]) -> bool:
    """Whether weights are otherwise in a copy, which is noted with the innermost layer."""
    if id(layer) in seen or _shapes(layer) == _shapes(back):
        return False
    seen.add(id(layer))
    copies = parts(back)
    inside = [
        _compare_weights(child, other, found, seen)
        for name, held in parts(layer).items()
        for child, other in zip(held, copies.get(name, []), strict=False)
    ]
    if any(inside):
        return True
    here, there = len(_shapes(layer)), len(_shapes(back))
    text = "its weights come back with other shapes"
    if here != there:
        text = f"it has {here} weights and is built with {there} when it comes back"
    _add(found, layer, "", [text], "")
    return True


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _add(found: Faults, layer: Any, argument: str, changes: list[str], prefix: str) -> None:
    if not changes:
        return
    key = id(layer), argument
    text = _different([f"{prefix}{change}" for change in changes])
    found[key] = f"{found[key]}; {text}" if key in found else text


def _different(changes: list[str]) -> str:
    if changes[0].startswith(("it ", "its ", "what ")):
        return changes[0]
    shown = ", ".join(changes[:_SHOWN])
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"it comes back different: {shown}{more}"


def compiled_faults(model: Any) -> Iterator[tuple[str, str, str]]:
    """(argument, name, reason or "") of the optimizer, loss and metrics of a compiled model."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = model.get_compile_config() or {}
    except Exception as error:
        yield "compile", "", f"its config cannot be saved: {first_line(error)}"
        return
    for argument in ("optimizer", "loss", "metrics", "weighted_metrics"):
        for node in outermost(config.get(argument)):
            inner = node["config"]
            name = inner if isinstance(inner, str) else node["class_name"]
            given = getattr(model, argument, None) if argument in ("optimizer", "loss") else None
            yield argument, name, _node_fault(node, given)


def _node_fault(node: dict[str, Any], given: Any) -> str:
    """Why an object would not come back from its config, or different from the one given."""
    try:
        back = from_config(json.loads(json.dumps(node)))
    except NotSavedError as error:
        return str(error)
    except Exception as error:
        return f"its config is not JSON: {first_line(error)}"
    # Keras may have wrapped what the model was given: only a like object can be compared.
    changes = object_differences(given, back) if type(given) is type(back) else []
    return _different(changes) if changes else ""
