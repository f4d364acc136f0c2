"""What of a Keras object is otherwise in the copy that was made from its config."""

from __future__ import annotations

import dis
import functools
import inspect
import json
import math
import reprlib
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_inits.host import is_keras, is_of_keras_packages
from keras_inits.models.saving.copies import NotSavedError, saved_config

_MISSING = object()
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def config_differences(
    thing: Any, back: Any, but: Collection[str] = (), *, again: bool = True
) -> list[str]:
    """The fields of the config that changed, those in `but` aside.

    `again` says whether the copy must have a config too: that of a layer inside is not asked for.
    """
    if type(back) is not type(thing):
        return [f"it comes back as {_short(back)}"]
    try:
        before = saved_config(thing)
    except NotSavedError:
        return []  # nobody asks it, or the reason has been told
    try:
        after = saved_config(back)
    except NotSavedError as error:
        return [f"what comes back cannot be saved again: {error}"] if again else []
    return [
        change(key, before.get(key, _MISSING), after.get(key, _MISSING))
        for key in dict.fromkeys((*before, *after))
        if key not in but and json.dumps(before.get(key)) != json.dumps(after.get(key))
    ]


def attribute_differences(thing: Any, back: Any, but: Collection[str] = ()) -> list[str]:
    """The attributes that the constructor gave the object and its copy has otherwise.

    What another method assigns is state, and differs as of right, unless it is an argument's name.
    Layers and variables are left out. JSON makes lists of tuples: that is told of what a user's
    class assigns, for those of Keras and its packages take either.
    """
    cls: type = type(thing)
    parameters, state, own = _parameters(cls), _assigned(cls, later=True), _assigned(cls)
    found, copied = [], attributes(back)
    for name, value in attributes(thing).items():
        if name in bare_names() or name in but or name.strip("_") == "seed":
            continue  # Keras draws a seed for what was given none
        if name.strip("_") not in parameters and name in state:
            continue
        if isinstance(value, np.ndarray) and cls.__module__.startswith("keras_inits."):
            continue  # FromArray's, which come back with the weights
        if isinstance(value, keras.callbacks.Callback):
            continue  # the history of `fit`, which it leaves in the model
        other = copied.get(name, _MISSING)
        if same(value, other, strict=name in own):
            continue
        if name == name.strip("_") or name in own or not _of_same_keys(value, other):
            found.append(change(name, value, other))
        else:  # keyword arguments, kept by a class of Keras's
            found += [
                change(key, value[key], other[key])
                for key in value
                if not same(value[key], other[key])
            ]
    return found


def _of_same_keys(value: Any, other: Any) -> bool:
    return isinstance(value, dict) and isinstance(other, dict) and value.keys() == other.keys()


def object_differences(thing: Any, back: Any) -> list[str]:
    """Those of an initializer, a loss or the like, which has no layers inside."""
    if type(back) is not type(thing) or not hasattr(thing, "get_config"):
        return [] if same(thing, back) else [f"it comes back as {_short(back)}"]
    return config_differences(thing, back) or attribute_differences(thing, back)


def same(a: Any, b: Any, *, strict: bool = False) -> bool:
    """Whether two values are alike, as far as a config can make them; layers are by their class.

    A list counts as the tuple of its items unless `strict`.
    """
    a, b = (value.item() if isinstance(value, np.generic) else value for value in (a, b))
    if a is b:
        return True
    if isinstance(a, _PLAIN) or isinstance(b, _PLAIN):
        both_nan = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
        return both_nan or (isinstance(a, _PLAIN) and isinstance(b, _PLAIN) and a == b)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        alike = len(a) == len(b) and not (strict and isinstance(a, tuple) != isinstance(b, tuple))
        return alike and all(same(*pair, strict=strict) for pair in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(
            same(value, b[key], strict=strict) for key, value in a.items()
        )
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(np.all((a == b) | ((a != a) & (b != b))))
    if isinstance(a, types.FunctionType) and isinstance(b, types.FunctionType):
        cells = [[cell.cell_contents for cell in function.__closure__ or ()] for function in (a, b)]
        return a.__code__ is b.__code__ and same(*cells)
    if isinstance(a, keras.DTypePolicy) and isinstance(b, keras.DTypePolicy):
        return bool(a.name == b.name)
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return same((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))
    if type(a) is not type(b):
        return False
    if hasattr(a, "get_config") and not isinstance(
        a, (keras.layers.Layer, keras.random.SeedGenerator)
    ):
        return not object_differences(a, b)
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b)
    return True


def parts(layer: keras.layers.Layer) -> dict[str, list[keras.layers.Layer]]:
    """The layers in each attribute, directly or in containers; those of a model as `layers`."""
    found = {}
    # A Sequential holds a functional model of the same layers.
    if isinstance(layer, keras.Model) and is_keras(type(layer)):
        return {"layers": list(layer.layers)}
    for name, value in attributes(layer).items():
        if name not in bare_names() and (inside := list(_layers(value))):
            found[name] = inside
    if isinstance(layer, keras.Model):
        found["layers"] = list(layer.layers)
    return found


def attributes(thing: Any) -> dict[str, Any]:
    """What an object keeps; on torch a layer is a module, which keeps layers in a place apart."""
    modules = thing.named_children() if hasattr(thing, "named_children") else ()
    return {**vars(thing), **dict(modules)}


def assigned_later(layer: keras.layers.Layer, attribute: str) -> bool:
    """Whether a method other than the constructor and `build` assigns the attribute."""
    cls: type = type(layer)
    return attribute in _assigned(cls, later=True)


def _layers(value: Any, depth: int = 0) -> Iterator[keras.layers.Layer]:
    if isinstance(value, keras.layers.Layer):
        yield value
    elif depth < 4 and isinstance(value, (list, tuple, set, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _layers(item, depth + 1)


@functools.cache
def bare_names() -> frozenset[str]:
    """What Keras itself keeps in every layer, model and metric."""
    x = keras.Input((1,))
    y = keras.layers.Identity()(x)
    bare = (keras.layers.Layer(), keras.Model(), keras.Sequential(), keras.Model(x, y))
    bare[-1].compile()
    names = {name for layer in bare for name in attributes(layer)}
    return frozenset(names | set(vars(keras.Metric())))


@functools.cache
def _parameters(cls: type) -> frozenset[str]:
    """The arguments of the constructors of a class and of its bases that are not Keras's."""
    found: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base) and (base is cls or not is_keras(base)) and base is not object:
            found |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return frozenset(found - {"self", "args", "kwargs"})


@functools.cache
def _assigned(cls: type, *, later: bool = False) -> frozenset[str]:
    """What constructor and `build` of a user's classes assign, or all other methods (`later`).

    Those of Keras's models and metrics count, too: training them leaves state in attributes.
    """
    found: set[str] = set()
    for base in cls.__mro__:
        trained = base in keras.Model.__mro__ or issubclass(base, keras.Metric)
        known = is_keras(base) and not trained if later else is_of_keras_packages(base)
        if base is object or known:
            continue
        for name, member in vars(base).items():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            function = inspect.unwrap(function) if callable(function) else function
            first = name in ("__init__", "build")
            if first is not later and isinstance(function, types.FunctionType):
                instructions = dis.get_instructions(function)
                found |= {i.argval for i in instructions if i.opname == "STORE_ATTR"}
    return frozenset(found)


def change(name: str, value: Any, other: Any) -> str:
    """What became of a field, in a few words."""
    if other is _MISSING:
        return f"{name}={_short(value)} is lost"
    if value is _MISSING:
        return f"{name}={_short(other)} is new"
    return f"{name}={_short(value)} becomes {_short(other)}"


def _short(value: Any) -> str:
    """A value in a few words: functions and objects by their names."""
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        inner = value.get("config")
        if value["class_name"] == "DTypePolicy" and isinstance(inner, dict):
            return repr(inner.get("name"))
        return f"the config of a {value['class_name']}"
    if isinstance(value, keras.DTypePolicy):
        return repr(value.name)
    if hasattr(value, "get_config") or isinstance(value, keras.layers.Layer):
        return type(value).__name__
    return getattr(value, "__name__", None) or reprlib.repr(value)
