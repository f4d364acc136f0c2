"""The table of cases: every registered class with the arguments to test it with and its exact law.

`test_every_class_has_a_case` fails for a class without a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

import keras_inits as ki
from keras_inits.registry import CATALOGUE

TRUNCATED_STDDEV = math.sqrt(stats.truncnorm(-2, 2).var())


@dataclass(frozen=True)
class Case:
    """One way to make a scheme.

    `make(shape, seed)` makes it; `law(shape)` is the exact law of its entries, a frozen SciPy
    distribution, None where entries are not alike (orthogonal) or not random. `shape` is one with
    enough entries to test the law on.
    """

    id: str
    make: Callable[[tuple[int, ...], Any], Any]
    law: Callable[[tuple[int, ...]], Any] | None = None
    shape: tuple[int, ...] = (400, 300)

    @property
    def class_name(self) -> str:
        """The class's key in the catalogue."""
        return self.id.split("(")[0].replace("keras1.", "keras1>")

    @property
    def cls(self) -> type:
        return CATALOGUE[self.class_name].cls

    @property
    def random(self) -> bool:
        return self.cls.random


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Fans, written out again here rather than asked of the code under test."""
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = 1
    for extent in shape[:-2]:
        field *= extent
    return field * shape[-2], field * shape[-1]


def _uniform(limit: float) -> Any:
    return stats.uniform(-limit, 2 * limit)


def _two_sigma(stddev: float) -> Any:
    """A normal cut at two sigma that has this standard deviation after the cut."""
    return stats.truncnorm(-2, 2, scale=stddev / TRUNCATED_STDDEV)


DENSE, CONV = (400, 300), (3, 3, 40, 320)


def _fan_case(arguments: str, law: Callable[[float, float], Any]) -> list[Case]:
    """A case for a matrix and one for a convolution kernel, whose fans differ by the field."""
    name, inner = arguments[:-1].split("(")

    def make(shape: tuple[int, ...], seed: Any) -> Any:
        return eval(f"{name}({inner}{', ' if inner else ''}seed=seed)", vars(ki) | {"seed": seed})

    return [
        Case(f"{arguments}{suffix}", make, lambda shape: law(*_fans(shape)), shape)
        for suffix, shape in (("", DENSE), ("-conv", CONV))
    ]


def _plain(arguments: str, law: Any = None, shape: tuple[int, ...] = DENSE) -> Case:
    name, inner = arguments[:-1].split("(", 1)

    def make(shape: tuple[int, ...], seed: Any) -> Any:
        scheme = eval(name, vars(ki).copy())
        given = f"{inner}{', ' if inner else ''}seed=seed" if scheme.random else inner
        return eval(f"{name}({given})", vars(ki) | {"seed": seed})

    return Case(arguments, make, None if law is None else lambda _: law, shape)


def _features(shape: tuple[int, ...]) -> int:
    return shape[-2] if len(shape) > 1 else 1


def _from_array(shape: tuple[int, ...], seed: Any) -> Any:
    return ki.FromArray(np.arange(math.prod(shape), dtype="float32").reshape(shape) / 7)


def _data_normal(shape: tuple[int, ...], seed: Any) -> Any:
    features = _features(shape)
    return ki.DataNormal([0.5] * features or 0.5, [0.1] * features or 0.1, seed=seed)


CASES: list[Case] = [
    _plain("Zero()"),
    _plain("One()"),
    _plain("Constant()"),
    _plain("Constant(value=-1.5)"),
    _plain("Identity()"),
    _plain("Identity(gain=-0.5)"),
    _plain("Uniform()", _uniform(0.05)),
    _plain("Uniform(scale=2.0)", _uniform(2.0)),
    _plain("Normal()", stats.norm(0, 0.05)),
    _plain("Normal(scale=2.0)", stats.norm(0, 2.0)),
    _plain("RandomUniform()", _uniform(0.05)),
    _plain("RandomUniform(minval=1.0, maxval=3.0)", stats.uniform(1, 2)),
    _plain("RandomNormal()", stats.norm(0, 0.05)),
    _plain("RandomNormal(mean=3.0, stddev=0.5)", stats.norm(3, 0.5)),
    _plain("TruncatedNormal()", stats.truncnorm(-2, 2, 0, 0.05)),
    _plain(
        "TruncatedNormal(mean=1.0, stddev=0.5, low=-1.0, high=3.0)", stats.truncnorm(-1, 3, 1, 0.5)
    ),
    *_fan_case("VarianceScaling()", lambda i, o: _two_sigma(i**-0.5)),
    *_fan_case(
        "VarianceScaling(scale=3.0, mode='fan_out', distribution='uniform')",
        lambda i, o: _uniform(3 / o**0.5),
    ),
    *_fan_case(
        "VarianceScaling(scale=2.0, mode='fan_avg', distribution='untruncated_normal')",
        lambda i, o: stats.norm(0, (4 / (i + o)) ** 0.5),
    ),
    *_fan_case(
        "VarianceScaling(mode='fan_geo_avg', distribution='truncated_normal')",
        lambda i, o: _two_sigma((i * o) ** -0.25),
    ),
    *_fan_case("LecunUniform()", lambda i, o: _uniform((3 / i) ** 0.5)),
    *_fan_case("LecunNormal()", lambda i, o: stats.norm(0, i**-0.5)),
    *_fan_case("GlorotUniform()", lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_fan_case("GlorotNormal()", lambda i, o: stats.norm(0, (2 / (i + o)) ** 0.5)),
    *_fan_case("HeUniform()", lambda i, o: _uniform((6 / i) ** 0.5)),
    *_fan_case("HeNormal()", lambda i, o: stats.norm(0, (2 / i) ** 0.5)),
    *_fan_case("XavierUniform()", lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_fan_case("XavierUniform(gain=3.0)", lambda i, o: _uniform(3 * (6 / (i + o)) ** 0.5)),
    *_fan_case("XavierNormal()", lambda i, o: stats.norm(0, (2 / (i + o)) ** 0.5)),
    *_fan_case("XavierNormal(gain=3.0)", lambda i, o: stats.norm(0, 3 * (2 / (i + o)) ** 0.5)),
    *_fan_case("KaimingUniform()", lambda i, o: _uniform((6 / i) ** 0.5)),
    *_fan_case(
        "KaimingUniform(a=0.5, mode='fan_out')", lambda i, o: _uniform((6 / (1.25 * o)) ** 0.5)
    ),
    *_fan_case("KaimingUniform(nonlinearity='selu')", lambda i, o: _uniform(0.75 * (3 / i) ** 0.5)),
    *_fan_case("KaimingNormal()", lambda i, o: stats.norm(0, (2 / i) ** 0.5)),
    *_fan_case(
        "KaimingNormal(mode='fan_out', nonlinearity='tanh')",
        lambda i, o: stats.norm(0, 5 / 3 / o**0.5),
    ),
    *_fan_case(
        "KaimingNormal(a=0.5, nonlinearity='relu')", lambda i, o: stats.norm(0, (2 / i) ** 0.5)
    ),
    *_fan_case("FanInUniform()", lambda i, o: _uniform(i**-0.5)),
    *_fan_case("FanInUniform(gain=3.0)", lambda i, o: _uniform(3 * i**-0.5)),
    _plain("Orthogonal()"),
    _plain("Orthogonal(gain=1.5)"),
    _plain("DeltaOrthogonal()", shape=(3, 3, 20, 30)),
    _plain("DeltaOrthogonal(gain=1.5)", shape=(3, 3, 20, 30)),
    _plain("Dirac()", shape=(3, 3, 4, 6)),
    _plain("Dirac(groups=2)", shape=(3, 3, 4, 6)),
    _plain("ZerO()"),
    Case("DataNormal", _data_normal, lambda _: stats.norm(0.5, 0.1)),
    Case("FromArray", _from_array),
    _plain("Gated(initializer='keras_inits>orthogonal')"),
    _plain("Gated(initializer='keras_inits>normal', gates=3)", stats.norm(0, 0.05)),
    _plain("ForgetGateBias(value=2.0, initializer='keras_inits>uniform')", shape=(40,)),
    _plain("ForgetGateBias()", shape=(40,)),
    _plain("Chrono(max_time=100.0)", shape=(40,)),
    _plain("keras1.Zero()"),
    _plain("keras1.One()"),
    _plain("keras1.Identity(scale=0.5)", shape=(30, 30)),
    _plain("keras1.Uniform()", _uniform(0.05)),
    _plain("keras1.Normal(scale=2.0)", stats.norm(0, 2.0)),
    *_fan_case("keras1.LecunUniform()", lambda i, o: _uniform((3 / i) ** 0.5)),
    *_fan_case("keras1.GlorotNormal()", lambda i, o: stats.norm(0, (2 / (i + o)) ** 0.5)),
    *_fan_case("keras1.GlorotUniform()", lambda i, o: _uniform((6 / (i + o)) ** 0.5)),
    *_fan_case("keras1.HeNormal()", lambda i, o: stats.norm(0, (2 / i) ** 0.5)),
    *_fan_case("keras1.HeUniform()", lambda i, o: _uniform((6 / i) ** 0.5)),
    _plain("keras1.Orthogonal()"),
]

BY_ID = {case.id: case for case in CASES}
ONE_EACH = list({case.class_name: case for case in reversed(CASES)}.values())[::-1]
