"""docs/streams.md written out in plain Python, one entry at a time; no NumPy, nothing shared."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import struct
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "streams.md"
CONSTANTS: dict[str, list[float]] = {
    name: [float.fromhex(word) for word in words.split()]
    for name, words in re.findall(
        r"^([A-Z][A-Z_0-9]+(?: \w+)?) ((?:-?0x\S+ ?)+)$", PAGE.read_text(), re.M
    )
}
ONE = {name: values[0] for name, values in CONSTANTS.items() if len(values) == 1}


def single(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def double(value: float) -> float:
    return value


def bencode(item: Any) -> bytes:
    if isinstance(item, int):
        return b"i%de" % item
    if isinstance(item, str):
        return b"%d:%b" % (len(item.encode()), item.encode())
    return b"l" + b"".join(map(bencode, item)) + b"e"


def words(seed: int, keys: list[Any], law: str, dtype: str, shape: list[int], tile: int) -> Any:
    name = ["keras_inits.DefaultStream", 1, seed, *keys]
    message = b"".join(map(bencode, (name, law, dtype, shape, tile)))
    return sfc64(*struct.unpack("<3Q", hashlib.sha256(message).digest()[:24]), tile << 32)


def sfc64(a: int, b: int, c: int, w: int) -> Any:
    full = 2**64 - 1
    while True:
        output = (a + b + w) & full
        yield output
        rotated = ((c << 24) | (c >> 40)) & full
        a, b, c, w = b ^ (b >> 11), (c + (c << 3)) & full, (rotated + output) & full, w + 1


def bits(stream: Any, width: int) -> Any:
    for word in stream:
        for place in range(0, 64, width):
            yield (word >> place) & (2**width - 1)


def tiles(shape: list[int]) -> Any:
    """Number and positions, in order, of each tile's entries."""
    box = list(shape)
    while math.prod(box) > 2**17:
        axis = box.index(max(box))
        box[axis] = math.ceil(box[axis] / 2)
    corners = itertools.product(*(range(0, n, e) for n, e in zip(shape, box, strict=True)))
    for number, corner in enumerate(corners):
        sides = [range(c, min(c + e, n)) for c, e, n in zip(corner, box, shape, strict=True)]
        yield number, itertools.product(*sides)


def poles(name: str, v: float, to: Any) -> float:
    total = 0.0
    for residue, pole in zip(
        CONSTANTS[f"{name} residues"], CONSTANTS[f"{name} poles"], strict=True
    ):
        total = to(total + to(residue / to(pole - v)))
    return to(total + ONE[f"{name} constant"])


def horner(name: str, v: float) -> float:
    value, *rest = CONSTANTS[name]
    for coefficient in rest:
        value = value * v + coefficient
    return value


def centre32(x: float, name: str = "CENTRE32") -> tuple[float, float]:
    y = single(x * x)
    return single(poles(name, y, single) * x), y


def tail32(r: int) -> float:
    s = single(single(single(r) + 0.5) * 2.0**-31)
    for _ in range(3):
        s = single(math.sqrt(s))
    return single(poles("TAIL32", s, single) + single(s * ONE["TAIL32 slope"]))


def log(v: float) -> float:
    m, e = math.frexp(v)
    s = (m - ONE["ROOT_HALF"]) / (m + ONE["ROOT_HALF"])
    q, total = s * s, 2 / 21
    for j in range(19, 0, -2):
        total = total * q + 2 / j
    return total * s + (e * ONE["LN2"] - ONE["LN2"] / 2)


def tail64(t: float) -> float:
    if t <= 1600:
        return horner("TAIL64 P", math.sqrt(t)) / horner("TAIL64 Q", math.sqrt(t))
    y = t
    for _ in range(5):
        v = 1 / y
        y = (t - log(ONE["TWO_PI"] * y)) + v * (v * (5 - v * (74 / 3)) - 2)
    return math.sqrt(y)


def quantile64(x: float) -> float:
    if x * x <= ONE["EDGE64"]:
        return poles("CENTRE64", x * x, double) * x
    q = max(1 - abs(x), 2.0**-54)
    return math.copysign(tail64(2 * ONE["LN2"] - 2 * log(q)), x)


def signed(word: int, width: int) -> int:
    return word - (word >> (width - 1) << width)


def upper(z: float) -> Decimal:
    """1 - Phi(z) for z >= 0, by Laplace's continued fraction from far out and Taylor's steps in."""
    with localcontext() as context:
        context.prec = 80
        pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640629")
        x = Decimal(z)
        if x > 10**50:
            return Decimal(0)
        density = (-x * x / 2).exp() / (2 * pi).sqrt()
        if x >= 8:
            value = x
            for k in range(400, 0, -1):
                value = x + k / value
            return density / value
        total, term, odd = x, x, 1
        for _ in range(600):
            odd += 2
            term *= x * x / odd
            total += term
        return Decimal("0.5") - density * total


def inward(low: float, high: float, dtype: str) -> tuple[float, float]:
    if dtype == "float64":
        return low, high
    least, greatest = _toward(low, math.inf), _toward(high, -math.inf)
    return (least, greatest) if least <= greatest else (single(low), single(low))


def _toward(bound: float, side: float) -> float:
    """bound in single, rounded towards `side`."""
    if math.isinf(bound):
        return bound
    near = single(bound)
    if near == bound or (near > bound) == (side > 0):
        return near
    step = 2.0 ** (math.frexp(near)[1] - 60)
    other = bound
    while single(other) == near:
        step *= 2
        other = near + math.copysign(step, side)
    return single(other)


def law(method: str, arguments: dict[str, Any]) -> tuple[int, str, Any]:
    """Bits an entry, dtype and the map from bits to an entry."""
    dtype = arguments.get("dtype", "float32")
    to = single if dtype == "float32" else double
    if method == "signs":
        return 1, dtype, lambda b: 1.0 - 2 * b
    if method == "integers":
        return 64, "int64", lambda u: arguments["high"] * u >> 64
    if method == "permutation":
        return 64, "uint64", lambda u: u
    if method == "uniform":
        low, high = arguments.get("low", 0.0), arguments.get("high", 1.0)
        least, greatest = inward(low, high, dtype)
        width, digits = (32, 24) if dtype == "float32" else (64, 53)
        s = to((high - low) * 2.0**-digits)
        return width, dtype, lambda k: min(to(to((k >> (width - digits)) * s) + least), greatest)
    mean, stddev = arguments.get("mean", 0.0), arguments.get("stddev", 1.0)

    def scaled(z: float, to: Any) -> float:
        z = to(z * to(stddev))
        return to(z + to(mean)) if mean else z

    if method == "normal":
        if dtype == "float64":
            return (
                64,
                dtype,
                lambda w: scaled(quantile64(((signed(w, 64) >> 11) + 0.5) * 2.0**-52), double),
            )

        def normal32(word: int) -> float:
            k = signed(word, 32)
            z, y = centre32(single(k) * 2.0**-31)
            if y > ONE["EDGE32"]:
                z = tail32(2**31 - 1 - k) if k >= 0 else -tail32(2**31 + k)
            return scaled(z, single)

        return 32, dtype, normal32
    low, high = arguments.get("low", -2.0), arguments.get("high", 2.0)
    lo, hi = inward(
        low if math.isinf(low) else mean + stddev * low,
        high if math.isinf(high) else mean + stddev * high,
        dtype,
    )

    def clip(value: float) -> float:
        return min(max(to(value), lo), hi)

    if low >= 1.7 or high <= -1.7:
        sign, a, b = (1, low, high) if low > 0 else (-1, -high, -low)
        a, b = min(a, 1e100), min(b, 1e100)
        with localcontext() as context:
            context.prec = 70
            mass = upper(a)
            level, d = float(-2 * mass.ln()), float(1 - upper(b) / mass)

        def tail(word: int) -> float:
            v = 1 - (word >> 11) * (d * 2.0**-53)
            return clip(scaled(sign * tail64(level - 2 * log(v)), double))

        return 64, dtype, tail
    with localcontext() as context:
        context.prec = 70
        below, above = (1 - upper(bound) if bound > 0 else upper(-bound) for bound in (low, high))
        middle, half = float(below + above - 1), float(above - below)
    if dtype == "float32" and low >= -2 and high <= 2 and half >= 0.25:
        step = single(half * 2.0**-31)

        def centre(word: int) -> float:
            x = single(single(single(signed(word, 32)) * step) + single(middle))
            return clip(scaled(centre32(x, "INNER32")[0], single))

        return 32, dtype, centre

    def wide(word: int) -> float:
        x = ((signed(word, 64) >> 11) + 0.5) * 2.0**-52
        return clip(scaled(quantile64(x * half + middle), double))

    return 64, dtype, wide


def draw(seed: int, keys: list[Any], method: str, arguments: dict[str, Any]) -> dict[Any, Any]:
    """Position -> entry for the whole tensor."""
    shape = [arguments["n"]] if method == "permutation" else list(arguments["shape"])
    width, dtype, entry = law(method, arguments)
    values = {}
    for number, positions in tiles(shape):
        source = bits(words(seed, keys, method, dtype, shape, number), width)
        for position, drawn in zip(positions, source, strict=False):
            values[position] = entry(drawn)
    if method == "permutation":
        order = sorted(values, key=values.__getitem__)
        return {(place,): index for place, (index,) in enumerate(order)}
    return values
