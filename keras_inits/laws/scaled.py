"""Laws of a location and a scale: uniform and normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits.laws.discrete import Point
from keras_inits.laws.law import Law
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


class Scaled(Law):
    """location + scale z, z of a standard law that does not change; a scale of 0 leaves a point."""

    checked = True  # by the stream

    def __init__(self, location: float, scale: float) -> None:
        self._location, self._scale = float(location), float(scale)

    def _standard(self, x: Any) -> np.ndarray:
        return (np.asarray(x, float) - self._location) / self._scale

    def _density(self, z: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _probability(self, z: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _inverse(self, p: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the standard law."""
        raise NotImplementedError

    @property
    def mean(self) -> float:
        return self._location + self._scale * self._moments()[0]

    @property
    def std(self) -> float:
        return self._scale * self._moments()[1]

    @property
    def continuous(self) -> bool:
        return self._scale != 0

    def pdf(self, x: Any) -> np.ndarray:
        if self._scale == 0:
            return Point(self._location).pdf(x)
        return self._density(self._standard(x)) / self._scale

    def cdf(self, x: Any) -> np.ndarray:
        if self._scale == 0:
            return Point(self._location).cdf(x)
        return self._probability(self._standard(x))

    def quantile(self, p: Any) -> np.ndarray:
        return self._location + self._scale * self._inverse(np.asarray(p, float))


class Uniform(Scaled):
    """U(low, high).

    >>> round(Uniform(-1.0, 1.0).std, 4)
    0.5774
    """

    _fields = ("low", "high")

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        super().__init__(low, high - low)

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    def draw(
        self, stream: Stream, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        return stream.uniform(shape, self.low, self.high, dtype, index)

    def _moments(self) -> tuple[float, float]:
        return 0.5, math.sqrt(1.0 / 12.0)

    def _density(self, z: np.ndarray) -> np.ndarray:
        return np.where((z >= 0) & (z <= 1), 1.0, 0.0)

    def _probability(self, z: np.ndarray) -> np.ndarray:
        return np.clip(z, 0.0, 1.0)

    def _inverse(self, p: np.ndarray) -> np.ndarray:
        return p

    def __str__(self) -> str:
        return f"U({self.low:.6g}, {self.high:.6g})"


class Normal(Scaled):
    """N(mean, stddev^2).

    >>> str(Normal(0.0, 0.1))
    'N(0, 0.1^2)'
    """

    _fields = ("mean", "stddev")

    def __init__(self, mean: float, stddev: float) -> None:
        self.stddev = stddev
        super().__init__(mean, stddev)

    def draw(
        self, stream: Stream, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        return stream.normal(shape, self._location, self.stddev, dtype, index)

    def _moments(self) -> tuple[float, float]:
        return 0.0, 1.0

    def _density(self, z: np.ndarray) -> np.ndarray:
        return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def _probability(self, z: np.ndarray) -> np.ndarray:
        from scipy import special

        return special.ndtr(z)

    def _inverse(self, p: np.ndarray) -> np.ndarray:
        from scipy import special

        return special.ndtri(p)

    def __str__(self) -> str:
        return f"N({self._location:.6g}, {self._scale:.6g}^2)"
