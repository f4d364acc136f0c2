"""A weight tensor as the matrices that it is to its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.schemes.orthogonal import orthogonal
from keras_inits.streams import Stream


@dataclass(frozen=True, eq=False)
class Kernel:
    """A weight tensor as matrices from inputs to units, counted in the axes of `split`.

    `units` follow the order of the layer's output; those that are also in `groups` number
    matrices of their own: a convolution's groups, a depthwise kernel's channels, a cell's gates.
    """

    variable: keras.Variable
    units: tuple[int, ...] = (-1,)
    groups: tuple[int, ...] = ()
    split: tuple[int, ...] | None = None

    def orthonormal(self, stream: Stream) -> np.ndarray:
        """Every matrix drawn Haar-orthogonal (Saxe et al. 2014; Mishkin & Matas 2015, section 3)."""
        split = self._split
        groups, units = self._axes(self.groups), self._axes(self.units)
        outputs = [axis for axis in units if axis not in groups]
        inputs = [axis for axis in range(len(split)) if axis not in units]
        order = [*groups, *inputs, *outputs]
        count, rows, columns = (_product(split, axes) for axes in (groups, inputs, outputs))
        dtype = "float64" if self.variable.dtype == "float64" else "float32"
        stack = _haar(count, rows, columns, dtype, stream)
        whole = stack.reshape([split[axis] for axis in order]).transpose(np.argsort(order))
        return whole.reshape(self.variable.shape)

    def per_unit(self, factors: np.ndarray) -> np.ndarray:
        """One factor a unit, in the output's order, shaped to multiply the kernel's value."""
        split, units = self._split, self._axes(self.units)
        factors = factors.reshape([split[axis] for axis in units]).transpose(np.argsort(units))
        spread = [split[axis] if axis in units else 1 for axis in range(len(split))]
        return np.broadcast_to(factors.reshape(spread), split).reshape(self.variable.shape)

    @property
    def count(self) -> int:
        """How many units there are."""
        return _product(self._split, self._axes(self.units))

    @property
    def _split(self) -> tuple[int, ...]:
        return self.split or tuple(self.variable.shape)

    def _axes(self, axes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(axis % len(self._split) for axis in axes)


def _product(split: tuple[int, ...], axes: Any) -> int:
    return int(np.prod([split[axis] for axis in axes], dtype=np.int64))


def _haar(count: int, rows: int, columns: int, dtype: str, stream: Stream) -> np.ndarray:
    if min(rows, columns) == 1:  # single vectors: thousands of them in a depthwise kernel
        vectors = stream.normal((count, rows * columns), dtype=dtype)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.reshape(count, rows, columns)
    if count == 1:
        return orthogonal((rows, columns), 1.0, dtype, stream)[None]
    each = [stream.child(i) for i in range(count)]
    return np.stack([orthogonal((rows, columns), 1.0, dtype, one) for one in each])
