"""Laws made of other laws: one of several at random, one times a factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits.laws.law import Law


class Mixture(Law):
    """One of several laws, each with its share: the law of an entry taken at random."""

    _fields = ("laws", "shares")

    def __init__(self, laws: Sequence[Law], shares: Sequence[float]) -> None:
        merged: dict[Law, float] = {}
        for law, share in zip(laws, shares, strict=True):
            if share:
                merged[law] = merged.get(law, 0.0) + share
        whole = sum(merged.values())
        self._parts = [(law, share / whole) for law, share in merged.items()]
        self.laws = tuple(law for law, _ in self._parts)
        self.shares = tuple(share for _, share in self._parts)

    @property
    def mean(self) -> float:
        return math.fsum(s * law.mean for law, s in self._parts)

    @property
    def std(self) -> float:
        mean = self.mean
        return math.sqrt(
            math.fsum(s * (law.std**2 + (law.mean - mean) ** 2) for law, s in self._parts)
        )

    @property
    def continuous(self) -> bool:
        return all(law.continuous for law in self.laws)

    @property
    def support(self) -> tuple[float, float]:
        bounds = [law.support for law in self.laws]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def pdf(self, x: Any) -> np.ndarray:
        return np.sum([s * law.pdf(x) for law, s in self._parts], axis=0)

    def cdf(self, x: Any) -> np.ndarray:
        return np.sum([s * law.cdf(x) for law, s in self._parts], axis=0)

    def quantile(self, p: Any) -> np.ndarray:
        p = np.asarray(p, float)
        each = [law.quantile(p) for law in self.laws]
        low, high = np.min(each, axis=0), np.max(each, axis=0)
        # The answer lies between the parts' own: halve until no number is left between.
        with np.errstate(invalid="ignore"):  # what starts at -infinity is reached there
            for _ in range(200):
                middle = low + (high - low) / 2
                below = self.cdf(middle) < p
                low, high = np.where(below, middle, low), np.where(below, high, middle)
        reached = self.cdf(low) >= p
        return np.where(reached, low, high)

    def __str__(self) -> str:
        if len(self.laws) > 4:
            return f"a mixture of {len(self.laws)} laws"
        return "; ".join(f"{share:.4g} of the entries {law}" for law, share in self._parts)


def mixture(laws: Sequence[Law | None], shares: Sequence[float]) -> Law | None:
    """The mixture, one law where all are alike, None where one that counts is not known."""
    used = [(law, share) for law, share in zip(laws, shares, strict=True) if share]
    known = [law for law, _ in used if law is not None]
    if not used or len(known) < len(used):
        return None
    mixed = Mixture(known, [share for _, share in used])
    return mixed.laws[0] if len(mixed.laws) == 1 else mixed


class Times(Law):
    """`factor` > 0 times an entry of another law."""

    _fields = ("law", "factor")

    def __init__(self, law: Law, factor: float) -> None:
        self.law, self.factor = law, factor

    @property
    def mean(self) -> float:
        return self.factor * self.law.mean

    @property
    def std(self) -> float:
        return self.factor * self.law.std

    @property
    def continuous(self) -> bool:
        return self.law.continuous

    @property
    def support(self) -> tuple[float, float]:
        low, high = self.law.support
        return self.factor * low, self.factor * high

    def pdf(self, x: Any) -> np.ndarray:
        return self.law.pdf(np.asarray(x, float) / self.factor) / self.factor

    def cdf(self, x: Any) -> np.ndarray:
        return self.law.cdf(np.asarray(x, float) / self.factor)

    def quantile(self, p: Any) -> np.ndarray:
        return self.factor * self.law.quantile(p)

    def __str__(self) -> str:
        return f"{self.factor:.6g} times {self.law}"
