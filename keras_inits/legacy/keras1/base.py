"""What Keras 1's initializations share: their arguments and laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.legacy.keras1.fans import ORDERINGS, fans
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


class Keras1Scheme(Scheme):
    """What all eleven share. `dim_ordering` matters to fans of ranks 4 and 5 alone."""

    dim_ordering: str

    def _set_ordering(self, dim_ordering: str) -> None:
        if not isinstance(dim_ordering, str):
            expected = "'tf' or 'th'"
            raise checks.type_error(type(self).__name__, "dim_ordering", expected, dim_ordering)
        self.dim_ordering = dim_ordering

    def _filler(
        self, shape: tuple[int, ...], dtype: str, stream: Stream | None, on_device: bool = False
    ) -> Callable[[Index], np.ndarray]:
        if dtype != "float16" or stream is None or dtype not in stream.dtypes:
            return super()._filler(shape, dtype, stream, on_device)
        # Keras 1 rounded to float16 once, or had TensorFlow draw in it.
        whole = self.values(shape, dtype, stream)
        return lambda index: whole if index is None else np.ascontiguousarray(whole[index])


class Scaled(Keras1Scheme):
    """A law with an argument `scale`, any finite number: as in Keras 1, a negative one mirrors it."""

    def __init__(self, scale: float = 0.05, seed: Any = None, dim_ordering: str = "tf") -> None:
        self.scale = checks.number(type(self).__name__, "scale", scale)
        self.seed = check_seed(type(self).__name__, seed)
        self._set_ordering(dim_ordering)

    def _mirrored(self, law: str, stream: Stream) -> bool:
        return self.scale < 0 and stream.mirrored(law)


class ByFans(Keras1Scheme):
    """A law whose variance is `numerator` over a fan, or over the sum of both."""

    numerator: ClassVar[float]
    both: ClassVar[bool] = False
    normal: ClassVar[bool] = False

    def __init__(self, seed: Any = None, dim_ordering: str = "tf") -> None:
        self.seed = check_seed(type(self).__name__, seed)
        self._set_ordering(dim_ordering)

    def scale(self, shape: Sequence[int]) -> float:
        """The standard deviation of a normal law, the bound of a uniform one."""
        fan_in, fan_out = fans(shape, self.dim_ordering)
        fan = fan_in + fan_out if self.both else fan_in
        return math.sqrt(self.numerator / fan) if fan else 0.0

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if len(dims) in (4, 5):
            checks.one_of(type(self).__name__, "dim_ordering", self.dim_ordering, ORDERINGS)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        scale = self.scale(shape)
        return laws.Normal(0.0, scale) if self.normal else laws.Uniform(-scale, scale)
