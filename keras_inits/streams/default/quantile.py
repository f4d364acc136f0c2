"""From uniform bits to normal numbers, by operations that IEEE 754 rounds exactly.

The quantile function z(p) of the normal law, for |z| small as x = 2p - 1 times a sum of poles in x^2,
for |z| large from a root or the logarithm of the tail's probability. All steps are + - * / and square
roots, comparisons and changes of exponent, one NumPy call each so that nothing is fused: the same
bits on every processor. The coefficients are minimax fits to the quantile function in 40 digits.
"""

from __future__ import annotations

import numpy as np

Numbers = tuple[np.ndarray, ...]


def _hex(text: str, dtype: str) -> Numbers:
    """Constants as 0-d arrays, which cost a NumPy call the least."""
    return tuple(np.array(float.fromhex(word), dtype) for word in text.split())


# z = x (constant + sum of residue / (pole - x^2)).
INNER32 = (  # |x| <= 0.9546, |z| <= 2.0009; relative error 7e-8
    _hex("0x1.b770eep-2", "float32"),
    _hex("0x1.2f245ap+1 0x1.6635dep-2 0x1.4e24d8p-4 0x1.244694p-6", "float32"),
    _hex("0x1.24b5d8p+2 0x1.9c0f60p+0 0x1.23e4f6p+0 0x1.054a46p+0", "float32"),
)
EDGE32 = np.float32(float.fromhex("0x1.f0c0aep-1"))  # x^2 <= EDGE32 is |x| < 0.985, |z| < 2.4324
CENTRE32 = (  # relative error 6e-8
    _hex("0x1.af7f58p-2", "float32"),
    _hex("0x1.37fd48p+1 0x1.74cc18p-2 0x1.67a08ep-4 0x1.7f6ee8p-6 0x1.603a9cp-8", "float32"),
    _hex("0x1.30f6f0p+2 0x1.ab6b0ep+0 0x1.2d2d2ep+0 0x1.0b8c1ep+0 0x1.01bd82p+0", "float32"),
)
EDGE64 = float.fromhex("0x1.9eb851eb851ecp-1")  # |x| <= 0.9, |z| <= 1.6449
CENTRE64 = (  # relative error 4e-17
    _hex("0x1.d874df9b86dd3p-3", "float64"),
    _hex(
        "0x1.844e02a807077p+2 0x1.2cdc93b044f18p+0 0x1.a73658bfc965bp-2 0x1.72728e6f54e24p-3"
        " 0x1.64ac8d9c02e98p-4 0x1.60287f5b52259p-5 0x1.4749cccdd0f3bp-6 0x1.b7ae0e0f34d5dp-8",
        "float64",
    ),
    _hex(
        "0x1.1455937b4c66fp+4 0x1.27552aad9fc18p+2 0x1.300de0ce424bbp+1 0x1.9f2e9695ee736p+0"
        " 0x1.4aed10623bbbcp+0 0x1.2156699f7e766p+0 0x1.0c17d04a32435p+0 0x1.023e7508be3cfp+0",
        "float64",
    ),
)
# z = constant + slope s + sum of residue / (pole - s), s = (1 - |x|)^(1/8), 2^-32 <= 1 - |x| <= 0.015
TAIL32 = (  # relative error 2e-8
    _hex("0x1.95d3cap+1 -0x1.2245e8p+1", "float32"),
    _hex("-0x1.358a56p-1 -0x1.2cb026p+0 -0x1.58390cp-3 -0x1.0e96fcp-5", "float32"),
    _hex("0x1.5478fcp+0 -0x1.d2401cp-2 -0x1.7b989ep-4 -0x1.b9b2e8p-7", "float32"),
)
# z = P(w) / Q(w), w = sqrt(-2 log of the tail's probability), 2.43 <= w <= 40; highest power first
TAIL64 = (  # relative error 1e-15
    _hex(
        "0x1.06768c7b294d1p+26 0x1.02bf83820bbacp+33 0x1.16dc4d54fddffp+38 0x1.acad03ba81924p+41"
        " 0x1.f68e700466d39p+43 0x1.bcfc1af7fd646p+44 0x1.8803c70616a1ap+43"
        " -0x1.04da2ee78b834p+45 -0x1.a36a9d97f869cp+45 -0x1.7b6706855be57p+43",
        "float64",
    ),
    _hex(
        "0x1.0000000000000p+0 0x1.0675f1cba4e75p+26 0x1.02c1bfeebd71bp+33 0x1.17492e9f79128p+38"
        " 0x1.b1c366f40dd6fp+41 0x1.0c6e1c452d792p+44 0x1.2f5f200540df5p+45"
        " 0x1.8421f833f40b8p+45 0x1.c4add85db5b3ap+44 0x1.c5517ee7d16b3p+41",
        "float64",
    ),
)
LN2 = float.fromhex("0x1.62e42fefa39efp-1")
TWO_PI = float.fromhex("0x1.921fb54442d18p+2")
ROOT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
LN_ROOT_HALF = -LN2 / 2


def packed(form: tuple[Numbers, Numbers, Numbers]) -> bytes:
    """Constant, slope (0 if none), residues and poles as the bytes that the C kernels read."""
    constants, residues, poles = form
    return np.array([*(*constants, 0.0)[:2], *residues, *poles], "<f4").tobytes()


def _poles(
    v: np.ndarray, residues: Numbers, poles: Numbers, total: np.ndarray, term: np.ndarray
) -> np.ndarray:
    """The sum of residue / (pole - v), into `total`; `term` is scratch."""
    np.subtract(poles[0], v, out=total)
    np.divide(residues[0], total, out=total)
    for residue, pole in zip(residues[1:], poles[1:], strict=True):
        np.subtract(pole, v, out=term)
        np.divide(residue, term, out=term)
        np.add(total, term, out=total)
    return total


def _horner(coefficients: Numbers, v: np.ndarray) -> np.ndarray:
    value = v * coefficients[0]
    np.add(value, coefficients[1], out=value)
    for coefficient in coefficients[2:]:
        np.multiply(value, v, out=value)
        np.add(value, coefficient, out=value)
    return value


def centre(
    form: tuple[Numbers, Numbers, Numbers],
    x: np.ndarray,
    square: np.ndarray,
    z: np.ndarray,
    scratch: np.ndarray,
) -> np.ndarray:
    """x^2 into `square` and the quantile into `z`; beyond the edge finite, and to be replaced."""
    (constant,), residues, poles = form
    np.multiply(x, x, out=square)
    _poles(square, residues, poles, z, scratch)
    np.add(z, constant, out=z)
    return np.multiply(z, x, out=z)


def tail32(r: np.ndarray) -> np.ndarray:
    """z > 0 with 2 P(Z > z) = (r + 1/2) / 2^31, for integers r >= 0."""
    s = r.astype(np.float32)
    np.add(s, np.float32(0.5), out=s)
    np.multiply(s, np.float32(2.0**-31), out=s)
    for _ in range(3):
        np.sqrt(s, out=s)
    (constant, slope), residues, poles = TAIL32
    term = np.empty_like(s)
    z = _poles(s, residues, poles, np.empty_like(s), term)
    np.add(z, constant, out=z)
    return np.add(z, np.multiply(s, slope, out=term), out=z)


def log64(v: np.ndarray) -> np.ndarray:
    """log v of v = m 2^e > 0 as 2 artanh((m - c)/(m + c)) + e log 2 + log c, c near sqrt(1/2)."""
    mantissa, exponent = np.frexp(v)
    s = (mantissa - ROOT_HALF) / (mantissa + ROOT_HALF)
    square = s * s
    series = np.full_like(v, 2 / 21)
    for odd in range(19, 0, -2):
        np.multiply(series, square, out=series)
        np.add(series, 2 / odd, out=series)
    np.multiply(series, s, out=series)
    return series + (exponent * LN2 + LN_ROOT_HALF)


def exp64(v: np.ndarray, less: float = 0.0) -> np.ndarray:
    """exp(v), or exp(v) - 1 with `less` = 1: 2^k (1 + p) of v = k log 2 + r, p = exp(r) - 1 by its series."""
    v = np.maximum(v, -800.0)  # beyond, exp(v) is 0 all the same, and k would be no integer
    k = np.rint(v / LN2).astype(int)
    r = v - k * LN2
    p = np.full_like(r, 1 / 16)
    for n in range(15, 0, -1):
        p = (p * r + 1.0) / n
    return np.ldexp(p * r, k) + (np.ldexp(1.0, k) - less)


def tail64(t: np.ndarray) -> np.ndarray:
    """z > 0 with P(Z > z) = exp(-t / 2), for t >= 2.43^2."""
    w = np.sqrt(t)
    z = _horner(TAIL64[0], w) / _horner(TAIL64[1], w)
    far = np.flatnonzero(t > 1600.0)
    if far.size:
        z[far] = _far_tail(t[far])
    return z


def _far_tail(t: np.ndarray) -> np.ndarray:
    """tail64 for t > 1600: y = z^2 is the fixed point of t - log(2 pi y) + 2 log(z Mills(z))."""
    y = t
    for _ in range(5):
        v = 1.0 / y
        y = t - log64(TWO_PI * y) + v * (v * (5.0 - v * (74.0 / 3.0)) - 2.0)
    return np.sqrt(y)
