"""PyTorch's generator on the CPU: the 32-bit Mersenne Twister, and what is made of its words."""

from __future__ import annotations

import math

import numpy as np

from keras_inits.streams.torch import cephes
from keras_inits.streams.torch.fused import fma

_BLOCK = 1 << 16  # entries at a time: the working set stays in the cache
_MANTISSA = {"float32": 24, "float64": 53}
_GROUP = 16  # entries that PyTorch's normal law makes at once, if there are as many


class TorchGenerator:
    """The state after `torch.manual_seed(seed)`; each method consumes what PyTorch's does."""

    def __init__(self, seed: int) -> None:
        # PyTorch keeps 64 bits of a seed and starts the twister, in NumPy's legacy way, with 32.
        self._random = np.random.RandomState(seed & 0xFFFFFFFF)
        self._spare: float | None = None  # the second normal of a pair drawn one by one

    def _words(self, size: int) -> np.ndarray:
        return self._random.randint(0, 2**32, size=size, dtype=np.uint32)

    def _words64(self, size: int) -> np.ndarray:
        high, low = self._words(2 * size).astype(np.uint64).reshape(size, 2).T
        return (high << np.uint64(32)) | low

    def _unit(self, size: int, dtype: str) -> np.ndarray:
        """Uniform on [0, 1): the low 24 or 53 bits of a word."""
        bits = self._words(size) if dtype == "float32" else self._words64(size)
        digits = _MANTISSA[dtype]
        mask = bits.dtype.type(2**digits - 1)
        return (bits & mask).astype(dtype) * np.dtype(dtype).type(2.0**-digits)

    def uniform(self, size: int, low: float, high: float, dtype: str) -> np.ndarray:
        """`Tensor.uniform_(low, high)`."""
        first, last = np.array([low, high], dtype)
        values = np.empty(size, dtype)
        for block in _blocks(values):
            block[:] = fma(self._unit(block.size, dtype), last - first, first)
            block[block == last] = first
        return values

    def normal(self, size: int, mean: float, stddev: float, dtype: str) -> np.ndarray:
        """`Tensor.normal_(mean, stddev)` of a contiguous tensor."""
        if size < _GROUP:
            values = np.array([self._next_normal() for _ in range(size)], "float64")
            return fma(values, np.float64(stddev), np.float64(mean)).astype(dtype)
        values = np.empty(size, dtype)
        scale, shift = np.array([stddev, mean], dtype)
        for block in _blocks(values):
            unit = self._unit(block.size, dtype)
            whole = block.size - block.size % _GROUP
            block[:whole] = fma(_box_muller(unit[:whole]), scale, shift)
        if size % _GROUP:
            values[-_GROUP:] = fma(_box_muller(self._unit(_GROUP, dtype)), scale, shift)
        return values

    def _next_normal(self) -> float:
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        first, second = self._unit(2, "float64").tolist()
        radius, angle = math.sqrt(-2.0 * math.log1p(-second)), 2.0 * math.pi * first
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def integers(self, size: int, high: int) -> np.ndarray:
        """`Tensor.random_(0, high)`: remainders of words, of double ones from 2^28."""
        bits = self._words64(size) if high >= 2**28 else self._words(size).astype(np.uint64)
        return (bits % np.uint64(high)).astype(np.int64)

    def permutation(self, n: int) -> np.ndarray:
        """`torch.randperm(n)`: each place in turn swaps with itself or a later one."""
        steps = self._words(max(n - 1, 0)) % np.arange(n, 1, -1, dtype=np.uint32)
        order = list(range(n))
        for place, step in enumerate(steps.tolist()):
            order[place], order[place + step] = order[place + step], order[place]
        return np.array(order, np.int64)


def _blocks(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK)]


def _box_muller(unit: np.ndarray) -> np.ndarray:
    """Groups of 16 uniforms, 8 radii and 8 angles, to normals, 8 of cosines and 8 of sines."""
    real = unit.dtype.type
    first, second = unit.reshape(-1, 2, _GROUP // 2).transpose(1, 0, 2)
    first, angle = 1 - first, second * real(2 * math.pi)
    if real is np.float32:
        logarithm, (sine, cosine) = cephes.log(first), cephes.sincos(angle)
    else:
        logarithm, sine, cosine = np.log(first), np.sin(angle), np.cos(angle)
    radius = np.sqrt(real(-2) * logarithm)
    return np.stack((radius * cosine, radius * sine), axis=1).reshape(-1)
