"""Kernels that enlarge an image smoothly: Bilinear and ICNR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed, draw_from, law_of
from keras_inits.registry import initializer_of, register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


@register(
    law="each channel to itself, by the tent prod(1 - |x - (k-1)/2|/f), f = ceil(k/2)",
    source="Long et al. 2015, arXiv 1411.4038",
    family="resampling",
)
class Bilinear(Scheme):
    """The kernel of a transposed convolution that interpolates linearly, each channel by itself.

    Along an axis of extent k the tap x is 1 - |x - (k-1)/2|/f with f = ceil(k/2), the stride to use:
    k is 2f or 2f - 1. Then a constant stays constant away from the edges. One to three axes of a
    field and as many inputs as outputs, else ValueError at the call. Caffe's formula is off centre
    for extents 2, 3, 6 and 7; this one never is.

    >>> [float(tap) for tap in keras.ops.reshape(Bilinear()((4, 1, 1)), -1)]
    [0.25, 0.75, 0.75, 0.25]

    Source: Long, Shelhamer, Darrell 2015 (arXiv 1411.4038).
    """

    random = False
    linear_map = True
    min_rank, max_rank = 3, 5

    def check_dtype(self, dtype: object) -> str:
        return checks.float_dtype("Bilinear", super().check_dtype(dtype))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if 0 not in dims and dims[-2] != dims[-1]:
            expected = "a convolution kernel with as many inputs as outputs (the last two axes)"
            raise checks.value_error("Bilinear", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        if 0 in shape:
            return laws.Point(0.0)
        share = 1 / shape[-1]
        return laws.mixture([laws.Entries(_tent(shape[:-2])), laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        tent = _tent(shape[:-2])[..., None, None]
        return (tent * np.eye(shape[-1])).astype(numpy_dtype(dtype))


def _tent(field: Sequence[int]) -> np.ndarray:
    tent = np.ones(())
    for extent in field:
        half = math.ceil(extent / 2)
        tent = tent[..., None] * (1 - np.abs(np.arange(extent) - (extent - 1) / 2) / half)
    return tent


@register(
    law="a draw of initializer, each filter factor^D times",
    source="Aitken et al. 2017, arXiv 1707.02937",
    family="resampling",
)
class ICNR(Scheme):
    """Sub-pixel convolution without a checkerboard: all filters of one output block are equal.

    `initializer` (an object, a string or a config, whose seed plays no part) draws the kernel with
    1/factor^D of the outputs, D axes of a field; each filter then stands factor^D times. After the
    pixels are put in place the output is that of the small kernel, each pixel enlarged to a block.
    `factor` >= 1 must divide the outputs so. `order` is how the layer after it reads channels:
    "tile" (block position first) for channels_last `keras.ops.depth_to_space`; "repeat" (channel
    first) for PyTorch's PixelShuffle. With channels_first, Keras reads "tile" on tensorflow,
    "repeat" on jax and torch. `axis` is that of the outputs: -1, or -2 in a transposed convolution.
    Ranks 3 to 5, else ValueError at the call.

    >>> k = ICNR("keras_inits>he_normal", seed=0)((3, 3, 2, 8))
    >>> float(keras.ops.max(abs(k[..., :2] - k[..., 2:4])))
    0.0

    Source: Aitken et al. 2017 (arXiv 1707.02937).
    """

    min_rank, max_rank = 3, 5

    def __init__(
        self,
        initializer: Any,
        factor: int = 2,
        order: str = "tile",
        axis: int = -1,
        seed: Any = None,
    ) -> None:
        self.initializer = initializer_of("ICNR", initializer)
        self.factor = checks.integer("ICNR", "factor", factor, low=1)
        self.order = checks.one_of("ICNR", "order", order, ("tile", "repeat"))
        self.axis = checks.integer("ICNR", "axis", axis, low=-2, high=-1)
        self.seed = check_seed("ICNR", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if dims[self.axis] % self.copies(dims):
            expected = f"one whose axis {self.axis} is a multiple of {self.copies(dims)}"
            expected += f" (factor {self.factor}, {len(dims) - 2} axes of a field)"
            raise checks.value_error("ICNR", "shape", expected, dims)
        if isinstance(self.initializer, Scheme):
            self.initializer.check_shape(self._small(dims))
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return law_of(self.initializer, self._small(shape))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        small = draw_from(self.initializer, self._small(shape), dtype, stream)
        copies = self.copies(shape)
        if self.order == "repeat":
            return np.repeat(small, copies, axis=self.axis)
        return np.concatenate([small] * copies, axis=self.axis)

    def copies(self, shape: tuple[int, ...]) -> int:
        """How often each filter stands in a kernel of this shape."""
        return self.factor ** (len(shape) - 2)

    def _small(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        small = list(shape)
        small[self.axis] //= self.copies(shape)
        return tuple(small)
