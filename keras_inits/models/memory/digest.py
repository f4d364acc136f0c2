"""A hash of a model's weights that does not depend on where they lie."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np

from keras_inits.backend import spread, together
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.streams.default.tiles import bencode, compiled, in_parallel
from keras_inits.streams.narrow import numpy_dtype

CHUNK = 2**17
_WEYL, *_MIX = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_in_c = getattr(compiled, "entry_sum", None)


def digest(model: keras.Model) -> str:
    """A hash over the paths, shapes, dtypes and bits of all variables of a built model.

    Equal models have equal digests on every backend and device mesh: one line tells whether two
    machines start from, or have arrived at, the same weights. The seeds of dropout and the like
    count too. Where several processes hold the model together on JAX, all of them call this.

    Args:
        model: A built Keras model.

    Returns:
        64 hexadecimal digits.

    Raises:
        RuntimeError: A process that holds a part of the model has ended, or does not come within
            ten minutes (KERAS_INITS_TIMEOUT in the environment sets the seconds).
        ValueError, TypeError: It is no Keras model or not built; or processes that must hold the same
            values hold others.

    Example:
        >>> from keras_inits import initialize
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> report = initialize(model, seed=0)
        >>> digest(model) == report.digest
        True
    """
    total = Digest("digest")
    for slot in walk(model, "digest"):
        total.add(slot, slot.variable.value)
    return total.hexdigest()


class Digest:
    """The digest of a model whose variables have the values that are added, in one order everywhere."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.sums: list[int] = []  # of each shard, 0 where it is not here
        self.owners: list[tuple[Slot, tuple[int, ...]]] = []

    def add(self, slot: Slot, value: Any) -> None:
        """The value, a tensor or a NumPy array, that the slot's variable has."""
        for shard in spread.shards(value):
            self.sums.append(0 if shard.values is None else _sum(slot, shard.values, shard.block))
            whole = isinstance(value, np.ndarray)  # what each of the variable's processes will hold
            held = spread.processes(slot.variable) if whole else shard.processes
            self.owners.append((slot, held))

    def hexdigest(self) -> str:
        sums, here = self.sums, (together.process(),)
        if any(processes != here for _, processes in self.owners):
            sums = self._agreed(together.gathered(self.owner, np.array(sums, np.uint64)))
        totals: dict[Slot, int] = {}
        for (slot, _), part in zip(self.owners, sums, strict=True):
            totals[slot] = (totals.get(slot, 0) + part) % 2**64
        lines = sorted(bencode(s.path, s.shape, _kind(s), total) for s, total in totals.items())
        return hashlib.sha256(b"".join(lines)).hexdigest()

    def _agreed(self, rows: np.ndarray) -> list[int]:
        """For each shard what its processes have, which must be the same."""
        found = []
        for (slot, processes), column in zip(self.owners, rows.T, strict=True):
            first, *others = processes
            for other in others:
                if column[first] != column[other]:
                    raise ValueError(
                        f"{self.owner}: {slot.path} must be the same in all processes, got other values in "
                        f"process {first} than in process {other}; initialize with one seed in all of them"
                    )
            found.append(int(column[first]))
        return found


def _kind(slot: Slot) -> str:
    return "seed" if slot.role == "seed_state" else slot.dtype


def _sum(slot: Slot, values: np.ndarray, block: tuple[slice, ...]) -> int:
    # The dtype of a seed is the backend's choice, and PyTorch hands bfloat16 over as float32.
    dtype = np.int64 if slot.role == "seed_state" else numpy_dtype(slot.dtype)
    return entry_sum(values.astype(dtype, copy=False), block, slot.shape)


def entry_sum(values: np.ndarray, block: tuple[slice, ...], shape: tuple[int, ...]) -> int:
    """The sum, modulo 2^64, over the entries of a block of a word of each one's position and bits.

    The word is SplitMix64's of bits + 0x9E3779B97F4A7C15 (position + 1), position counted row by row
    in the whole tensor. Sums of blocks add up to the whole's, however it is cut.
    """
    if not values.size:
        return 0
    bits = np.ascontiguousarray(values).view(f"u{values.itemsize}")
    if values.shape == shape and values.size <= CHUNK:
        return _words(bits.reshape(-1), 0)
    # The runs of entries whose positions follow one another: all axes from the last one that is cut.
    cut = max((i for i, n in enumerate(shape) if values.shape[i] != n), default=0)
    firsts: Any = 0
    for axis, part in enumerate(block[:cut] if shape else ()):
        firsts = np.add.outer(firsts, np.arange(part.start, part.stop)) * shape[axis + 1]
    run = int(np.prod(values.shape[cut:], dtype=np.int64))
    inner = int(np.prod(shape[cut + 1 :], dtype=np.int64))
    start = block[cut].start if shape else 0
    jobs = [
        (row[at : at + CHUNK], (int(first) + start) * inner + at)
        for row, first in zip(bits.reshape(-1, run), np.ravel(firsts), strict=True)
        for at in range(0, run, CHUNK)
    ]
    return sum(in_parallel(lambda job: _words(*job), jobs)) % 2**64


def _words(bits: np.ndarray, first: int) -> int:
    if _in_c:
        return _in_c(bits, bits.itemsize, first)
    x = np.arange(first + 1, first + 1 + bits.size, dtype=np.uint64) * _WEYL
    x += bits
    for shift, factor in zip((30, 27), _MIX, strict=True):
        x ^= x >> np.uint64(shift)
        x *= factor
    return int((x ^ (x >> np.uint64(31))).sum())
