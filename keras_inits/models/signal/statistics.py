"""What the numbers of one output say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.backend import memory
from keras_inits.models.memory.entries import mean_and_variance

BINS = 40
ROWS, UNITS = 1024, 512  # of the covariance at most: the figures hardly change with more
ENTRIES = 2**12  # of the histogram at least, where there are more


@dataclass(frozen=True)
class Statistics:
    """Of one output, over all samples, positions and units; shares are from 0 to 1.

    `dead` units have one value on the whole batch. `rank` is the participation ratio
    (sum of eigenvalues)^2 / (sum of squared eigenvalues) of the units' covariance matrix, from 1 to
    the `width`, and `correlation` the largest absolute one between two units that vary; both None
    where fewer than two units or rows are there. `spread` is the share of the second moment that
    differs from row to row. `bad` counts the values that are not finite.
    """

    mean: float
    std: float
    second_moment: float
    zeros: float
    dead: float
    width: int
    rank: float | None
    correlation: float | None
    spread: float
    bad: int
    size: int
    largest: float
    histogram: tuple[float, float, list[int]] | None = None


def statistics(output: Any, axis: int = -1) -> Statistics:
    """The figures of a tensor whose `axis` numbers the units."""
    flat = _by_unit(memory.float32(output), axis)
    width = flat.shape[1]
    measured = mean_and_variance([flat])
    if measured is None or not flat.size:
        none = math.nan
        bad = flat.size - int(np.isfinite(flat).sum())
        return Statistics(
            none, none, none, none, none, width, None, None, none, bad, flat.size, none
        )
    mean, variance = measured
    low, high = flat.min(axis=0), flat.max(axis=0)
    some = _some(flat)
    rank, correlation, spread = _covariance(some)
    return Statistics(
        mean=mean,
        std=math.sqrt(variance),
        second_moment=mean * mean + variance,
        zeros=1.0 - np.count_nonzero(flat) / flat.size,
        dead=float((low == high).mean()),
        width=width,
        rank=rank,
        correlation=correlation,
        spread=spread,
        bad=0,
        size=flat.size,
        largest=float(max(abs(low.min()), abs(high.max()))),
        histogram=_histogram(some, float(low.min()), float(high.max())),
    )


def _histogram(values: np.ndarray, low: float, high: float) -> tuple[float, float, list[int]]:
    """(least, greatest, counts between them)."""
    scale = BINS / (high - low) if high > low else 0.0
    if not math.isfinite(scale):
        scale = 0.0
    entries = values.ravel()
    entries = entries[:: entries.size // ENTRIES | 1]  # odd: not the same unit over and over
    places = ((entries - np.float64(low)) * scale).astype(np.intp)
    np.minimum(places, BINS - 1, out=places)
    return low, high, np.bincount(places, minlength=BINS).tolist()


def share_saturated(output: Any, low: float, high: float) -> float:
    """The share of entries at the bounds of an activation, or within a hundredth of its range."""
    array = memory.float32(output)
    margin = (high - low) / 100
    return float(((array <= low + margin) | (array >= high - margin)).mean())


def deviation_and_size(tensor: Any) -> tuple[float, float]:
    """(standard deviation, root mean square) over all entries; NaN where one is not finite.

    In float64, so that no square is lost.
    """
    measured = mean_and_variance([memory.float32(tensor)])
    if measured is None:
        return math.nan, math.nan
    mean, variance = measured
    return math.sqrt(variance), math.sqrt(mean * mean + variance)


def _by_unit(array: np.ndarray, axis: int) -> np.ndarray:
    """Rows of samples and positions, a column a unit."""
    if array.ndim < 2:
        return array.reshape(-1, 1)
    if axis % array.ndim != array.ndim - 1:
        array = np.moveaxis(array, axis, -1)
    return array.reshape(-1, array.shape[-1])


def _some(flat: np.ndarray) -> np.ndarray:
    """At most ROWS rows and UNITS columns, evenly spread."""
    rows, units = (
        np.linspace(0, size - 1, most).astype(int) if size > most else slice(None)
        for size, most in zip(flat.shape, (ROWS, UNITS), strict=True)
    )
    return flat[rows][:, units]


def _covariance(flat: np.ndarray) -> tuple[float | None, float | None, float]:
    """(participation ratio, largest correlation, share of the second moment that varies)."""
    rows, width = flat.shape
    scale = float(np.abs(flat).max())
    if rows < 2 or scale == 0.0:
        return None, None, 0.0
    scaled = flat / np.float32(scale)
    means = scaled.mean(axis=0, dtype=np.float64)
    apart = scaled - means.astype(np.float32)
    few = rows < width
    gram = apart @ apart.T if few else apart.T @ apart  # their squares have one sum
    if few:
        variances = np.einsum("ij,ij->j", apart, apart, dtype=np.float64)
    else:
        variances = gram.diagonal().astype(np.float64)
    total = float(variances.sum())
    spread = total / (total + rows * float(np.square(means).sum()))
    # Beyond rounding: units that are equal up to it do not vary.
    varying = variances > rows * np.square(4 * np.finfo("float32").eps * np.abs(means)) + 1e-30
    if width < 2 or not varying.any():
        return None, None, spread
    rank = total**2 / float(np.square(gram, dtype=np.float64).sum())
    if np.count_nonzero(varying) < 2:
        return rank, None, spread
    inverse = np.where(varying, 1 / np.sqrt(np.where(varying, variances, 1.0)), 0.0)
    inverse = inverse.astype(np.float32)
    if few:
        apart *= inverse
        gram = apart.T @ apart
    else:
        gram *= inverse
        gram *= inverse[:, None]
    np.fill_diagonal(gram, 0.0)
    return rank, min(float(max(gram.max(), -gram.min())), 1.0), spread
