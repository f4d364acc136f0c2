"""Random bits addressed by tile, and tensors filled from them in parallel.

A tensor is cut into boxes of at most TILE entries, each with a bit generator of its own, so that any
block of the tensor is drawn by itself, by any thread, on any host.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from keras_inits.backend.memory import aligned
from keras_inits.streams.block import Index

compiled: Any  # the module of C functions, which has no types; None where there was no compiler
try:
    # The module is a binary file that mypy does not see.
    from keras_inits.streams.default import _kernels  # type: ignore[attr-defined]

    compiled = _kernels
except ImportError:
    compiled = None

DTYPES = {"float32": 0, "bfloat16": 1, "float16": 2}  # as the C functions count them

T = TypeVar("T")
R = TypeVar("R")
TILE = 2**17
Box = tuple[slice, ...]
# It turns the flat array of a tile's bits, which it may overwrite, into numbers in an array of the
# tile's shape.
TileFunction = Callable[[np.ndarray, np.ndarray], object]

# Unsigned integers of so many bits, little-endian; single bits come eight together.
_UNITS: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 32: np.dtype("<u4"), 64: np.dtype("<u8")}

# Generators and buffers for a tile's words that are not in use: to allocate them for each tile would
# double the time of a draw. A thread, and whatever interrupts it, has its own while it works on a tile.
Buffer = tuple[np.random.SFC64, np.ndarray]
_free: list[Buffer] = []


def bencode(*items: str | int | Sequence[str | int]) -> bytes:
    """The items one after another in BitTorrent's encoding, which no other items share."""
    text = ""
    for item in items:
        if isinstance(item, str):
            text += f"{len(item.encode())}:{item}"
        elif isinstance(item, int):
            text += f"i{int(item)}e"
        else:
            text += f"l{bencode(*item).decode()}e"
    return text.encode()


def tile_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Halve the largest extent, rounding up, the first of equals, until TILE entries are left."""
    extents = list(shape)
    while math.prod(extents) > TILE:
        axis = extents.index(max(extents))
        extents[axis] = (extents[axis] + 1) // 2
    return tuple(extents)


def raw_words(buffer: Buffer, key: hashlib._Hash, tile: int, count: int) -> np.ndarray:
    """`count` 64-bit words of the SFC64 generator that belongs to a tile.

    Its counter starts at tile * 2^32 and moves by one a word, so that no two tiles of a tensor ever
    meet in a state; the rest of its state is a hash of everything that names the tile.
    """
    digest = key.copy()
    digest.update(b"i%de" % tile)
    state = digest.digest()[:24] + (tile << 32).to_bytes(8, "little")
    generator, room = buffer
    if compiled:
        compiled.sfc64(state, room[:count])
        return room[:count]
    generator.state = {
        "bit_generator": "SFC64",
        "state": {"state": np.frombuffer(state, "<u8").astype(np.uint64, copy=False)},
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator.random_raw(count)


def thread_count() -> int:
    """KERAS_INITS_THREADS where it is set, else the processors this process may use."""
    text = os.environ.get("KERAS_INITS_THREADS", "")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"KERAS_INITS_THREADS must be an integer >= 1, got {text!r}")
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="keras_inits")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _overlapping(shape: Sequence[int], block: Box) -> Iterator[tuple[int, Box]]:
    """Number (row-major) and box of each tile that has entries in the block."""
    extents = tile_shape(shape)
    grid = [-(-size // extent) for size, extent in zip(shape, extents, strict=True)]
    spans = [
        range(part.start // extent, -(-part.stop // extent)) if part.stop > part.start else ()
        for part, extent in zip(block, extents, strict=True)
    ]
    for position in itertools.product(*spans):
        number = 0
        for place, size in zip(position, grid, strict=True):
            number = number * size + place
        box = tuple(
            slice(place * extent, min((place + 1) * extent, size))
            for place, extent, size in zip(position, extents, shape, strict=True)
        )
        yield number, box


def _draw(
    key: hashlib._Hash, tile: int, bits: int, function: TileFunction, out: np.ndarray
) -> None:
    """Fill `out` from a tile's words: unsigned integers of `bits` bits, the least significant first."""
    try:
        buffer = _free.pop()
    except IndexError:
        buffer = np.random.SFC64(0), np.empty(TILE, np.uint64)
    try:
        words = raw_words(buffer, key, tile, -(-out.size * bits // 64))
        units = words.astype(_UNITS[64], copy=False).view(_UNITS[bits])
        function(units[: out.size] if bits >= 8 else units, out)
    finally:
        _free.append(buffer)


def _within(part: Box, box: Box) -> Box:
    """A part of a box, counted from the box's corner."""
    return tuple(slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True))


def _fill_tile(
    key: hashlib._Hash,
    bits: int,
    function: TileFunction,
    tile: tuple[int, Box],
    block: Box,
    out: np.ndarray,
) -> None:
    number, box = tile
    sizes = tuple(side.stop - side.start for side in box)
    shared = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, block, strict=True)
    )
    target = out[_within(shared, block)]
    if target.shape == sizes:
        _draw(key, number, bits, function, target)
    else:
        whole = np.empty(sizes, out.dtype)
        _draw(key, number, bits, function, whole)
        target[...] = whole[_within(shared, box)]


def fill(
    key: hashlib._Hash,
    shape: Sequence[int],
    dtype: DTypeLike,
    bits: int,
    function: TileFunction,
    index: Index = None,
) -> np.ndarray:
    """The block `index` of a tensor whose entries `function` makes of `bits` bits each."""
    if not index:
        out = aligned(shape, dtype)
        if out.size <= TILE:
            if out.size:
                _draw(key, 0, bits, function, out)
            return out
        block = tuple(slice(0, size) for size in shape)
    else:
        block = index
        out = aligned([part.stop - part.start for part in block], dtype)
        if not out.size:
            return out
    tiles = list(_overlapping(shape, block))
    in_parallel(lambda tile: _fill_tile(key, bits, function, tile, block, out), tiles)
    return out


def in_parallel(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`function(item)` for each, in no order, on `thread_count()` threads."""
    if len(items) < 2:
        return [function(item) for item in items]
    threads = min(thread_count(), len(items))
    left, found = iter(items), []

    def work() -> None:
        for item in left:
            found.append(function(item))

    # This thread takes its share, so that a few items are done before another wakes up.
    helpers = []
    try:
        for _ in range(threads - 1):
            helpers.append(_pool(threads - 1).submit(work))
        work()
    finally:
        for _ in left:  # there are some after an error: nobody needs them now
            pass
        for helper in helpers:
            if not helper.cancel():
                helper.result()
    return found
