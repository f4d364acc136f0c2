"""The numbers that PyTorch draws on the CPU after `torch.manual_seed(seed)`."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import keras
import numpy as np

from keras_inits import checks
from keras_inits.streams.block import Index, block_of
from keras_inits.streams.stream import Stream
from keras_inits.streams.torch.mersenne import TorchGenerator


@keras.saving.register_keras_serializable("keras_inits")
class TorchStream(Stream):
    """Replays PyTorch's draws on the CPU, call by call, in the order in which its layers drew.

    Uniforms equal `torch.nn.init.uniform_` bit for bit and normals `normal_` within 4 ulp, where
    PyTorch runs on x86 with AVX2; on other CPUs its own numbers differ from these by rounding.
    float32 normals have shown the same bits wherever they were compared.

    With `order="torch"` a weight is drawn in PyTorch's axis order, (out, in, ...kernel), and
    handed out in Keras's, (...kernel, in, out): the Keras kernel is the transposed PyTorch weight.
    With `order="keras"` shapes are drawn as they are, as an embedding needs, which is
    (vocabulary, dimension) in both; `as_is()` does so for one layer among others.
    Give one object to all layers; a copy made from its config starts at the beginning.
    """

    sequential = True

    def __init__(self, seed: int, order: str = "torch") -> None:
        super().__init__(seed)
        self.order = checks.one_of(type(self).__name__, "order", order, ("torch", "keras"))
        self._generator = TorchGenerator(self.seed)

    def as_is(self) -> Self:
        """This stream, its position shared, for shapes that both frameworks write alike."""
        view = copy.copy(self)
        view.order = "keras"
        return view

    def for_weight(self, layer: Any, path: str) -> Self:
        """PyTorch writes an embedding's shape as Keras does."""
        return self.as_is() if isinstance(layer, keras.layers.Embedding) else self

    def _uniform(
        self, shape: tuple[int, ...], low: float, high: float, dtype: str, index: Index
    ) -> np.ndarray:
        """As `torch.nn.init.uniform_`."""
        values = self._generator.uniform(math.prod(shape), low, high, dtype)
        return self._arrange(values, shape, index)

    def _normal(
        self, shape: tuple[int, ...], mean: float, stddev: float, dtype: str, index: Index
    ) -> np.ndarray:
        """As `torch.nn.init.normal_`."""
        values = self._generator.normal(math.prod(shape), mean, stddev, dtype)
        return self._arrange(values, shape, index)

    def _truncated_normal(
        self,
        shape: tuple[int, ...],
        mean: float,
        stddev: float,
        low: float,
        high: float,
        dtype: str,
        index: Index,
    ) -> np.ndarray:
        """As `torch.nn.init.trunc_normal_` of PyTorch 2.13: by rejection, the whole tensor again.

        An entry within rounding of a bound may be kept by one and drawn again by the other.
        """
        if not stddev:
            raise self._cannot("a truncated normal law of standard deviation 0")
        size = math.prod(shape)
        draw = self._rejected_normal if _mass(low, high) > 0.3 else self._rejected_uniform
        return self._arrange(draw(size, mean, stddev, low, high, dtype), shape, index)

    def _integers(self, shape: tuple[int, ...], high: int, index: Index) -> np.ndarray:
        """As `torch.randint(high, shape)`."""
        return self._arrange(self._generator.integers(math.prod(shape), high), shape, index)

    def _permutation(self, n: int) -> np.ndarray:
        """As `torch.randperm(n)`, which draws in another way from 2^32 / 20 on."""
        if n >= (2**32 - 1) // 20:
            raise self._cannot(f"a permutation of {n}, only of less than 2^32 / 20")
        return self._generator.permutation(n)

    def _orthogonal(self, shape: tuple[int, ...], gain: float, dtype: str) -> np.ndarray:
        """As `torch.nn.init.orthogonal_`, within the rounding of its float32 QR (1e-5 in general)."""
        rows, cols = self._drawn(shape)[0], math.prod(self._drawn(shape)[1:])
        normal = self._generator.normal(rows * cols, 0.0, 1.0, dtype).reshape(rows, cols)
        wide = rows < cols
        q, r = np.linalg.qr((normal.T if wide else normal).astype("float64"))
        q *= np.sign(np.diagonal(r))
        return self._arrange((gain * (q.T if wide else q)).astype(dtype), shape, None)

    def get_config(self) -> dict[str, Any]:
        """The seed and the order; not the position."""
        return {**super().get_config(), "order": self.order}

    def _drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in the order in which entries are drawn."""
        if self.order == "keras" or len(shape) < 2:
            return shape
        return (shape[-1], shape[-2], *shape[:-2])

    def _arrange(self, values: np.ndarray, shape: tuple[int, ...], index: Index) -> np.ndarray:
        """Entries as drawn, in the shape as asked; a replay draws the whole even for a block."""
        values = values.reshape(self._drawn(shape))
        if self.order == "torch" and len(shape) >= 2:
            values = values.transpose(*range(2, len(shape)), 1, 0)
        return block_of(values, index)

    def _rejected_normal(
        self, size: int, mean: float, stddev: float, low: float, high: float, dtype: str
    ) -> np.ndarray:
        first, last = np.array([mean + low * stddev, mean + high * stddev], dtype)
        values = self._generator.normal(size, mean, stddev, dtype)
        while (outside := (values < first) | (values > last)).any():
            np.copyto(values, self._generator.normal(size, mean, stddev, dtype), where=outside)
        return values

    def _rejected_uniform(
        self, size: int, mean: float, stddev: float, low: float, high: float, dtype: str
    ) -> np.ndarray:
        """Bounds so narrow or so far out that under 0.3 of the normal law lies between them."""
        if not math.isfinite(high - low):
            raise self._cannot("so rare a truncated normal law without both bounds")
        first, last = mean + low * stddev, mean + high * stddev
        real = np.dtype(dtype).type
        peak = real(-0.5 * min(max(low, 0.0), high) ** 2)
        values = np.empty(size, dtype)
        pending = np.full(size, True)
        while pending.any():
            drawn = self._generator.uniform(size, first, last, dtype)
            np.copyto(values, drawn, where=pending)
            density = ((drawn - real(mean)) / real(stddev)) ** 2 * real(-0.5) - peak
            with np.errstate(divide="ignore"):
                threshold = np.log(self._generator.uniform(size, 0.0, 1.0, dtype))
            pending &= threshold > density
        return values


def _mass(low: float, high: float) -> float:
    """The normal law's probability of [low, high]."""
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
