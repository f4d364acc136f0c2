"""Normal kernels of which most entries are 0, by exact counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


def _law(stddev: float, kept: float, of: int) -> laws.Law | None:
    share = kept / max(of, 1)
    return laws.mixture([laws.Normal(0.0, stddev), laws.Point(0.0)], [share, 1 - share])


def _draw(
    shape: tuple[int, ...], stddev: float, zeros: int, axis: int, dtype: str, stream: Stream
) -> np.ndarray:
    """A normal matrix with this many zeros in each of its lines along `axis`."""
    kernel = stream.normal(shape, 0.0, stddev, dtype)
    order = np.argsort(stream.child("order").uniform(shape, 0.0, 1.0, "float64"), axis=axis)
    np.put_along_axis(kernel, np.take(order, range(zeros), axis=axis), 0.0, axis=axis)
    return kernel


@register(
    law="N(0, stddev^2), ceil(sparsity outputs) zeros for each input",
    source="torch.nn.init",
    family="sparse",
)
class Sparse(Scheme):
    """N(0, stddev^2), but for ceil(sparsity * outputs) zeros for each input: `torch.nn.init.sparse_`.

    `sparsity` from 0 to 1 is the share of zeros, `stddev` >= 0 the standard deviation of the other
    entries. Matrices only, else ValueError at the call. Martens's law, of a fixed number of inputs
    for each unit, is `SparseInputs`.

    >>> int(keras.ops.sum(Sparse(0.25, seed=0)((3, 8)) == 0))
    6

    Source: PyTorch's `torch/nn/init.py`, `sparse_`.
    """

    min_rank = max_rank = 2

    def __init__(self, sparsity: float = 0.1, stddev: float = 0.01, seed: Any = None) -> None:
        self.sparsity = checks.number("Sparse", "sparsity", sparsity, low=0, high=1)
        self.stddev = checks.number("Sparse", "stddev", stddev, low=0)
        self.seed = check_seed("Sparse", seed)

    def _zeros(self, shape: tuple[int, ...]) -> int:
        return math.ceil(self.sparsity * shape[1])

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return _law(self.stddev, shape[1] - self._zeros(shape), shape[1])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return _draw(shape, self.stddev, self._zeros(shape), 1, dtype, stream)


@register(
    law="N(0, stddev^2) at `connections` inputs of each unit, else 0",
    source="Martens 2010",
    family="sparse",
)
class SparseInputs(Scheme):
    """N(0, stddev^2) at `connections` inputs of each unit, 0 at the others.

    A unit's input then has one variance however wide the layer below, and units differ. `connections`
    >= 1 (15), `stddev` >= 0 (1). Matrices with as many inputs, else ValueError at the call.

    >>> int(keras.ops.sum(SparseInputs(15, seed=0)((100, 2)) != 0))
    30

    Source: Martens 2010, Deep learning via Hessian-free optimization.
    """

    min_rank = max_rank = 2

    def __init__(self, connections: int = 15, stddev: float = 1.0, seed: Any = None) -> None:
        self.connections = checks.integer("SparseInputs", "connections", connections, low=1)
        self.stddev = checks.number("SparseInputs", "stddev", stddev, low=0)
        self.seed = check_seed("SparseInputs", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if 0 not in dims and dims[0] < self.connections:
            expected = f"a matrix of at least connections={self.connections} inputs (rows)"
            raise checks.value_error("SparseInputs", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return _law(self.stddev, self.connections, shape[0])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return _draw(shape, self.stddev, shape[0] - self.connections, 0, dtype, stream)
