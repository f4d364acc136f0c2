"""A layer built once more, with an `add_weight` that takes notes."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import keras
import numpy as np

from keras_inits.host import is_keras, unchanged_python_random
from keras_inits.host.hooks import weights_made_by

_STAYS = "computed by its layer while it was built; left as it was"
_REPLACED = (
    "its layer keeps the variable where its start was: that is known no more; left as it was"
)
_POSITIONAL = ("shape", "initializer", "dtype", "trainable")


@dataclass(frozen=True)
class Computed:
    """Stands for the initializer of a variable whose value the layer assigned while it was built."""

    value: np.ndarray


@dataclass(frozen=True, eq=False)
class Made:
    """One call of `add_weight`: its arguments, and what it returned in the stand-in build."""

    layer: keras.Layer
    name: str | None
    shape: tuple[int, ...]
    initializer: Any
    variable: Any
    reason: str = ""


def rebuild(layer: keras.Layer) -> tuple[list[Made], Exception | None]:
    """The `add_weight` calls that a copy of `layer` makes for itself, and what ended them early."""
    copied, made, error = _rebuilt(layer)
    return [m for m in made if m.layer is copied], error


def assigned_inside(layer: keras.Layer, inside: list[Any]) -> dict[int, tuple[Any, str]]:
    """Of the variables of layers `inside` of a layer those to which its own build assigned a value.

    By the variable's id, as `recover` gives them. Keras's own layers assign nothing.
    """
    builds = isinstance(layer, keras.Model) and hasattr(layer, "inputs")
    if is_keras(layer) or (builds and layer.inputs):
        return {}  # the graph of a functional model was written outside of it
    copied, made, _ = _rebuilt(layer)
    if copied is None:
        return {}
    judged = {id(m.variable): (m.initializer, m.reason) for m in made}
    theirs = [v for v in copied.variables if id(v) in judged]
    mine = {id(v) for v in inside}
    pairs = list(zip(layer.variables, copied.variables, strict=False))
    if len(copied.variables) != len(layer.variables) or not theirs:
        return {}
    return {
        id(v): judged[id(other)]
        for v, other in pairs
        if id(v) in mine
        and tuple(v.shape) == tuple(other.shape)
        and id(other) in judged
        and (judged[id(other)][1] or isinstance(judged[id(other)][0], Computed))
    }


def _rebuilt(layer: keras.Layer) -> tuple[keras.Layer | None, list[Made], Exception | None]:
    """A copy of the layer, built as it was, the calls of `add_weight`, and what ended them early.

    Where the build assigned to a variable, its record says so; of another one the copy is symbolic.
    """
    with unchanged_python_random():
        plain = _judged_build(layer, {})
        instead = {} if plain[2] is None else _made_into_layers(layer)
        if not instead:
            return plain
        mended = _judged_build(layer, instead)
        alike = mended[0] is not None and _made_into_layers(mended[0]) == instead
        return mended if mended[2] is None and alike else plain


def _judged_build(
    layer: keras.Layer, instead: dict[str, Any]
) -> tuple[keras.Layer | None, list[Made], Exception | None]:
    copied, made, error = _rebuild(layer, instead, _symbolic)
    if error is None:
        return copied, made, None
    # A build that computes with its variables, or assigns to them, needs real ones.
    copied, made, error = _rebuild(layer, instead, _filled("zeros"))
    _, others, _ = _rebuild(layer, instead, _filled("ones"))
    judged = [_judged(*pair) for pair in zip_longest(made, others[: len(made)])]
    return copied, judged, error


def _made_into_layers(layer: keras.Layer) -> dict[str, Any]:
    """Arguments of which the layer keeps no more than a layer that was made of them.

    After `self.dropout = Dropout(dropout)`, also as `dropout_layer`, the argument is that layer's rate.
    """
    found = {}
    for name in (p.name for p in _named(type(layer))):
        for attribute in (name, f"{name}_layer"):
            with suppress(Exception):
                kept = getattr(layer, attribute)
                if isinstance(kept, keras.layers.Dropout):
                    found[name] = kept.rate
                elif isinstance(kept, keras.layers.Activation):
                    found[name] = kept.activation
    return found


def _named(cls: type) -> list[inspect.Parameter]:
    """The parameters of a constructor that have a name."""
    parameters = inspect.signature(cls).parameters.values()
    return [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _judged(made: Made, other: Made | None) -> Made:
    """Whether the build assigned a value, told from two builds whose variables begin differently."""
    if made.reason:
        return made
    zeros = keras.ops.convert_to_numpy(made.variable)
    if other is None or other.shape != made.shape:
        return replace(made, initializer=None, reason=_STAYS) if zeros.any() else made
    ones = keras.ops.convert_to_numpy(other.variable)
    if not zeros.any() and (ones == 1).all():
        return made
    if np.array_equal(zeros, ones):
        return replace(made, initializer=Computed(zeros))
    return replace(made, initializer=None, reason=_STAYS)


def _rebuild(
    layer: keras.Layer, instead: dict[str, Any], stand_in: Callable[..., Any]
) -> tuple[keras.Layer | None, list[Made], Exception | None]:
    made: list[Made] = []

    def add_weight(self: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        call = arguments(self, args, kwargs)
        variable = stand_in(original, self, call)
        made.append(_noted(self, call, variable))
        return variable

    copied = None
    with weights_made_by(add_weight) as original, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what cannot be rebuilt, which is told otherwise
        try:
            copied = _copy(layer, instead)
            config = layer.get_build_config()
            if config and not copied.built:
                copied.build_from_config(config)
        except Exception as error:
            return copied, made, error
    return copied, made, None


def _noted(layer: keras.Layer, call: dict[str, Any], variable: Any) -> Made:
    """The call; `self.scale = self.add_weight(initializer=Constant(self.scale))` lost what was constant."""
    initializer = call["initializer"]
    held = getattr(initializer, "__dict__", {}).values()
    lost = any(isinstance(value, keras.Variable) for value in held)
    made = Made(layer, call.get("name"), call["shape"], initializer, variable)
    return replace(made, initializer=None, reason=_REPLACED) if lost else made


def _copy(layer: keras.Layer, instead: dict[str, Any]) -> keras.Layer:
    cls = type(layer)
    named = _named(cls)
    kept, config = {}, {}
    for p in named:
        with suppress(Exception):  # `input` of a layer that was never called, say
            kept[p.name] = getattr(layer, p.name)  # arguments may be kept under their own names
    kept |= instead
    try:
        config = layer.get_config() | instead
        plain = {k: v for k, v in kept.items() if isinstance(v, (int, float, str))}
        if plain.keys() - config.keys():
            with suppress(Exception):
                return cls.from_config({**plain, **config})
        return cls.from_config(config)
    except Exception:
        # A subclass without a config of its own, or whose constructor does not take Keras's fields.
        kept |= {p.name: config[p.name] for p in named if p.name in config}
        if any(p.default is p.empty and p.name not in kept for p in named):
            raise
        return cls(**kept)


def arguments(layer: keras.Layer, args: Any, kwargs: Any) -> dict[str, Any]:
    """What `layer.add_weight(*args, **kwargs)` makes a variable of, by name."""
    call = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
    call["shape"] = tuple(call.get("shape") or ())
    call["dtype"] = keras.backend.standardize_dtype(call.get("dtype") or layer.variable_dtype)
    default = "glorot_uniform" if "float" in call["dtype"] else "zeros"
    given = call.get("initializer")
    call["initializer"] = keras.initializers.get(default if given is None else given)
    return call


def _symbolic(original: Callable[..., Any], layer: keras.Layer, call: dict[str, Any]) -> Any:
    return keras.KerasTensor(call["shape"], dtype=call["dtype"])


def _filled(initializer: str) -> Callable[..., Any]:
    def stand_in(original: Callable[..., Any], layer: keras.Layer, call: dict[str, Any]) -> Any:
        known = {key: call[key] for key in ("shape", "dtype", "name", "trainable") if key in call}
        return original(layer, **known, initializer=initializer)

    return stand_in
