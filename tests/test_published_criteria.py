"""What PyTorch's and Chainer's tests ask of each law, asked of ours.

PyTorch's `test/nn/test_init.py`: one tensor of random extents and arguments, Kolmogorov and Smirnov's test at
1e-4, and what structured tensors must be. Chainer's `initializer_tests`: each entry by itself over a hundred
draws, at a level divided by the number of entries. Not asked: that vectors have no fans (they have here, as in Keras).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conftest import to_numpy
from scipy import stats

import keras_inits as ki

pytestmark = pytest.mark.once

LEAST = 1e-4


def _shape(rng: np.random.Generator, rank: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(low, high, rank, endpoint=True))


def _follows(scheme: Any, shape: tuple[int, ...], law: Any, dtype: str = "float32") -> None:
    values = to_numpy(scheme(shape, dtype)).astype("float64").ravel()
    assert stats.kstest(values, law.cdf).pvalue > LEAST


# -- PyTorch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_plain_laws_of_any_extents(rank: int) -> None:
    rng = np.random.default_rng(rank)
    extents = (30, 50) if rank < 4 else (10, 14)  # a fortieth of PyTorch's entries
    for seed in range(5):
        shape, mean, std = _shape(rng, rank, *extents), rng.uniform(-3, 3), rng.uniform(1, 5)
        _follows(ki.RandomNormal(mean, std, seed=seed), shape, stats.norm(mean, std))
        _follows(ki.RandomUniform(mean, mean + std, seed=seed), shape, stats.uniform(mean, std))
        low, high = -rng.uniform(0, 2), rng.uniform(0, 2)
        law = stats.truncnorm(low, high, mean, std)
        _follows(ki.TruncatedNormal(mean, std, low=low, high=high, seed=seed), shape, law)


@pytest.mark.parametrize("rank", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_scaled_laws_of_any_extents(rank: int, seed: int) -> None:
    rng = np.random.default_rng(10 * rank + seed)
    shape, a, gain = _shape(rng, rank, 20, 25) if rank == 2 else _shape(rng, 4, 7, 12), *rng.uniform(0.1, 2, 2)  # fmt: skip
    field = math.prod(shape[:-2])
    fans = {"fan_in": field * shape[-2], "fan_out": field * shape[-1]}
    xavier = gain * math.sqrt(2 / sum(fans.values()))
    _follows(ki.XavierNormal(gain, seed=seed), shape, stats.norm(0, xavier))
    wide = stats.uniform(-math.sqrt(3) * xavier, 2 * math.sqrt(3) * xavier)
    _follows(ki.XavierUniform(gain, seed=seed), shape, wide)
    for mode, fan in fans.items():
        std = math.sqrt(2 / ((1 + a**2) * fan))
        _follows(ki.KaimingNormal(a, mode, seed=seed), shape, stats.norm(0, std))
        wide = stats.uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std)
        _follows(ki.KaimingUniform(a, mode, seed=seed), shape, wide)


@pytest.mark.parametrize(
    ("nonlinearity", "a", "expected"),
    [
        ("linear", 0.0, 1.0),
        ("sigmoid", 0.0, 1.0),
        ("tanh", 0.0, 1.6666666666666667),
        ("relu", 0.0, 1.4142135623730951),
        ("selu", 0.0, 0.75),
        ("leaky_relu", 0.0, 1.4142135623730951),
        ("leaky_relu", 0.01, 1.4141428569978354),
        ("leaky_relu", 10.0, 0.14071950894605836),
    ],
)
def test_gains(nonlinearity: str, a: float, expected: float) -> None:
    law = ki.KaimingNormal(a, nonlinearity=nonlinearity).law((16, 9))
    assert law.std * 4 == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("dtype", "distinct"), [("float64", 5000), ("float32", 5000), ("float16", 3000), ("bfloat16", 1000)])  # fmt: skip
def test_truncated_laws_in_every_dtype(dtype: str, distinct: int) -> None:
    cut = ki.TruncatedNormal(0.0, 1.0, low=-2.0, high=2.0, seed=1)
    values = to_numpy(cut((10_000,), dtype)).astype("float64")
    assert np.abs(values).max() <= 2
    assert len(np.unique(values)) > distinct
    _follows(cut, (10_000,), stats.truncnorm(-2, 2), dtype)
    narrow = ki.TruncatedNormal(0.0, 1.0, low=2.0, high=3.0, seed=2)
    values = to_numpy(narrow((10_000,), dtype)).astype("float64")
    assert values.min() >= 2
    assert values.max() <= 3
    if dtype != "bfloat16":  # which has 65 numbers there
        _follows(narrow, (10_000,), stats.truncnorm(2, 3), dtype)
    far = to_numpy(ki.TruncatedNormal(0.0, 0.1, low=-20.0, high=20.0, seed=3)((10_000,), dtype))
    assert np.abs(far).max() < 2  # nothing is moved to a bound that lies 20 sigma away


def test_structured_tensors() -> None:
    rng = np.random.default_rng(0)
    rows, columns = _shape(rng, 2, 1, 5)
    np.testing.assert_array_equal(to_numpy(ki.Identity()((rows, columns))), np.eye(rows, columns))
    for groups in (1, 2, 3):
        for rank in (3, 4, 5):
            outputs, inputs = groups * int(rng.integers(1, 6)), int(rng.integers(1, 6))
            shape = (*_shape(rng, rank - 2, 1, 5), inputs, outputs)
            values = to_numpy(ki.Dirac(groups)(shape))
            kept = min(outputs // groups, inputs) * groups
            assert (np.count_nonzero(values), values.sum()) == (kept, kept), shape
    for shape in ((4, 3), (3, 4), (2, 3, 4, 20), (3, 4, 5, 2)):
        gain = rng.uniform(0.1, 2)
        q = to_numpy(ki.Orthogonal(gain, seed=1)(shape)).reshape(-1, shape[-1])
        product = q.T @ q if q.shape[0] > q.shape[1] else q @ q.T
        np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), rtol=0, atol=1e-6)
    inputs, outputs = _shape(rng, 2, 30, 35)
    sparsity, std = rng.uniform(0.1, 0.2), rng.uniform(0.01, 0.2)
    values = to_numpy(ki.Sparse(sparsity, std, seed=1)((inputs, outputs)))
    # The columns of PyTorch's (outputs, inputs) are the rows here.
    assert ((values == 0).sum(axis=1) >= math.ceil(sparsity * outputs)).all()
    assert stats.kstest(values[values != 0], stats.norm(0, std).cdf).pvalue > LEAST


# -- Chainer ------------------------------------------------------------------------------------

SCALES = (None, 7.3)
SHAPES = {(3, 2): (3, 2), (4, 3, 2): (12, 8)}  # with the fans
# With a scale each is that many times the law.
NORMAL = {
    "normal": (lambda s, seed: ki.Normal(s or 0.05, seed=seed), lambda s, i, o: s or 0.05),
    "lecun": (lambda s, seed: _scaled("fan_in", 1, s, seed), lambda s, i, o: (s or 1) / i**0.5),
    "glorot": (lambda s, seed: _scaled("fan_avg", 1, s, seed), lambda s, i, o: (s or 1) * (2 / (i + o)) ** 0.5),
    "he": (lambda s, seed: _scaled("fan_in", 2, s, seed), lambda s, i, o: (s or 1) * (2 / i) ** 0.5),
    "he, fan_out": (lambda s, seed: _scaled("fan_out", 2, s, seed), lambda s, i, o: (s or 1) * (2 / o) ** 0.5),
}  # fmt: skip


def _scaled(mode: str, scale: float, factor: float | None, seed: int, law: str = "untruncated_normal") -> Any:  # fmt: skip
    return ki.VarianceScaling(scale * (factor or 1) ** 2, mode, law, seed=seed)


def _each_follows(draws: np.ndarray, law: Any, level: float) -> None:
    """Each entry over the draws, at the level of one of so many tests."""
    entries = draws.reshape(len(draws), -1).T
    assert min(stats.kstest(entry, law.cdf).pvalue for entry in entries) >= level / len(entries)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NORMAL)
def test_each_entry_over_many_draws(name: str, shape: tuple[int, ...], scale: float | None) -> None:
    make, std_of = NORMAL[name]
    std = std_of(scale, *SHAPES[shape])
    for dtype in ("float16", "float32"):
        draws = [to_numpy(make(scale, seed)(shape, dtype)) for seed in range(100)]
        _each_follows(np.stack(draws).astype("float64"), stats.norm(0, std), 0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_uniform_entry_over_many_draws(shape: tuple[int, ...]) -> None:
    fan_in, fan_out = SHAPES[shape]
    for cls, limit in ((ki.LecunUniform, math.sqrt(3 / fan_in)), (ki.HeUniform, math.sqrt(6 / fan_in)),
                       (ki.GlorotUniform, math.sqrt(6 / (fan_in + fan_out)))):  # fmt: skip
        draws = np.stack([to_numpy(cls(seed=seed)(shape)) for seed in range(100)])
        _each_follows(draws, stats.uniform(-limit, 2 * limit), 0.01)


@pytest.mark.parametrize("scale", [1.1, 7.3])
@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3)])
def test_each_orthogonal_entry_over_many_draws(shape: tuple[int, ...], scale: float) -> None:
    draws = np.stack([to_numpy(ki.Orthogonal(scale, seed=seed)(shape)) for seed in range(100)])
    half = (math.prod(shape[:-1]) - 1) / 2
    _each_follows(draws, stats.beta(half, half, loc=-scale, scale=2 * scale), 0.05)
