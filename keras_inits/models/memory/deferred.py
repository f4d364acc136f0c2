"""Models built without drawing: the weights come from a file or from `initialize`."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from keras_inits.backend import memory
from keras_inits.host import hooks
from keras_inits.models.variables.rebuild import arguments
from keras_inits.models.variables.waiting import deferring, is_waiting, wait
from keras_inits.models.variables.walk import walk
from keras_inits.schemes.constant import Zero
from keras_inits.streams.block import Index
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.placement import place

_warned: weakref.WeakSet[keras.Model] = weakref.WeakSet()


@contextmanager
def deferred() -> Iterator[None]:
    """Within it, layers of this thread get weights that are not drawn.

    Every weight that a layer makes by `add_weight` is zero, in memory that the system hands out when
    it is first written to: building costs neither the draws nor the memory of the weights, whatever
    the initializers. They are remembered: `initialize(model, seed=...)` draws what it draws for a
    model built without. Files are loaded as always. Around `keras.models.load_model`, and around
    the constructors and `from_preset` of other libraries, it saves the draws that the file overwrites.

    A weight that is neither drawn nor loaded later is found: by `deferred_variables`, by
    `initialize(model, only_missing=True)`, which draws it, and by a warning when the model is first
    trained, run by `predict` or saved. Functions that give a model its values, as `initialize` and
    `lsuv`, are an error within the context.

    Example:
        >>> from keras_inits import initialize
        >>> with deferred():
        ...     model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> [variable.name for variable in deferred_variables(model)]
        ['kernel']
        >>> report = initialize(model, seed=0)
        >>> deferred_variables(model)
        []
    """
    hooks.before_use(_warn)

    def add_weight(layer: Any, *args: Any, **kwargs: Any) -> Any:
        initializer = arguments(layer, args, kwargs)["initializer"]
        if len(args) > 1:
            args = (args[0], _zeros, *args[2:])
        else:
            kwargs["initializer"] = _zeros
        variable = original(layer, *args, **kwargs)
        if not isinstance(initializer, (keras.initializers.Zeros, Zero)):
            wait(variable, initializer)
        return variable

    with deferring(), hooks.weights_made_by(add_weight) as original:
        yield


def deferred_variables(model: keras.Model) -> list[keras.Variable]:
    """The variables of a model built under `deferred` that were neither drawn nor loaded since.

    Args:
        model: A built Keras model.

    Returns:
        Keras variables, in the order in which the layers are built.

    Raises:
        ValueError, TypeError: It is no Keras model or not built.
    """
    found = walk(model, "deferred_variables")
    return [slot.variable for slot in found if is_waiting(slot.variable)]


def _zeros(shape: tuple[int, ...], dtype: Any = None, layout: Any = None) -> Any:
    def fill(index: Index) -> Any:
        sizes = shape if index is None else [part.stop - part.start for part in index]
        return memory.aligned(sizes, numpy_dtype(keras.backend.standardize_dtype(dtype)), np.zeros)

    return place("deferred", fill, tuple(shape), layout)


def _warn(model: keras.Model, use: str) -> None:
    if model in _warned:
        return
    missing = [variable for variable in model.variables if is_waiting(variable)]
    if missing:
        _warned.add(model)
        warnings.warn(
            f"{use}: {len(missing)} variables of {model.name!r}, the first of them "
            f"{missing[0].path!r}, were built under keras_inits.deferred() and are zero: neither "
            "drawn nor loaded. keras_inits.initialize(model, only_missing=True) draws them",
            stacklevel=3,
        )
