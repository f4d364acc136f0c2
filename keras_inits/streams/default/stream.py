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
from keras_inits.streams.default import kernels
from keras_inits.streams.default.tiles import Kernel, bencode, fill
from keras_inits.streams.stream import Index, Stream

_FLOATS = ("float32", "float64")


def _number(name: str, value: float, low: float | None = None) -> float:
    """The value as a Python float, which NumPy rounds to the array's dtype; -0 as 0."""
    return float(checks.number("DefaultStream", name, value, low=low)) + 0.0


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
        self._hash = hashlib.sha256(
            bencode(["keras_inits.DefaultStream", self.version, self.seed, *self.keys])
        )

    def child(self, *keys: str | int) -> DefaultStream:
        """The stream whose keys are these after its own."""
        return DefaultStream(self.seed, (*self.keys, *keys))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seed, self.keys)  # a hash cannot be copied or pickled

    def get_config(self) -> dict[str, Any]:
        """The seed, and the keys if there are any."""
        return {"seed": self.seed, "keys": list(self.keys)} if self.keys else {"seed": self.seed}

    def uniform(
        self,
        shape: Sequence[int],
        low: float = 0.0,
        high: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """low + (high - low) k / 2^n, n = 24 bits in float32 and 53 in float64."""
        low, high = _number("low", low), _number("high", high)
        if low > high:
            raise checks.value_error("DefaultStream", "high", f">= low = {low}", high)
        info = np.finfo(self._float(dtype))
        least, most = float(info.tiny) * 2.0 ** (info.nmant + 1), float(info.max)
        if low < high and not least <= high - low <= most:
            expected = f"low or a width of {least:.2g} to {most:.2g} above it in {dtype}"
            raise checks.value_error("DefaultStream", "high", expected, high)
        kernel = kernels.uniform(low, high, self._float(dtype))
        return self._draw("uniform", shape, dtype, 32 if dtype == "float32" else 64, kernel, index)

    def normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """mean + stddev z, z the quantile of 32 bits in float32 and 53 in float64."""
        mean, stddev = _number("mean", mean), _number("stddev", stddev, low=0.0)
        kernel = kernels.normal(mean, stddev, self._float(dtype))
        return self._draw("normal", shape, dtype, 32 if dtype == "float32" else 64, kernel, index)

    def truncated_normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        low: float = -2.0,
        high: float = 2.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """mean + stddev z for low <= z <= high; the bounds are finite or infinite."""
        mean, stddev = _number("mean", mean), _number("stddev", stddev, low=0.0)
        low, high = float(low) + 0.0, float(high) + 0.0
        if not (low < high and low < math.inf and high > -math.inf):
            raise checks.value_error("DefaultStream", "low, high", "low < high", (low, high))
        kernel, bits = kernels.truncated_normal(mean, stddev, low, high, self._float(dtype))
        return self._draw("truncated_normal", shape, dtype, bits, kernel, index)

    def signs(
        self, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        """One bit an entry."""
        return self._draw("signs", shape, self._float(dtype), 1, kernels.signs, index)

    def integers(self, shape: Sequence[int], high: int, index: Index = None) -> np.ndarray:
        """floor(high w / 2^64), w of 64 bits: each has 1 / high within 2^-64."""
        high = checks.integer("DefaultStream", "high", high, low=1, high=2**63)
        return self._draw("integers", shape, "int64", 64, kernels.integers(high), index)

    def permutation(self, n: int) -> np.ndarray:
        """The order that sorts n random 64-bit words; equal words, if any, stay in their order."""
        n = checks.integer("DefaultStream", "n", n, low=0)
        return np.argsort(
            self._draw("permutation", (n,), "uint64", 64, kernels.words, None), kind="stable"
        )

    def _float(self, dtype: str) -> str:
        return checks.one_of("DefaultStream", "dtype", dtype, _FLOATS)

    def _draw(
        self,
        law: str,
        shape: Sequence[int],
        dtype: str,
        bits: int,
        kernel: Kernel,
        index: Index,
    ) -> np.ndarray:
        shape = checks.shape("DefaultStream", shape)
        if index is not None and not _fits(index, shape):
            expected = f"a tuple of one slice(start, stop) for each axis of {shape}"
            raise checks.value_error("DefaultStream", "index", expected, index)
        index = index and tuple(slice(int(part.start), int(part.stop)) for part in index)
        key = self._hash.copy()
        key.update(_name(law, dtype, shape))
        return fill(key, shape, dtype, bits, kernel, index)


_name = lru_cache(maxsize=1024)(bencode)


def _fits(index: Any, shape: tuple[int, ...]) -> bool:
    return (
        isinstance(index, tuple)
        and len(index) == len(shape)
        and all(
            isinstance(part, slice)
            and part.step in (None, 1)
            and isinstance(part.start, (int, np.integer))
            and isinstance(part.stop, (int, np.integer))
            and 0 <= part.start <= part.stop <= size
            for part, size in zip(index, shape, strict=True)
        )
    )
