"""Laws of single schemes: entries of orthogonal matrices, gate and step biases by time scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_inits.laws.discrete import Discrete
from keras_inits.laws.law import Law
from keras_inits.streams.default.quantile import exp64, log64


class SphereEntry(Law):
    """gain times one coordinate of a point uniform on the unit sphere in n dimensions.

    The law of each entry of a Haar-distributed orthogonal matrix whose longer side is n:
    (x / gain + 1) / 2 ~ Beta((n - 1)/2, (n - 1)/2), standard deviation |gain| / sqrt(n).

    >>> SphereEntry(100, 2.0).std
    0.2
    """

    _fields = ("n", "gain")

    def __init__(self, n: int, gain: float = 1.0) -> None:
        self.n, self.gain = n, gain

    @property
    def mean(self) -> float:
        return 0.0

    @property
    def std(self) -> float:
        return abs(self.gain) / math.sqrt(self.n)

    @property
    def support(self) -> tuple[float, float]:
        return -abs(self.gain), abs(self.gain)

    @property
    def continuous(self) -> bool:
        return self.n > 1 and self.gain != 0

    def _signs(self) -> Discrete:
        """In one dimension the sphere is two points."""
        return Discrete([-abs(self.gain), abs(self.gain)], [0.5, 0.5])

    def pdf(self, x: Any) -> np.ndarray:
        if not self.continuous:
            return self._signs().pdf(x)
        from scipy import special

        half = (self.n - 1) / 2
        u = np.asarray(x, float) / abs(self.gain)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = special.xlog1py(half - 1, -u * u) - special.betaln(half, half)
            density = np.exp(log - (2 * half - 1) * math.log(2)) / abs(self.gain)
        return np.where(np.abs(u) <= 1, density, 0.0)

    def cdf(self, x: Any) -> np.ndarray:
        if not self.continuous:
            return self._signs().cdf(x)
        from scipy import special

        u = np.asarray(x, float) / abs(self.gain)
        return special.betainc((self.n - 1) / 2, (self.n - 1) / 2, np.clip((u + 1) / 2, 0.0, 1.0))

    def quantile(self, p: Any) -> np.ndarray:
        if not self.continuous:
            return self._signs().quantile(p)
        from scipy import special

        return abs(self.gain) * (2 * special.betaincinv((self.n - 1) / 2, (self.n - 1) / 2, p) - 1)

    def __str__(self) -> str:
        factor = "" if self.gain == 1 else f"{self.gain:.6g} times "
        return f"{factor}an entry of a unit vector in R^{self.n}"


class LogUniform(Law):
    """log(u), u ~ U(1, high), times `sign`.

    >>> LogUniform(1.0).std
    0.0
    """

    _fields = ("high", "sign")

    def __init__(self, high: float, sign: int = 1) -> None:
        self.high, self.sign = high, sign

    def _moments(self) -> tuple[float, float]:
        """E[log(u)] and E[log(u)^2], by parts; near high = 1 by the series of the width."""
        width, log = self.high - 1.0, math.log(self.high)
        if width < 1e-3:
            return width / 2 - width**2 / 6, width**2 / 3 - width**3 / 4
        first = (self.high * log - width) / width
        return first, self.high * log * log / width - 2 * first

    @property
    def mean(self) -> float:
        return self.sign * self._moments()[0]

    @property
    def std(self) -> float:
        first, second = self._moments()
        return math.sqrt(max(second - first**2, 0.0))

    @property
    def support(self) -> tuple[float, float]:
        far = self.sign * math.log(self.high)
        return min(far, 0.0), max(far, 0.0)

    @property
    def continuous(self) -> bool:
        return self.high > 1

    def pdf(self, x: Any) -> np.ndarray:
        y = self.sign * np.asarray(x, float)
        far = math.log(self.high)
        inside = (y >= 0) & (y <= far)
        if not self.continuous:
            return np.where(inside, math.inf, 0.0)
        return np.where(inside, np.exp(np.minimum(y, far)) / (self.high - 1), 0.0)

    def cdf(self, x: Any) -> np.ndarray:
        if not self.continuous:
            return np.where(np.asarray(x) >= 0, 1.0, 0.0)
        y = np.clip(self.sign * np.asarray(x, float), 0.0, math.log(self.high))
        below = np.expm1(y) / (self.high - 1)
        return below if self.sign == 1 else 1.0 - below

    def quantile(self, p: Any) -> np.ndarray:
        p = np.asarray(p, float)
        return self.sign * np.log1p((p if self.sign == 1 else 1.0 - p) * (self.high - 1))

    def __str__(self) -> str:
        return f"{'' if self.sign == 1 else 'minus '}log U(1, {self.high:.6g})"


class SoftplusStep(Law):
    """log(exp(step) - 1), the inverse softplus, with log(step) ~ U(log low, log high).

    >>> round(float(SoftplusStep(0.001, 0.1).quantile(1.0)), 4)
    -2.2522
    """

    _fields = ("low", "high")

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._log, log_high = log64(np.array([low, high], float))
        self._width = log_high - self._log

    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation, by quadrature of the quantile function, which is smooth."""
        nodes, weights = np.polynomial.legendre.leggauss(200)
        x = self.quantile((nodes + 1) / 2)
        mean = float(weights @ x) / 2
        return mean, math.sqrt(float(weights @ (x - mean) ** 2) / 2)

    @property
    def mean(self) -> float:
        return self._moments()[0]

    @property
    def std(self) -> float:
        return self._moments()[1]

    @property
    def support(self) -> tuple[float, float]:
        low, high = self.quantile([0.0, 1.0])
        return float(low), float(high)

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, float)
        low, high = self.support
        inside = (x >= low) & (x <= high)
        y = np.where(inside, x, low)
        step = np.logaddexp(0.0, y)
        return np.where(inside, -np.expm1(-step) / (step * self._width), 0.0)

    def cdf(self, x: Any) -> np.ndarray:
        step = np.logaddexp(0.0, np.asarray(x, float))
        with np.errstate(divide="ignore"):  # far below the support the step is 0
            return np.clip((np.log(step) - self._log) / self._width, 0.0, 1.0)

    def quantile(self, p: Any) -> np.ndarray:
        # As the streams do it, for the same bits on every machine.
        step = exp64(self._log + np.asarray(p, float) * self._width)
        return step + log64(-exp64(-step, less=1.0))

    def __str__(self) -> str:
        return f"inverse softplus of steps log-uniform in [{self.low:.6g}, {self.high:.6g}]"
