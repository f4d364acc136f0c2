"""Orthogonal laws: matrices and convolutions that keep lengths."""

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


def orthogonal(shape: tuple[int, ...], gain: float, dtype: str, stream: Stream) -> np.ndarray:
    """gain Q, Q Haar-distributed of shape (product of all axes but the last, last), reshaped."""
    return stream.orthogonal(shape, gain, dtype)


@register(
    law="gain * Haar-distributed Q", source="Saxe et al. 2014, arXiv 1312.6120", family="orthogonal"
)
class Orthogonal(Scheme):
    """gain times a Haar-distributed orthogonal matrix (orthonormal rows or columns, the fewer).

    Uniform over all orthogonal matrices, both signs of the determinant. A kernel of rank 3 or more
    is flattened to (product of all axes but the last, last). For deep linear, tanh and recurrent
    layers; use `gain` (any finite number) for an activation's gain. ValueError at the call below
    rank 2.

    >>> q = Orthogonal(seed=0)((4, 4))
    >>> round(float(keras.ops.sum(q[0] * q[1])), 5) + 0.0
    0.0

    Source: Saxe et al. 2014 (arXiv 1312.6120), section 3; drawn as in Stewart 1980 (SIAM J. Numer.
    Anal. 17), section 3.
    """

    linear_map = True
    min_rank = 2

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = checks.number("Orthogonal", "gain", gain)
        self.seed = check_seed("Orthogonal", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.SphereEntry(max(math.prod(shape[:-1]), shape[-1], 1), self.gain)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return orthogonal(shape, self.gain, dtype, stream)


@register(
    law="gain * Q at the centre tap, 0 elsewhere",
    source="Xiao et al. 2018, arXiv 1806.05393",
    family="orthogonal",
)
class DeltaOrthogonal(Scheme):
    """A convolution kernel whose centre tap is gain times a Haar-distributed Q, the rest 0.

    The convolution (stride 1, padding "same") keeps the norm of its input, times `gain` (any finite
    number), at every position. For very deep convolutional networks without normalization. Kernels of rank 3 to 5
    with no more inputs than outputs; else ValueError at the call. With an even extent the centre is
    the tap that "same" padding aligns with the input; a dilated kernel has one with odd extents alone.

    >>> k = DeltaOrthogonal(seed=0)((3, 3, 2, 4))
    >>> round(float(keras.ops.sum(k**2)), 5)
    2.0

    Source: Xiao et al. 2018 (arXiv 1806.05393), algorithm 1.
    """

    linear_map = True
    min_rank, max_rank = 3, 5

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = checks.number("DeltaOrthogonal", "gain", gain)
        self.seed = check_seed("DeltaOrthogonal", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if dims[-2] > dims[-1]:
            expected = "a convolution kernel (field..., inputs, outputs) with inputs <= outputs"
            raise checks.value_error("DeltaOrthogonal", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        share = 1 / max(math.prod(shape[:-2]), 1)
        centre = laws.SphereEntry(max(*shape[-2:], 1), self.gain)
        return laws.mixture([centre, laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        kernel = np.zeros(shape, dtype)
        if kernel.size:
            centre = tuple((extent - 1) // 2 for extent in shape[:-2])
            kernel[centre] = orthogonal(shape[-2:], self.gain, dtype, stream)
        return kernel


@register(
    law="Q convolved with blocks of random projections",
    source="Xiao et al. 2018, arXiv 1806.05393",
    family="orthogonal",
)
class ConvolutionOrthogonal(Scheme):
    """A convolution, with weights at all its taps, that keeps the norm of its whole input, times `gain`.

    For deep plain convolutional networks. Exact with circular padding and stride 1. An extent of k is
    k - 1 convolved blocks of two taps, P and 1 - P, P a random projection (along each axis one, their
    products); the first `inputs` rows of a Haar-distributed Q multiply them. `DeltaOrthogonal` keeps the
    norm at every position, and is what the paper trains best. `gain` is any finite number. Kernels of
    rank 3 to 5 with equal extents and no more inputs than outputs, else ValueError at the call.

    >>> k = ConvolutionOrthogonal(seed=0)((3, 3, 2, 4))
    >>> round(float(keras.ops.sum(k**2)), 5)
    2.0

    Source: Xiao et al. 2018 (arXiv 1806.05393), appendix; TensorFlow's `init_ops.py`.
    """

    linear_map = True
    min_rank, max_rank = 3, 5

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = checks.number("ConvolutionOrthogonal", "gain", gain)
        self.seed = check_seed("ConvolutionOrthogonal", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if 0 not in dims and (dims[-2] > dims[-1] or len(set(dims[:-2])) > 1):
            expected = "a kernel of equal extents with inputs <= outputs"
            raise checks.value_error("ConvolutionOrthogonal", "shape", expected, dims)
        return dims

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        *field, inputs, outputs = shape
        kernel = np.eye(outputs)[(None,) * len(field)]
        for step in range(1, field[0]):
            block = np.eye(outputs)
            for axis in range(len(field)):
                p = _projection(outputs, dtype, stream.child("projection", step, axis))
                block = np.stack([block @ p, block @ (np.eye(outputs) - p)], axis=axis)
            kernel = _convolved(kernel, block)
        q = orthogonal((outputs, outputs), self.gain, dtype, stream)
        return (q[:inputs] @ kernel).astype(dtype)


def _projection(n: int, dtype: str, stream: Stream) -> np.ndarray:
    """Onto the span of some columns of a Haar-distributed Q, each taken with probability 1/2."""
    q = orthogonal((n, n), 1.0, dtype, stream).astype("float64")
    chosen = q[:, stream.child("chosen").signs((n,)) == 1]
    return chosen @ chosen.T


def _convolved(kernel: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The kernel of one convolution after another; `block` has two taps along each axis."""
    field = kernel.shape[:-2]
    out = np.zeros((*(extent + 1 for extent in field), *kernel.shape[-2:]))
    for taps in np.ndindex(*(2,) * len(field)):
        moved = tuple(slice(t, t + extent) for t, extent in zip(taps, field, strict=True))
        out[moved] += kernel @ block[taps]
    return out
