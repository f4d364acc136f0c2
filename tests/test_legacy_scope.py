"""Inside a legacy scope Keras reads what an older era wrote, with that era's laws."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import to_numpy

from keras_inits import keras1
from keras_inits.legacy.keras1.schemes import NAMES
from keras_inits.legacy.keras2.initializers import ERAS, SPELLINGS, era_of, upgrade_initializer
from keras_inits.legacy.scope import legacy_scope

DATA = Path(__file__).parent / "data"
LATER = ("keras2.0", "keras2", "tf1")


def kernel(identifier: Any) -> Any:
    """What a layer makes of the identifier."""
    return keras.layers.Dense(4, kernel_initializer=identifier).kernel_initializer


def test_keras1_names_mean_keras1() -> None:
    with legacy_scope("keras1"):
        for name, cls in NAMES.items():
            assert type(kernel(name)) is cls
        assert type(keras.layers.Dense(4).kernel_initializer) is keras1.GlorotUniform
        assert type(keras.layers.LSTM(4).cell.recurrent_initializer) is keras1.Orthogonal
    assert type(kernel("he_normal")) is keras.initializers.HeNormal


@pytest.mark.parametrize("era", LATER)
def test_every_spelling_is_read(era: str) -> None:
    with legacy_scope(era):
        for spelling, name in SPELLINGS.items():
            for identifier in (spelling, {"class_name": spelling, "config": {}}):
                assert isinstance(kernel(identifier), keras.initializers.Initializer)
            made = kernel(spelling)
            if name in ("RandomUniform", "RandomNormal", "Zeros", "Ones", "Orthogonal"):
                assert type(made) is getattr(keras.initializers, name)


def test_the_issue_of_dtype() -> None:
    config = {
        "class_name": "VarianceScaling",
        "config": {
            "scale": 2.0,
            "mode": "fan_in",
            "distribution": "normal",
            "seed": 3,
            "dtype": "float32",
        },
    }
    with pytest.raises(TypeError, match="dtype"):
        kernel(config)
    with legacy_scope("tf1"):
        made = kernel(json.loads(json.dumps(config)))
        for name in ("Zeros", "Ones", "Identity", "Orthogonal", "GlorotUniform"):
            kernel({"class_name": name, "config": {"dtype": "float32"}})
    assert (made.scale, made.mode, made.distribution) == (2.0, "fan_in", "truncated_normal")


STDDEV = math.sqrt(2 / 900)  # of he_normal for 900 inputs


@pytest.mark.parametrize(
    ("era", "spread", "largest"),
    [
        ("keras1", 1.0, None),
        ("keras2.0", 0.8796, 2.0),
        ("keras2", 1.0, 2.2737),
        ("tf1", 1.0, 2.2737),
    ],
)
def test_he_normal_has_the_law_of_its_era(era: str, spread: float, largest: float | None) -> None:
    with legacy_scope(era):
        draws = to_numpy(kernel("he_normal")((900, 400))) / STDDEV
    # Four standard errors of the standard deviation of 360000 entries.
    assert draws.std() == pytest.approx(spread, abs=4 / math.sqrt(2 * draws.size))
    if largest is None:
        assert abs(draws).max() > 3.5
    else:
        assert 0.98 * largest < abs(draws).max() <= largest + 1e-3


def test_capital_names_take_a_scale() -> None:
    with legacy_scope("keras2"):
        uniform = kernel({"class_name": "Uniform", "config": {"scale": 0.2}})
        normal = kernel({"class_name": "Normal", "config": {"scale": 0.2, "seed": 1}})
    assert (uniform.minval, uniform.maxval) == (-0.2, 0.2)
    assert (normal.mean, normal.stddev, normal.seed) == (0.0, 0.2, 1)


def test_the_gain_of_an_identity_survives_saving(tmp_path: Path) -> None:
    with legacy_scope("tf1"):
        layer = keras.layers.Dense(
            4,
            kernel_initializer={
                "class_name": "Identity",
                "config": {"gain": 0.5, "dtype": "float32"},
            },
        )
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].kernel_initializer.gain == 0.5


def test_a_layer_called_identity_is_not_the_initializer() -> None:
    with legacy_scope("tf1"):
        layer = keras.layers.deserialize({"class_name": "Identity", "config": {"name": "same"}})
    assert isinstance(layer, keras.layers.Identity)


def test_keras_loads_a_functional_model_of_tf1() -> None:
    path = DATA / "tf1" / "tfkeras_115_dense.h5"
    with pytest.raises(Exception, match="dtype"):
        keras.models.load_model(path, compile=False)
    with legacy_scope("tf1"):
        model = keras.models.load_model(path, compile=False)
    with np.load(path.with_suffix(".npz")) as arrays:
        prediction = model.predict(arrays["x0"], verbose=0)
        np.testing.assert_allclose(prediction, arrays["y0"], rtol=0, atol=1e-5)


def test_scopes_nest_and_end() -> None:
    before = type(kernel("uniform"))
    with legacy_scope("keras1"):
        with legacy_scope("tf1"):
            assert type(kernel("uniform")) is keras.initializers.RandomUniform
            with legacy_scope("keras1"):
                assert type(kernel("uniform")) is keras1.Uniform
            # A spelling of the era around, that this one has not, is not lent to it.
            assert type(kernel("zeros")) is keras.initializers.Zeros
        assert type(kernel("uniform")) is keras1.Uniform
        assert keras.saving.get_registered_object("Zero") is None
    assert type(kernel("uniform")) is before
    with pytest.raises(RuntimeError, match="inside"), legacy_scope("keras1"):
        raise RuntimeError("inside")
    assert type(kernel("uniform")) is before


def test_custom_objects_around_stay_known() -> None:
    class Mine(keras.initializers.Zeros):
        pass

    with keras.saving.custom_object_scope({"Mine": Mine}):
        with legacy_scope("tf1"):
            assert type(kernel("Mine")) is Mine
            assert type(kernel("zero")) is keras.initializers.Zeros
        assert type(kernel("Mine")) is Mine


def test_each_thread_has_its_own_scope() -> None:
    barrier = threading.Barrier(len(ERAS) + 1, timeout=30)
    seen: dict[str, Any] = {}

    def work(era: str) -> None:
        with legacy_scope(era):
            barrier.wait()
            for _ in range(20):
                seen.setdefault(era, set()).add(type(kernel("uniform")))
            barrier.wait()
        seen[f"after {era}"] = type(kernel("uniform"))

    def outside() -> None:
        barrier.wait()
        seen["outside"] = {type(kernel("uniform")) for _ in range(20)}
        barrier.wait()

    threads = [threading.Thread(target=work, args=(era,)) for era in ERAS]
    threads.append(threading.Thread(target=outside))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keras_uniform = keras.initializers.RandomUniform
    assert seen["outside"] == {keras_uniform}
    assert seen["keras1"] == {keras1.Uniform}
    assert seen["tf1"] == {keras_uniform}
    assert all(seen[f"after {era}"] is keras_uniform for era in ERAS)


def test_no_spelling_is_taken_already() -> None:
    # A globally registered name would win over the scope inside nested configs.
    known = keras.saving.get_custom_objects()
    assert not set(known) & (set(SPELLINGS) | set(NAMES))


def test_unknown_era() -> None:
    message = "legacy_scope: era must be one of 'keras1'.*got 'keras4'"
    with pytest.raises(ValueError, match=message), legacy_scope("keras4"):
        pass


@pytest.mark.once
def test_upgrades_are_pure() -> None:
    old = {"class_name": "HeNormal", "config": {"seed": 3, "dtype": "float32"}}
    copy = json.loads(json.dumps(old))
    new = upgrade_initializer(old, "tf1")
    assert old == copy
    assert new == upgrade_initializer(old, "tf1")
    assert new["registered_name"] == "keras_inits>VarianceScaling"
    assert new["config"] == {
        "scale": 2.0,
        "mode": "fan_in",
        "distribution": "truncated_normal",
        "seed": 3,
    }


@pytest.mark.once
def test_what_is_not_keras_stays() -> None:
    custom = {"class_name": "ScaledUniform", "config": {"scale": 0.1, "dtype": "float32"}}
    for value in (custom, None, 3, ["zeros"], {"no": "class"}, {"class_name": 3, "config": {}}):
        assert upgrade_initializer(value, "tf1") is value


@pytest.mark.once
@pytest.mark.parametrize(
    ("old", "era", "name", "config"),
    [
        ("zero", "keras2", "Zeros", {}),
        (
            {"class_name": "RandomUniform", "config": {"minval": -1, "maxval": 2, "seed": 1}},
            "keras2",
            "RandomUniform",
            {"minval": -1, "maxval": 2, "seed": 1},
        ),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 1.0, "distribution": "normal"}},
            "keras2.0",
            "VarianceScaling",
            {"scale": 0.87962566103423978**2, "distribution": "truncated_normal"},
        ),
        (
            {"class_name": "VarianceScaling", "config": {"scale": 1.0, "distribution": "uniform"}},
            "keras2.0",
            "VarianceScaling",
            {"scale": 1.0, "distribution": "uniform"},
        ),
        (
            {
                "class_name": "VarianceScaling",
                "config": {"scale": 3.0, "distribution": "untruncated_normal"},
            },
            "tf1",
            "VarianceScaling",
            {"scale": 3.0, "distribution": "untruncated_normal"},
        ),
        (
            {"class_name": "OrthogonalInitializer", "config": {"gain": 1.5, "seed": None}},
            "keras2",
            "Orthogonal",
            {"gain": 1.5, "seed": None},
        ),
        (
            {"class_name": "Constant", "config": {"value": 0.5, "verify_shape": False}},
            "tf1",
            "Constant",
            {"value": 0.5},
        ),
        ("he_normal", "keras1", "HeNormal", {}),
    ],
)
def test_upgraded_configs(old: Any, era: str, name: str, config: dict[str, Any]) -> None:
    new = upgrade_initializer(old, era)
    assert (new["class_name"], new["config"]) == (name, config)
    made = keras.saving.deserialize_keras_object(new)
    assert isinstance(made, keras1.HeNormal if era == "keras1" else keras.initializers.Initializer)


@pytest.mark.once
def test_eras_of_versions() -> None:
    eras = {
        "1.2.2": "keras1",
        "0.3.3": "keras1",
        "2.0.8": "keras2.0",
        "2.1.6": "keras2.0",
        "2.1.6-tf": "keras2",
        "2.2.0": "keras2",
        "2.2.4-tf": "keras2",
        "2.3.1": "keras2",
        "2.15.0": "keras2",
        "3.10.0": "keras3",
    }
    assert {version: era_of(version) for version in eras} == eras
