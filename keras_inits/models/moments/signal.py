"""What the entries of a tensor are like: their law, how positions relate, how their size differs.

An entry at position p of channel c is x = g(a, e): `a` one standard normal number a channel, `e` one an
entry, all independent. Random weights of mean 0 make exactly this of such an input, as the width
grows: an input whose mean is not 0 gives every channel an offset at all positions. So two positions of a
channel have the product moment E[g(a, e) g(a, e')], which what pools over positions needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np


@cache
def _offsets() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for the expectation over `a`: smooth, as `e` is integrated before."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    return nodes, weights / weights.sum()


@cache
def entries() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for the expectation over `e`: panels, as activations have kinks."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    edges = np.linspace(-7.5, 7.5, 61)
    half = np.diff(edges)[:, None] / 2
    e = ((edges[1:] + edges[:-1])[:, None] / 2 + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-e * e / 2)
    return e, density / density.sum()


@dataclass(frozen=True, eq=False)
class Signal:
    """The entries of a tensor.

    `table` holds g at the nodes of (a, e), `chances` and `weights` are those of a's and of e's. `profile`,
    of the tensor's shape, is the second moment of each entry over the mean of its kind. Signals with one `latent` are
    functions of the same a and e. `origins` are the inputs and random weights of which the values are
    made: two signals without a common one are uncorrelated. `alike`: that any two positions relate
    alike is known. `along`: see `with_channel`.
    """

    table: np.ndarray
    chances: np.ndarray
    weights: np.ndarray
    profile: np.ndarray
    latent: object
    origins: frozenset[int]
    alike: bool = True
    along: np.ndarray | None = None

    @property
    def rows(self) -> np.ndarray:
        """E[x | a] at the nodes of a."""
        return self.table @ self.weights

    @property
    def mean(self) -> float:
        return float(self.chances @ self.rows)

    @property
    def second(self) -> float:
        """E[x^2], over all entries."""
        return float(self.chances @ (self.table**2 @ self.weights))

    @property
    def shared(self) -> float:
        """E[x x'] of two positions of a channel."""
        return float(self.chances @ self.rows**2)

    @property
    def variance(self) -> float:
        return self.second - self.mean**2

    @property
    def with_channel(self) -> np.ndarray:
        """E[x m] of each entry and the mean m of its channel, over its mean.

        Where it is not known from the kernel: what is of mean 0 is in proportion to the second moment, and
        what is not, to its root.
        """
        if self.along is not None:
            return self.along
        return self.profile if self.mean**2 < 1e-6 * self.second else np.sqrt(self.profile)

    def of(self, table: np.ndarray) -> Signal:
        """Another function of the same a and e."""
        return replace(self, table=table, along=None)

    def at(self, size: float, along: float) -> np.ndarray:
        """The table of a place with this share in the second moment, and in that with its channel's mean."""
        rows, shared = self.rows[:, None], self.shared
        apart = max(size * self.second - along**2 * shared, 0.0)
        left = self.second - shared
        return along * rows + (self.table - rows) * math.sqrt(apart / left if left > 0 else 0.0)

    def in_place(self, profile: np.ndarray) -> Signal:
        """The same entries elsewhere: `profile` in units of the old one's mean."""
        size = float(profile.mean())
        if not size:
            return replace(self.of(self.table * 0.0), profile=np.ones_like(profile))
        return replace(self.of(self.table * math.sqrt(size)), profile=profile / size)


def gaussian(
    mean: float,
    second: float,
    shared: float,
    profile: np.ndarray,
    origins: frozenset[int],
    alike: bool = True,
) -> Signal:
    """Normal entries of these moments."""
    (a, chances), (e, weights) = _offsets(), entries()
    offset = math.sqrt(max(shared - mean**2, 0.0))
    apart = math.sqrt(max(second - max(shared, mean**2), 0.0))
    table = mean + offset * a[:, None] + apart * e
    return Signal(table, chances, weights, profile, object(), origins, alike)


def placed(new: Signal, kinds: list[Signal], sizes: np.ndarray, profile: np.ndarray) -> Signal:
    """`kinds` where the old profile has these sizes, and between them what lies between."""
    hats = [np.interp(profile, sizes, one) for one in np.eye(len(sizes))]
    shares = np.array([hat.mean() for hat in hats])
    rows = shares @ np.stack([kind.rows for kind in kinds])
    seconds = np.array([kind.second for kind in kinds])
    second, shared = float(shares @ seconds), float(new.chances @ rows**2)
    apart = math.sqrt(max(second - shared, 0.0) / max(new.second - new.shared, 1e-30))
    with_channel = np.array([new.chances @ (kind.rows * rows) for kind in kinds])
    return replace(
        new.of(rows[:, None] + (new.table - new.rows[:, None]) * apart),
        profile=np.interp(profile, sizes, seconds / second),
        along=np.interp(profile, sizes, with_channel / shared) if shared > 0 else None,
    )


def without_offsets(signal: Signal) -> Signal:
    """Every channel with mean 0 and variance 1, over samples and positions (batch normalization)."""
    apart = signal.table - signal.rows[:, None]
    variance = apart**2 @ signal.weights
    if not (variance > 0).all():
        raise ValueError("its input does not vary")
    second, shared = signal.second, signal.shared
    profile = signal.profile * second - 2 * signal.with_channel * shared + shared
    profile = profile / profile.mean()
    return replace(signal.of(apart / np.sqrt(variance)[:, None]), profile=profile)


def normalized(signal: Signal, group: float | None, everywhere: bool) -> Signal:
    """Every sample with second moment 1; `group` channels at a time with mean 0, or with None as it is.

    `everywhere`: at each position for itself.
    """
    table = signal.table
    if group is not None:
        offsets = signal.rows[:, None]
        table = table - offsets + (offsets - signal.mean) * math.sqrt(1 - 1 / group)
    new = signal.of(table)
    if not new.second > 0:
        raise ValueError("its input does not vary")
    profile = np.ones_like(signal.profile) if everywhere else signal.profile
    return replace(new.of(table / math.sqrt(new.second)), profile=profile)


def noisy(signal: Signal, values: Any, chances: Any) -> Signal:
    """Each entry replaced by one of `values(table)`, with these chances, independently."""
    table = np.concatenate(values(signal.table), axis=1)
    weights = np.concatenate([chance * signal.weights for chance in chances])
    return replace(signal, table=table, weights=weights, latent=object())


def channels_dropped(signal: Signal, rate: float) -> Signal:
    """Whole channels set to 0 with this chance, the others enlarged."""
    table = np.concatenate([signal.table / (1 - rate), 0 * signal.table])
    chances = np.concatenate([(1 - rate) * signal.chances, rate * signal.chances])
    return replace(signal, table=table, chances=chances, latent=object())


def averaged(signal: Signal, count: float) -> Signal:
    """The mean of `count` positions."""
    rows, (e, _) = signal.rows[:, None], entries()
    spread = np.sqrt(((signal.table - rows) ** 2 @ signal.weights) / count)[:, None]
    return _with_entries(signal, rows + spread * e)


def largest(signal: Signal, count: float) -> Signal:
    """The largest of `count` positions, with 1 the same law: for each a, its quantiles at e's."""
    table = [quantiles(row, signal.weights, count) for row in signal.table]
    return _with_entries(signal, np.stack(table))


def quantiles(values: np.ndarray, weights: np.ndarray, count: float = 1) -> np.ndarray:
    """Of the largest of `count` values with these weights, at the nodes of e."""
    own = entries()[1]
    order = np.argsort(values, kind="stable")
    chance = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(np.cumsum(own) - own / 2, chance**count, values[order])


def _with_entries(signal: Signal, table: np.ndarray) -> Signal:
    return replace(signal, table=table, weights=entries()[1], latent=object())


def spread_over(make: Callable[[float], Signal], counts: np.ndarray, profile: np.ndarray) -> Signal:
    """`make(count)` at each place; `profile` is the second moment there of what it is made of."""
    kinds, places, often = np.unique(counts, return_inverse=True, return_counts=True)
    made = [make(count) for count in kinds]
    usual = made[int(often.argmax())]
    if len(made) > 1:
        seconds = np.array([one.second for one in made]) / (usual.second or 1.0)
        profile = profile * seconds[places.reshape(counts.shape)]
    return replace(usual, profile=np.ones_like(profile)).in_place(profile)
