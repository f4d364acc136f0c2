"""The schemes of torch.nn.init and of PyTorch's layers: Xavier, Kaiming, and the layers' default."""

from __future__ import annotations

import math
from typing import Any

from keras_inits import checks
from keras_inits.gains import TORCH_NONLINEARITIES, torch_gain
from keras_inits.registry import register
from keras_inits.schemes.variance_scaling.general import Axes, VarianceScaling


class _Gained(VarianceScaling):
    """A scheme that multiplies the standard deviation by a gain."""

    def __init__(
        self,
        gain: float = 1.0,
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        self.gain = checks.number(type(self).__name__, "gain", gain, low=0)
        self._set_seed_and_axes(seed, input_axes, output_axes)

    @property
    def scale(self) -> float:  # type: ignore[override]
        return float(self.gain) * float(self.gain)

    def _spread(self, n: float) -> float:
        return self.gain * math.sqrt(1.0 / n)  # not by the square, which may not be a float


@register(
    law="U(-L, L), L = gain sqrt(6/(fan_in + fan_out))",
    source="torch.nn.init",
    family="variance_scaling",
)
class XavierUniform(_Gained):
    """U(-L, L), L = gain sqrt(6/(fan_in + fan_out)): `torch.nn.init.xavier_uniform_`.

    For activations that are linear near 0, such as tanh. `gain` >= 0; `keras_inits.gain(activation)`
    computes one.

    >>> x = XavierUniform(2.0, seed=0)((300, 300))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.2

    Source: Glorot & Bengio 2010, equation 16.
    """

    mode, distribution = "fan_avg", "uniform"


@register(
    law="N(0, gain^2 2/(fan_in + fan_out))", source="torch.nn.init", family="variance_scaling"
)
class XavierNormal(_Gained):
    """N(0, gain^2 2/(fan_in + fan_out)), not truncated: `torch.nn.init.xavier_normal_`.

    For activations that are linear near 0, such as tanh. `gain` >= 0; `keras_inits.gain(activation)`
    computes one.

    >>> x = XavierNormal(2.0, seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 1)
    0.2

    Source: Glorot & Bengio 2010, equation 12.
    """

    mode, distribution = "fan_avg", "untruncated_normal"


@register(
    law="U(-L, L), L = gain/sqrt(fan_in)", source="torch.nn.Linear", family="variance_scaling"
)
class FanInUniform(_Gained):
    """U(-gain/sqrt(fan_in), gain/sqrt(fan_in)): PyTorch's default for Linear and Conv layers.

    Variance gain^2 / (3 fan_in). PyTorch writes it `kaiming_uniform_(a=sqrt(5))`; some texts call
    it LeCun uniform. `gain` >= 0.

    >>> x = FanInUniform(seed=0)((100, 200))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.1
    """

    mode, distribution = "fan_in", "uniform"

    @property
    def scale(self) -> float:  # type: ignore[override]
        return super().scale / 3.0

    def _spread(self, n: float) -> float:
        return super()._spread(n) / math.sqrt(3.0)


class _Kaiming(VarianceScaling):
    """He's schemes with PyTorch's arguments."""

    def __init__(
        self,
        a: float = 0.0,
        mode: str = "fan_in",
        nonlinearity: str = "leaky_relu",
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        owner = type(self).__name__
        self.a = checks.number(owner, "a", a)
        self.mode = checks.one_of(owner, "mode", mode, ("fan_in", "fan_out"))
        self.nonlinearity = checks.one_of(owner, "nonlinearity", nonlinearity, TORCH_NONLINEARITIES)
        self._set_seed_and_axes(seed, input_axes, output_axes)

    @property
    def scale(self) -> float:  # type: ignore[override]
        return torch_gain(self.nonlinearity, self.a) ** 2

    def _spread(self, n: float) -> float:
        return torch_gain(self.nonlinearity, self.a) / math.sqrt(n)


@register(
    law="U(-L, L), L = gain(a, nonlinearity) sqrt(3/fan)",
    source="torch.nn.init",
    family="variance_scaling",
)
class KaimingUniform(_Kaiming):
    """U(-L, L), L = gain sqrt(3/fan): `torch.nn.init.kaiming_uniform_`.

    `mode` "fan_in" or "fan_out" names the fan. The gain is PyTorch's for `nonlinearity`: 1 for
    linear, conv and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2/(1 + a^2)) for leaky_relu with
    negative slope `a`, 3/4 for selu. For others use `VarianceScaling(scale=gain(f)**2)`.

    >>> x = KaimingUniform(seed=0)((600, 200))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equations 10, 14 and 15.
    """

    distribution = "uniform"


@register(
    law="N(0, gain(a, nonlinearity)^2/fan)", source="torch.nn.init", family="variance_scaling"
)
class KaimingNormal(_Kaiming):
    """N(0, gain^2/fan), not truncated: `torch.nn.init.kaiming_normal_`.

    Arguments, `a`, `mode` and `nonlinearity`, as for `KaimingUniform`.

    >>> x = KaimingNormal(mode="fan_out", seed=0)((200, 200))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equations 10, 14 and 15.
    """

    distribution = "untruncated_normal"
