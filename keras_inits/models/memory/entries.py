"""Mean and variance of many entries in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from keras_inits.streams.default.tiles import compiled, in_parallel

CHUNK = 2**17
_in_c = getattr(compiled, "moments", None)


def mean_and_variance(parts: Sequence[np.ndarray]) -> tuple[float, float] | None:
    """Those of all entries of the arrays together, in float64; None where an entry is not finite.

    Of no entries both are 0. The variance is infinite where float64 cannot hold it.
    """
    chunks = [chunk for part in parts for chunk in _chunks(part)]
    size = sum(chunk.size for chunk in chunks)
    if not size:
        return 0.0, 0.0
    shift = float(chunks[0][0])
    mean, square = _moments(chunks, size, shift)
    # Where the first entry lies far apart, digits cancel.
    if mean and mean * mean > 1e6 * (square - mean * mean):
        shift += mean
        mean, square = _moments(chunks, size, shift)
    if not math.isfinite(square) and not all(np.isfinite(chunk).all() for chunk in chunks):
        return None
    variance = square - mean * mean  # NaN where float64's largest numbers have no squares
    return shift + mean, math.inf if math.isnan(variance) else max(variance, 0.0)


def _chunks(array: np.ndarray) -> list[np.ndarray]:
    """Its entries a few at a time: what is computed from the whole would take memory like the array."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return [flat[at : at + CHUNK] for at in range(0, flat.size, CHUNK)]


def _moments(chunks: list[np.ndarray], size: int, shift: float) -> tuple[float, float]:
    """The means of x - shift and of its square."""
    if len(chunks) == 1:
        first, second = _sums(chunks[0], shift)
        return first / size, second / size
    # They come in any order, and the sum of floats depends on it.
    parts = in_parallel(lambda chunk: _sums(chunk, shift), chunks)
    firsts, seconds = map(sorted, zip(*parts, strict=True))
    return sum(firsts) / size, sum(seconds) / size


def _sums(chunk: np.ndarray, shift: float) -> tuple[float, float]:
    if chunk.itemsize < 4:
        chunk = chunk.astype(np.float32)
    if _in_c and chunk.dtype == np.float32:
        found: tuple[float, float] = _in_c(chunk, shift)
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        apart = chunk.astype(np.float64) - shift
        # Not `apart @ apart`: BLAS's own threads and these wait for each other.
        return float(apart.sum()), float(np.square(apart, out=apart).sum())
