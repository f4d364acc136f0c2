"""The numbers of TensorFlow's RandomUniform and RandomStandardNormal, from their two seeds.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): group g of four
32-bit words is the block (g, second seed) enciphered under the first seed. On the CPU TensorFlow
fills a tensor with the groups 0, 1, ... in order, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_BLOCK = 1 << 14  # groups at a time: the working set stays in the cache
_EPSILON = 1e-7  # TensorFlow's least argument of the logarithm, in double precision as well

# How many words TensorFlow spends on one entry.
_WORDS = {"float16": 1, "float32": 1, "float64": 2}


def words(key: int, counter: int, start: int, stop: int) -> np.ndarray:
    """Groups `start` to `stop` of four words (uint32) for two 64-bit seeds."""
    group = np.arange(start, stop, dtype=np.uint64)
    a, b = group & _LOW, group >> _HALF
    c, d = (np.full_like(group, half) for half in (counter & 0xFFFFFFFF, counter >> 32))
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a = (right >> _HALF) ^ b ^ np.uint64(low)
        c = (left >> _HALF) ^ d ^ np.uint64(high)
        b, d = right & _LOW, left & _LOW
        low = (low + _KEY_STEPS[0]) & 0xFFFFFFFF
        high = (high + _KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack((a, b, c, d), axis=1).astype(np.uint32)


def _unit(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Uniform on [0, 1): the low 10, 23 or 52 bits become the mantissa."""
    if dtype == "float16":
        return (bits & np.uint32(0x3FF)).astype(dtype) * np.float16(2.0**-10)
    if dtype == "float32":
        return (bits & np.uint32(0x7FFFFF)).astype(dtype) * np.float32(2.0**-23)
    high, low = (bits[..., i::2].astype(np.uint64) for i in (0, 1))
    return (((high & np.uint64(0xFFFFF)) << _HALF) | low).astype(dtype) * 2.0**-52


def _box_muller(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Two standard normals from two uniforms, r sin(t) first; half precision goes through single."""
    real = "float64" if dtype == "float64" else "float32"
    unit = _unit(bits, real)
    first, second = unit[..., 0::2], unit[..., 1::2]
    # Elementary functions in double precision, rounded where TensorFlow rounds.
    logarithm = np.log(np.maximum(first, first.dtype.type(_EPSILON)).astype("float64"))
    radius = np.sqrt(logarithm.astype(real) * first.dtype.type(-2))
    angle = (second.astype("float64") * (2 * np.pi)).astype(real).astype("float64")
    pair = np.stack((np.sin(angle), np.cos(angle)), axis=-1).astype(real) * radius[..., None]
    return pair.reshape(len(bits), -1).astype(dtype)


def _fill(
    law: Callable[[np.ndarray, str], np.ndarray], seeds: tuple[int, int], size: int, dtype: str
) -> np.ndarray:
    per_group = 4 // _WORDS[dtype]
    values = np.empty(-(-size // per_group) * per_group, dtype)
    for start in range(0, values.size // per_group, _BLOCK):
        stop = min(start + _BLOCK, values.size // per_group)
        block = law(words(*seeds, start, stop), dtype)
        values[start * per_group : stop * per_group] = block.reshape(-1)
    return values[:size]


def uniform(seeds: tuple[int, int], size: int, dtype: str = "float32") -> np.ndarray:
    """What `RandomUniform` gives for `seeds = (seed, seed2)`, bit for bit."""
    return _fill(_unit, seeds, size, dtype)


def normal(seeds: tuple[int, int], size: int, dtype: str = "float32") -> np.ndarray:
    """What `RandomStandardNormal` gives for `seeds = (seed, seed2)`, within the libm's rounding."""
    return _fill(_box_muller, seeds, size, dtype)
