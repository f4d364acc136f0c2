"""Laws of finitely many values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from keras_inits.laws.law import Law
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


class Discrete(Law):
    """Finitely many values, each with its probability."""

    _fields: tuple[str, ...] = ("values", "probabilities")

    def __init__(self, values: Sequence[float], probabilities: Sequence[float]) -> None:
        order = np.argsort(values, kind="stable")
        weights = np.asarray(probabilities, float)[order]
        self.values = np.asarray(values, float)[order].tolist()
        self.probabilities = (weights / weights.sum()).tolist()

    @property
    def mean(self) -> float:
        return float(np.dot(self.values, self.probabilities))

    @property
    def std(self) -> float:
        apart = np.asarray(self.values) - self.mean
        return math.sqrt(np.dot(apart**2, self.probabilities))

    @property
    def continuous(self) -> bool:
        return False

    @property
    def support(self) -> tuple[float, float]:
        return self.values[0], self.values[-1]

    def pdf(self, x: Any) -> np.ndarray:
        return np.where(np.isin(x, self.values), math.inf, 0.0)

    def cdf(self, x: Any) -> np.ndarray:
        sums = np.concatenate([[0.0], np.cumsum(self.probabilities)])
        return np.minimum(sums[np.searchsorted(self.values, x, side="right")], 1.0)

    def quantile(self, p: Any) -> np.ndarray:
        sums = np.cumsum(self.probabilities)
        last = len(self.values) - 1
        return np.asarray(self.values)[np.minimum(np.searchsorted(sums, p), last)]

    def __str__(self) -> str:
        if len(self.values) > 4:
            low, high = self.support
            return f"{len(self.values)} values from {low:.6g} to {high:.6g}"
        pairs = zip(self.values, self.probabilities, strict=True)
        return ", ".join(f"{value:.6g} with probability {share:.4g}" for value, share in pairs)


class Entries(Law):
    """One of the entries of an array, each as likely."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    @property
    def mean(self) -> float:
        return float(np.mean(self._array, dtype="float64"))

    @property
    def std(self) -> float:
        with np.errstate(over="ignore"):  # infinite where float64 holds no square
            return float(np.std(self._array, dtype="float64"))

    @property
    def continuous(self) -> bool:
        return False

    @property
    def support(self) -> tuple[float, float]:
        return float(self._array.min()), float(self._array.max())

    @cached_property
    def _sorted(self) -> np.ndarray:
        return np.sort(self._array, axis=None).astype("float64")

    def pdf(self, x: Any) -> np.ndarray:
        return np.where(np.isin(x, self._array), math.inf, 0.0)

    def cdf(self, x: Any) -> np.ndarray:
        return np.searchsorted(self._sorted, x, side="right") / self._sorted.size

    def quantile(self, p: Any) -> np.ndarray:
        rank = np.ceil(np.asarray(p) * self._sorted.size).astype(int)
        return self._sorted[np.maximum(rank - 1, 0)]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"Entries(an array of shape {self._array.shape})"


class Point(Discrete):
    """Every entry the same value.

    >>> Point(2.0).std
    0.0
    """

    _fields = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value
        self.values, self.probabilities = [float(value)], [1.0]

    @property
    def std(self) -> float:
        return 0.0

    def draw(
        self, stream: Stream, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        if index is not None:
            shape = [part.stop - part.start for part in index]
        return np.full(shape, self.value, numpy_dtype(dtype))

    def __str__(self) -> str:
        return f"{self.value:.6g}"
