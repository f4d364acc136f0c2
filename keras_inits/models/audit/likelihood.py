"""How likely what was measured is under a law: every p-value is exact, or not too small."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_inits.laws import Law
from keras_inits.models.audit.measure import Measured
from keras_inits.streams.narrow import NARROW, numpy_dtype

# From here on a mean of as many is normal far into its tails.
_MANY = 2**14
# Backends draw normal numbers from 23 bits: of more entries than this the tails end too early.
_TAIL = 2**20
# Bits of a significand, and the exponent of the least normal number.
_FORMATS = {
    "float16": (10, -14),
    "bfloat16": (7, -126),
    "float32": (23, -126),
    "float64": (52, -1022),
}


def half_spacing(x: Any, dtype: str) -> np.ndarray:
    """Half the distance of `x` to the next larger number of the dtype: what rounding may have moved."""
    bits, least = _FORMATS[dtype]
    _, exponent = np.frexp(np.abs(x))
    return np.ldexp(0.5, np.maximum(exponent - 1, least) - bits)


def p_values(found: Measured, law: Law, dtype: str, independent: bool = True) -> dict[str, float]:
    """By the name of what is tested. Entries that depend on one another are compared with the law alone."""
    if not found.size:
        return {}
    values = {"law": kolmogorov(found.sample, law, dtype)}
    if not independent:
        return values
    values |= _extremes(found, law, dtype) | {"zeros": _zeros(found, law, dtype)}
    if found.size >= _MANY:
        values |= _moments(found, law, dtype)
    return values


def kolmogorov(sample: np.ndarray, law: Law, dtype: str) -> float:
    """Kolmogorov and Smirnov's test of a sorted sample, each entry anywhere within its rounding."""
    half = half_spacing(sample, dtype)
    n = sample.size
    i = np.arange(n)
    above = float(np.max((i + 1) / n - law.cdf(sample + half)))
    below = float(np.max(law.cdf(sample - half) - i / n))
    return _kolmogorov(max(above, below, 0.0), n)


def two_samples(first: np.ndarray, second: np.ndarray) -> float:
    """The same test of two sorted samples of one law."""
    both = np.concatenate([first, second])
    apart = np.searchsorted(first, both, "right") / first.size
    apart -= np.searchsorted(second, both, "right") / second.size
    return _kolmogorov(float(np.abs(apart).max()), first.size * second.size / (both.size))


def _kolmogorov(distance: float, n: float) -> float:
    from scipy import special

    if n <= 1000 and n == int(n):  # both sides, each exact (Smirnov 1944)
        return min(1.0, 2.0 * float(special.smirnov(int(n), min(distance, 1.0))))
    return float(special.kolmogorov(math.sqrt(n) * distance))


def _moments(found: Measured, law: Law, dtype: str) -> dict[str, float]:
    """Of the mean and of the variance, by their standard errors as the entries show them."""
    variance, mean = law.std**2, law.mean
    spread = max(found.fourth - found.std**4, 0.0)
    # What the rounding of every entry adds, and that of the law's own figures.
    grain = 2.0 ** -(2 * _FORMATS[dtype][0]) + 1e-7
    return {
        "mean": _two_sided(
            abs(found.mean - mean) - 1e-7 * (abs(mean) + law.std), law.std / math.sqrt(found.size)
        ),
        "std": _two_sided(
            abs(found.std**2 - variance) - grain * variance, math.sqrt(spread / found.size)
        ),
    }


def _two_sided(apart: float, error: float) -> float:
    if apart <= 0:
        return 1.0
    return math.erfc(apart / error / math.sqrt(2)) if error else 0.0


def _extremes(found: Measured, law: Law, dtype: str) -> dict[str, float]:
    """Of the least and the greatest entry: that there is none further out, that there is one so far."""
    half = half_spacing(np.array([found.low, found.high]), dtype)
    low, high = found.low, found.high
    below = float(law.cdf(low + half[0])), float(law.cdf(low - half[0]))
    above = 1.0 - float(law.cdf(high - half[1])), 1.0 - float(law.cdf(high + half[1]))
    n = min(found.size, _TAIL)
    outside = min(_any(below[0], found.size), _any(above[0], found.size))
    inside = min(1.0 - _any(below[1], n), 1.0 - _any(above[1], n))
    return {"outliers": min(1.0, 2.0 * outside), "tails": min(1.0, 2.0 * inside)}


def _any(p: float, n: int) -> float:
    """That something of probability p happens in n trials."""
    return 1.0 if p >= 1.0 else -math.expm1(n * math.log1p(-p)) if p > 0 else 0.0


def _zeros(found: Measured, law: Law, dtype: str) -> float:
    """That so many entries, or more, are 0: a uniform number of 23 bits is, now and then."""
    from scipy import special

    if not found.zeros:
        return 1.0
    reach = max(float(half_spacing(0.0, dtype)), 2.0**-23 * law.std)
    p = float(law.cdf(reach) - law.cdf(-reach)) + 2.0**-22
    return float(special.bdtrc(found.zeros - 1, found.size, min(p, 1.0)))


def expected_distinct(law: Law, dtype: str, size: int) -> float:
    """How many different values `size` entries have, by the law and the dtype; of wide ones nearly all."""
    if dtype not in NARROW:
        return float(size)
    with np.errstate(all="ignore"):
        every = np.arange(2**16, dtype=np.uint16).view(numpy_dtype(dtype)).astype("float64")
    every = np.unique(every[np.isfinite(every)])
    edges = np.concatenate([[-math.inf], (every[1:] + every[:-1]) / 2, [math.inf]])
    p = np.clip(np.diff(law.cdf(edges)), 0.0, 1.0)
    return float(-np.expm1(size * np.log1p(-np.minimum(p, 1 - 1e-12))).sum())
