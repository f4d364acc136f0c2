"""Probabilities of the normal law at a truncation's bounds, correctly rounded.

In 60 decimal digits and rounded once, hence the same doubles on every machine.
"""

from __future__ import annotations

import decimal
import functools
import math
from decimal import Decimal
from typing import Any

import numpy as np

_CONTEXT = decimal.Context(prec=60, Emin=-(10**15), Emax=10**15, traps=[])
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
_LIMIT = 1e100  # the law given |z| > 1e100 sits on its bound in any floating-point format


def _series(z: Decimal) -> Decimal:
    """(P(Z < z) - 1/2) / density(z) = z + z^3/3 + z^5/(3 5) + ..., for small z >= 0."""
    total = term = z
    odd = 1
    while term > total.scaleb(-60):
        odd += 2
        term = term * z * z / odd
        total += term
    return total


def _density(z: Decimal) -> Decimal:
    return (-z * z / 2).exp() / (2 * _PI).sqrt()


def _mills(z: Decimal) -> Decimal:
    """P(Z > z) / density(z) for z >= 0; Laplace's continued fraction where it is fast."""
    if z < 6:
        return Decimal("0.5") / _density(z) - _series(z)
    value = z
    for k in range(60, 0, -1):
        value = z + k / value
    return 1 / value


def _centred(bound: float) -> Decimal:
    """2 P(Z < bound) - 1."""
    if math.isinf(bound):
        return Decimal(1).copy_sign(Decimal(bound))
    z = abs(Decimal(bound))
    inside = 2 * _density(z) * _series(z) if z < 6 else 1 - 2 * _density(z) * _mills(z)
    return inside.copy_sign(Decimal(bound))


@functools.lru_cache(maxsize=256)
def centred(low: float, high: float) -> tuple[float, float]:
    """Middle and half width of the interval that x = 2 P(Z < z) - 1 fills for low < z < high."""
    with decimal.localcontext(_CONTEXT):
        start, stop = _centred(low), _centred(high)
        return float((start + stop) / 2), float((stop - start) / 2)


@functools.lru_cache(maxsize=256)
def tail(near: float, far: float) -> tuple[float, float]:
    """(-2 log P(Z > near), 1 - P(Z > far) / P(Z > near)) for 0 < near < far."""
    with decimal.localcontext(_CONTEXT):
        a, b = Decimal(min(near, _LIMIT)), Decimal(min(far, _LIMIT))
        mills = _mills(a)
        ratio = ((a * a - b * b) / 2).exp() * _mills(b) / mills
        level = a * a + (2 * _PI).ln() - 2 * mills.ln()
        return float(level), float(1 - ratio)


def truncation(mean: float, stddev: float, low: float, high: float) -> tuple[float, float]:
    """The bounds mean + stddev low and mean + stddev high; what is infinite stays so."""
    return (
        mean + stddev * low if math.isfinite(low) else low,
        mean + stddev * high if math.isfinite(high) else high,
    )


def inside(bound: float, dtype: Any, up: bool) -> Any:
    """The number of `dtype` (also ml_dtypes') nearest to `bound` among those not below, or above.

    Infinite where the bound lies beyond them all: what overflows is not made to look as if it fitted.
    """
    nearest = np.asarray(bound).astype(dtype)[()]
    if math.isfinite(nearest) and (float(nearest) < bound if up else float(nearest) > bound):
        nearest = np.nextafter(nearest, nearest.dtype.type(math.inf if up else -math.inf))
    return nearest
