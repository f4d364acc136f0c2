"""Laws whose spread is given outright: uniform, normal, truncated normal."""

from __future__ import annotations

from typing import Any

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register


@register(law="U(-scale, scale)", source="Keras 1", family="uniform_normal")
class Uniform(Scheme):
    """U(-scale, scale): Keras 1's `uniform`.

    For embeddings and shallow networks; in a deep network the scale has to follow the fans, as in
    `HeUniform`. `scale` is half the width, a finite number >= 0; its default 0.05 is Keras 1's. The
    standard deviation is scale / sqrt(3).

    >>> x = Uniform(0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.max(x)), 3)
    0.1
    """

    def __init__(self, scale: float = 0.05, seed: Any = None) -> None:
        self.scale = checks.number("Uniform", "scale", scale, low=0)
        self.seed = check_seed("Uniform", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Uniform(-self.scale, self.scale)


@register(law="N(0, scale^2)", source="Keras 1", family="uniform_normal")
class Normal(Scheme):
    """N(0, scale^2), not truncated: Keras 1's `normal`.

    For embeddings, heads and models whose paper names one standard deviation, as GPT-2's 0.02.
    `scale` is the standard deviation, a finite number >= 0; its default 0.05 is Keras 1's.

    >>> x = Normal(0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.1
    """

    def __init__(self, scale: float = 0.05, seed: Any = None) -> None:
        self.scale = checks.number("Normal", "scale", scale, low=0)
        self.seed = check_seed("Normal", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(0.0, self.scale)


@register(law="U(minval, maxval)", source="Keras 2", family="uniform_normal")
class RandomUniform(Scheme):
    """U(minval, maxval), finite numbers with `minval` <= `maxval`.

    For parameters with a range of their own, such as a slope or a time constant.

    >>> x = RandomUniform(0.0, 1.0, seed=0)((100, 100))
    >>> round(float(keras.ops.min(x)), 2), round(float(keras.ops.max(x)), 2)
    (0.0, 1.0)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval = checks.number("RandomUniform", "minval", minval)
        self.maxval = checks.number("RandomUniform", "maxval", maxval, low=self.minval)
        self.seed = check_seed("RandomUniform", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Uniform(self.minval, self.maxval)


@register(law="N(mean, stddev^2)", source="Keras 2", family="uniform_normal")
class RandomNormal(Scheme):
    """N(mean, stddev^2), not truncated; `mean` any finite number, `stddev` >= 0.

    For parameters that vary about a value, such as scales near 1. With mean 0 it is `Normal`.

    >>> x = RandomNormal(1.0, 0.1, seed=0)((100, 100))
    >>> round(float(keras.ops.mean(x)), 2)
    1.0
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = checks.number("RandomNormal", "mean", mean)
        self.stddev = checks.number("RandomNormal", "stddev", stddev, low=0)
        self.seed = check_seed("RandomNormal", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(self.mean, self.stddev)


@register(
    law="N(mean, stddev^2) within mean + stddev * [low, high]",
    source="Keras 2; torch.nn.init",
    family="uniform_normal",
)
class TruncatedNormal(Scheme):
    """N(mean, stddev^2) given that the entry lies in mean + stddev * [low, high].

    For transformers in the manner of BERT, and wherever single large entries do harm. `mean` is any
    finite number, `stddev` >= 0 the standard deviation before truncation, `low` < `high` are bounds in
    units of it. Their defaults, -2 and 2, leave a standard deviation of 0.8796 stddev, as in Keras.
    No entry ever leaves the bounds.

    With `corrected` True the normal law is widened so that `stddev` is the standard deviation after the cut;
    bounds then count the widened one. BERT cuts at 2 without correction (0.02 leaves 0.0176), OLMo 2
    at 3 (0.02 leaves 0.0197), Keras's he_normal at 2 with it.

    >>> x = TruncatedNormal(0.0, 1.0, seed=0)((100, 100))
    >>> round(float(keras.ops.max(abs(x))), 2)
    2.0
    """

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 0.05,
        seed: Any = None,
        low: float = -2.0,
        high: float = 2.0,
        corrected: bool = False,
    ) -> None:
        self.mean = checks.number("TruncatedNormal", "mean", mean)
        self.stddev = checks.number("TruncatedNormal", "stddev", stddev, low=0)
        self.seed = check_seed("TruncatedNormal", seed)
        self.low = checks.number("TruncatedNormal", "low", low)
        self.high = checks.number("TruncatedNormal", "high", high, above=self.low)
        self.corrected = checks.boolean("TruncatedNormal", "corrected", corrected)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        kept = (
            laws.TruncatedNormal(self.mean, 1.0, self.low, self.high).std if self.corrected else 1.0
        )
        return laws.TruncatedNormal(self.mean, self.stddev / kept, self.low, self.high)
