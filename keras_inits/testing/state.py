"""What a draw may not depend on, nor change: layouts, compilers, threads, global generators."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.backend.compiler import compiled as compiled_call
from keras_inits.testing.drawing import Check, array, draw, fixed, repeats, seeded

_THREADS = 16


def layouts(initializer: Any, shapes: Any) -> Iterator[str]:
    """A layout, where it takes one, changes no values."""
    if "layout" not in inspect.signature(initializer).parameters or backend.name() != "jax":
        return
    one = fixed(initializer)
    device = keras.distribution.list_devices()[:1]
    mesh = keras.distribution.DeviceMesh((1,), ["all"], device)
    for shape in shapes:
        layout = keras.distribution.TensorLayout([None] * len(shape), mesh)
        if repeats(one, shape) and not np.array_equal(
            array(one(shape, dtype="float32", layout=layout)), draw(one, shape)
        ):
            yield f"a layout changes the values of shape {shape}"


def compiled(initializer: Any, shapes: Any) -> Iterator[str]:
    """In `jax.jit` and `tf.function` it draws what it draws outside."""
    one = fixed(initializer)
    for shape in shapes:
        drawn = array(compiled_call(partial(one, shape, dtype="float32")))
        if drawn.shape != tuple(shape):
            yield f"compiled, shape {shape} comes back as {drawn.shape}"
        # A compiler may round products and sums together.
        elif repeats(one, shape) and not np.allclose(drawn, draw(one, shape), 1e-4, 1e-6):
            yield f"compiled, it draws other values of shape {shape}"


def threads(initializer: Any, shapes: Any) -> Iterator[str]:
    """16 threads draw from one object what one thread does; without a seed each draws anew."""
    one, anew = fixed(initializer), seeded(initializer, None)
    with ThreadPoolExecutor(_THREADS) as pool:
        for shape in shapes:
            if repeats(one, shape):
                expected = draw(one, shape)
                drawn = pool.map(partial(draw, one), [shape] * _THREADS)
                if not all(np.array_equal(expected, values) for values in drawn):
                    yield f"{_THREADS} threads draw other values of shape {shape} than one"
            if anew is not None and not repeats(anew, shape):
                drawn = pool.map(partial(draw, anew), [shape] * _THREADS)
                if len({values.tobytes() for values in drawn}) < _THREADS:
                    yield f"two of {_THREADS} threads draw the same values of shape {shape}"


def global_state(initializer: Any, shapes: Any) -> Iterator[str]:
    """A seeded draw leaves the generators of NumPy, Python and Keras alone."""
    one = seeded(initializer, 1) or initializer

    def draws() -> None:
        for shape in shapes:
            draw(one, shape)

    before = _generators()
    draws()
    if _generators() != before:
        yield "a seeded draw moves NumPy's or Python's global generator"
    if _next_of_keras(draws) != _next_of_keras(lambda: None):
        yield "a seeded draw moves Keras's global generator"


def _generators() -> tuple[Any, Any]:
    state: Any = np.random.get_state()
    return (state[1].tobytes(), state[2]), random.getstate()


def _next_of_keras(draws: Callable[[], None]) -> float:
    """What Keras's generator gives after the draws: each thread has its own, seeded by Python's."""

    def after() -> float:
        random.seed(0)
        keras.random.uniform((1,))  # so that there is one
        draws()
        return float(array(keras.random.uniform((1,)))[0])

    state = random.getstate()
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(after).result()
    finally:
        random.setstate(state)


CHECKS: tuple[Check, ...] = (layouts, compiled, threads, global_state)
