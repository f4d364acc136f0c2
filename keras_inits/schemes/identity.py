"""Kernels that pass their input on: Dirac, ZerO and IDInit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


@register(
    law="1 at the centre tap, input i to output i",
    source="arXiv 1706.00388; torch.nn.init",
    family="identity",
)
class Dirac(Scheme):
    """A convolution kernel that returns its input, group by group: 1 at the centre tap, 0 elsewhere.

    For deep networks whose layers should begin by passing on their input.
    With padding "same" and stride 1, output channel i of each group is its input channel i, as far
    as there are both. `groups` >= 1 is the layer's; it must divide the output channels. Kernels of
    rank 3 to 5, else ValueError at the call. With an even extent the centre is the tap that "same"
    padding aligns with the input; a dilated kernel of even extent has none, and shifts its input.

    >>> float(keras.ops.sum(Dirac()((3, 3, 4, 8))))
    4.0

    Source: Zagoruyko & Komodakis 2017 (arXiv 1706.00388), section 3.
    """

    random = False
    min_rank, max_rank = 3, 5

    def __init__(self, groups: int = 1) -> None:
        self.groups = checks.integer("Dirac", "groups", groups, low=1)

    @property
    def linear_map(self) -> bool:  # type: ignore[override]
        """Whether groups are the layer's to count, not its own."""
        return self.groups == 1

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if dims[-1] % self.groups:
            expected = f"of a number of outputs (the last axis) divisible by groups={self.groups}"
            raise checks.value_error("Dirac", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        if 0 in shape:
            return laws.Point(0.0)
        inputs, outputs = shape[-2], shape[-1] // self.groups
        share = min(inputs, outputs) * self.groups / math.prod(shape)
        return laws.mixture([laws.Point(1.0), laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        *field, inputs, outputs = shape
        kernel = np.zeros(shape, numpy_dtype(dtype))
        if kernel.size:
            kernel[_centre(field)] = np.tile(np.eye(inputs, outputs // self.groups), self.groups)
        return kernel


@register(
    law="I, or I H I / sqrt(p) where outputs > inputs",
    source="Zhao et al. 2022, arXiv 2110.12661",
    family="identity",
)
class ZerO(Scheme):
    """The identity where outputs <= inputs, else a slice of a normalized Hadamard matrix.

    For deep residual networks that should begin with the same weights in every run.
    With p the power of two next to the outputs and H the p x p Hadamard matrix, a kernel (inputs,
    outputs) with outputs > inputs is the first rows and columns of H / sqrt(p); nothing is random.
    A convolution kernel has that matrix at its centre tap, 0 elsewhere. Ranks 2 to 5, else
    ValueError at the call.

    >>> ZerO()((1, 4)).shape == (1, 4)
    True

    Source: Zhao, Schäfer, Anandkumar 2022 (arXiv 2110.12661), algorithms 1 and 2; the factor
    1/sqrt(p) is that of the authors' code.
    """

    linear_map = True
    random = False
    min_rank, max_rank = 2, 5

    def check_dtype(self, dtype: object) -> str:
        return checks.float_dtype("ZerO", super().check_dtype(dtype))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        if 0 in shape:
            return laws.Point(0.0)
        share = 1 / math.prod(shape[:-2])
        centre = laws.Entries(self._matrix(*shape[-2:]))
        return laws.mixture([centre, laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        *field, inputs, outputs = shape
        kernel = np.zeros(shape, numpy_dtype(dtype))
        if kernel.size:
            kernel[_centre(field)] = self._matrix(inputs, outputs)
        return kernel

    @staticmethod
    def _matrix(inputs: int, outputs: int) -> np.ndarray:
        return np.eye(inputs, outputs) if outputs <= inputs else _hadamard(inputs, outputs)


def _hadamard(rows: int, columns: int) -> np.ndarray:
    """The top left block of the normalized Sylvester-Hadamard matrix: (-1)^popcount(i & j) / sqrt(p)."""
    order = 2 ** math.ceil(math.log2(columns))
    odd = np.bitwise_count(np.arange(rows)[:, None] & np.arange(columns)) % 2
    return (1.0 - 2.0 * odd) / math.sqrt(order)


def _centre(field: Sequence[int]) -> tuple[int, ...]:
    return tuple((extent - 1) // 2 for extent in field)


@register(
    law="identities side by side and N(0, noise^2), or +-epsilon where last",
    source="Pan et al. 2025, arXiv 2503.04626",
    family="identity",
)
class IDInit(Scheme):
    """Identities side by side, so that no output is without an input; for residual networks.

    With n inputs, entry (i, j) is `scale` where i = j mod n, plus N(0, `noise`^2) everywhere. `last` is
    True for the kernel that ends a residual branch: entry (j mod n, j) is `epsilon`, ((j + 1) mod n, j)
    is -`epsilon`, so that a branch starts at almost 0 without dead units. A convolution's kernel is the
    matrix (field * inputs, outputs), reshaped. The three numbers are >= 0. Rank 2 to 5, else
    ValueError at the call.

    >>> x = IDInit(noise=0.0)((2, 4))
    >>> [float(entry) for entry in x[0]]
    [1.0, 0.0, 1.0, 0.0]

    Source: Pan et al. 2025 (arXiv 2503.04626), figure 3: `scale` is its tau = 1, `epsilon` its 1e-6;
    `noise` as an implementation by others has it.
    """

    linear_map = True
    min_rank, max_rank = 2, 5

    def __init__(
        self,
        scale: float = 1.0,
        last: bool = False,
        epsilon: float = 1e-6,
        noise: float = 1e-6,
        seed: Any = None,
    ) -> None:
        self.scale = checks.number("IDInit", "scale", scale, low=0)
        self.last = checks.boolean("IDInit", "last", last)
        self.epsilon = checks.number("IDInit", "epsilon", epsilon, low=0)
        self.noise = checks.number("IDInit", "noise", noise, low=0)
        self.seed = check_seed("IDInit", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        share = 1 / max(math.prod(shape[:-1]), 1)
        if not self.last:
            parts = [laws.Normal(mean, self.noise) for mean in (self.scale, 0.0)]
            return laws.mixture(parts, [share, 1 - share])
        if share == 1:
            return laws.Point(0.0)
        values = [laws.Point(value) for value in (self.epsilon, -self.epsilon, 0.0)]
        return laws.mixture(values, [share, share, 1 - 2 * share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        apart = np.subtract.outer(np.arange(rows), np.arange(columns)) % rows
        if self.last:
            kernel = self.epsilon * ((apart == 0).astype(dtype) - (apart == 1 % rows))
        else:
            noise = stream.normal((rows, columns), 0.0, self.noise, dtype)
            kernel = self.scale * (apart == 0) + noise
        return kernel.astype(dtype).reshape(shape)
