"""The numbers that Keras 1 drew after `np.random.seed(seed)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.streams.keras1 import philox
from keras_inits.streams.stream import Index, Stream

_DTYPES = ("float16", "float32", "float64")
# TensorFlow 1 seeds a graph with DEFAULT_GRAPH_SEED of its module random_seed.
_GRAPH_SEED = 87654321


@keras.saving.register_keras_serializable("keras_inits")
class Keras1Stream(Stream):
    """Replays Keras 1.x's draws, call by call, in the order in which its layers drew.

    With `backend="theano"` every entry comes from NumPy's global generator in double precision
    and is then cast. With `backend="tensorflow"` (Keras 1.0.8 to 1.2.2) that generator only seeds
    an operation of TensorFlow 1, whose numbers follow: uniforms bit for bit, normals within 2 ulp
    (up to 4 in one entry of ten thousand, where the C library of then rounded less well).
    Orthogonal matrices come from NumPy with both, and equal Keras 1's up to the signs of singular
    vectors. Give one object to all layers; a copy made from its config starts at the beginning.

    `dtype` is Keras 1's `floatx`, so it may be `"float16"` too: there the numbers are others, or
    are rounded once only.
    """

    sequential = True

    def __init__(self, seed: int, backend: str = "theano") -> None:
        owner = type(self).__name__
        super().__init__(checks.integer(owner, "seed", seed, low=0, high=2**32 - 1))
        self.backend = checks.one_of(owner, "backend", backend, ("theano", "tensorflow"))
        self._random = np.random.RandomState(self.seed)

    def uniform(
        self,
        shape: Sequence[int],
        low: float = 0.0,
        high: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """`numpy.random.uniform`, or `tf.random_uniform`."""
        shape, real = self._check(shape, dtype)
        if self.backend == "theano":
            values = self._random.uniform(low, high, shape).astype(real)
        else:
            values = philox.uniform(self._op_seeds(), math.prod(shape), dtype).reshape(shape)
            values = values * (real(high) - real(low)) + real(low)
        return _block(values, index)

    def normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """`numpy.random.normal`, or `tf.random_normal`."""
        shape, real = self._check(shape, dtype)
        if self.backend == "theano":
            values = self._random.normal(mean, stddev, shape).astype(real)
        else:
            values = philox.normal(self._op_seeds(), math.prod(shape), dtype).reshape(shape)
            values = values * real(stddev) + real(mean)
        return _block(values, index)

    def orthogonal(
        self, shape: Sequence[int], scale: float = 1.1, dtype: str = "float32"
    ) -> np.ndarray:
        """`scale` times the left or right singular vectors of a (shape[0], rest) normal matrix.

        NumPy's LAPACK sets their signs: from 3.10 on it picks others than Keras 1 saw.
        """
        shape, real = self._check(shape, dtype, min_rank=2)
        flat = (shape[0], math.prod(shape[1:]))
        u, _, v = np.linalg.svd(self._random.normal(0.0, 1.0, flat), full_matrices=False)
        return (scale * (u if u.shape == flat else v).reshape(shape)).astype(real)

    def noise_seed(self) -> int:
        """The integer that Dropout, GaussianNoise and their like draw each time they are called."""
        least = 1 if self.backend == "theano" else 0
        return int(self._random.randint(least, 10_000_000, dtype=np.int64))

    def get_config(self) -> dict[str, Any]:
        """The seed and the backend; not the position."""
        return {**super().get_config(), "backend": self.backend}

    def _op_seeds(self) -> tuple[int, int]:
        return _GRAPH_SEED, int(self._random.randint(1_000_000_000, dtype=np.int64))

    def _check(
        self, shape: Sequence[int], dtype: str, min_rank: int = 0
    ) -> tuple[tuple[int, ...], type[np.floating]]:
        owner = type(self).__name__
        checks.one_of(owner, "dtype", dtype, _DTYPES)
        return checks.shape(owner, shape, min_rank=min_rank), np.dtype(dtype).type


def _block(values: np.ndarray, index: Index) -> np.ndarray:
    """The asked block: a replay draws the whole tensor, or the next one would differ."""
    return values if index is None else np.array(values[index], order="C")
