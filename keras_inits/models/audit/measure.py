"""One pass over the entries of a tensor: moments, extremes, a sample, and hashes of its slices."""

from __future__ import annotations

import hashlib
import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.streams.default.tiles import in_parallel

#: Entries that are sorted, at fixed positions of a larger tensor.
SAMPLE = 2**15
_BLOCK = 2**17
#: Slices that are equal by chance are fewer than this.
_CHANCE = 2.0**-30


@dataclass(frozen=True)
class Copies:
    """`count` of `total` slices along one axis of the matrix equal another, as `second` does `first`."""

    count: int
    total: int
    what: str
    first: int
    second: int

    def __str__(self) -> str:
        return (
            f"{self.count} of its {self.total} {self.what} equal another one, as number "
            f"{self.second} does number {self.first}"
        )


@dataclass(frozen=True)
class Measured:
    """What the entries of one tensor show; moments of the finite ones.

    `fourth` is the fourth moment about `centre`, `repeated` the share of the sample that is no first
    occurrence, `hash` that of the rows in any order and of the entries of each in any order, `head` the
    first bytes.
    """

    size: int
    bad: int
    centre: float
    mean: float
    std: float
    fourth: float
    low: float
    high: float
    zeros: int
    sample: np.ndarray
    repeated: float
    copies: Copies | None
    hash: bytes
    head: bytes

    @property
    def is_random(self) -> bool:
        """Whether two tensors like this are not equal by chance."""
        return self.size >= 16 and self.repeated < 0.9 and self.low < self.high


def measure(values: np.ndarray, centre: float) -> Measured:
    """What the entries show, those near `centre` without loss."""
    matrix = _matrix(values)
    flat = matrix.reshape(-1)
    totals = _Totals(matrix, centre)
    in_parallel(totals.add, _blocks(matrix.shape))
    finite = max(flat.size - totals.bad, 1)
    first, second, fourth = (math.fsum(part) / finite for part in totals.moments)
    sample = np.sort(flat[_positions(flat.size)].astype("float64"))
    distinct = int(np.count_nonzero(np.diff(sample))) + 1 if sample.size else 0
    rows, columns = totals.rows, totals.columns
    return Measured(
        size=flat.size,
        bad=totals.bad,
        centre=centre,
        mean=centre + first,
        std=math.sqrt(max(second - first * first, 0.0)),
        fourth=fourth,
        low=totals.low,
        high=totals.high,
        zeros=flat.size - totals.nonzero,
        sample=sample,
        repeated=1.0 - distinct / max(sample.size, 1),
        copies=_copies(matrix, sample, rows, columns),
        hash=hashlib.blake2b(np.sort(rows).tobytes(), digest_size=16).digest(),
        head=flat[:32].tobytes() if np.unique(flat[:32]).size >= 16 else b"",
    )


class _Totals:
    """Sums over blocks, in any order: floats are added at the end, hashes are integers."""

    def __init__(self, matrix: np.ndarray, centre: float) -> None:
        self.matrix, self.centre = matrix, centre
        self.bits = matrix.view(f"u{matrix.itemsize}")
        self.bad, self.nonzero = 0, 0
        self.low, self.high = math.inf, -math.inf
        self.moments: tuple[list[float], ...] = ([], [], [])
        # Of a long vector one word is enough.
        rows, columns = matrix.shape
        self.rows = np.zeros(rows if columns > 1 else min(rows, 1), np.uint64)
        self.columns = np.zeros(columns if rows > 1 else min(columns, 1), np.uint64)
        self.lock = threading.Lock()

    def add(self, block: tuple[slice, slice]) -> None:
        part = self.matrix[block]
        x = part.astype("float64")
        finite = np.isfinite(x.sum())
        if not finite:
            x = x[np.isfinite(x)]
        bad = part.size - x.size
        low, high = (x.min(), x.max()) if x.size else (math.inf, -math.inf)
        nonzero = int(np.count_nonzero(part))
        x -= self.centre
        sums = [x.sum()]
        for _ in range(2):
            np.square(x, out=x)
            sums.append(x.sum())
        words = self.bits[block].astype(np.uint64)
        words *= words
        rows = words.sum(1 if self.rows.size > 1 else None)
        columns = words.sum(0 if self.columns.size > 1 else None)
        with self.lock:
            self.bad += bad
            self.nonzero += nonzero
            self.low, self.high = min(self.low, float(low)), max(self.high, float(high))
            for total, one in zip(self.moments, sums, strict=True):
                total.append(float(one))
            self.rows[block[0] if self.rows.size > 1 else ...] += rows
            self.columns[block[1] if self.columns.size > 1 else ...] += columns


def _matrix(values: np.ndarray) -> np.ndarray:
    """(all other axes, last axis)."""
    last = values.shape[-1] if values.ndim else 1
    return (
        np.ascontiguousarray(values).reshape(-1, last) if last else np.empty((0, 1), values.dtype)
    )


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    rows, columns = shape
    wide = min(columns, _BLOCK)
    tall = max(_BLOCK // max(wide, 1), 1)
    return [
        (slice(r, r + tall), slice(c, c + wide))
        for r in range(0, rows, tall)
        for c in range(0, columns, max(wide, 1))
    ]


def _positions(size: int) -> Any:
    """All of them, or one of each of SAMPLE equal stretches."""
    if size <= SAMPLE:
        return slice(None)
    stretch = np.random.default_rng(size).integers(0, size // SAMPLE, SAMPLE)
    return np.arange(SAMPLE) * size // SAMPLE + stretch


def _copies(
    matrix: np.ndarray, sample: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> Copies | None:
    """Slices that equal one another, where this cannot be chance."""
    if sample.size < 2:
        return None
    _, counts = np.unique(sample, return_counts=True)
    pairs = float(np.dot(counts, counts - 1.0)) / (sample.size * (sample.size - 1.0))
    alike = max(pairs, 2.0**-20)  # that two entries are equal
    for what, words, view in (("columns", columns, matrix.T), ("rows", rows, matrix)):
        length = view.shape[1]
        if words.size < 2 or 2 * math.log(words.size) + length * math.log(alike) > math.log(
            _CHANCE
        ):
            continue
        _, start, group, times = np.unique(
            words, return_index=True, return_inverse=True, return_counts=True
        )
        again = np.flatnonzero((times[group] > 1) & (start[group] != np.arange(words.size)))
        for second in again[:256]:  # words of other slices may be equal, too
            first = int(start[group[second]])
            if view[first].any() and np.array_equal(view[first], view[second]):
                count = int((times > 1) @ times)
                return Copies(count, words.size, what, first, int(second))
    return None
