"""Against what others compute: PyTorch, JAX, Keras, NumPy, and Keras's own tests on our classes."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import stream_reference
from conftest import require, to_numpy
from scipy import stats

import keras_inits as ki
from keras_inits import backend

pytestmark = pytest.mark.once

# Ranks 2 to 5; each has some ten thousand entries.
SHAPES = ((120, 90), (5, 40, 60), (3, 3, 40, 30), (2, 3, 2, 30, 40))
MODES = ("fan_in", "fan_out", "fan_avg")
LEAST = 1e-4  # of some hundred p-values, all on fixed seeds


@pytest.fixture(scope="module")
def init() -> Any:
    """torch.nn.init, its generator left as it was."""
    require("torch")
    torch = importlib.import_module("torch")
    with torch.random.fork_rng():
        torch.manual_seed(11)
        yield torch.nn.init


@pytest.fixture(scope="module")
def jax() -> Any:
    require("jax")
    return importlib.import_module("jax")


def _alike(ours: Any, theirs: Any) -> None:
    """Two samples of one law: Kolmogorov and Smirnov's test, and the second moment."""
    x, y = (np.asarray(v, "float64").ravel() for v in (to_numpy(ours), theirs))
    assert stats.ks_2samp(x, y).pvalue > LEAST
    assert _near_in_variance(x, y)


def _near_in_variance(x: np.ndarray, y: np.ndarray) -> bool:
    """Within five standard errors, with the samples' own fourth moments."""
    error = math.hypot(*(np.var(v**2) ** 0.5 / len(v) ** 0.5 for v in (x, y)))
    return abs(np.mean(x**2) - np.mean(y**2)) <= 5 * error + 1e-12


# -- PyTorch ------------------------------------------------------------------------------------

# What PyTorch fills, and the scheme; each is given the arguments of `torch.nn.init`'s function.
PYTORCH: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "uniform": (lambda init, w: init.uniform_(w, -0.3, 0.7), ki.RandomUniform(-0.3, 0.7, seed=1)),
    "normal": (lambda init, w: init.normal_(w, 0.2, 1.5), ki.RandomNormal(0.2, 1.5, seed=2)),
    "trunc_normal": (
        lambda init, w: init.trunc_normal_(w, 0.5, 2.0, -1.0, 3.0),
        ki.TruncatedNormal(0.5, 2.0, low=-0.75, high=1.25, seed=3),
    ),
    "xavier_uniform": (lambda init, w: init.xavier_uniform_(w, 1.3), ki.XavierUniform(1.3, seed=4)),
    "xavier_normal": (lambda init, w: init.xavier_normal_(w, 0.7), ki.XavierNormal(0.7, seed=5)),
    **{
        f"kaiming_{law}-{mode}-{nonlinearity}": (
            lambda init, w, law=law, mode=mode, f=nonlinearity: getattr(init, f"kaiming_{law}_")(w, 0.2, mode, f),
            cls(0.2, mode, nonlinearity, seed=6),
        )
        for law, cls in (("uniform", ki.KaimingUniform), ("normal", ki.KaimingNormal))
        for mode in ("fan_in", "fan_out")
        for nonlinearity in ("leaky_relu", "relu", "tanh", "selu", "linear")
    },
    "orthogonal": (lambda init, w: init.orthogonal_(w.reshape(len(w), -1), 0.5), ki.Orthogonal(0.5, seed=7)),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTORCH)
def test_laws_of_pytorch(name: str, init: Any) -> None:
    torch = importlib.import_module("torch")
    theirs, ours = PYTORCH[name]
    for shape in SHAPES:
        # PyTorch has outputs and inputs first: (outputs, inputs, receptive field...).
        weight = torch.empty(shape[-1], shape[-2], *shape[:-2])
        _alike(ours(shape), theirs(init, weight).numpy())


@pytest.mark.parametrize("name", ["uniform", "normal", "trunc_normal"])
def test_laws_of_pytorch_without_fans(name: str, init: Any) -> None:
    """Of scalars and vectors, too: of a scalar one entry of each of many draws."""
    torch = importlib.import_module("torch")
    theirs, ours = PYTORCH[name]
    _alike(ours((9000,)), theirs(init, torch.empty(9000)).numpy())
    config = ours.get_config()
    drawn = [to_numpy(type(ours).from_config(config | {"seed": i})(())) for i in range(400)]
    _alike(np.stack(drawn), np.stack([theirs(init, torch.empty(())).numpy() for _ in range(400)]))


def test_sparse_and_dirac_of_pytorch(init: Any) -> None:
    torch = importlib.import_module("torch")
    theirs = init.sparse_(torch.empty(90, 400), 0.35, 0.5).numpy().T
    ours = to_numpy(ki.Sparse(0.35, 0.5, seed=8)((400, 90)))
    assert {*np.sum(theirs == 0, axis=1)} == {32}  # PyTorch's columns are inputs, rounded up
    for values in (ours, theirs):
        assert abs(np.mean(values == 0) - 0.35) < 0.01
    _alike(ours[ours != 0], theirs[theirs != 0])
    # Odd extents: the middle of an even one is where Keras's padding has it.
    for groups, field in ((1, (3,)), (2, (3, 3)), (1, (1, 5, 3))):
        kernel = init.dirac_(torch.empty(8, 8 // groups, *field), groups).numpy()
        ours = to_numpy(ki.Dirac(groups)((*field, 8 // groups, 8)))
        np.testing.assert_array_equal(np.moveaxis(kernel, (0, 1), (-1, -2)), ours)


# -- JAX ----------------------------------------------------------------------------------------

# JAX's untruncated normal law has another name.
DISTRIBUTIONS = {"uniform": "uniform", "normal": "untruncated_normal", "truncated_normal": "truncated_normal"}  # fmt: skip


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("mode", [*MODES, "fan_geo_avg"])
def test_variance_scaling_of_jax(mode: str, distribution: str, jax: Any) -> None:
    ours = ki.VarianceScaling(1.7, mode, DISTRIBUTIONS[distribution], seed=9)
    theirs = jax.nn.initializers.variance_scaling(1.7, mode, distribution)
    for shape in SHAPES[::2]:  # JAX compiles each
        _alike(ours(shape), theirs(jax.random.key(1), shape))


def test_fans_of_jax(jax: Any) -> None:
    """On a grid of shapes and axes, by the function that its initializers take them from.

    What is neither an axis of inputs nor of outputs is counted in both.
    """
    theirs = jax.nn.initializers.variance_scaling.__globals__["_compute_fans"]
    for rank in range(2, 6):
        for shape in itertools.product((1, 2, 5), repeat=rank):
            assert ki.compute_fans(shape) == theirs(shape)
            for i, o in itertools.permutations(range(rank), 2):
                field = [axis for axis in range(rank) if axis not in (i, o)]
                assert ki.compute_fans(shape, [*field, i], [*field, o]) == theirs(shape, i, o)


@pytest.mark.parametrize("name", ["glorot", "he", "lecun"])
def test_named_laws_of_jax(name: str, jax: Any) -> None:
    ours = getattr(ki, f"{name.title()}Uniform")(seed=10)
    theirs = getattr(jax.nn.initializers, f"{name}_uniform")()
    cut = getattr(jax.nn.initializers, f"{name}_normal")()
    whole = getattr(ki, f"{name.title()}Normal")(seed=10)
    for shape in SHAPES[::2]:
        _alike(ours(shape), theirs(jax.random.key(2), shape))
        # JAX's, like Keras's, is cut at two sigma, with the standard deviation that ours has.
        x, y = (np.asarray(v, "float64").ravel() for v in (to_numpy(whole(shape)), cut(jax.random.key(3), shape)))  # fmt: skip
        assert _near_in_variance(x, y)


def test_orthogonal_laws_of_jax(jax: Any) -> None:
    _alike(
        ki.Orthogonal(1.5, seed=11)((120, 90)),
        jax.nn.initializers.orthogonal(1.5)(jax.random.key(4), (120, 90)),
    )
    shape = (3, 3, 40, 60)
    ours = to_numpy(ki.DeltaOrthogonal(seed=12)(shape))
    theirs = np.asarray(jax.nn.initializers.delta_orthogonal()(jax.random.key(5), shape))
    np.testing.assert_array_equal(ours.any(axis=(2, 3)), theirs.any(axis=(2, 3)))
    _alike(ours[1, 1], theirs[1, 1])


def test_truncated_normal_of_jax(jax: Any) -> None:
    theirs = jax.nn.initializers.truncated_normal(0.4, lower=-1.0, upper=2.5)
    _alike(
        ki.TruncatedNormal(0.0, 0.4, low=-1.0, high=2.5, seed=13)(SHAPES[0]),
        theirs(jax.random.key(6), SHAPES[0]),
    )


# -- Keras --------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("mode", MODES)
def test_variance_scaling_of_keras(mode: str, distribution: str) -> None:
    arguments = {"scale": 0.6, "mode": mode, "distribution": distribution}
    theirs = keras.initializers.VarianceScaling(**arguments, seed=1)
    for shape in (*SHAPES, (9000,)):
        _alike(ki.VarianceScaling(**arguments, seed=14)(shape), to_numpy(theirs(shape)))
    both = (ki.VarianceScaling, keras.initializers.VarianceScaling)  # of scalars, over many draws
    _alike(*(np.stack([to_numpy(c(**arguments, seed=i)(())) for i in range(200)]) for c in both))


def test_other_laws_of_keras() -> None:
    for name, arguments in {
        "RandomUniform": (-0.2, 0.4),
        "RandomNormal": (0.1, 0.3),
        "TruncatedNormal": (0.1, 0.3),
        "LecunUniform": (),
        "GlorotUniform": (),
        "HeUniform": (),
        "Orthogonal": (0.7,),
    }.items():
        theirs = getattr(keras.initializers, name)(*arguments, seed=2)(SHAPES[0])
        _alike(getattr(ki, name)(*arguments, seed=15)(SHAPES[0]), to_numpy(theirs))


def test_fans_of_keras_and_pytorch(init: Any) -> None:
    """Read off the limits that they draw with: exact up to rounding."""
    torch = importlib.import_module("torch")
    unit = keras.initializers.RandomUniform(-1.0, 1.0, seed=3)
    grid = [shape for rank in range(6) for shape in itertools.product((1, 2, 5), repeat=rank)]
    for shape in grid[:: 3 if len(grid) > 200 else 1]:
        ours = ki.compute_fans(shape)
        drawn = to_numpy(unit(shape))
        for fan, mode in zip(ours, ("fan_in", "fan_out"), strict=True):
            scaled = keras.initializers.VarianceScaling(3.0, mode, "uniform", seed=3)(shape)
            np.testing.assert_allclose(9 / np.mean((to_numpy(scaled) / drawn) ** 2), fan, rtol=1e-5)
        if len(shape) > 1:
            weight = torch.empty(shape[-1], shape[-2], *shape[:-2])
            theirs = init._calculate_fan_in_and_fan_out(weight)
            assert theirs == ours


class _Ours:
    """`keras.initializers`, with our class wherever we have one of the name."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ki if name in ki.__all__ else keras.initializers, name)


# What Keras's tests ask and this library does otherwise, or does not have.
_FORM = "errors of one form, Owner: name must be ..., got ..."
_THEIRS = "a string that Keras knows gives Keras's class"
DIFFERENCES = {
    "RandomInitializersTest.test_orthogonal": _THEIRS,
    "RandomInitializersTest.test_variance_scaling_invalid_scale": _FORM,
    "RandomInitializersTest.test_variance_scaling_invalid_mode": _FORM,
    "RandomInitializersTest.test_variance_scaling_invalid_distribution": _FORM,
    "ConstantInitializersTest.test_constant_initializer_array_value": "arrays are FromArray's",
    "ConstantInitializersTest.test_identity_initializer": _THEIRS,
}


def _their_tests(name: str) -> dict[str, Any]:
    """The test classes of a module that Keras's wheel brings along, on our classes."""
    path = Path(keras.__file__).parent / "src" / "initializers" / f"{name}.py"
    if not path.exists():
        return {}
    module = ModuleType(name)
    skip = lambda who, reason: pytest.mark.skipif(backend.name() == who, reason=reason)  # noqa: E731
    ours, sys.modules["conftest"] = sys.modules["conftest"], SimpleNamespace(skip_if_backend=skip)
    try:
        exec(compile(path.read_text(), str(path), "exec"), vars(module))
    finally:
        sys.modules["conftest"] = ours
    vars(module).update(initializers=_Ours(), compute_fans=ki.compute_fans)
    return {
        f"{cls.__name__}.{test}": (cls, test)
        for cls in vars(module).values()
        if isinstance(cls, type) and cls.__module__ == name
        for test in vars(cls)
        if test.startswith("test_")
    }


THEIRS = _their_tests("random_initializers_test") | _their_tests("constant_initializers_test")


@pytest.mark.parametrize("name", THEIRS)
def test_keras_own_tests(name: str, request: pytest.FixtureRequest) -> None:
    if name in DIFFERENCES:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENCES[name], strict=True))
    cls, test = THEIRS[name]
    case = cls(test)
    case.setUp()
    getattr(case, test)()


# -- bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_words_of_numpys_test_set(number: int) -> None:
    """The generator of docs/streams.md gives the words that NumPy tests its own SFC64 with."""
    data = Path(np.__file__).parent / "random" / "tests" / "data" / f"sfc64-testset-{number}.csv"
    if not data.exists():
        pytest.skip("this wheel of NumPy has no test data")
    (_, seed), *rows = csv.reader(data.read_text().splitlines())
    state = np.random.SFC64(int(seed, 0)).state["state"]["state"]
    words = stream_reference.sfc64(*(int(word) for word in state))
    assert [int(word, 0) for _, word in rows] == list(itertools.islice(words, len(rows)))
