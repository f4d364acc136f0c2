"""Laws of the fan-in whose variance is no fixed number over the fan."""

from __future__ import annotations

import math
from typing import Any

from keras_inits import checks, laws
from keras_inits.gains import TORCH_NONLINEARITIES, torch_gain
from keras_inits.registry import register
from keras_inits.schemes.variance_scaling.general import MODES, Axes, VarianceScaling, fan


class _ByWidth(VarianceScaling):
    by_fan = False
    scale = None  # type: ignore[assignment]


@register(
    law="U(-L, L), L = sqrt(6/fan_in)/omega_0, or 1/fan_in where first",
    source="Sitzmann et al. 2020, arXiv 2006.09661",
    family="variance_scaling",
)
class Siren(_ByWidth):
    """U(-sqrt(6/fan_in)/omega_0, sqrt(6/fan_in)/omega_0); in the first layer U(-1/fan_in, 1/fan_in).

    For networks whose activation is sin(omega_0 x), of coordinates in [-1, 1]. `omega_0` > 0 is the
    activation's; `first` is True for the layer that reads the coordinates. The last, linear layer
    takes the law of the inner ones. Every inner pre-activation omega_0 x then has variance near 0.8,
    however deep. ValueError at the call below
    rank 2.

    >>> x = Siren(seed=0)((600, 200))
    >>> round(30 * float(keras.ops.max(abs(x))), 2)
    0.1

    Source: Sitzmann et al. 2020 (arXiv 2006.09661) and the authors' `modules.py`.
    """

    distribution = "uniform"
    min_rank = 2

    def __init__(
        self,
        omega_0: float = 30.0,
        first: bool = False,
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        self.omega_0 = checks.number("Siren", "omega_0", omega_0, above=0)
        self.first = checks.boolean("Siren", "first", first)
        self._set_seed_and_axes(seed, input_axes, output_axes)

    def _spread(self, n: float) -> float:
        limit = 1.0 / n if self.first else math.sqrt(6.0 / n) / self.omega_0
        return limit / math.sqrt(3.0)


@register(
    law="N(0, g^2/fan_in), g = exp(1/(2 fan_in)), or its form for relu",
    source="Sussillo & Abbott 2014, arXiv 1412.6558",
    family="variance_scaling",
)
class RandomWalk(_ByWidth):
    """N(0, g^2/n), n = fan_in: the logarithm of a signal's length is a random walk without drift.

    `nonlinearity` "linear": g = exp(1/(2n)); "relu": g = sqrt(2) exp(1.2/(max(n, 6) - 2.4)), a fit.
    He's and LeCun's laws keep the mean of the squared length; its logarithm, and so a typical deep
    narrow network, shrinks by about 1/(2n) a layer. For plain networks of many narrow layers.

    >>> x = RandomWalk(seed=0)((100, 400))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: Sussillo & Abbott 2014 (arXiv 1412.6558); the fit for relu as TensorFlow had it.
    """

    distribution = "untruncated_normal"
    min_rank = 2

    def __init__(
        self,
        nonlinearity: str = "linear",
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        self.nonlinearity = checks.one_of(
            "RandomWalk", "nonlinearity", nonlinearity, ("linear", "relu")
        )
        self._set_seed_and_axes(seed, input_axes, output_axes)

    def _spread(self, n: float) -> float:
        if self.nonlinearity == "linear":
            g = math.exp(1.0 / (2.0 * n))
        else:
            g = math.sqrt(2.0) * math.exp(1.2 / (max(n, 6.0) - 2.4))
        return g / math.sqrt(n)


@register(
    law="+-gain/sqrt(fan (1 - sparsity))",
    source="Ramanujan et al. 2020, arXiv 1911.13299",
    family="variance_scaling",
)
class SignedConstant(_ByWidth):
    """Each entry +c or -c with equal chances, c = gain/sqrt(n (1 - sparsity)), n the fan of `mode`.

    The gain is that of `nonlinearity`, as in `KaimingNormal`; `mode` is "fan_in", "fan_out",
    "fan_avg" or "fan_geo_avg". For networks of which a part of the weights is kept and none trained:
    `sparsity` >= 0 and < 1 is the share of weights that will be left out.

    >>> x = SignedConstant(sparsity=0.5, seed=0)((400, 300))
    >>> round(float(keras.ops.min(abs(x))), 3), round(float(keras.ops.max(abs(x))), 3)
    (0.1, 0.1)

    Source: Ramanujan et al. 2020 (arXiv 1911.13299); the authors' `utils/builder.py`.
    """

    def __init__(
        self,
        nonlinearity: str = "relu",
        mode: str = "fan_in",
        sparsity: float = 0.0,
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        owner = "SignedConstant"
        self.nonlinearity = checks.one_of(owner, "nonlinearity", nonlinearity, TORCH_NONLINEARITIES)
        self.mode = checks.one_of(owner, "mode", mode, MODES)
        self.sparsity = checks.number(owner, "sparsity", sparsity, low=0, below=1)
        self._set_seed_and_axes(seed, input_axes, output_axes)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        n = max(1.0, fan(self.mode, *self.fans(shape)))
        value = torch_gain(self.nonlinearity) / math.sqrt(n * (1.0 - self.sparsity))
        return laws.Discrete([-value, value], [0.5, 0.5])
