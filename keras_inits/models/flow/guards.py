"""A model held still while it is looked at: values at hand, attributes and variables put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np

from keras_inits.backend import memory

ops = keras.ops


@contextmanager
def shadow(layer: Any, **attributes: Any) -> Iterator[None]:
    """Attributes of this one object over those of its class; Keras's tracking takes no part."""
    own = vars(layer)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            own.pop(name, None)
        own.update(before)


@contextmanager
def saved(variables: Iterable[Any], touched: set[int]) -> Iterator[dict[int, tuple[Any, Any]]]:
    """Puts back every variable on an error, and those not in `touched` in any case."""
    values = {id(v): (v, memory.snapshot(v)) for v in variables}
    try:
        yield values
    except BaseException:
        touched.clear()
        raise
    finally:
        try:
            _put_back(value for key, value in values.items() if key not in touched)
        except BaseException:  # an interrupt at just this time: it undoes all, as at any other
            _put_back(values.values())
            raise
        finally:
            values.clear()  # who was given the dict may live in a cycle of references


def states(model: Any, variables: Iterable[Any]) -> list[Any]:
    """What a run in training mode may change: all but the trainable weights."""
    found = [*model.variables, *variables, *getattr(model, "metrics_variables", [])]
    return list({id(v): v for v in found if not v.trainable}.values())


def _put_back(values: Iterable[tuple[Any, Any]]) -> None:
    for variable, value in values:
        # What another thread trains meanwhile is deleted on JAX, and cannot be put back.
        if not memory.is_deleted(value):
            variable.assign(value)


def assign_in_call(variable: Any, value: Any) -> None:
    """Set a variable in its own dtype, also from within the call of a mixed-precision layer."""
    _uncast(variable.assign, value)


def read(variable: Any) -> np.ndarray:
    """A copy of a variable in float32 (or float64), also from within such a call."""
    value = _uncast(lambda: ops.convert_to_numpy(variable.value))
    return np.array(value, "float64" if value.dtype == np.float64 else "float32")


def _uncast(function: Callable[..., Any], *arguments: Any) -> Any:
    # In such a call each variable, its value and its dtype show themselves cast; an assignment is
    # rounded, and on torch lost in a copy. The cast is bound to the thread of the call. Another
    # thread takes torch milliseconds to prepare, so only where it is needed.
    if all(str(probe.dtype) == dtype for dtype, probe in _probes().items()):
        return function(*arguments)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


@cache
def _probes() -> dict[str, keras.Variable]:
    """Of any two dtypes one shows a cast."""
    return {
        dtype: keras.Variable(0.0, dtype=dtype, name="keras_inits_probe")
        for dtype in ("float16", "float32")
    }
