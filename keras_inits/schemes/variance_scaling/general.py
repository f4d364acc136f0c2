"""The general law of the family: any scale, fan and distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.fans import axes_pair, compute_fans
from keras_inits.registry import register

MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
# Standard deviation of N(0, 1) given |z| <= 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
TRUNCATED_STDDEV = 0.87962566103423978

Axes = Sequence[int] | None


def fan(mode: str, fan_in: float, fan_out: float) -> float:
    """The fan that `mode` names."""
    return {
        "fan_in": float(fan_in),
        "fan_out": float(fan_out),
        "fan_avg": (fan_in + fan_out) / 2.0,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }[mode]


@register(
    law="variance scale/fan: uniform, normal, or normal cut at 2 sigma",
    source="Keras 2",
    family="variance_scaling",
)
class VarianceScaling(Scheme, keras.initializers.VarianceScaling):
    """Mean 0 and variance scale / n, n being the fan that `mode` names.

    For any activation f, with `scale` gain(f)^2; the named schemes of LeCun, Glorot and He are cases.
    `mode`: "fan_in", "fan_out", "fan_avg" (arithmetic mean) or "fan_geo_avg" (geometric mean).
    `distribution`: "uniform" is U(-sqrt(3 scale/n), sqrt(3 scale/n)); "untruncated_normal" is
    N(0, scale/n); "truncated_normal" (also "normal", as in Keras) is a normal cut at two of its
    standard deviations and widened by 1/0.8796, so that the variance is scale/n after the cut.
    `scale` > 0. `input_axes` and `output_axes`, given together, say which axes make the fans; see
    `compute_fans`. EinsumDense and MultiHeadAttention fill them in.

    >>> x = VarianceScaling(2.0, seed=0)((400, 300))
    >>> round(float(keras.ops.std(x)) * 200**0.5, 2)
    1.0
    """

    mode = "fan_in"
    distribution = "truncated_normal"
    #: The variance is scale / fan; else `scale` is None, and `law` alone says the variance.
    by_fan: ClassVar[bool] = True

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        self.scale = checks.number("VarianceScaling", "scale", scale, above=0)
        self.mode = checks.one_of("VarianceScaling", "mode", mode, MODES)
        known = (*DISTRIBUTIONS, "normal")
        distribution = checks.one_of("VarianceScaling", "distribution", distribution, known)
        self.distribution = "truncated_normal" if distribution == "normal" else distribution
        self._set_seed_and_axes(seed, input_axes, output_axes)

    def _set_seed_and_axes(self, seed: Any, input_axes: Axes, output_axes: Axes) -> None:
        owner = type(self).__name__
        self.seed = check_seed(owner, seed)
        self.input_axes, self.output_axes = axes_pair(owner, input_axes, output_axes)

    def fans(self, shape: Sequence[int]) -> tuple[float, float]:
        """(fan_in, fan_out) that a tensor of this shape is drawn with."""
        return self._layer_fans or compute_fans(shape, self.input_axes, self.output_axes)

    def _spread(self, n: float) -> float:
        """The standard deviation where the fan is n."""
        return math.sqrt(self.scale / n)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if self.input_axes is not None:
            self.fans(dims)  # raises where the shape has no such axes
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        stddev = self._spread(max(1.0, fan(self.mode, *self.fans(shape))))
        if self.distribution == "uniform":
            return laws.Uniform(-math.sqrt(3.0) * stddev, math.sqrt(3.0) * stddev)
        if self.distribution == "untruncated_normal":
            return laws.Normal(0.0, stddev)
        return laws.TruncatedNormal(0.0, stddev / TRUNCATED_STDDEV, -2.0, 2.0)
