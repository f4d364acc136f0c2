"""Laws whose variance follows the fans: LeCun, Glorot/Xavier, He/Kaiming, PyTorch's default."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np

from keras_inits import checks
from keras_inits.base import Scheme, check_seed
from keras_inits.fans import axes_pair, compute_fans
from keras_inits.gains import TORCH_NONLINEARITIES, torch_gain
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index

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


@register(law="variance scale/fan: uniform, normal, or normal cut at 2 sigma", source="Keras 2")
class VarianceScaling(Scheme, keras.initializers.VarianceScaling):
    """Mean 0 and variance scale / n, n being the fan that `mode` names.

    `mode`: "fan_in", "fan_out", "fan_avg" (arithmetic mean) or "fan_geo_avg" (geometric mean).
    `distribution`: "uniform" is U(-sqrt(3 scale/n), sqrt(3 scale/n)); "untruncated_normal" is
    N(0, scale/n); "truncated_normal" (also "normal", as in Keras) is a normal cut at two of its
    standard deviations and widened by 1/0.8796, so that the variance is scale/n after the cut.
    `scale` > 0. `input_axes` and `output_axes`, given together, say which axes make the fans; see
    `compute_fans`. EinsumDense and MultiHeadAttention fill them in.

    >>> x = VarianceScaling(2.0, seed=0)((400, 300))
    >>> round(float(x.std()) * 200**0.5, 2)
    1.0
    """

    mode = "fan_in"
    distribution = "truncated_normal"
    _fixed_fans: tuple[float, float] | None = None

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

    def with_fans(self, fan_in: float, fan_out: float) -> Self:
        """A copy that takes these fans, whatever the shape (not kept in its config)."""
        other = copy.copy(self)
        other._fixed_fans = (fan_in, fan_out)
        return other

    def fans(self, shape: Sequence[int]) -> tuple[float, float]:
        """(fan_in, fan_out) that a tensor of this shape is drawn with."""
        return self._fixed_fans or compute_fans(shape, self.input_axes, self.output_axes)

    def stddev(self, shape: Sequence[int]) -> float:
        """The standard deviation of the entries of a tensor of this shape."""
        return math.sqrt(self.scale / max(1.0, fan(self.mode, *self.fans(shape))))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        self.fans(dims)
        return dims

    def support(self, shape: tuple[int, ...]) -> tuple[float, float] | None:
        stddev = self.stddev(shape)
        if self.distribution == "untruncated_normal":
            return None
        uniform = self.distribution == "uniform"
        limit = stddev * (math.sqrt(3.0) if uniform else 2.0 / TRUNCATED_STDDEV)
        return -limit, limit

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        stddev = self.stddev(shape)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return stream.uniform(shape, -limit, limit, dtype, index)
        if self.distribution == "untruncated_normal":
            return stream.normal(shape, 0.0, stddev, dtype, index)
        return stream.truncated_normal(
            shape, 0.0, stddev / TRUNCATED_STDDEV, -2.0, 2.0, dtype, index
        )


class _Named(VarianceScaling):
    """A scheme with Keras's arguments, whose scale, mode and distribution its name gives."""

    def __init__(self, seed: Any = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        self._set_seed_and_axes(seed, input_axes, output_axes)


@register(law="U(-L, L), L = sqrt(3/fan_in)", source="LeCun et al. 1998")
class LecunUniform(_Named):
    """U(-sqrt(3/fan_in), sqrt(3/fan_in)): variance 1/fan_in.

    For linear, tanh (scaled) and SELU layers. Some texts write sqrt(1/fan_in) for the bound, which
    has a third of the variance: that is `FanInUniform`.

    >>> x = LecunUniform(seed=0)((300, 200))
    >>> round(float(abs(x).max()), 2)
    0.1

    Source: LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, section 4.6.
    """

    scale, mode, distribution = 1.0, "fan_in", "uniform"


@register(law="N(0, 1/fan_in)", source="LeCun et al. 1998; Klambauer et al. 2017")
class LecunNormal(_Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 1/fan_in).

    For SELU networks (self-normalizing) and linear layers.

    >>> x = LecunNormal(seed=0)((100, 200))
    >>> round(float(x.std()), 2)
    0.1

    Source: LeCun et al. 1998, Efficient BackProp, section 4.6; Klambauer et al. 2017
    (arXiv 1706.02515), section 2.
    """

    scale, mode, distribution = 1.0, "fan_in", "untruncated_normal"


@register(law="U(-L, L), L = sqrt(6/(fan_in + fan_out))", source="Glorot & Bengio 2010, eq. 16")
class GlorotUniform(_Named):
    """U(-L, L), L = sqrt(6/(fan_in + fan_out)): Keras's default for kernels.

    Balances the forward and the backward signal of layers that are linear near 0, such as tanh.

    >>> x = GlorotUniform(seed=0)((300, 300))
    >>> round(float(abs(x).max()), 2)
    0.1

    Source: Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural
    networks, equation 16.
    """

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


@register(law="N(0, 2/(fan_in + fan_out))", source="Glorot & Bengio 2010, eq. 12")
class GlorotNormal(_Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 2/(fan_in + fan_out)).

    Balances the forward and the backward signal of layers that are linear near 0, such as tanh.

    >>> x = GlorotNormal(seed=0)((100, 100))
    >>> round(float(x.std()), 2)
    0.1

    Source: Glorot & Bengio 2010, equation 12.
    """

    scale, mode, distribution = 1.0, "fan_avg", "untruncated_normal"


@register(law="U(-L, L), L = sqrt(6/fan_in)", source="He et al. 2015, arXiv 1502.01852")
class HeUniform(_Named):
    """U(-sqrt(6/fan_in), sqrt(6/fan_in)): variance 2/fan_in.

    For layers followed by ReLU.

    >>> x = HeUniform(seed=0)((600, 200))
    >>> round(float(abs(x).max()), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equation 10, with a uniform law.
    """

    scale, mode, distribution = 2.0, "fan_in", "uniform"


@register(law="N(0, 2/fan_in)", source="He et al. 2015, arXiv 1502.01852", aliases=("msra",))
class HeNormal(_Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 2/fan_in). Also "msra".

    For layers followed by ReLU.

    >>> x = HeNormal(seed=0)((200, 200))
    >>> round(float(x.std()), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equation 10.
    """

    scale, mode, distribution = 2.0, "fan_in", "untruncated_normal"


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
        return self.gain**2


@register(law="U(-L, L), L = gain sqrt(6/(fan_in + fan_out))", source="torch.nn.init")
class XavierUniform(_Gained):
    """U(-L, L), L = gain sqrt(6/(fan_in + fan_out)): `torch.nn.init.xavier_uniform_`.

    `gain` >= 0; `keras_inits.gain(activation)` computes one.

    >>> x = XavierUniform(2.0, seed=0)((300, 300))
    >>> round(float(abs(x).max()), 2)
    0.2

    Source: Glorot & Bengio 2010, equation 16.
    """

    mode, distribution = "fan_avg", "uniform"


@register(law="N(0, gain^2 2/(fan_in + fan_out))", source="torch.nn.init")
class XavierNormal(_Gained):
    """N(0, gain^2 2/(fan_in + fan_out)), not truncated: `torch.nn.init.xavier_normal_`.

    `gain` >= 0; `keras_inits.gain(activation)` computes one.

    >>> x = XavierNormal(2.0, seed=0)((100, 100))
    >>> round(float(x.std()), 1)
    0.2

    Source: Glorot & Bengio 2010, equation 12.
    """

    mode, distribution = "fan_avg", "untruncated_normal"


@register(law="U(-L, L), L = gain/sqrt(fan_in)", source="torch.nn.Linear")
class FanInUniform(_Gained):
    """U(-gain/sqrt(fan_in), gain/sqrt(fan_in)): PyTorch's default for Linear and Conv layers.

    Variance gain^2 / (3 fan_in). PyTorch writes it `kaiming_uniform_(a=sqrt(5))`; some texts call
    it LeCun uniform. `gain` >= 0.

    >>> x = FanInUniform(seed=0)((100, 200))
    >>> round(float(abs(x).max()), 2)
    0.1
    """

    mode, distribution = "fan_in", "uniform"

    @property
    def scale(self) -> float:  # type: ignore[override]
        return self.gain**2 / 3.0


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


@register(law="U(-L, L), L = gain(a, nonlinearity) sqrt(3/fan)", source="torch.nn.init")
class KaimingUniform(_Kaiming):
    """U(-L, L), L = gain sqrt(3/fan): `torch.nn.init.kaiming_uniform_`.

    `mode` "fan_in" or "fan_out" names the fan. The gain is PyTorch's for `nonlinearity`: 1 for
    linear, conv and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2/(1 + a^2)) for leaky_relu with
    negative slope `a`, 3/4 for selu. For others use `VarianceScaling(scale=gain(f)**2)`.

    >>> x = KaimingUniform(seed=0)((600, 200))
    >>> round(float(abs(x).max()), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equations 10, 14 and 15.
    """

    distribution = "uniform"


@register(law="N(0, gain(a, nonlinearity)^2/fan)", source="torch.nn.init")
class KaimingNormal(_Kaiming):
    """N(0, gain^2/fan), not truncated: `torch.nn.init.kaiming_normal_`.

    Arguments as for `KaimingUniform`.

    >>> x = KaimingNormal(mode="fan_out", seed=0)((200, 200))
    >>> round(float(x.std()), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equations 10, 14 and 15.
    """

    distribution = "untruncated_normal"
