"""The laws of the default stream: a tile's bits into its numbers.

Each function takes the flat array of a tile's unsigned integers and the array of the tile's shape
that it fills; the arithmetic up to the last step is done in scratch that fits a processor's cache.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from keras_inits.streams.default import bounds, quantile, tiles
from keras_inits.streams.default.tiles import TileFunction
from keras_inits.streams.narrow import Support, clip, limits, narrow

INNER_BOUND = 2.0  # float32 draws within take the fast path, if wide enough for its 24 bits
INNER_MASS = 0.25
TAIL_BOUND = 1.7  # beyond, the law is drawn from the tail's probability
SMALLEST = 2.0**-54
Form = tuple[quantile.Numbers, quantile.Numbers, quantile.Numbers]
Line = tuple[np.floating, np.floating, np.floating]
Limits = tuple[np.floating, np.floating] | None
Target = tuple[int, float, float]  # the dtype's number in tiles.DTYPES, and bounds
SINGLE: Target = (tiles.DTYPES["float32"], -math.inf, math.inf)
INNER, CENTRE, TAIL = map(quantile.packed, (quantile.INNER32, quantile.CENTRE32, quantile.TAIL32))


def inward(low: float, high: float, dtype: str) -> tuple[np.floating, np.floating]:
    """The least and the greatest number of `dtype` in [low, high], or the one nearest to low."""
    least, greatest = bounds.inside(low, dtype, up=True), bounds.inside(high, dtype, up=False)
    if least <= greatest:
        return least, greatest
    nearest = np.dtype(dtype).type(low)
    return nearest, nearest


def _finish(
    z: np.ndarray,
    mean: float,
    stddev: float,
    within: Limits,
    out: np.ndarray,
) -> None:
    """out = mean + stddev z in z's precision, rounded to out's, within bounds; `z` is used up."""
    z = z.reshape(out.shape)
    if not mean and within is None:
        np.multiply(z, stddev, out=out)
        return
    np.multiply(z, stddev, out=z)
    if mean:
        np.add(z, mean, out=z)
    if within is None:
        out[...] = z
    else:
        out[...] = clip(z.astype(out.dtype, copy=False), *within)


class Single:
    """A law's float32 numbers, and those of narrow floats, which are float32's rounded once.

    By a C function, which rounds as it goes, or by `plain` on NumPy where there is none.
    """

    def __init__(self, kernel: str, arguments: tuple[object, ...], plain: TileFunction) -> None:
        self.kernel, self.arguments, self.plain = kernel, arguments, plain

    def __call__(self, bits: np.ndarray, out: np.ndarray) -> None:
        if tiles.compiled:
            getattr(tiles.compiled, self.kernel)(bits, *self.arguments, *SINGLE)
            out[...] = bits.view(np.float32).reshape(out.shape)
        else:
            self.plain(bits, out)

    def narrow(self, bits: np.ndarray, out: np.ndarray, target: Target) -> None:
        """The numbers rounded to 16 bits, by the C function."""
        getattr(tiles.compiled, self.kernel)(bits, *self.arguments, *target)
        # To copy integers is faster than ml_dtypes' numbers.
        out.view(np.uint16)[...] = bits.view(np.uint16)[: out.size].reshape(out.shape)


def narrowed(function: TileFunction, dtype: str, support: Support) -> TileFunction:
    """The tile function whose float32 numbers are rounded to a narrow dtype, within the support."""
    target = tiles.DTYPES[dtype], *limits(dtype, support)

    def rounded(bits: np.ndarray, out: np.ndarray) -> None:
        if tiles.compiled and isinstance(function, Single):
            function.narrow(bits, out, target)
            return
        # The numbers take the memory of their bits.
        numbers = bits.view(np.float32)[: out.size].reshape(out.shape)
        function(bits, numbers)
        out[...] = narrow(numbers, dtype, support)

    return rounded


@functools.lru_cache(maxsize=1024)
def uniform(low: float, high: float, dtype: str) -> TileFunction:
    """low + (high - low) k / 2^24, k of 24 bits, in float32; of 53 bits in float64."""
    kind = np.dtype(dtype).type
    width, digits = (32, 24) if dtype == "float32" else (64, 53)
    least, greatest = inward(low, high, dtype)
    step = kind((high - low) * 2.0**-digits)
    leaves = kind(2**digits - 1) * step + least > greatest  # by rounding

    def fill(bits: np.ndarray, out: np.ndarray) -> None:
        np.right_shift(bits, bits.dtype.type(width - digits), out=bits)
        np.multiply(bits.reshape(out.shape), step, out=out, dtype=kind, casting="same_kind")
        np.add(out, least, out=out)
        if leaves:
            np.minimum(out, greatest, out=out)

    return Single("uniform32", (step, least, greatest), fill) if dtype == "float32" else fill


@functools.lru_cache(maxsize=1024)
def normal(mean: float, stddev: float, dtype: str) -> TileFunction:
    """mean + stddev z, z the normal quantile of 32 bits in float32, 53 in float64."""
    if dtype == "float64":
        return functools.partial(_normal64, mean, stddev)
    line = np.float32(2.0**-31), np.float32(0.0), quantile.EDGE32
    return _single(quantile.CENTRE32, CENTRE, line, mean, stddev, None)


def _single(
    form: Form, packed: bytes, line: Line, mean: float, stddev: float, within: Limits
) -> Single:
    """mean + stddev z in single, z the quantile at x = step k + shift.

    `form` serves up to x^2 = edge, the tail beyond; `line` is (step, shift, edge).
    """
    step, shift, edge = line
    # Adding -0 changes no number: there is nothing to add.
    law = step, shift or -0.0, edge, mean or -0.0, stddev, *(within or (-math.inf, math.inf))

    def fill(bits: np.ndarray, out: np.ndarray) -> None:
        k = bits.view(np.int32)
        x, square, z, scratch = np.empty((4, k.size), np.float32)
        np.multiply(k, step, out=x, dtype=np.float32, casting="same_kind")
        if shift:
            np.add(x, shift, out=x)
        quantile.centre(form, x, square, z, scratch)
        if edge < 1:
            rest = np.flatnonzero(square > edge)
            k = k[rest]
            r = (k ^ (k >> 31)) ^ np.int32(2**31 - 1)
            z[rest] = np.copysign(quantile.tail32(r), x[rest])
        _finish(z, mean, stddev, within, out)

    return Single("normal32", (packed, TAIL, *law), fill)


def _normal64(mean: float, stddev: float, bits: np.ndarray, out: np.ndarray) -> None:
    _finish(_quantile64(_signed(bits)), mean, stddev, None, out)


def _signed(bits: np.ndarray) -> np.ndarray:
    """Odd multiples of 2^-53 in (-1, 1)."""
    x = (bits.view(np.int64) >> 11).astype(np.float64)
    np.add(x, 0.5, out=x)
    return np.multiply(x, 2.0**-52, out=x)


def _quantile64(x: np.ndarray) -> np.ndarray:
    """z with 2 P(Z < z) - 1 = x."""
    square, z, scratch = np.empty((3, x.size))
    quantile.centre(quantile.CENTRE64, x, square, z, scratch)
    rest = np.flatnonzero(square > quantile.EDGE64)
    if rest.size:
        x = x[rest]
        q = np.maximum(1.0 - np.abs(x), SMALLEST)
        t = 2 * quantile.LN2 - 2.0 * quantile.log64(q)
        z[rest] = np.copysign(quantile.tail64(t), x)
    return z


@functools.lru_cache(maxsize=1024)
def truncated_normal(
    mean: float, stddev: float, low: float, high: float, dtype: str
) -> tuple[TileFunction, int]:
    """mean + stddev z for low <= z <= high, and how many bits an entry takes."""
    within = inward(*bounds.truncation(mean, stddev, low, high), dtype)
    if low >= TAIL_BOUND or high <= -TAIL_BOUND:
        sign = 1.0 if low > 0 else -1.0
        near, far = (low, high) if low > 0 else (-high, -low)
        level, mass = bounds.tail(near, far)
        scale = sign * stddev

        def tail(bits: np.ndarray, out: np.ndarray) -> None:
            v = (bits >> np.uint64(11)).astype(np.float64)
            np.multiply(v, -mass * 2.0**-53, out=v)
            np.add(v, 1.0, out=v)
            _finish(quantile.tail64(level - 2.0 * quantile.log64(v)), mean, scale, within, out)

        return tail, 64

    middle, half = bounds.centred(low, high)
    if dtype == "float32" and max(-low, high) <= INNER_BOUND and half >= INNER_MASS:
        line = np.float32(half * 2.0**-31), np.float32(middle), np.float32(math.inf)
        inner = quantile.INNER32, INNER, line
        return _single(*inner, mean, stddev, within), 32

    def wide64(bits: np.ndarray, out: np.ndarray) -> None:
        x = _signed(bits)
        np.multiply(x, half, out=x)
        np.add(x, middle, out=x)
        _finish(_quantile64(x), mean, stddev, within, out)

    return wide64, 64


def signs(bits: np.ndarray, out: np.ndarray) -> None:
    """1 - 2 b, b the next bit, from the least significant on."""
    b = np.unpackbits(bits, count=out.size, bitorder="little").view(np.int8)
    out[...] = (1 - 2 * b).reshape(out.shape)


def integers(high: int) -> TileFunction:
    """floor(high w / 2^64), w a 64-bit word: each value's probability is within 2^-64 of 1/high."""
    mask, half = np.uint64(2**32 - 1), np.uint64(32)
    high_low, high_high = np.uint64(high & 0xFFFFFFFF), np.uint64(high >> 32)

    def fill(bits: np.ndarray, out: np.ndarray) -> None:
        low, top = bits & mask, bits >> half
        middle = top * high_low + ((low * high_low) >> half)
        carry = low * high_high + (middle & mask)
        value = top * high_high + (middle >> half) + (carry >> half)
        out[...] = value.reshape(out.shape)

    return fill


def words(bits: np.ndarray, out: np.ndarray) -> None:
    """The 64-bit words themselves."""
    out[...] = bits.reshape(out.shape)
