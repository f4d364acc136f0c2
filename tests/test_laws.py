"""Every random scheme follows its exact law, on this backend, in every dtype."""

import math

import keras
import numpy as np
import pytest
from cases import BY_ID, CASES, ONE_EACH, Case
from conftest import to_numpy
from scipy import stats

import keras_inits as ki
from keras_inits.registry import CATALOGUE

WITH_LAW = [case for case in CASES if case.law]
RANDOM = [case for case in ONE_EACH if case.random]


def test_every_class_has_a_case() -> None:
    assert {case.class_name for case in CASES} == set(CATALOGUE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_says_its_law(case: Case) -> None:
    assert (case.law is None) != (case.std is None)


@pytest.mark.once
@pytest.mark.parametrize("case", WITH_LAW, ids=lambda case: case.id)
def test_law_of_a_scheme_is_scipys(case: Case) -> None:
    exact, law = case.law(case.shape), case.make(case.shape, 1).law(case.shape)
    assert law.mean == pytest.approx(exact.mean(), rel=1e-9, abs=1e-15)
    # SciPy's own moments of a law cut far out have errors of 1e-10.
    assert law.std == pytest.approx(exact.std(), rel=1e-9)
    assert law.support == pytest.approx(exact.support(), rel=1e-14)
    p = np.linspace(0.0, 1.0, 41)[1:-1]
    x = exact.ppf(p)
    np.testing.assert_allclose(law.cdf(x), p, rtol=1e-9)
    np.testing.assert_allclose(law.pdf(x), exact.pdf(x), rtol=1e-9)
    np.testing.assert_allclose(law.quantile(p), x, rtol=1e-9, atol=1e-15)
    low, high = exact.mean() - 20 * exact.std(), exact.mean() + 20 * exact.std()
    assert law.cdf([low, high]).tolist() == pytest.approx([0, 1], abs=1e-15)


@pytest.mark.parametrize("case", [case for case in CASES if case.std], ids=lambda case: case.id)
def test_spread_of_structured_entries(case: Case) -> None:
    """Exact where nothing is drawn, within five standard errors where entries are."""
    std = case.std(case.shape)
    scheme = case.make(case.shape, 1)
    law = scheme.law(case.shape)
    if math.isnan(std):  # the entries have no law in closed form, and the scheme claims none
        assert law is None
        return
    assert law.std == pytest.approx(std, rel=1e-6)
    x = to_numpy(scheme(case.shape)).ravel()
    if not case.random:
        assert x.std() == pytest.approx(std, rel=1e-5)
        assert x.mean() == pytest.approx(law.mean, rel=1e-5)
    elif x.size > 1000:
        # Entries of orthogonal matrices are no more spread than independent ones.
        assert abs(x.std() - std) < 5 * std / math.sqrt(x.size)


@pytest.mark.parametrize("case", WITH_LAW, ids=lambda case: case.id)
def test_law(case: Case) -> None:
    """Kolmogorov-Smirnov, and mean and variance within five standard errors."""
    law = case.law(case.shape)
    x = to_numpy(case.make(case.shape, 20261)(case.shape)).ravel()
    assert x.size >= 1e5
    assert stats.kstest(x, law.cdf).pvalue > 1e-4
    mean, variance, _, kurtosis = (float(m) for m in law.stats(moments="mvsk"))
    assert abs(x.mean() - mean) <= 5 * math.sqrt(variance / x.size)
    assert abs(x.var() - variance) <= 5 * variance * math.sqrt((kurtosis + 2) / x.size)


@pytest.mark.parametrize("case", WITH_LAW, ids=lambda case: case.id)
def test_no_entry_leaves_the_support(case: Case) -> None:
    """In every dtype, though rounding to nearest alone would cross the bound."""
    scheme = case.make(case.shape, 5)
    low, high = case.law(case.shape).support()
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = to_numpy(scheme(case.shape, dtype))
        slack = 1e-15 * max(abs(low), abs(high)) if np.isfinite(low) else 0.0
        assert low - slack <= x.min(), dtype
        assert x.max() <= high + slack, dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", WITH_LAW, ids=lambda case: case.id)
def test_narrow_dtypes_are_not_biased(case: Case, dtype: str) -> None:
    """Rounded once from float32: the mean stays within five standard errors of the law's."""
    law = case.law(case.shape)
    x = to_numpy(case.make(case.shape, 7)(case.shape, dtype))
    spacing = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype] * (abs(law.mean()) + law.std())
    # The rounding errors are independent of zero mean; their spread is below one spacing.
    error = math.sqrt((law.var() + spacing**2) / x.size)
    assert abs(x.mean() - law.mean()) <= 5 * error
    distinct = np.unique(x).size
    wide = to_numpy(case.make(case.shape, 7)(case.shape)).astype("float32")
    digits = {"float16": 10, "bfloat16": 7}[dtype]
    exponents = np.ptp(np.frexp(np.abs(wide[wide != 0]))[1])
    assert distinct > 2 ** (digits - 1) * min(exponents, 3)


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_values_agree_between_dtypes(case: Case) -> None:
    """A narrow dtype holds the float32 values rounded; float64 is its own draw of the same law."""
    scheme = case.make(case.shape, 3)
    wide = to_numpy(scheme(case.shape, "float32"))
    for dtype, relative in (("float16", 2.0**-11), ("bfloat16", 2.0**-8)):
        narrow = to_numpy(scheme(case.shape, dtype))
        # Subnormal float16 numbers are 2^-24 apart; at a bound rounding is towards the inside.
        assert (np.abs(narrow - wide) <= 2 * relative * np.abs(wide) + 2.0**-24).all()


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_shape_and_dtype(case: Case) -> None:
    scheme = case.make(case.shape, 3)
    for dtype in ("float16", "bfloat16", "float32"):
        x = scheme(case.shape, dtype)
        assert tuple(x.shape) == case.shape
        assert keras.backend.standardize_dtype(x.dtype) == dtype
    assert keras.backend.standardize_dtype(scheme(list(case.shape)).dtype) == keras.config.floatx()


def test_floatx_is_the_default_dtype() -> None:
    before = keras.config.floatx()
    try:
        keras.config.set_floatx("float16")
        x = BY_ID["HeNormal()"].make((2, 2), 0)((2, 2))
        assert keras.backend.standardize_dtype(x.dtype) == "float16"
    finally:
        keras.config.set_floatx(before)


@pytest.mark.parametrize("case", RANDOM, ids=lambda case: case.id)
def test_seeds(case: Case) -> None:
    first = case.make(case.shape, 1)
    assert np.array_equal(to_numpy(first(case.shape)), to_numpy(first(case.shape)))
    assert np.array_equal(
        to_numpy(first(case.shape)), to_numpy(case.make(case.shape, 1)(case.shape))
    )
    assert not np.array_equal(
        to_numpy(first(case.shape)), to_numpy(case.make(case.shape, 2)(case.shape))
    )
    unseeded = case.make(case.shape, None)
    keras.utils.set_random_seed(11)
    one, two = to_numpy(unseeded(case.shape)), to_numpy(unseeded(case.shape))
    assert not np.array_equal(one, two)
    keras.utils.set_random_seed(11)
    assert np.array_equal(one, to_numpy(unseeded(case.shape)))
    assert np.array_equal(two, to_numpy(unseeded(case.shape)))


def test_a_seed_generator_moves_on() -> None:
    make = BY_ID["HeNormal()"].make
    scheme = make((4, 4), keras.random.SeedGenerator(5))
    one, two = to_numpy(scheme((4, 4))), to_numpy(scheme((4, 4)))
    assert not np.array_equal(one, two)
    again = make((4, 4), keras.random.SeedGenerator(5))
    assert np.array_equal(one, to_numpy(again((4, 4))))
    assert np.array_equal(two, to_numpy(again((4, 4))))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("low", [1e-8, 1e-41])
def test_bounds_next_to_zero(low: float, dtype: str) -> None:
    """Below half the dtype's smallest number a bound rounds to zero, which lies outside."""
    x = to_numpy(ki.RandomUniform(low, 0.1, seed=1)((1000,), dtype))
    assert low <= x.min()
    assert x.max() <= 0.1
    x = to_numpy(ki.RandomUniform(-0.1, -low, seed=1)((1000,), dtype))
    assert x.min() >= -0.1
    assert x.max() <= -low


def test_an_interval_between_two_numbers_gives_the_nearest() -> None:
    assert (to_numpy(ki.RandomUniform(0.1, 0.1, seed=1)((3,), "float32")) == np.float32(0.1)).all()


def test_large_and_small_gains() -> None:
    """Neither a gain's square nor its bound need be numbers of the dtype."""
    x = to_numpy(ki.XavierNormal(1e-200, seed=1)((300, 300), "float64"))
    if x.any():  # JAX holds float32, where it is zero
        assert x.std() == pytest.approx(1e-200 / math.sqrt(300), rel=0.02)
    with pytest.raises(ValueError, match="float32 can hold every number"):
        ki.XavierUniform(1e200)((3, 3), "float32")
    with pytest.raises(ValueError, match="at least 2e-31 above"):
        ki.Uniform(1e-38)((3, 3), "float32")


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda: ki.Constant(1e5), "float16"),
        (lambda: ki.Constant(1e39), "float32"),
        (lambda: ki.Normal(1e5, seed=1), "float16"),
        (lambda: ki.Normal(2e38, seed=1), "bfloat16"),
        (lambda: ki.Uniform(1e5, seed=1), "float16"),
        (lambda: ki.TruncatedNormal(0.0, 1e5, seed=1), "float16"),
        (lambda: ki.Identity(1e5), "float16"),
        (lambda: ki.Orthogonal(1e6, seed=1), "float16"),
        (lambda: ki.Gated(ki.Constant(1e5)), "float16"),
        (lambda: ki.Scaled(ki.Uniform(1.0), 1e6, seed=1), "float16"),
        (lambda: ki.Scaled(ki.Uniform(1.0), 1e39, seed=1), "float32"),
        (lambda: ki.DataNormal(0.0, 1e6, seed=1), "float16"),
        (lambda: ki.FromArray(np.full((64, 64), 1e300)), "float32"),
        (lambda: ki.StepBias(1.0, 1e6, seed=1), "float16"),
        (lambda: ki.keras1.Normal(1e5, seed=1), "float16"),
        (lambda: ki.keras1.Identity(1e5), "float16"),
    ],
)
def test_an_entry_that_the_dtype_cannot_hold_is_an_error(make, dtype: str) -> None:
    scheme = make()
    shape = (64, 64)[: scheme.max_rank]
    with pytest.raises(ValueError, match=rf"finite in {dtype}|that {dtype} can hold"):
        scheme(shape, dtype)


def test_an_infinite_entry_that_is_meant_stays() -> None:
    x = to_numpy(ki.FromArray([[0.0, -math.inf]])((1, 2), "float16"))
    assert x.tolist() == [[0.0, -math.inf]]
