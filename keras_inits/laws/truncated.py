"""The normal law within bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from keras_inits.laws.scaled import Normal, Scaled
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


class TruncatedNormal(Scaled):
    """N(location, stddev^2) given an entry within location + stddev [low, high].

    `location` and `stddev` are the normal law's before the cut; `mean` and `std` those after it,
    exact also far out in a tail.

    >>> round(TruncatedNormal(0.0, 1.0, -2.0, 2.0).std, 6)
    0.879626
    """

    _fields = ("location", "stddev", "low", "high")

    def __init__(self, location: float, stddev: float, low: float, high: float) -> None:
        self.location, self.stddev, self.low, self.high = location, stddev, low, high
        super().__init__(location, stddev)

    @property
    def support(self) -> tuple[float, float]:
        return self.location + self.stddev * self.low, self.location + self.stddev * self.high

    def draw(
        self, stream: Stream, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        return stream.truncated_normal(
            shape, self.location, self.stddev, self.low, self.high, dtype, index
        )

    def _moments(self) -> tuple[float, float]:
        _, mean, std = _truncated(float(self.low), float(self.high))
        return 0.0 if self.low == -self.high else mean, std

    def _density(self, z: np.ndarray) -> np.ndarray:
        mass, _, _ = _truncated(float(self.low), float(self.high))
        peak = _nearest_to_zero(self.low, self.high)
        inside = (z >= self.low) & (z <= self.high)
        y = np.where(inside, z, peak) - peak
        return np.where(inside, np.exp(-y * (peak + y / 2)) / mass, 0.0)

    def _probability(self, z: np.ndarray) -> np.ndarray:
        from scipy import special

        z = np.clip(z, self.low, self.high)
        # The tails' probabilities keep their digits on the other side.
        if self.high < 0:
            return 1.0 - self._mirrored()._probability(-z)
        if self.low < 0:
            first, last = special.ndtr(self.low), special.ndtr(self.high)
            return (special.ndtr(z) - first) / (last - first)
        tail, whole = (
            np.expm1(special.log_ndtr(-v) - special.log_ndtr(-self.low)) for v in (z, self.high)
        )
        return tail / whole

    def _inverse(self, p: np.ndarray) -> np.ndarray:
        from scipy import special

        if self.high < 0:
            return -self._mirrored()._inverse(1.0 - p)
        if self.low < 0:
            first, last = special.ndtr(self.low), special.ndtr(self.high)
            z = special.ndtri(first + p * (last - first))
        else:
            nearest = special.log_ndtr(-self.low)
            whole = np.expm1(special.log_ndtr(-self.high) - nearest)
            with np.errstate(divide="ignore"):  # p = 1 without an upper bound
                z = -special.ndtri_exp(nearest + np.log1p(p * whole))
        return np.clip(z, self.low, self.high)

    def _mirrored(self) -> TruncatedNormal:
        return TruncatedNormal(self.location, self.stddev, -self.high, -self.low)

    def __str__(self) -> str:
        normal = Normal(self.location, self.stddev)
        if self.low == -self.high:
            return f"{normal} cut at {self.high:g} sigma"
        low, high = self.support
        return f"{normal} within [{low:.6g}, {high:.6g}]"


def _nearest_to_zero(low: float, high: float) -> float:
    return min(max(low, 0.0), high)


@lru_cache
def _truncated(low: float, high: float) -> tuple[float, float, float]:
    """(mass, mean, standard deviation) of the normal law between two bounds.

    By Gauss-Legendre quadrature of exp(-r y - y^2/2), y = z - r, r being the point of the interval
    nearest to 0: relative to the peak nothing is too small, and nothing cancels in a tail. `mass` is
    the integral of that function.
    """
    peak = _nearest_to_zero(low, high)
    # Beyond, the function is below exp(-50).
    reach = 100.0 / (abs(peak) + math.sqrt(peak * peak + 100.0))
    first, last = max(low - peak, -reach), min(high - peak, reach)
    nodes, weights = np.polynomial.legendre.leggauss(160)
    half = (last - first) / 2
    y = first + half * (nodes + 1)
    density = half * weights * np.exp(-y * (peak + y / 2))
    mass = float(density.sum())
    mean = float((density * y).sum()) / mass
    variance = float((density * (y - mean) ** 2).sum()) / mass
    return mass, peak + mean, math.sqrt(variance)
