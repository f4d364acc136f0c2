"""The table behind the migration page says what the names do mean."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import require, to_numpy

import keras_inits
from keras_inits import keras1
from keras_inits.legacy.scope import legacy_scope

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import migration  # noqa: E402 (the tools are no package)
from keras_names import JAX, KERAS, KERAS_CLASSES, PERIODS, TORCH, Meaning  # noqa: E402

SCOPE = {"keras_inits": keras_inits, "keras1": keras1}
SHAPE = (900, 400)
FANS = {"fan_in": 900, "fan_out": 400, "sum": 1300}
BY_FAN = {"lecun": 1 / 900, "glorot": 2 / 1300, "he": 2 / 900}


def _now(meaning: Meaning, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return to_numpy(eval(meaning.now, SCOPE)(shape))


def _alike(a: np.ndarray, b: np.ndarray, bounded: bool) -> None:
    """Same mean and standard deviation to five standard errors, same largest entry if bounded."""
    sigma = b.std() or 1.0
    assert a.mean() == pytest.approx(b.mean(), abs=7 * sigma / a.size**0.5 + 1e-7)
    assert a.std() == pytest.approx(b.std(), rel=7 / a.size**0.5, abs=1e-7)
    if bounded:
        assert abs(a).max() == pytest.approx(abs(b).max(), rel=5e-3)


def _id(meaning: Meaning) -> str:
    return f"{meaning.name}-{meaning.period}"


@pytest.mark.parametrize("meaning", KERAS, ids=_id)
def test_the_scope_and_the_table_agree(meaning: Meaning) -> None:
    shape = (400, 400) if meaning.name == "identity" else SHAPE
    with legacy_scope(meaning.period):
        then = to_numpy(keras.initializers.get(meaning.name)(shape))
    now = _now(meaning, shape)
    bounded = (
        meaning.spread is None and meaning.name != "orthogonal"
    ) or meaning.largest is not None
    _alike(now, then, bounded)
    if meaning.name == "orthogonal":
        gain = 1.1 if meaning.period == "keras1" else 1.0
        np.testing.assert_allclose(now.T @ now, gain**2 * np.eye(400), atol=1e-4)


@pytest.mark.parametrize(
    "meaning", [m for m in KERAS + KERAS_CLASSES if m.spread is not None], ids=_id
)
def test_the_figures_of_the_table(meaning: Meaning) -> None:
    family = meaning.name.split("_")[0]
    if meaning.name.startswith("VarianceScaling"):
        sigma = (1 / 900) ** 0.5
    elif family in BY_FAN:
        sigma = BY_FAN[family] ** 0.5
    else:
        sigma = 0.1 if "0.1" in meaning.name else 0.05
        sigma /= 3**0.5 if "uniform" in meaning.name else 1
    draws = _now(meaning) / sigma
    assert draws.std() == pytest.approx(meaning.spread, rel=7 / draws.size**0.5)
    if meaning.largest is not None:
        assert 0.99 * meaning.largest < abs(draws).max() <= meaning.largest + 1e-3
    else:
        assert abs(draws).max() > 3.8  # 360000 draws of a normal law that nothing cuts


def _available(meaning: Meaning) -> Any:
    try:
        return eval(meaning.now, SCOPE)
    except AttributeError:
        pytest.fail(f"{meaning.now} is not in the library")


@pytest.mark.once
@pytest.mark.parametrize("meaning", TORCH, ids=_id)
def test_torch_rows(meaning: Meaning) -> None:
    require("torch")
    import torch

    torch.manual_seed(5)
    w = torch.empty(SHAPE[::-1], dtype=torch.float64)
    eval(meaning.name, {"torch": torch, "w": w})
    now = to_numpy(_available(meaning)(SHAPE))
    tails = any(word in meaning.name for word in (".normal_", "r_normal_", "g_normal_", "ortho"))
    bounded = not tails and "trunc" not in meaning.name
    _alike(now, w.numpy().T, bounded)


@pytest.mark.once
@pytest.mark.parametrize("meaning", JAX, ids=_id)
def test_jax_rows(meaning: Meaning) -> None:
    require("jax")
    import jax

    then = np.asarray(eval(meaning.name, {"jax": jax})(jax.random.key(5), SHAPE)).astype("float64")
    now = to_numpy(_available(meaning)(SHAPE))
    tails = meaning.name.endswith((".normal()", '"normal")', "orthogonal()"))
    _alike(now, then, not tails)


@pytest.mark.once
def test_every_keras_string_has_its_rows() -> None:
    from keras_inits.legacy.keras1.schemes import NAMES

    by_period = {p: {m.name for m in KERAS if m.period == p} for p in PERIODS}
    assert by_period["keras1"] == set(NAMES)
    ours = {
        "constant",
        "variance_scaling",
        "random_uniform",
        "random_normal",
        "stft",
        "initializer",
    }
    known = {n for n in dir(keras.initializers) if n.islower() and not n.startswith("_")}
    known -= {"get", "serialize", "deserialize"} | ours
    assert not {n for n in known if n not in by_period["keras2"] and n.count("_") < 2}


@pytest.mark.once
def test_the_page_is_generated() -> None:
    assert migration.PAGE.read_text(encoding="utf-8") == migration.page(), "run tools/migration.py"
