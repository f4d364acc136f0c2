"""Which initializer made a layer's variables: a built Keras variable does not remember it."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import keras

from keras_inits.fans import einsum_axes
from keras_inits.host import is_keras
from keras_inits.models.variables.rebuild import Made, rebuild
from keras_inits.models.variables.waiting import remembered
from keras_inits.schemes.recurrent import ForgetGateBias

# Variables whose initializer's attribute is not `<variable>_initializer`.
_ATTRIBUTES = {
    "recurrent_kernel": ("recurrent_initializer",),
    "depthwise_kernel": ("depthwise_initializer",),
    "pointwise_kernel": ("pointwise_initializer",),
    "reverse_embeddings": ("embeddings_initializer",),
    "kernel": ("kernel_initializer", "depthwise_initializer"),
}


def recover(layer: keras.Layer, variables: list[Any]) -> list[tuple[Any, str]]:
    """For each of the layer's own variables (initializer, ""), or (None, why it is not known).

    Keras's own layers keep the initializer in an attribute. Any other layer, and a variable
    without such an attribute, is found by building the layer once more from its config with an
    `add_weight` that takes notes and allocates nothing; an attribute is the last resort. Values that
    the layer assigned in its build, a table of positions say, are `Computed` again as they were.
    Those of a quantized layer follow from weights that are gone: no initializer draws them.
    """
    if mode := quantization(layer):
        return [(None, f"quantized to {mode}; left as it was")] * len(variables)
    found = [_known(_unit_forget_bias(layer, v)) for v in variables]
    if is_keras(layer):
        found = [
            f or _known(from_attribute(layer, v)) for f, v in zip(found, variables, strict=True)
        ]
    if None not in found:
        return found  # type: ignore[return-value]
    made, error = rebuild(layer)
    reason = "not created by add_weight, so it has no initializer"
    if error is not None:
        reason = f"{type(layer).__name__} cannot be rebuilt from its config: {_first_line(error)}"
    for i, variable in enumerate(variables):
        if found[i] is None:
            record = _take(made, variable)
            if record is not None:
                found[i] = (record.initializer, record.reason)
            else:
                own = from_attribute(layer, variable)
                found[i] = _known(remembered(variable) if own is None else own)
            if found[i] is None:
                found[i] = (None, _other_shape(layer, made, variable) or reason)
    return found  # type: ignore[return-value]


def quantization(layer: keras.Layer) -> str | None:
    """What the layer is quantized to, if it is."""
    return getattr(layer, "quantization_mode", None)


def from_attribute(layer: keras.Layer, variable: Any) -> Any:
    """The initializer that the layer keeps for a variable of this name, or None."""
    if "float" not in str(variable.dtype):  # integers are not what the initializer draws
        return None
    for attribute in attributes(variable.name):
        initializer = getattr(layer, attribute, None)
        if callable(initializer):
            return _with_axes(layer, initializer)
    return None


def _with_axes(layer: keras.Layer, initializer: Any) -> Any:
    # EinsumDense (since Keras 3.15 any, before by our own doing) builds with a copy that knows the
    # axes of its kernel, and keeps the original.
    if not isinstance(layer, keras.layers.EinsumDense):
        return initializer
    if getattr(initializer, "input_axes", "unknown") is not None:
        return initializer
    initializer = copy.copy(initializer)
    initializer.input_axes, initializer.output_axes = einsum_axes(layer.equation)
    return initializer


def _unit_forget_bias(layer: keras.Layer, variable: Any) -> Any:
    # Keras gives add_weight a local function that puts ones between two draws.
    if variable.name != "bias" or not getattr(layer, "unit_forget_bias", False):
        return None
    own: Any = layer.bias_initializer
    return own if getattr(own, "gate_bias", False) else ForgetGateBias(1.0, own)


def attributes(name: str) -> tuple[str, ...]:
    """The attributes that may hold the initializer of a variable of this name."""
    return _ATTRIBUTES.get(name, (f"{name}_initializer",))


def _take(made: list[Made], variable: Any) -> Made | None:
    """The first call that fits the variable; the call is used up."""
    fitting = [m for m in made if m.shape == tuple(variable.shape)]
    named = [m for m in fitting if m.name == variable.name]
    unnamed = [m for m in fitting if m.name is None]
    for record in (*named, *unnamed)[:1]:
        made.remove(record)
        return record
    return None


def _other_shape(layer: keras.Layer, made: list[Made], variable: Any) -> str:
    """That the layer makes the variable otherwise when its config is all that it is told."""
    shapes = [m.shape for m in made if m.name == variable.name]
    told = f"{type(layer).__name__}, rebuilt from its config, makes it of shape"
    return f"{told} {shapes[0]}: the config lacks an argument" if shapes else ""


def _known(initializer: Any) -> tuple[Any, str] | None:
    return None if initializer is None else (initializer, "")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:200]


def is_unbuilt(layer: keras.Layer) -> bool:
    """Whether a layer has a build of its own, which a call has yet to run."""
    return not layer.built and type(layer).build is not keras.layers.Layer.build


def sublayers(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that `layer` holds in its attributes, directly or in containers, each once."""
    found: dict[int, keras.Layer] = {}
    _collect(vars(layer).values(), found, depth=0)
    found.pop(id(layer), None)
    return list(found.values())


def _collect(values: Iterable[Any], found: dict[int, keras.Layer], depth: int) -> None:
    for value in list(values):
        kind = _kind(value.__class__)  # TensorFlow's wrapper of a dict has the dict's class
        if kind is None:
            continue
        if kind is keras.layers.Layer:
            found.setdefault(id(value), value)
        elif depth < 4 and value:
            _collect(value.values() if kind is dict else value, found, depth + 1)


@lru_cache(1024)
def _kind(cls: type) -> type | None:
    """What of `sublayers` an object of this class is: most attributes are of a few classes."""
    for kind in (keras.layers.Layer, dict, list, tuple, set):
        if issubclass(cls, kind):
            return kind
    return None
