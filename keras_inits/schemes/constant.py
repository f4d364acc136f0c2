"""Constant laws: every entry equal, or the identity matrix."""

from __future__ import annotations

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


def block_shape(shape: tuple[int, ...], index: Index) -> tuple[int, ...]:
    """The shape of the block at `index`."""
    if index is None:
        return shape
    return tuple(part.stop - part.start for part in index)


@register(law="0", source="Keras 1", aliases=("Zeros",), family="constant")
class Zero(Scheme):
    """All entries 0. Also as `Zeros`.

    The usual start of a bias. As a kernel it breaks no symmetry: all units of a layer stay equal,
    and a signal through it stays 0.

    >>> float(keras.ops.sum(Zero()((2, 3))))
    0.0
    """

    random = False

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.Point(0)


@register(law="1", source="Keras 1", aliases=("Ones",), family="constant")
class One(Scheme):
    """All entries 1. Also as `Ones`.

    The usual start of a normalization's scale. As a kernel it breaks no symmetry: all units of a
    layer stay equal.

    >>> float(keras.ops.sum(One()((2, 3))))
    6.0
    """

    random = False

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.Point(1)


@register(law="value", source="Keras 2", family="constant")
class Constant(Scheme):
    """All entries equal to `value`, a finite number.

    For a bias that starts off zero. As a kernel it breaks no symmetry: all units of a layer stay
    equal. For an array of values see `FromArray`. ValueError at the call where the dtype is one of
    integers or booleans and cannot hold `value`.

    >>> float(keras.ops.sum(Constant(0.5)((2, 3))))
    3.0
    """

    random = False

    def __init__(self, value: float = 0.0) -> None:
        self.value = checks.number("Constant", "value", value)

    def check_dtype(self, dtype: object) -> str:
        return checks.exact("Constant", "value", self.value, super().check_dtype(dtype))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.Point(self.value)


@register(law="gain * I", source="Keras 1; Le et al. 2015, arXiv 1504.00941", family="constant")
class Identity(Scheme):
    """`gain` on the diagonal, 0 elsewhere; matrices only, square or rectangular.

    For a recurrent kernel under ReLU (the IRNN), or a dense layer that starts by passing its input
    on. `gain` is any finite number. ValueError at the call for a rank other than 2.

    >>> float(keras.ops.sum(Identity()((3, 4))))
    3.0

    Source: Le, Jaitly, Hinton 2015 (arXiv 1504.00941), section 3.
    """

    linear_map = True
    random = False
    elementwise = True
    min_rank = max_rank = 2

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = checks.number("Identity", "gain", gain)

    def check_dtype(self, dtype: object) -> str:
        return checks.exact("Identity", "gain", self.gain, super().check_dtype(dtype))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        share = 1 / max(*shape, 1)
        return laws.mixture([laws.Point(self.gain), laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return diagonal(shape, self.gain, dtype, index)


def diagonal(shape: tuple[int, ...], value: float, dtype: str, index: Index = None) -> np.ndarray:
    """A matrix of zeros with `value` where row and column are equal, or its block at `index`."""
    rows, columns = block_shape(shape, index)
    offset = 0 if index is None else index[0].start - index[1].start
    return np.eye(rows, columns, k=offset, dtype=numpy_dtype(dtype)) * numpy_dtype(dtype).type(
        value
    )
