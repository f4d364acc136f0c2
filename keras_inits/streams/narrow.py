"""The narrow floats, float16 and bfloat16: drawn in float32 and rounded once.

To nearest, ties to even, and never across the bounds of a bounded law.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import ml_dtypes
import numpy as np

from keras_inits.backend.memory import aligned
from keras_inits.streams.default import tiles
from keras_inits.streams.default.bounds import inside

NARROW = ("float16", "bfloat16")
Support = tuple[float, float] | None
Bound = float | np.floating


def draw_dtype(dtype: str) -> str:
    """The dtype to draw in: float32 for a narrow float."""
    return "float32" if dtype in NARROW else dtype


@functools.cache
def numpy_dtype(dtype: str) -> Any:
    """NumPy's dtype of that name, also where ml_dtypes defines it (bfloat16)."""
    return np.dtype(getattr(ml_dtypes, dtype, dtype))


@functools.cache
def largest(dtype: str) -> float:
    """The greatest finite number of a floating dtype."""
    return float(ml_dtypes.finfo(numpy_dtype(dtype)).max)


@functools.lru_cache(maxsize=1024)
def limits(dtype: str, support: Support) -> tuple[float, float]:
    """The least and the greatest number of `dtype` within the bounds, infinite where there are none."""
    if support is None:
        return -math.inf, math.inf
    target = numpy_dtype(dtype)
    return (
        float(inside(support[0], target, up=True)),
        float(inside(support[1], target, up=False)),
    )


def clip(array: np.ndarray, low: Bound, high: Bound) -> np.ndarray:
    """np.clip whose zeros keep their sign: NumPy 2.0 gives them that of a bound that is zero."""
    if low and high:
        return np.clip(array, low, high)
    return np.where(array < low, low, np.where(array > high, high, array))


def narrow(array: np.ndarray, dtype: str, support: Support) -> np.ndarray:
    """The array rounded to a narrow dtype, within the bounds of the law."""
    target = numpy_dtype(dtype)
    low, high = limits(dtype, support)
    if array.dtype != np.float32:
        rounded = array.astype(target)
        if support is None:
            return rounded
        # np.clip would widen bfloat16.
        return np.minimum(np.maximum(rounded, target.type(low)), target.type(high))
    out = aligned(array.shape, target)
    if tiles.compiled:
        numbers = np.ascontiguousarray(array).reshape(-1)
        code = tiles.DTYPES[dtype]
        tiles.compiled.narrow(numbers, out.reshape(-1).view(np.uint16), code, low, high)
    else:
        out[...] = array if support is None else clip(array, low, high)
    return out
