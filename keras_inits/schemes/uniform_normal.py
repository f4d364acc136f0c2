"""Laws whose spread is given outright: uniform, normal, truncated normal."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_inits import checks
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index


@register(law="U(-scale, scale)", source="Keras 1")
class Uniform(Scheme):
    """U(-scale, scale): Keras 1's `uniform`.

    `scale` is half the width, a finite number >= 0; its default 0.05 is Keras 1's. The standard
    deviation is scale / sqrt(3).

    >>> x = Uniform(0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.max(x)), 3)
    0.1
    """

    plain = True

    def __init__(self, scale: float = 0.05, seed: Any = None) -> None:
        self.scale = checks.number("Uniform", "scale", scale, low=0)
        self.seed = check_seed("Uniform", seed)

    def support(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return -self.scale, self.scale

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.uniform(shape, -self.scale, self.scale, dtype, index)


@register(law="N(0, scale^2)", source="Keras 1")
class Normal(Scheme):
    """N(0, scale^2), not truncated: Keras 1's `normal`.

    `scale` is the standard deviation, a finite number >= 0; its default 0.05 is Keras 1's.

    >>> x = Normal(0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.1
    """

    plain = True

    def __init__(self, scale: float = 0.05, seed: Any = None) -> None:
        self.scale = checks.number("Normal", "scale", scale, low=0)
        self.seed = check_seed("Normal", seed)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.normal(shape, 0.0, self.scale, dtype, index)


@register(law="U(minval, maxval)", source="Keras 2")
class RandomUniform(Scheme):
    """U(minval, maxval), finite numbers with `minval` <= `maxval`.

    >>> x = RandomUniform(0.0, 1.0, seed=0)((100, 100))
    >>> round(float(keras.ops.min(x)), 2), round(float(keras.ops.max(x)), 2)
    (0.0, 1.0)
    """

    plain = True

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval = checks.number("RandomUniform", "minval", minval)
        self.maxval = checks.number("RandomUniform", "maxval", maxval, low=self.minval)
        self.seed = check_seed("RandomUniform", seed)

    def support(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return self.minval, self.maxval

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.uniform(shape, self.minval, self.maxval, dtype, index)


@register(law="N(mean, stddev^2)", source="Keras 2")
class RandomNormal(Scheme):
    """N(mean, stddev^2), not truncated; `mean` any finite number, `stddev` >= 0.

    >>> x = RandomNormal(1.0, 0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.mean(x)), 2)
    1.0
    """

    plain = True

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = checks.number("RandomNormal", "mean", mean)
        self.stddev = checks.number("RandomNormal", "stddev", stddev, low=0)
        self.seed = check_seed("RandomNormal", seed)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.normal(shape, self.mean, self.stddev, dtype, index)


@register(
    law="N(mean, stddev^2) within mean + stddev * [low, high]", source="Keras 2; torch.nn.init"
)
class TruncatedNormal(Scheme):
    """N(mean, stddev^2) given that the entry lies in mean + stddev * [low, high].

    `mean` is any finite number, `stddev` >= 0 the standard deviation before truncation, `low` <
    `high` are bounds in units of it. Their defaults, -2 and 2, leave a standard deviation of 0.8796 stddev, as in Keras. No entry
    ever leaves the bounds.

    >>> x = TruncatedNormal(0.0, 1.0, seed=0)((100, 100))
    >>> round(float(keras.ops.max(abs(x))), 2)
    2.0
    """

    plain = True

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 0.05,
        seed: Any = None,
        low: float = -2.0,
        high: float = 2.0,
    ) -> None:
        self.mean = checks.number("TruncatedNormal", "mean", mean)
        self.stddev = checks.number("TruncatedNormal", "stddev", stddev, low=0)
        self.seed = check_seed("TruncatedNormal", seed)
        self.low = checks.number("TruncatedNormal", "low", low)
        self.high = checks.number("TruncatedNormal", "high", high, above=self.low)

    def support(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return self.mean + self.stddev * self.low, self.mean + self.stddev * self.high

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.truncated_normal(
            shape, self.mean, self.stddev, self.low, self.high, dtype, index
        )
