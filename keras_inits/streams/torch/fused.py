"""x * factor + term with one rounding (a fused multiply-add), which NumPy lacks."""

from __future__ import annotations

import numpy as np


def fma(x: np.ndarray, factor: np.floating, term: np.floating) -> np.ndarray:
    """x * factor + term, correctly rounded to the float32 or float64 of `x`.

    Through a sum rounded to odd (Boldo and Melquiond 2008, "Emulation of a FMA and correctly
    rounded sums: proved algorithms using rounding to odd", IEEE Trans. Comput. 57).
    """
    if term == 0:
        return x * factor
    if x.dtype == np.float32:  # the product is exact in double precision
        total, error = _two_sum(x.astype("float64") * np.float64(factor), np.float64(term))
        return _to_odd(total, error).astype("float32")
    product, lost = _two_product(x, factor)
    inner, inner_error = _two_sum(lost, term)
    total, error = _two_sum(product, inner)
    return total + _to_odd(*_two_sum(inner_error, error))


def _two_sum(a: np.ndarray, b: np.ndarray | np.floating) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and its error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: np.ndarray, b: np.floating) -> tuple[np.ndarray, np.ndarray]:
    """The rounded product and its error (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(np.asarray(b))
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of 26 bits whose sum is `a` (Veltkamp)."""
    scaled = a * np.float64(2**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def _to_odd(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """`value + error`; where that is inexact, its neighbour whose last bit is one."""
    even = (error != 0) & ((value.view(np.int64) & 1) == 0)
    if even.any():
        value[even] = np.nextafter(value[even], np.copysign(np.inf, error[even]))
    return value
