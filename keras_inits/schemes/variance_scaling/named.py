"""The schemes that Keras has too, with its arguments: LeCun, Glorot, He."""

from __future__ import annotations

from typing import Any

from keras_inits.registry import register
from keras_inits.schemes.variance_scaling.general import Axes, VarianceScaling


class Named(VarianceScaling):
    """A scheme with Keras's arguments, whose scale, mode and distribution its name gives."""

    def __init__(self, seed: Any = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        self._set_seed_and_axes(seed, input_axes, output_axes)


@register(law="U(-L, L), L = sqrt(3/fan_in)", source="LeCun et al. 1998", family="variance_scaling")
class LecunUniform(Named):
    """U(-sqrt(3/fan_in), sqrt(3/fan_in)): variance 1/fan_in.

    For linear, tanh (scaled) and SELU layers. Some texts write sqrt(1/fan_in) for the bound, which
    has a third of the variance: that is `FanInUniform`.

    >>> x = LecunUniform(seed=0)((300, 200))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.1

    Source: LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, section 4.6.
    """

    scale, mode, distribution = 1.0, "fan_in", "uniform"


@register(
    law="N(0, 1/fan_in)",
    source="LeCun et al. 1998; Klambauer et al. 2017",
    family="variance_scaling",
)
class LecunNormal(Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 1/fan_in).

    For SELU networks (self-normalizing) and linear layers.

    >>> x = LecunNormal(seed=0)((100, 200))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: LeCun et al. 1998, Efficient BackProp, section 4.6; Klambauer et al. 2017
    (arXiv 1706.02515), section 2.
    """

    scale, mode, distribution = 1.0, "fan_in", "untruncated_normal"


@register(
    law="U(-L, L), L = sqrt(6/(fan_in + fan_out))",
    source="Glorot & Bengio 2010, eq. 16",
    family="variance_scaling",
)
class GlorotUniform(Named):
    """U(-L, L), L = sqrt(6/(fan_in + fan_out)): Keras's default for kernels.

    Balances the forward and the backward signal of layers that are linear near 0, such as tanh.

    >>> x = GlorotUniform(seed=0)((300, 300))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.1

    Source: Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural
    networks, equation 16.
    """

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


@register(
    law="N(0, 2/(fan_in + fan_out))",
    source="Glorot & Bengio 2010, eq. 12",
    family="variance_scaling",
)
class GlorotNormal(Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 2/(fan_in + fan_out)).

    Balances the forward and the backward signal of layers that are linear near 0, such as tanh.

    >>> x = GlorotNormal(seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: Glorot & Bengio 2010, equation 12.
    """

    scale, mode, distribution = 1.0, "fan_avg", "untruncated_normal"


@register(
    law="U(-L, L), L = sqrt(6/fan_in)",
    source="He et al. 2015, arXiv 1502.01852",
    family="variance_scaling",
)
class HeUniform(Named):
    """U(-sqrt(6/fan_in), sqrt(6/fan_in)): variance 2/fan_in.

    For layers followed by ReLU.

    >>> x = HeUniform(seed=0)((600, 200))
    >>> round(float(keras.ops.max(abs(x))), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equation 10, with a uniform law.
    """

    scale, mode, distribution = 2.0, "fan_in", "uniform"


@register(
    law="N(0, 2/fan_in)",
    source="He et al. 2015, arXiv 1502.01852",
    aliases=("msra",),
    family="variance_scaling",
)
class HeNormal(Named):
    """Not truncated, unlike Keras 3's class of this name. N(0, 2/fan_in). Also "msra".

    For layers followed by ReLU.

    >>> x = HeNormal(seed=0)((200, 200))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: He et al. 2015 (arXiv 1502.01852), equation 10.
    """

    scale, mode, distribution = 2.0, "fan_in", "untruncated_normal"
