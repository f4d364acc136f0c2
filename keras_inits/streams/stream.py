"""What every source of random numbers offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from keras_inits import checks

Index = tuple[slice, ...] | None


class Stream:
    """A source of random numbers that a scheme draws from; pass one as `seed=`.

    `shape` is the whole tensor's; `index`, a slice per axis, asks for a block of it alone, equal to
    the same block of the whole. All methods return C-ordered NumPy arrays. A stream that replays
    another framework offers the laws which that framework has; the others raise ValueError.
    """

    # Replays hand out their numbers in order and so must be asked once for each tensor, whole.
    sequential = False

    def __init__(self, seed: int) -> None:
        self.seed = checks.integer(type(self).__name__, "seed", seed, low=0, high=2**64 - 1)

    def _cannot(self, law: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: cannot replay {law}")

    def uniform(
        self,
        shape: Sequence[int],
        low: float = 0.0,
        high: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """Entries of U(low, high)."""
        raise self._cannot("a uniform law")

    def normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """Entries of N(mean, stddev^2)."""
        raise self._cannot("a normal law")

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
        """Entries of N(mean, stddev^2) given low <= (value - mean) / stddev <= high."""
        raise self._cannot("a truncated normal law")

    def signs(
        self, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        """Entries -1 and 1, equally likely."""
        raise self._cannot("random signs")

    def integers(self, shape: Sequence[int], high: int, index: Index = None) -> np.ndarray:
        """Integers (int64), uniform on 0, 1, ..., high - 1."""
        raise self._cannot("random integers")

    def permutation(self, n: int) -> np.ndarray:
        """A random order of 0, 1, ..., n - 1 (int64)."""
        raise self._cannot("a permutation")

    def orthogonal(
        self, shape: Sequence[int], gain: float = 1.0, dtype: str = "float32"
    ) -> np.ndarray:
        """gain Q as the replayed framework draws it; the library's own law needs no replay."""
        raise self._cannot("an orthogonal law")

    def child(self, *keys: str | int) -> Stream:
        """The stream for the part named by `keys`; a replay has one order and goes on in it."""
        del keys
        return self

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: config {config!r} does not fit: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.seed))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
