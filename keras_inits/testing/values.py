"""The values of an initializer: dtypes, shapes, seeds, law."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_inits import backend, checks
from keras_inits.base import Scheme
from keras_inits.laws import Law
from keras_inits.streams import DefaultStream
from keras_inits.testing.drawing import Check, array, draw, repeats, seeded

_ENTRIES = 10_000


def dtypes(initializer: Any, shapes: Any) -> Iterator[str]:
    """Every floating dtype comes back in the shape that was asked for; others, or an error."""
    for shape in shapes:
        for dtype in (*checks.FLOAT_DTYPES, None):
            tensor = initializer(shape, dtype=dtype)
            expected = backend.backend_dtype(dtype or keras.config.floatx())
            got = keras.backend.standardize_dtype(tensor.dtype)
            if got != expected:
                yield f"dtype {dtype} comes back as {got}"
            if tuple(tensor.shape) != tuple(shape):
                yield f"shape {shape} comes back as {tuple(tensor.shape)}"
            if not np.isfinite(array(tensor)).all():
                yield f"entries of shape {shape} in {dtype} are not all finite"
    for dtype in ("int32", "bool"):
        if isinstance(tensor := _tried(initializer, shapes[0], dtype=dtype), Exception):
            yield from _in_form(initializer, tensor, f"dtype {dtype}")
        elif (got := keras.backend.standardize_dtype(tensor.dtype)) != dtype:
            yield f"dtype {dtype} comes back as {got}"


def bad_shapes(initializer: Any, shapes: Any) -> Iterator[str]:
    """An unknown or negative extent is an error."""
    for shape in shapes:
        for bad in ((None, *shape[1:]), (-1, *shape[1:])):
            if isinstance(error := _tried(initializer, bad), Exception):
                yield from _in_form(initializer, error, f"shape {bad}")
            else:
                yield f"shape {bad} is not an error"


def empty(initializer: Any, shapes: Any) -> Iterator[str]:
    """A shape with a zero gives an empty tensor, or an error."""
    for shape in shapes:
        for none in {(0, *shape[1:]), (*shape[:-1], 0)}:
            if isinstance(tensor := _tried(initializer, none), Exception):
                yield from _in_form(initializer, tensor, f"shape {none}")
            elif tuple(tensor.shape) != none:
                yield f"shape {none} comes back as {tuple(tensor.shape)}"


def bad_seeds(initializer: Any, shapes: Any) -> Iterator[str]:
    """A seed that is no number is an error, in the constructor or at the call."""

    def drawn(seed: Any) -> Any:
        made = seeded(initializer, seed)
        return None if made is None else made(shapes[0])

    for bad in ("one", 1.5):
        if isinstance(error := _tried(drawn, bad), Exception):
            yield from _in_form(initializer, error, f"seed {bad!r}")
        elif error is not None:
            yield f"seed {bad!r} is not an error"


def _tried(function: Any, *arguments: Any, **named: Any) -> Any:
    """What it gives, or the error that it raises."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        return error


def _in_form(initializer: Any, error: Exception, what: str) -> Iterator[str]:
    """A ValueError or TypeError; a scheme's says first whose it is."""
    owner = type(initializer).__name__
    if not isinstance(error, (TypeError, ValueError)):
        yield f"{what} raises {type(error).__name__}, not a ValueError or TypeError: {error}"
    elif isinstance(initializer, Scheme) and not str(error).startswith(f"{owner}: "):
        yield f"the error for {what} does not start with '{owner}: ': {error}"


def seeds(initializer: Any, shapes: Any) -> Iterator[str]:
    """The same, another, none, a generator, and a stream where a scheme takes one."""
    one, other, none = (seeded(initializer, seed) for seed in (1, 2, None))
    if one is None:
        return
    generator, same = (seeded(initializer, keras.random.SeedGenerator(4)) for _ in range(2))
    stream = seeded(initializer, DefaultStream(1)) if isinstance(initializer, Scheme) else one
    for shape in shapes:
        first = draw(one, shape)
        if np.ptp(first) == 0:
            continue
        if not np.array_equal(first, draw(one, shape)):
            yield f"an int seed gives other values at the second call of shape {shape}"
        if not np.array_equal(first, draw(seeded(initializer, 1), shape)):
            yield f"the same seed gives other values of shape {shape} in another object"
        if np.array_equal(first, draw(other, shape)):
            yield f"seeds 1 and 2 give the same values of shape {shape}"
        if repeats(none, shape):
            yield f"without a seed two calls give the same values of shape {shape}"
        drawn = draw(generator, shape)
        if np.array_equal(drawn, draw(generator, shape)):
            yield f"a SeedGenerator gives the same values of shape {shape} twice"
        if not np.array_equal(drawn, draw(same, shape)):
            yield f"equal SeedGenerators give different values of shape {shape}"
        draw(same, shape)  # so that both have moved as far
        if not np.array_equal(first, draw(stream, shape)):
            yield f"DefaultStream(1) gives other values of shape {shape} than seed 1"


def law(initializer: Any, shapes: Any, stated: Law | None = None) -> Iterator[str]:
    """Entries follow the law: moments, and Kolmogorov and Smirnov's distance where all are alike."""
    own = getattr(initializer, "law", None)
    random = seeded(initializer, 0) is not None
    for shape in shapes:
        expected = stated or (own(tuple(shape)) if callable(own) else None)
        if expected is None:
            continue
        # One seed after the other, so that the answer is the same at every call.
        draws = [draw(seeded(initializer, 0) or initializer, shape).ravel()]
        while random and sum(map(len, draws)) < _ENTRIES:
            draws.append(draw(seeded(initializer, len(draws)), shape).ravel())
        x = np.concatenate(draws).astype("float64")
        # Entries that are copies of others say nothing new.
        independent = len(np.unique(x)) if expected.continuous else x.size
        error = 1e-6 * expected.std + (5 * expected.std / math.sqrt(independent) if random else 0)
        error += float(np.finfo("float32").eps) * abs(expected.mean)  # the entries are rounded
        if abs(x.mean() - expected.mean) > error or abs(x.std() - expected.std) > error:
            yield (
                f"entries of shape {shape} have mean {x.mean():.4g} and standard deviation "
                f"{x.std():.4g}, not {expected.mean:.4g} and {expected.std:.4g}"
            )
        elif expected.continuous and (stated is not None or getattr(initializer, "alike", True)):
            from scipy import stats

            distance = stats.kstest(x, expected.cdf).statistic
            if stats.kstwo.sf(distance, independent) < 1e-6:
                yield f"entries of shape {shape} do not follow {expected}"


CHECKS: tuple[Check, ...] = (dtypes, bad_shapes, empty, bad_seeds, seeds)
