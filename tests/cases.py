"""The table of cases: every registered class with the arguments to test it with, and its exact law.

`test_every_class_has_a_case` fails for a class without a row. Laws and standard deviations are
SciPy's, or written out here from the papers, rather than asked of the code under test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

import keras_inits as ki
from keras_inits import keras1
from keras_inits.registry import CATALOGUE

Shape = tuple[int, ...]
TRUNCATED_STDDEV = math.sqrt(stats.truncnorm(-2, 2).var())
DENSE, CONV, BIAS = (400, 300), (3, 3, 40, 320), (40,)


@dataclass(frozen=True)
class Case:
    """One way to make a scheme.

    `arguments` are the constructor's, some of them functions of the shape. `law(shape)` is the law
    of entries that are independent and alike, a frozen SciPy distribution; `std(shape)` the standard
    deviation of the entries of a structured tensor. `shape` is one with enough entries to test on.
    """

    cls: type
    arguments: dict[str, Any] = field(default_factory=dict)
    law: Callable[[Shape], Any] | None = None
    std: Callable[[Shape], float] | None = None
    shape: Shape = DENSE
    suffix: str = ""

    def make(self, shape: Shape, seed: Any) -> Any:
        given = {k: v(shape) if callable(v) else v for k, v in self.arguments.items()}
        return self.cls(**given, **({"seed": seed} if self.random else {}))

    @property
    def class_name(self) -> str:
        """The class's key in the catalogue."""
        return next(key for key, entry in CATALOGUE.items() if entry.cls is self.cls)

    @property
    def id(self) -> str:
        shown = (f"{k}={'...' if callable(v) else repr(v)}" for k, v in self.arguments.items())
        return f"{self.class_name.replace('>', '.')}({', '.join(shown)}){self.suffix}"

    @property
    def random(self) -> bool:
        return self.cls.random


def _alike(cls: type, law: Any, **arguments: Any) -> Case:
    """Entries with one law whatever the shape."""
    return Case(cls, arguments, lambda shape: law)


def _by_fans(cls: type, law: Callable[[float, float], Any], **arguments: Any) -> list[Case]:
    """A case for a matrix and one for a convolution kernel, whose fans differ by the field."""

    def of_shape(shape: Shape) -> Any:
        if len(shape) < 2:
            return law(*((shape[0], shape[0]) if shape else (1, 1)))
        field = math.prod(shape[:-2])
        return law(field * shape[-2], field * shape[-1])

    return [
        Case(cls, arguments, of_shape, shape=shape, suffix=suffix)
        for suffix, shape in (("", DENSE), ("-conv", CONV))
    ]


def _structured(
    cls: type, std: Callable[[Shape], float], shape: Shape = DENSE, **arguments: Any
) -> Case:
    return Case(cls, arguments, std=std, shape=shape)


def _uniform(limit: float) -> Any:
    return stats.uniform(-limit, 2 * limit)


def _normal(variance: float) -> Any:
    return stats.norm(0, math.sqrt(variance))


def _two_sigma(variance: float) -> Any:
    """A normal cut at two sigma that has this variance after the cut."""
    return stats.truncnorm(-2, 2, scale=math.sqrt(variance) / TRUNCATED_STDDEV)


def _two_values(value: float, share: float) -> float:
    """The standard deviation of `value` with probability `share`, else 0."""
    return abs(value) * math.sqrt(share * (1 - share))


def _eye(shape: Shape) -> float:
    return min(shape) / math.prod(shape)


def _unit_vector(n: int, share: float = 1.0) -> float:
    """Of entries of unit vectors in n dimensions, which fill a share of the tensor."""
    return math.sqrt(share / n)


def _array(shape: Shape) -> np.ndarray:
    return np.arange(math.prod(shape), dtype="float32").reshape(shape) / 7


def _chrono(high: float) -> float:
    """A quarter of the entries is log(u), a quarter -log(u), u ~ U(1, high), half of them 0."""
    square = stats.uniform(1, high - 1).expect(lambda u: np.log(u) ** 2)
    return math.sqrt(square / 2)


def _features(value: float) -> Callable[[Shape], Any]:
    return lambda shape: [value] * (shape[-2] if len(shape) > 1 else 1) or value


def _step(low: float, high: float) -> float:
    """Of log(exp(step) - 1) with log(step) uniform."""
    log = stats.uniform(math.log(low), math.log(high / low))
    first, second = (log.expect(lambda v, k=k: np.log(np.expm1(np.exp(v))) ** k) for k in (1, 2))
    return math.sqrt(second - first**2)


def _shares(shape: Shape) -> list[float]:
    n = shape[0]
    return [2 * (i + 1) / (n * (n + 1)) for i in range(n)]


def _chain(above: float, below: float) -> Callable[[Shape], float]:
    return lambda s: float((above * np.eye(s[0], k=1) + below * np.eye(s[0], k=-1)).std())


def _legs(n: int) -> np.ndarray:
    """HiPPO's matrix by its two cases."""
    a = np.zeros((n, n))
    for i, k in np.ndindex(n, n):
        if i >= k:
            a[i, k] = -(i + 1) if i == k else -math.sqrt((2 * i + 1) * (2 * k + 1))
    return a


def _s4d(variant: str, shape: Shape) -> float:
    half = shape[1]
    values = {
        "lin": [complex(-0.5, math.pi * k) for k in range(half)],
        "inv": [
            complex(-0.5, 2 * half / math.pi * (2 * half / (2 * k + 1) - 1)) for k in range(half)
        ],
        "real": [complex(-k - 1) for k in range(half)],
    }[variant]
    return float(np.array([[v.real for v in values], [v.imag for v in values]]).std())


def _tent_std(shape: Shape) -> float:
    """Of 4 x 5 taps, on the diagonal of the channels alone."""
    taps = np.outer([0.25, 0.75, 0.75, 0.25], np.array([1, 2, 3, 2, 1]) / 3)
    return float((np.multiply.outer(taps, np.eye(shape[-1]))).std())


CASES: list[Case] = [
    _structured(ki.Zero, lambda shape: 0.0),
    _structured(ki.One, lambda shape: 0.0),
    _structured(ki.Constant, lambda shape: 0.0),
    _structured(ki.Constant, lambda shape: 0.0, value=-1.5),
    _structured(ki.Identity, lambda shape: _two_values(1, _eye(shape))),
    _structured(ki.Identity, lambda shape: _two_values(0.5, _eye(shape)), gain=-0.5),
    _alike(ki.Uniform, _uniform(0.05)),
    _alike(ki.Uniform, _uniform(2.0), scale=2.0),
    _alike(ki.Normal, stats.norm(0, 0.05)),
    _alike(ki.Normal, stats.norm(0, 2.0), scale=2.0),
    _alike(ki.RandomUniform, _uniform(0.05)),
    _alike(ki.RandomUniform, stats.uniform(1, 2), minval=1.0, maxval=3.0),
    _alike(ki.RandomNormal, stats.norm(0, 0.05)),
    _alike(ki.RandomNormal, stats.norm(3, 0.5), mean=3.0, stddev=0.5),
    _alike(ki.TruncatedNormal, stats.truncnorm(-2, 2, 0, 0.05)),
    _alike(
        ki.TruncatedNormal,
        stats.truncnorm(-1, 3, 1, 0.5),
        **{"mean": 1.0, "stddev": 0.5, "low": -1.0, "high": 3.0},
    ),
    _alike(ki.TruncatedNormal, stats.truncnorm(5, 6), mean=0.0, stddev=1.0, low=5.0, high=6.0),
    *(
        _alike(
            ki.TruncatedNormal,
            stats.truncnorm(-k, k, scale=0.02 / math.sqrt(stats.truncnorm(-k, k).var())),
            **{"stddev": 0.02, "low": -k, "high": k, "corrected": True},
        )
        for k in (2.0, 3.0)
    ),
    *_by_fans(ki.VarianceScaling, lambda i, o: _two_sigma(1 / i)),
    *_by_fans(
        ki.VarianceScaling,
        lambda i, o: _uniform(3 / o**0.5),
        **{"scale": 3.0, "mode": "fan_out", "distribution": "uniform"},
    ),
    *_by_fans(
        ki.VarianceScaling,
        lambda i, o: _normal(4 / (i + o)),
        **{"scale": 2.0, "mode": "fan_avg", "distribution": "untruncated_normal"},
    ),
    *_by_fans(
        ki.VarianceScaling,
        lambda i, o: _two_sigma((i * o) ** -0.5),
        **{"mode": "fan_geo_avg", "distribution": "truncated_normal"},
    ),
    *_by_fans(ki.LecunUniform, lambda i, o: _uniform((3 / i) ** 0.5)),
    *_by_fans(ki.LecunNormal, lambda i, o: _normal(1 / i)),
    *_by_fans(ki.GlorotUniform, lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_by_fans(ki.GlorotNormal, lambda i, o: _normal(2 / (i + o))),
    *_by_fans(ki.HeUniform, lambda i, o: _uniform((6 / i) ** 0.5)),
    *_by_fans(ki.HeNormal, lambda i, o: _normal(2 / i)),
    *_by_fans(ki.XavierUniform, lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_by_fans(ki.XavierUniform, lambda i, o: _uniform(3 * (6 / (i + o)) ** 0.5), gain=3.0),
    *_by_fans(ki.XavierNormal, lambda i, o: _normal(2 / (i + o))),
    *_by_fans(ki.XavierNormal, lambda i, o: _normal(9 * 2 / (i + o)), gain=3.0),
    *_by_fans(ki.KaimingUniform, lambda i, o: _uniform((6 / i) ** 0.5)),
    *_by_fans(
        ki.KaimingUniform, lambda i, o: _uniform((6 / (1.25 * o)) ** 0.5), a=0.5, mode="fan_out"
    ),
    *_by_fans(ki.KaimingUniform, lambda i, o: _uniform(0.75 * (3 / i) ** 0.5), nonlinearity="selu"),
    *_by_fans(ki.KaimingNormal, lambda i, o: _normal(2 / i)),
    *_by_fans(
        ki.KaimingNormal,
        lambda i, o: _normal(25 / 9 / o),
        **{"mode": "fan_out", "nonlinearity": "tanh"},
    ),
    *_by_fans(ki.KaimingNormal, lambda i, o: _normal(2 / i), a=0.5, nonlinearity="relu"),
    *_by_fans(ki.FanInUniform, lambda i, o: _uniform(i**-0.5)),
    *_by_fans(ki.FanInUniform, lambda i, o: _uniform(3 * i**-0.5), gain=3.0),
    *_by_fans(ki.Siren, lambda i, o: _uniform((6 / i) ** 0.5 / 30)),
    *_by_fans(ki.Siren, lambda i, o: _uniform(1 / i), first=True),
    *_by_fans(ki.Siren, lambda i, o: _uniform((6 / i) ** 0.5 / 7), omega_0=7.0),
    *_by_fans(ki.RandomWalk, lambda i, o: _normal(math.exp(1 / i) / i)),
    *_by_fans(
        ki.RandomWalk,
        lambda i, o: _normal(2 * math.exp(2.4 / (i - 2.4)) / i),
        nonlinearity="relu",
    ),
    _structured(ki.SignedConstant, lambda s: (2 / 400) ** 0.5),
    _structured(
        ki.SignedConstant,
        lambda s: 5 / 3 / (350 * 0.75) ** 0.5,
        nonlinearity="tanh",
        mode="fan_avg",
        sparsity=0.25,
    ),
    *_by_fans(ki.ComplexGlorot, lambda i, o: _normal(1 / (i + o))),
    *_by_fans(ki.ComplexHe, lambda i, o: _normal(1 / i)),
    _structured(ki.Orthogonal, lambda s: _unit_vector(max(math.prod(s[:-1]), s[-1]))),
    _structured(ki.Orthogonal, lambda s: 1.5 * _unit_vector(400), gain=1.5),
    _structured(ki.Orthogonal, lambda s: 2 * _unit_vector(50), (3, 4, 50), gain=-2.0),
    _structured(ki.DeltaOrthogonal, lambda s: _unit_vector(30, 1 / 9), (3, 3, 20, 30)),
    _structured(
        ki.DeltaOrthogonal, lambda s: 1.5 * _unit_vector(30, 1 / 9), (3, 3, 20, 30), gain=1.5
    ),
    # Projections times a Haar-distributed matrix: no law of an entry is known.
    _structured(ki.ConvolutionOrthogonal, lambda s: math.nan, (3, 3, 20, 30), gain=1.5),
    _structured(ki.Dirac, lambda s: _two_values(1, 4 / (9 * 4 * 6)), (3, 3, 4, 6)),
    _structured(ki.Dirac, lambda s: _two_values(1, 6 / (9 * 4 * 6)), (3, 3, 4, 6), groups=2),
    _structured(ki.ZerO, lambda s: _two_values(1, _eye(s))),
    Case(ki.ZerO, std=lambda s: float(_hadamard(*s).std()), shape=(5, 12), suffix="-wide"),
    _structured(
        ki.IDInit, lambda s: math.hypot(0.3, _two_values(2, 1 / 400)), scale=2.0, noise=0.3
    ),
    _structured(ki.IDInit, lambda s: 0.5 * (2 / 400) ** 0.5, last=True, epsilon=0.5),
    _alike(ki.DataNormal, stats.norm(0.5, 0.1), mean=_features(0.5), stddev=_features(0.1)),
    _structured(
        ki.DataNormal,
        lambda s: math.sqrt(1 + (2**2 + 4**2) / 2),
        (2, 50_000),
        mean=[0.0, 2.0],
        stddev=[2.0, 4.0],
    ),
    _structured(ki.FromArray, lambda s: float(_array(s).std(dtype="float64")), array=_array),
    _structured(ki.Gated, lambda s: _unit_vector(400), initializer="keras_inits>orthogonal"),
    _alike(ki.Gated, stats.norm(0, 0.05), initializer="keras_inits>normal", gates=3),
    _structured(
        ki.ForgetGateBias,
        lambda s: math.sqrt(0.75 * 0.05**2 / 3 + 2**2 * 0.25 * 0.75),
        BIAS,
        **{"value": 2.0, "initializer": "keras_inits>uniform"},
    ),
    _structured(ki.ForgetGateBias, lambda s: _two_values(1, 0.25), BIAS),
    _structured(ki.Chrono, lambda s: _chrono(99.0), BIAS, max_time=100.0),
    # The radius that divides the entries is random: no law of an entry is known.
    _structured(ki.EchoState, lambda s: math.nan, (300, 300), spectral_radius=0.9),
    _structured(ki.Chain, _chain(1.02, 0.0), (30, 30)),
    _structured(ki.Chain, _chain(0.99, 0.04), (30, 30), gain=0.99, feedback=0.04),
    _structured(ki.HiPPO, lambda s: float(_legs(s[0]).std()), (20, 20)),
    _structured(
        ki.HiPPO, lambda s: float(np.sqrt(np.arange(1, 2 * s[1], 2)).std()), (1, 20), part="input"
    ),
    *(
        _structured(ki.S4D, partial(_s4d, variant), (2, 20), variant=variant)
        for variant in ("lin", "inv", "real")
    ),
    # Three laws in three rows.
    _structured(ki.LRURing, lambda s: math.nan, (3, 1000), r_min=0.5, r_max=0.9),
    _structured(ki.StepBias, lambda s: _step(1e-3, 0.1), BIAS),
    _structured(ki.StepBias, lambda s: _step(0.5, 3.0), BIAS, low=0.5, high=3.0),
    _structured(ki.PriorBias, lambda s: 0.0, BIAS, probability=0.01),
    _structured(
        ki.PriorBias,
        lambda s: float(np.log(_shares(s)).std()),
        BIAS,
        **{"probability": _shares, "activation": "softmax"},
    ),
    _alike(ki.Scaled, _uniform(0.02), initializer="keras_inits>uniform", factor=0.4),
    _structured(
        ki.Scaled,
        lambda s: 0.25 * _unit_vector(400),
        **{"initializer": "keras_inits>orthogonal", "factor": 0.25},
    ),
    _alike(ki.SmallInit, _normal(2 / (5 * 64)), width=64),
    _alike(ki.WangInit, stats.norm(0, 2 / (12 * 8)), depth=12, width=64),
    # Scaled by its own variance: no law of an entry is known.
    _structured(ki.ConvolutionAware, lambda s: math.nan, (3, 3, 20, 30)),
    _structured(ki.Sparse, lambda s: 0.01 * 0.9**0.5),
    _structured(ki.Sparse, lambda s: 2 * 0.66**0.5, sparsity=0.3372, stddev=2.0),
    _structured(
        ki.SparseInputs,
        lambda s: 1.5 * 0.5**0.5,
        **{"connections": lambda s: max(s[0] // 2, 1), "stddev": 1.5},
    ),
    _structured(ki.Bilinear, _tent_std, (4, 5, 6, 6)),
    _structured(
        ki.ICNR, lambda s: 0.05 / 3**0.5, (3, 3, 40, 80), initializer="keras_inits>uniform"
    ),
    _structured(keras1.Zero, lambda shape: 0.0),
    _structured(keras1.One, lambda shape: 0.0),
    _structured(keras1.Identity, lambda s: _two_values(0.5, _eye(s)), (30, 30), scale=0.5),
    _alike(keras1.Uniform, _uniform(0.05)),
    _alike(keras1.Uniform, _uniform(2.0), scale=-2.0),
    _alike(keras1.Normal, stats.norm(0, 2.0), scale=2.0),
    *_by_fans(keras1.LecunUniform, lambda i, o: _uniform((3 / i) ** 0.5)),
    *_by_fans(keras1.GlorotNormal, lambda i, o: _normal(2 / (i + o))),
    *_by_fans(keras1.GlorotUniform, lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_by_fans(keras1.HeNormal, lambda i, o: _normal(2 / i)),
    *_by_fans(keras1.HeUniform, lambda i, o: _uniform((6 / i) ** 0.5)),
    _structured(keras1.Orthogonal, lambda s: 1.1 * _unit_vector(400)),
    _structured(keras1.Orthogonal, lambda s: 2.0 * _unit_vector(90), (4, 9, 10), scale=2.0),
]


def _hadamard(rows: int, columns: int) -> np.ndarray:
    from scipy.linalg import hadamard

    order = 1 << (columns - 1).bit_length()
    return hadamard(order)[:rows, :columns] / math.sqrt(order)


BY_ID = {case.id: case for case in CASES}
ONE_EACH = list({case.class_name: case for case in reversed(CASES)}.values())[::-1]
assert len(BY_ID) == len(CASES), "two cases have one name"
