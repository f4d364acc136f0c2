"""The numbers that Keras 1 drew after `np.random.seed(seed)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.streams.block import Index, block_of
from keras_inits.streams.keras1 import philox
from keras_inits.streams.stream import Stream

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

    `dtype` is Keras 1's `floatx`: in `"float16"` the numbers are not float32's rounded, but those that
    Keras 1 drew.

    `initialize` tells it the layers that it draws, in their order, and it draws the integers that
    Dropout, GaussianNoise and the dropouts of recurrent layers took in between: one for each when it
    was called, and again when a model around it was. One call of each layer and model is assumed.
    """

    sequential = True
    dtypes = ("float16", "float32", "float64")

    def __init__(self, seed: int, backend: str = "theano") -> None:
        owner = type(self).__name__
        super().__init__(checks.integer(owner, "seed", seed, low=0, high=2**32 - 1))
        self.backend = checks.one_of(owner, "backend", backend, ("theano", "tensorflow"))
        self._random = np.random.RandomState(self.seed)
        # The models and Bidirectionals that are being drawn, and the calls of noise in them so far.
        self._around: list[tuple[Any, int]] = []

    def orthogonal(
        self, shape: Sequence[int], gain: float = 1.1, dtype: str = "float32"
    ) -> np.ndarray:
        """`gain`, Keras 1's `scale`, times the singular vectors of a (shape[0], rest) normal matrix.

        NumPy's LAPACK sets their signs: from 3.10 on it picks others than Keras 1 saw.
        """
        return super().orthogonal(shape, gain, dtype)

    def _uniform(
        self, shape: tuple[int, ...], low: float, high: float, dtype: str, index: Index
    ) -> np.ndarray:
        """`numpy.random.uniform`, or `tf.random_uniform`."""
        real = np.dtype(dtype).type
        if self.backend == "theano":
            values = self._random.uniform(low, high, shape).astype(real)
        else:
            values = philox.uniform(self._op_seeds(), math.prod(shape), dtype).reshape(shape)
            values = values * (real(high) - real(low)) + real(low)
        return block_of(values, index)

    def _normal(
        self, shape: tuple[int, ...], mean: float, stddev: float, dtype: str, index: Index
    ) -> np.ndarray:
        """`numpy.random.normal`, or `tf.random_normal`."""
        real = np.dtype(dtype).type
        if self.backend == "theano":
            values = self._random.normal(mean, stddev, shape).astype(real)
        else:
            values = philox.normal(self._op_seeds(), math.prod(shape), dtype).reshape(shape)
            values = values * real(stddev) + real(mean)
        return block_of(values, index)

    def _orthogonal(self, shape: tuple[int, ...], gain: float, dtype: str) -> np.ndarray:
        flat = (shape[0], math.prod(shape[1:]))
        u, _, v = np.linalg.svd(self._random.normal(0.0, 1.0, flat), full_matrices=False)
        return (gain * (u if u.shape == flat else v).reshape(shape)).astype(dtype)

    def mirrored(self, law: str) -> bool:
        """NumPy's normal law, with Theano, took no negative scale; all others mirrored."""
        if law == "normal" and self.backend == "theano":
            raise ValueError(
                "Keras1Stream: stddev must be >= 0 with Theano, as NumPy asked of Keras 1"
            )
        return True

    def enter(self, layer: Any) -> None:
        """A model within a model, or a Bidirectional, has its layers called again when it is called."""
        if isinstance(layer, (keras.Model, keras.layers.Bidirectional)):
            self._around.append((layer, 0))

    def drawn(self, layer: Any, roles: Sequence[str]) -> None:
        """The layer was called when it was added, those in a Bidirectional with it."""
        calls = _noises(layer) if "seed_state" in roles else 0
        self._count(calls)
        if not any(isinstance(outer, keras.layers.Bidirectional) for outer, _ in self._around):
            self._noise(calls)

    def leave(self, layer: Any) -> None:
        """Now what was entered is complete and called: its noises draw once more."""
        if self._around and self._around[-1][0] is layer:
            _, calls = self._around.pop()
            self._noise(calls)
            self._count(calls)

    def _count(self, calls: int) -> None:
        """Remember calls of noise for when the model around them is called."""
        if self._around:
            layer, before = self._around[-1]
            self._around[-1] = layer, before + calls

    def _noise(self, calls: int) -> None:
        for _ in range(calls):
            self.noise_seed()

    def noise_seed(self) -> int:
        """The integer that Dropout, GaussianNoise and their like draw each time they are called."""
        least = 1 if self.backend == "theano" else 0
        return int(self._random.randint(least, 10_000_000, dtype=np.int64))

    def get_config(self) -> dict[str, Any]:
        """The seed and the backend; not the position."""
        return {**super().get_config(), "backend": self.backend}

    def _op_seeds(self) -> tuple[int, int]:
        return _GRAPH_SEED, int(self._random.randint(1_000_000_000, dtype=np.int64))


def _noises(layer: Any) -> int:
    """How many integers a layer with a random state drew when it was called: a recurrent one for each
    gate and each dropout that it has."""
    kernel = getattr(layer, "recurrent_kernel", None)
    if kernel is None:
        return 1
    gates = kernel.shape[-1] // kernel.shape[-2]
    rates = (getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout"))
    return gates * sum(map(bool, rates))
