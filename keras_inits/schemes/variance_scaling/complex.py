"""Complex weights, kept as two real ones: the real and the imaginary part."""

from __future__ import annotations

from keras_inits.registry import register
from keras_inits.schemes.variance_scaling.named import Named


@register(
    law="N(0, 1/(fan_in + fan_out)) for each part",
    source="Trabelsi et al. 2018, arXiv 1705.09792",
    family="variance_scaling",
)
class ComplexGlorot(Named):
    """The real or the imaginary part of complex weights w with E|w|^2 = 2/(fan_in + fan_out).

    Give it to both parts, each a weight of its own: N(0, 1/(fan_in + fan_out)) in both is a modulus
    with Rayleigh's law of scale 1/sqrt(fan_in + fan_out) and a phase uniform on the circle. The parts
    need different seeds, or one object with seed None.

    >>> x = ComplexGlorot(seed=0)((50, 50))
    >>> round(float(keras.ops.std(x)), 1)
    0.1

    Source: Trabelsi et al. 2018 (arXiv 1705.09792), section 3.6; the authors' code lacks a root.
    """

    scale, mode, distribution = 0.5, "fan_avg", "untruncated_normal"


@register(
    law="N(0, 1/fan_in) for each part",
    source="Trabelsi et al. 2018, arXiv 1705.09792",
    family="variance_scaling",
)
class ComplexHe(Named):
    """The real or the imaginary part of complex weights w with E|w|^2 = 2/fan_in; for complex relu.

    As `ComplexGlorot`, with Rayleigh's law of scale 1/sqrt(fan_in) for the modulus.

    >>> x = ComplexHe(seed=0)((100, 50))
    >>> round(float(keras.ops.std(x)), 1)
    0.1

    Source: Trabelsi et al. 2018 (arXiv 1705.09792), section 3.6.
    """

    scale, mode, distribution = 1.0, "fan_in", "untruncated_normal"
