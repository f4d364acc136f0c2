"""A block of a tensor: one slice for each axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_inits import checks

Index = tuple[slice, ...] | None


def check_index(owner: str, index: Any, shape: tuple[int, ...]) -> Index:
    """None (the whole), or a tuple of one slice(start, stop) for each axis, with Python ints."""
    if index is None:
        return None
    if not _fits(index, shape):
        expected = f"a tuple of one slice(start, stop) for each axis of {shape}"
        raise checks.value_error(owner, "index", expected, index)
    return tuple(slice(int(part.start), int(part.stop)) for part in index)


def _fits(index: Any, shape: tuple[int, ...]) -> bool:
    return (
        isinstance(index, tuple)
        and len(index) == len(shape)
        and all(
            isinstance(part, slice)
            and part.step in (None, 1)
            and isinstance(part.start, (int, np.integer))
            and isinstance(part.stop, (int, np.integer))
            and 0 <= part.start <= part.stop <= size
            for part, size in zip(index, shape, strict=True)
        )
    )


def block_of(values: np.ndarray, index: Index) -> np.ndarray:
    """The block of a whole tensor, C-ordered."""
    return np.asarray(values if index is None else values[index], order="C")
