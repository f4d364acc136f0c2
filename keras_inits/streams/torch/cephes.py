"""Logarithm, sine and cosine in single precision as PyTorch's 256-bit vectors evaluate them.

The polynomials and the splitting of ln 2 and pi/4 are those of `logf`, `sinf` and `cosf` in
Cephes (Moshier 1989), with a multiplication and the addition after it fused. Every step is one
rounded IEEE operation, so the bits do not depend on the machine.
"""

from __future__ import annotations

import numpy as np

_SQRT_HALF = np.float32(0.70710678118654752)
# ln(1 + x) = x - x^2 / 2 + x^3 P(x)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_LN2_LOW, _LN2_HIGH = -2.12194440e-4, 0.693359375
# sin x = x + x^3 P(x^2), cos x = 1 - x^2 / 2 + x^4 P(x^2) for |x| <= pi/4
_SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_FOUR_OVER_PI = np.float32(1.27323954473516)
_QUARTER_PI = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)


def log(x: np.ndarray) -> np.ndarray:
    """ln x of normal float32 numbers x > 0."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    exponent = (exponent - small).astype("float32")
    x = (mantissa - np.float32(1)) + np.where(small, mantissa, np.float32(0))
    square = x * x
    tail = _fused(_horner(_LOG, x) * x, square, exponent * np.float32(_LN2_LOW))
    tail = _fused(square, -0.5, tail)
    return _fused(exponent, _LN2_HIGH, x + tail)


def sincos(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sin x and cos x of float32 numbers 0 <= x <= 2 pi."""
    octant = ((x * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    for part in _QUARTER_PI:
        x = _fused(octant.astype("float32"), -part, x)
    square = x * x
    cosine = _fused(_horner(_COSINE, square) * square, square, square * np.float32(-0.5))
    cosine = cosine + np.float32(1)
    sine = _fused(_horner(_SINE, square) * square, x, x)
    swap = (octant & 2) != 0
    first, second = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    np.negative(first, out=first, where=(octant & 4) != 0)
    np.negative(second, out=second, where=((octant + 2) & 4) != 0)
    return first, second


def _fused(x: np.ndarray, factor: np.ndarray | float, term: np.ndarray | float) -> np.ndarray:
    """x * factor + term: the product exact, the sum in double precision, then to single."""
    if isinstance(factor, float):
        factor = float(np.float32(factor))
    if isinstance(term, float):
        term = float(np.float32(term))
    total = x.astype("float64")
    total *= factor
    total += term
    return total.astype("float32")


def _horner(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = _fused(x, value, coefficient)
    return value
