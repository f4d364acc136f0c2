"""Law objects: moments, distribution functions and draws agree with one another and with SciPy."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from keras_inits import laws
from keras_inits.streams import DefaultStream

pytestmark = pytest.mark.once

MIXED = laws.Mixture([laws.Uniform(-1, 2), laws.Point(0.5), laws.Normal(3.0, 0.5)], [1, 2, 5])
ALL = {
    "uniform": laws.Uniform(-1.0, 3.0),
    "normal": laws.Normal(2.0, 0.5),
    "cut": laws.TruncatedNormal(1.0, 0.5, -2.0, 2.0),
    "tail": laws.TruncatedNormal(0.0, 2.0, 3.0, 4.0),
    "left tail": laws.TruncatedNormal(0.0, 2.0, -4.0, -3.0),
    "one side": laws.TruncatedNormal(0.0, 1.0, 1.0, 1e9),
    "sphere": laws.SphereEntry(7, -1.5),
    "circle": laws.SphereEntry(2, 1.0),
    "signs": laws.SphereEntry(1, 2.0),
    "log": laws.LogUniform(50.0),
    "minus log": laws.LogUniform(50.0, -1),
    "near one": laws.LogUniform(1.0005),
    "point": laws.Point(-2.5),
    "step": laws.SoftplusStep(0.01, 2.0),
    "times": laws.Times(laws.TruncatedNormal(1.0, 0.5, -2.0, 2.0), 3.0),
    "discrete": laws.Discrete([3.0, -1.0, 0.0], [2, 3, 5]),
    "entries": laws.Entries(np.array([[1.0, 5.0], [2.0, 2.0]])),
    "mixed": MIXED,
    "two": laws.Mixture([laws.Uniform(-1.0, 2.0), laws.Normal(3.0, 0.5)], [1, 2]),
}


@pytest.mark.parametrize("law", ALL.values(), ids=ALL)
def test_moments_are_those_of_the_quantile(law: laws.Law) -> None:
    p = (np.arange(40_000) + 0.5) / 40_000
    x = law.quantile(p)
    spread = max(law.std, 1e-3)
    assert x.mean() == pytest.approx(law.mean, abs=1e-3 * spread)
    assert x.std() == pytest.approx(law.std, rel=5e-3, abs=1e-12)
    assert (np.diff(x) >= 0).all()
    low, high = law.support
    slack = 1e-12 * max(1.0, abs(law.mean))
    assert low - slack <= x[0]
    assert x[-1] <= high + slack


@pytest.mark.parametrize("law", ALL.values(), ids=ALL)
def test_quantile_is_the_least_that_reaches_p(law: laws.Law) -> None:
    p = np.linspace(0.001, 0.999, 999)
    x = law.quantile(p)
    step = 1e-9 * max(law.std, 1e-6)
    assert (law.cdf(x + step) >= p - 1e-12).all()
    assert (law.cdf(x - step) <= p + 1e-6).all()


@pytest.mark.parametrize("name", [n for n, law in ALL.items() if law.continuous])
def test_density_is_the_slope_of_the_distribution(name: str) -> None:
    law = ALL[name]
    inner = law.quantile(np.array([0.02, 0.3, 0.5, 0.7, 0.98]))
    for low, high in itertools.pairwise(inner):
        area, _ = integrate.quad(lambda x: float(law.pdf(x)), low, high)
        assert area == pytest.approx(float(law.cdf(high) - law.cdf(low)), rel=1e-7)
    low, high = law.support
    assert not law.pdf([low - 1.0, high + 1.0])[np.isfinite([low, high])].any()


@pytest.mark.parametrize("law", ALL.values(), ids=ALL)
def test_the_support_is_where_the_quantile_ends(law: laws.Law) -> None:
    low, high = law.support
    assert law.quantile([0.0, 1.0]) == pytest.approx([low, high], rel=1e-12)
    assert law.cdf([low - 1.0, high + 1.0]).tolist() == pytest.approx([0.0, 1.0], abs=1e-15)
    for n in range(1, 20):  # whose shares, rounded, add up to more than 1 or less
        dice = laws.Discrete(range(n), [1] * n)
        assert dice.quantile(1.0) == n - 1
        assert dice.cdf(n - 1.0) <= 1.0


def test_bounds_belong_to_the_support() -> None:
    for law in (
        *(ALL[name] for name in ("uniform", "cut", "tail", "log", "minus log", "near one")),
        laws.SphereEntry(3, -1.5),
        laws.SoftplusStep(0.5, 2.0),
    ):
        low, high = law.support
        slack = 1e-9 * (high - low)
        inside = law.pdf([low + slack, high - slack])
        assert law.pdf([low, high]) == pytest.approx(inside, rel=1e-6), law


@pytest.mark.parametrize("high", [1.0005, 1.5, 50.0])
def test_moments_of_a_logarithm(high: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = np.log1p((nodes + 1) / 2 * (high - 1.0))
    mean = weights @ x / 2
    law = laws.LogUniform(high, -1)
    assert law.mean == pytest.approx(-mean, rel=1e-6)
    assert law.std == pytest.approx(math.sqrt(weights @ (x - mean) ** 2 / 2), rel=1e-6)


def test_a_symmetric_cut_leaves_the_mean_in_its_place() -> None:
    assert [laws.TruncatedNormal(0.0, 1.0, -k, k).mean for k in (1.0, 2.0, 3.0)] == [0, 0, 0]


def test_quantile_of_a_mixture_is_the_least() -> None:
    """Between its parts, where the distribution function stands still, and at an atom."""
    gap = laws.Mixture([laws.Uniform(0.0, 1.0), laws.Uniform(2.0, 3.0)], [1, 1])
    assert gap.quantile(0.5) == pytest.approx(1.0, rel=1e-12)
    atom = laws.Mixture([laws.Point(0.0), laws.Uniform(1.0, 2.0)], [1, 1])
    assert atom.quantile([0.25, 0.5]).tolist() == [0.0, 0.0]


def test_each_law_of_a_mixture_has_a_share() -> None:
    for make in (laws.Mixture, laws.mixture):
        with pytest.raises(ValueError, match="zip"):
            make([laws.Normal(0.0, 1.0)], [1.0, 2.0])


def test_atoms_are_told() -> None:
    assert {name for name, law in ALL.items() if not law.continuous} == {
        *("signs", "point", "discrete", "entries", "mixed"),
    }
    for law in (laws.Normal(0.0, 0.0), laws.Uniform(1.0, 1.0), laws.LogUniform(1.0)):
        assert not law.continuous
        assert law.std == 0
        assert law.cdf([law.mean - 1, law.mean, law.mean + 1]).tolist() == [0, 1, 1]
    assert MIXED.cdf(0.5) - MIXED.cdf(0.5 - 1e-12) == pytest.approx(0.25)
    for law in (
        laws.Discrete([1.0, 2.0], [3, 1]),
        laws.Entries(np.array([1.0, 2.0])),
        laws.Point(1.0),
        laws.Uniform(1.0, 1.0),
        laws.SphereEntry(1),
    ):
        assert law.pdf([1.0, 1.5]).tolist() == [math.inf, 0.0]
    assert laws.LogUniform(1.0).pdf([0.0, 0.5]).tolist() == [math.inf, 0.0]


# Mean and standard deviation of N(0, 1) between two bounds, by quadrature with 50 digits.
TAILS = {
    (-1.0, 3.0): (0.28278611072715143, 0.78494696340442927),
    (5.0, 6.0): (5.1831470904771715, 0.17161710511625310),
    (8.3, 9.0): (8.4157119230649, 0.11112337401673221),
    (9.0, 10.0): (9.108456288012405, 0.10699909262062108),
    (-10.0, -9.0): (-9.108456288012405, 0.10699909262062108),
    (30.0, 31.0): (30.03325966743362, 0.033223056930922),
    (1e4, 2e4): (10000.000099999997, 9.99999970000002e-05),
    (0.0, 1e-9): (5e-10, 2.8867513459481e-10),
}


@pytest.mark.parametrize("bounds", TAILS, ids=str)
def test_truncated_moments_far_out(bounds: tuple[float, float]) -> None:
    law = laws.TruncatedNormal(0.0, 1.0, *bounds)
    mean, std = TAILS[bounds]
    assert law.mean == pytest.approx(mean, rel=1e-13)
    assert law.std == pytest.approx(std, rel=1e-12)
    wide = laws.TruncatedNormal(2.0, 3.0, *bounds)
    assert wide.mean == pytest.approx(2 + 3 * mean, rel=1e-12)
    assert wide.std == pytest.approx(3 * std, rel=1e-12)


def test_sphere_entry_is_beta() -> None:
    exact = stats.beta(14.5, 14.5, -1.5, 3)
    law = laws.SphereEntry(30, 1.5)
    x = np.linspace(-1.4, 1.4, 29)
    np.testing.assert_allclose(law.pdf(x), exact.pdf(x), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(law.cdf(x), exact.cdf(x), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("law", [*ALL.values()], ids=ALL)
def test_draws_follow_the_law(law: laws.Law) -> None:
    x = law.draw(DefaultStream(3), (20_000,), "float64")
    assert x.dtype == np.float64
    if law.continuous:
        assert stats.kstest(x, law.cdf).pvalue > 1e-4
    assert abs(x.mean() - law.mean) <= 5 * law.std / math.sqrt(x.size) + 1e-12
    block = law.draw(DefaultStream(3), (20_000,), "float64", (slice(100, 103),))
    assert np.array_equal(block, x[100:103])


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (laws.Uniform, (-1e6, 1e6)),
        (laws.Normal, (0.0, 1e6)),
        (laws.TruncatedNormal, (0.0, 1e6, 1.0, 2.0)),
        (laws.Point, (1e6,)),
        (laws.Discrete, ([-1e6, 1e6], [1, 1])),
        (laws.SphereEntry, (9, 1e6)),
        (laws.Times, (laws.Normal(0.0, 1.0), 1e6)),
    ],
)
def test_a_law_says_whether_it_refuses_what_a_dtype_cannot_hold(cls: Any, arguments: Any) -> None:
    law = cls(*arguments)

    def draw() -> np.ndarray:
        with np.errstate(over="ignore"):
            return law.draw(DefaultStream(1), (9,), "float16")

    if law.checked:
        with pytest.raises(ValueError, match="float16"):
            draw()
    else:
        assert np.isinf(draw()).any()


def test_laws_say_themselves() -> None:
    texts = {
        laws.Uniform(-0.05, 0.05): "U(-0.05, 0.05)",
        laws.Normal(0.0, 0.1): "N(0, 0.1^2)",
        laws.TruncatedNormal(0.0, 0.1, -2.0, 2.0): "N(0, 0.1^2) cut at 2 sigma",
        laws.TruncatedNormal(1.0, 0.5, -1.0, 3.0): "N(1, 0.5^2) within [0.5, 2.5]",
        laws.Point(1.0): "1",
        laws.Discrete(range(4), [1, 1, 1, 5]): (
            "0 with probability 0.125, 1 with probability 0.125, 2 with probability 0.125, 3 with probability 0.625"
        ),
        laws.Discrete(range(5), [1] * 5): "5 values from 0 to 4",
        laws.SphereEntry(9): "an entry of a unit vector in R^9",
        laws.SphereEntry(9, 2.0): "2 times an entry of a unit vector in R^9",
        laws.LogUniform(9.0): "log U(1, 9)",
        laws.LogUniform(9.0, -1): "minus log U(1, 9)",
        laws.Mixture([laws.Point(i) for i in range(4)], [1] * 4): (
            "0.25 of the entries 0; 0.25 of the entries 1; 0.25 of the entries 2; 0.25 of the entries 3"
        ),
        laws.Mixture([laws.Point(i) for i in range(5)], [1] * 5): "a mixture of 5 laws",
        laws.Mixture([laws.Point(0.0), laws.Normal(0.0, 1.0)], [1, 3]): (
            "0.25 of the entries 0; 0.75 of the entries N(0, 1^2)"
        ),
    }
    assert {law: str(law) for law in texts} == texts
    assert laws.Normal(0.0, 0.1) == laws.Normal(0.0, 0.1) != laws.Normal(0.0, 0.2)
    assert repr(laws.Normal(0.0, 0.1)) == "Normal(mean=0.0, stddev=0.1)"
    assert ALL["entries"] == ALL["entries"] != laws.Entries(np.array([1.0]))


def test_a_mixture_of_equals_is_one_of_them() -> None:
    assert laws.mixture([laws.Normal(0, 1), laws.Normal(0, 1)], [1, 5]) == laws.Normal(0, 1)
    assert laws.mixture([laws.Normal(0, 1), None], [1, 1]) is None
    assert laws.mixture([laws.Normal(0, 1), None], [1, 0]) == laws.Normal(0, 1)


def test_steps_up_to_float32s_largest_are_their_own_inverse_softplus():
    law = laws.SoftplusStep(0.001, 3.4e38)
    assert law.support[1] == pytest.approx(3.4e38)
    assert law.cdf(law.quantile([0.1, 0.5, 0.9])) == pytest.approx([0.1, 0.5, 0.9])
