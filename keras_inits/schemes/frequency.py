"""Convolution kernels drawn by their Fourier coefficients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_inits import checks
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


@register(
    law="orthonormal Fourier coefficients in each filter, variance 2/fan_in",
    source="Aghajanyan 2017, arXiv 1702.06295",
    family="frequency",
)
class ConvolutionAware(Scheme):
    """Filters whose Fourier coefficients are orthonormal over the inputs, then of variance 2/fan_in.

    For each output, rows of Haar-distributed matrices are the real coefficients of one input's
    spectrum each; after the inverse transform N(0, `noise`^2) is added to every entry, and the whole
    kernel is scaled so that its variance is 2/fan_in exactly. Real coefficients make even filters, so
    that orthogonality holds for the coefficients alone. `noise` >= 0 (0.05, as in the authors' code).
    Kernels of rank 3 to 5 with more than one entry, else ValueError at the call.

    >>> k = ConvolutionAware(seed=0)((3, 3, 8, 16))
    >>> round(float(keras.ops.var(k)) * 9 * 8, 4)
    2.0

    Source: Aghajanyan 2017 (arXiv 1702.06295); keras-contrib's `convaware.py`, whose axes for two and
    three dimensions are swapped.
    """

    linear_map = True
    min_rank, max_rank = 3, 5

    def __init__(self, noise: float = 0.05, seed: Any = None) -> None:
        self.noise = checks.number("ConvolutionAware", "noise", noise, low=0)
        self.seed = check_seed("ConvolutionAware", seed)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        *field, inputs, outputs = shape
        spectrum = (*field[:-1], field[-1] // 2 + 1)
        size = math.prod(spectrum)
        draws = math.ceil(inputs / size)
        kernel = stream.normal(shape, 0.0, self.noise, dtype).astype("float64")
        for output in range(outputs):
            bases = [
                stream.child("basis", output, i).orthogonal((size, size), 1.0, dtype)
                for i in range(draws)
            ]
            rows = np.concatenate(bases)[:inputs].reshape(inputs, *spectrum)
            filters = np.fft.irfftn(rows, field, axes=range(1, len(field) + 1))
            kernel[..., output] += np.moveaxis(filters, 0, -1)
        variance = kernel.var()
        if not variance > 0:
            raise checks.value_error(
                "ConvolutionAware", "shape", "of a kernel whose entries differ", shape
            )
        fan_in = math.prod(shape[:-1])
        return (kernel * math.sqrt(2 / fan_in / variance)).astype(dtype)
