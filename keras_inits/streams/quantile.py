"""From uniform bits to normal numbers, by operations that IEEE 754 rounds exactly.

The quantile function z(p) of the normal law, for |z| small as x = 2p - 1 times a ratio of two
polynomials in c - x^2, for |z| large as a ratio in a root or in the logarithm of the tail's
probability. All steps are + - * / and square roots, comparisons and changes of exponent, one NumPy
call each so that nothing is fused: the same bits on every processor. The coefficients are minimax
fits to the quantile function in 40 digits.
"""

from __future__ import annotations

import numpy as np

Polynomial = tuple[np.ndarray, ...]
Ratio = tuple[Polynomial, Polynomial]


def _hex(text: str, dtype: str) -> Polynomial:
    """Coefficients, highest power first, as 0-d arrays: those cost a NumPy call the least."""
    return tuple(np.array(float.fromhex(word), dtype) for word in text.split())


# z = x P(v) / Q(v), v = c - x^2; Q has leading coefficient 1.
(C32,) = _hex("0x1.d295eap-1", "float32")
EDGE32 = np.float32(float.fromhex("0x1.4f8b58p-15"))  # v >= EDGE32 is |x| < 0.9546, |z| < 2.0009
CENTRE32: Ratio = (  # relative error 7e-8
    _hex("0x1.b770eep-2 0x1.356088p+2 0x1.82b34ap+2 0x1.ca3936p+0 0x1.12dd7ep-3", "float32"),
    _hex("0x1.000000p+0 0x1.2cba8ap+2 0x1.03aed8p+2 0x1.f2d540p-1 0x1.063ecep-4", "float32"),
)
(C64,) = _hex("0x1.9eb851eb851ecp-1", "float64")
EDGE64 = float.fromhex("0x1.ccccccccccccdp-1")  # |x| <= 0.9, |z| <= 1.6449
CENTRE64: Ratio = (  # relative error 4e-17
    _hex(
        "0x1.d874df9b86dd3p-3 0x1.b01640afeb602p+3 0x1.d89905fa56779p+6"
        " 0x1.5d8b4a62c4e27p+8 0x1.c97e818052bdap+8 0x1.2a12c3463a846p+8"
        " 0x1.90cb460e45959p+6 0x1.08ddaa7d0bb63p+4 0x1.0f660602378b7p+0",
        "float64",
    ),
    _hex(
        "0x1.0000000000000p+0 0x1.7e1b0b2444eb7p+4 0x1.195ab228240ccp+7"
        " 0x1.461447f514fdbp+8 0x1.682bc91259ad9p+8 0x1.9dd824c98460ap+7"
        " 0x1.f8e69fda34803p+5 0x1.34c8ec08d622dp+3 0x1.28ff59ab1609cp-1",
        "float64",
    ),
)
# z = P(s) / Q(s), s = (1 - |x|)^(1/8), for 2^-32 <= 1 - |x| <= 0.046
TAIL32: Ratio = (  # relative error 2e-7
    _hex(
        "-0x1.2e0c6cp+1 0x1.4db6bcp+2 0x1.164c80p-1 -0x1.8b0392p+1 -0x1.563e00p-2 -0x1.cf0cacp-9",
        "float32",
    ),
    _hex("0x1.000000p+0 -0x1.a67924p-1 -0x1.37963ap-1 -0x1.6f8684p-5 -0x1.73ec62p-12", "float32"),
)
# z = P(w) / Q(w), w = sqrt(-2 log of the tail's probability), for 2.43 <= w <= 40
TAIL64: Ratio = (  # relative error 1e-15
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


def _ratio(form: Ratio, v: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """P(v) / Q(v) by Horner's rule, into `p`; `q` is scratch."""
    top, bottom = form
    np.multiply(v, top[0], out=p)
    np.add(p, top[1], out=p)
    for coefficient in top[2:]:
        np.multiply(p, v, out=p)
        np.add(p, coefficient, out=p)
    np.add(v, bottom[1], out=q)
    for coefficient in bottom[2:]:
        np.multiply(q, v, out=q)
        np.add(q, coefficient, out=q)
    return np.divide(p, q, out=p)


def centre32(x: np.ndarray, v: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """z into `p` and c - x^2 into `v`; where that is below EDGE32 the value is to be replaced."""
    np.multiply(x, x, out=v)
    np.subtract(C32, v, out=v)
    _ratio(CENTRE32, v, p, q)
    return np.multiply(p, x, out=p)


def centre64(x: np.ndarray) -> np.ndarray:
    """z for |x| <= EDGE64. Elsewhere finite, and to be replaced."""
    v = x * x
    np.subtract(C64, v, out=v)
    z = _ratio(CENTRE64, v, np.empty_like(x), np.empty_like(x))
    return np.multiply(z, x, out=z)


def tail32(r: np.ndarray) -> np.ndarray:
    """z > 0 with 2 P(Z > z) = (r + 1/2) / 2^31, for integers r >= 0."""
    s = r.astype(np.float32)
    np.add(s, 0.5, out=s)
    np.multiply(s, 2.0**-31, out=s)
    for _ in range(3):
        np.sqrt(s, out=s)
    return _ratio(TAIL32, s, np.empty_like(s), np.empty_like(s))


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


def tail64(t: np.ndarray) -> np.ndarray:
    """z > 0 with P(Z > z) = exp(-t / 2), for t >= 2.43^2."""
    z = _ratio(TAIL64, np.sqrt(t), np.empty_like(t), np.empty_like(t))
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
