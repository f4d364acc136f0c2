"""What several signals give together: side by side, their sum, their product."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np

from keras_inits.models.moments.signal import Signal, entries, gaussian, largest, quantiles


def joined(signals: list[Signal], profile: np.ndarray) -> Signal:
    """Side by side, as many of each as it has entries; `profile` is the whole's."""
    parts = [largest(s, 1) for s in signals]  # on the same nodes of e
    total = sum(s.profile.size for s in signals)
    return Signal(
        np.concatenate([part.table for part in parts]),
        np.concatenate([part.chances * part.profile.size / total for part in parts]),
        parts[0].weights,
        profile,
        object(),
        frozenset().union(*(s.origins for s in signals)),
        all(s.alike for s in signals),
    )


def total(signals: list[Signal], factors: list[float], profiles: list[np.ndarray]) -> Signal:
    """The sum of uncorrelated signals, each times its factor."""
    mean = sum(f * s.mean for f, s in zip(factors, signals, strict=True))
    apart = sum(f**2 * s.variance for f, s in zip(factors, signals, strict=True))
    offset = sum(f**2 * (s.shared - s.mean**2) for f, s in zip(factors, signals, strict=True))
    parts = [f**2 * s.second for f, s in zip(factors, signals, strict=True)]
    profile = np.average(np.stack(profiles), axis=0, weights=parts) if any(parts) else profiles[0]
    made = _combined(signals, mean, apart + mean**2, offset + mean**2, profile)
    law = reduce(_law_of_sum, (f * _apart(s) for f, s in zip(factors, signals, strict=True)))
    spread = math.sqrt(law**2 @ made.weights) or 1.0
    rows = made.rows[:, None]
    made = made.of(rows + law * (math.sqrt(max(apart - offset, 0.0)) / spread))
    own = [f**2 * s.shared for f, s in zip(factors, signals, strict=True)]
    along = np.full(profile.shape, made.shared - sum(own))  # of one's mean and the other's
    for n, signal in zip(own, signals, strict=True):
        along += n * signal.with_channel
    return replace(made, along=along / (made.shared or 1.0))


def _apart(signal: Signal) -> np.ndarray:
    """The law of how far entries are from their channel's offset, of all channels."""
    apart = signal.table - signal.rows[:, None]
    return quantiles(apart.ravel(), np.outer(signal.chances, signal.weights).ravel())


def _law_of_sum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    weights = entries()[1]
    law = quantiles(np.add.outer(one, other).ravel(), np.outer(weights, weights).ravel())
    return law - law @ weights


def product(signals: list[Signal], profiles: list[np.ndarray]) -> Signal:
    """The product of independent signals, entry by entry."""
    mean, second, shared = (
        math.prod(values)
        for values in zip(*((s.mean, s.second, s.shared) for s in signals), strict=True)
    )
    profile = np.prod(np.stack(profiles), axis=0)
    new = _combined(signals, mean, second, shared, np.ones_like(profile))
    return new.in_place(profile)


def _combined(
    signals: list[Signal], mean: float, second: float, shared: float, profile: np.ndarray
) -> Signal:
    origins = frozenset().union(*(s.origins for s in signals))
    alike = all(s.alike for s in signals)
    return gaussian(mean, second, shared, profile, origins, alike)
