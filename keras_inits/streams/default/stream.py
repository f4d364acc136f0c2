"""The library's own stream: the same numbers everywhere, drawn in any order, by any thread."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.streams.default import device, kernels
from keras_inits.streams.default.bounds import truncation
from keras_inits.streams.default.tiles import TileFunction, bencode, fill
from keras_inits.streams.narrow import NARROW, Support, draw_dtype, numpy_dtype
from keras_inits.streams.stream import Draw, Index, Stream

_BITS = {"float32": 32, "float64": 64}


@keras.saving.register_keras_serializable("keras_inits")
class DefaultStream(Stream):
    """Numbers that depend on the seed, the keys, the tensor's shape and the position in it alone.

    The bits are the same on every backend, processor, operating system and number of threads; the
    algorithm is written down in docs/streams.md and never changes. `keys` are the strings and
    integers that `child` was given: children of one seed with other keys are independent of it and
    of one another.
    """

    version = 1

    def __init__(self, seed: int, keys: Sequence[str | int] = ()) -> None:
        super().__init__(seed)
        if isinstance(keys, (str, bytes)) or not isinstance(keys, Sequence):
            raise checks.type_error("DefaultStream", "keys", "a list of strings and integers", keys)
        self.keys = tuple(
            key if isinstance(key, str) else checks.integer("DefaultStream", "key", key)
            for key in keys
        )
        self._on_device = False

    def on_device(self, shape: tuple[int, ...]) -> DefaultStream:
        """The stream of the same numbers that gives whole tensors of this shape, where the backend has
        its own on an NVIDIA GPU and they are large, as tensors of the backend, drawn there."""
        if math.prod(shape) < device.LEAST:
            return self
        stream = object.__new__(type(self))
        stream.__dict__ = {**vars(self), "_on_device": True}
        return stream

    def child(self, *keys: str | int) -> DefaultStream:
        """The stream whose keys are these after its own."""
        return DefaultStream(self.seed, (*self.keys, *keys))

    def get_config(self) -> dict[str, Any]:
        """The seed, and the keys if there are any."""
        return {"seed": self.seed, "keys": list(self.keys)} if self.keys else {"seed": self.seed}

    def _uniform(
        self, shape: tuple[int, ...], low: float, high: float, dtype: str, index: Index
    ) -> np.ndarray:
        """low + (high - low) k / 2^n, n = 24 bits in float32 and 53 in float64."""
        real = draw_dtype(dtype)
        info = np.finfo(real)
        least = float(info.tiny) * 2.0 ** (info.nmant + 1)
        if 0 < high - low < least:
            raise self._bad("high", f"low, or at least {least:.2g} above it in {real}", high)
        function = kernels.uniform(low, high, real)
        return self._draw("uniform", shape, dtype, _BITS[real], function, index, (low, high))

    def _normal(
        self, shape: tuple[int, ...], mean: float, stddev: float, dtype: str, index: Index
    ) -> np.ndarray:
        """mean + stddev z, z the quantile of 32 bits in float32 and 53 in float64."""
        real = draw_dtype(dtype)
        function = kernels.normal(mean, stddev, real)
        return self._draw("normal", shape, dtype, _BITS[real], function, index)

    def _truncated_normal(
        self,
        shape: tuple[int, ...],
        mean: float,
        stddev: float,
        low: float,
        high: float,
        dtype: str,
        index: Index,
    ) -> np.ndarray:
        """mean + stddev z for low <= z <= high."""
        function, bits = kernels.truncated_normal(mean, stddev, low, high, draw_dtype(dtype))
        support = truncation(mean, stddev, low, high)
        return self._draw("truncated_normal", shape, dtype, bits, function, index, support)

    def _signs(self, shape: tuple[int, ...], dtype: str, index: Index) -> np.ndarray:
        """One bit an entry."""
        return self._draw("signs", shape, dtype, 1, kernels.signs, index)

    def _integers(self, shape: tuple[int, ...], high: int, index: Index) -> np.ndarray:
        """floor(high w / 2^64), w of 64 bits: each has 1 / high within 2^-64."""
        return self._draw("integers", shape, "int64", 64, kernels.integers(high), index)

    def _permutation(self, n: int) -> np.ndarray:
        """The order that sorts n random 64-bit words; equal words, if any, stay in their order."""
        words = self._draw("permutation", (n,), "uint64", 64, kernels.words, None)
        return np.argsort(words, kind="stable")

    def _rounded(self, dtype: str, support: Support, draw: Draw) -> np.ndarray:
        return draw(dtype)  # its draws round, tile by tile

    def _draw(
        self,
        law: str,
        shape: tuple[int, ...],
        dtype: str,
        bits: int,
        function: TileFunction,
        index: Index,
        support: Support = None,
    ) -> np.ndarray:
        tensor = _name(law, draw_dtype(dtype), shape)
        name, key = _named(self.version, self.seed, self.keys)
        if self._on_device and index is None and isinstance(function, kernels.Single):
            drawn = device.fill(name + tensor, shape, dtype, function, support)
            if drawn is not None:
                return drawn
        key = key.copy()
        key.update(tensor)
        if dtype in NARROW and bits > 1:  # signs are exact
            function = kernels.narrowed(function, dtype, support)
        return fill(key, shape, numpy_dtype(dtype), bits, function, index)


_name = lru_cache(maxsize=1024)(bencode)


@lru_cache(maxsize=1024)
def _named(version: int, seed: int, keys: tuple[str | int, ...]) -> tuple[bytes, hashlib._Hash]:
    """A stream's name, and its hash, which is copied before it goes on."""
    name = bencode(["keras_inits.DefaultStream", version, seed, *keys])
    return name, hashlib.sha256(name)
