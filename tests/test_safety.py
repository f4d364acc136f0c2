"""Whatever a file says, it gives an initializer or an error, soon, and nothing in it runs."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH
from conftest import to_numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keras_inits as ki
from keras_inits import keras1
from keras_inits.legacy.keras2 import files
from keras_inits.legacy.keras2.initializers import ERAS, SPELLINGS, upgrade_initializer
from keras_inits.registry import CATALOGUE

pytestmark = pytest.mark.once

LENIENT = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MOST = settings.default.max_examples  # 500, or 10,000
EXPECTED = (ValueError, TypeError)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**12, 10**30, -(10**400)]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["fan_in", "normal", "uniform", "relu", "float32", "keras1>one", "zeros", "th"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = sorted({key for case in ONE_EACH for key in case.make(case.shape, 0).get_config()})
NAMES = sorted(
    {
        *CATALOGUE,
        *(string for entry in CATALOGUE.values() for string in entry.strings),
        *SPELLINGS,
        *("Dense", "Sequential", "function", "__lambda__", "__numpy__", "__tensor__", "__bytes__"),
        *("SeedGenerator", "keras_inits>DefaultStream", "keras_inits>TorchStream", "object"),
        *("__slice__", "__ellipsis__", "__typespec__", "__keras_tensor__", "Lambda", "TFSMLayer"),
    }
)
MODULES = st.sampled_from(
    [None, "keras.initializers", "keras.layers", "keras", "builtins", "os", "keras_inits", "x"]
)


def _configs(inner: Any) -> Any:
    """Configs that look right: known classes, known fields, values of any kind."""
    arguments = st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    return st.fixed_dictionaries(
        {"class_name": st.sampled_from(NAMES), "config": st.one_of(arguments, VALUES)},
        optional={
            "module": MODULES,
            "registered_name": st.one_of(st.none(), st.sampled_from(NAMES)),
            "shared_object_id": st.integers(0, 3),
        },
    )


CONFIGS = _configs(st.one_of(VALUES, _configs(st.one_of(VALUES, _configs(VALUES)))))


def _valid(found: Any) -> None:
    """An initializer whose config comes back, and which draws or says why not."""
    assert isinstance(found, keras.initializers.Initializer)
    if not type(found).__module__.startswith("keras_inits"):
        return
    config = json.loads(json.dumps(found.get_config()))
    again = type(found).from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(found.get_config())
    try:
        values = to_numpy(found((4, 4)))
    except EXPECTED:
        return
    assert values.shape == (4, 4)


@pytest.mark.slow
@given(st.one_of(CONFIGS, VALUES.filter(lambda v: isinstance(v, dict))))
@LENIENT
@pytest.mark.filterwarnings("ignore")
def test_get_takes_any_json(config: Any) -> None:
    try:
        found = ki.get(config)
    except EXPECTED:
        return
    _valid(found)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
@given(data=st.data())
@settings(LENIENT, max_examples=max(25, MOST // 50))
@pytest.mark.filterwarnings("ignore")
def test_from_config_takes_any_json(name: str, data: Any) -> None:
    cls = CATALOGUE[name].cls
    known = st.dictionaries(st.sampled_from(FIELDS), st.one_of(VALUES, CONFIGS), max_size=3)
    config = data.draw(st.one_of(known, VALUES))
    try:
        found = cls.from_config(config)
    except EXPECTED:
        return
    _valid(found)


@pytest.mark.slow
@given(config=st.one_of(VALUES, CONFIGS), era=st.sampled_from(ERAS))
@LENIENT
def test_upgrade_takes_any_json(config: Any, era: str) -> None:
    before = json.dumps(config)
    with contextlib.suppress(EXPECTED):
        upgrade_initializer(config, era)
    assert json.dumps(config) == before


MODELS = st.recursive(
    CONFIGS,
    lambda inner: st.fixed_dictionaries(
        {
            "class_name": st.sampled_from(["Sequential", "Model", "Dense", "Bidirectional", "x"]),
            "config": st.one_of(
                st.lists(inner, max_size=2),
                st.fixed_dictionaries(
                    {"name": SCALARS},
                    optional={
                        "layers": st.lists(inner, max_size=2),
                        "layer": inner,
                        "units": SCALARS.filter(lambda v: not isinstance(v, int) or v < 1000),
                        "kernel_initializer": inner,
                        "input_layers": VALUES,
                        "output_layers": VALUES,
                        "batch_input_shape": VALUES,
                        "activation": inner,
                    },
                ),
            ),
        },
        optional={"name": SCALARS, "inbound_nodes": VALUES},
    ),
    max_leaves=4,
)


@given(config=MODELS, version=st.sampled_from(["2.0.8", "2.2.4-tf", "2.15.0"]))
@settings(LENIENT, max_examples=max(100, MOST // 10), suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore")
def test_model_files_take_any_json(config: Any, version: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({**config, "keras_version": version}))
    try:
        found = files.legacy_load_model(path)
    except EXPECTED:
        return
    assert isinstance(found, keras.Model)


KERAS1 = st.recursive(
    VALUES,
    lambda inner: st.fixed_dictionaries(
        {
            "class_name": st.sampled_from(
                ["Sequential", "Model", "Merge", "Dense", "LSTM", "TimeDistributed", "(", "x"]
            ),
            "config": st.one_of(
                st.lists(inner, max_size=2),
                st.dictionaries(
                    st.sampled_from(["name", "layers", "layer", "init", "inner_init"]), inner
                ),
            ),
        }
    ),
    max_leaves=5,
)


@given(layers=st.one_of(VALUES, st.lists(KERAS1, max_size=3)), version=SCALARS)
@settings(LENIENT, max_examples=max(100, MOST // 10), suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore")
def test_rules_take_any_json(layers: Any, version: Any) -> None:
    model = {"class_name": "Sequential", "config": layers, "keras_version": version}
    try:
        found = keras1.rules(model)
    except EXPECTED as error:
        assert str(error).startswith("rules: ")  # noqa: PT017
        return
    assert isinstance(found, list)


def _nested(depth: int, innermost: Any, wrapper: str = "keras_inits>Gated") -> Any:
    config = innermost
    for _ in range(depth):
        config = {"class_name": wrapper, "config": {"initializer": config}}
    return config


def _unwind(config: Any) -> None:
    """Take a deep config apart, for Python frees it recursively."""
    while isinstance(config, dict) and config:
        config = config.pop("config", None) or config.pop("initializer", None)


@pytest.mark.slow
def test_a_million_wrappers() -> None:
    config = _nested(10**6, "zeros")
    for load in (ki.get, keras.initializers.get):
        start = time.perf_counter()
        with pytest.raises(EXPECTED):
            load(config)
        assert time.perf_counter() - start < 1
    _unwind(config)


def test_a_few_wrappers_are_fine() -> None:
    assert isinstance(ki.get(_nested(8, "zeros")), ki.registry.CATALOGUE["Gated"].cls)


def test_a_lambda_anywhere_is_refused() -> None:
    code = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
    for config in (
        code,
        _nested(1, code),
        _nested(3, code),
        _nested(1, code, "keras_inits>ForgetGateBias"),
    ):
        for load in (ki.get, keras.initializers.get):
            with pytest.raises(EXPECTED):
                load(json.loads(json.dumps(config)))


def test_another_objects_config_is_refused() -> None:
    for module, name in (
        ("keras.layers", "Dense"),
        ("keras.optimizers", "Adam"),
        ("keras.models", "load_model"),
        ("builtins", "function"),
        ("os", "system"),
    ):
        config = {"module": module, "class_name": name, "config": {}, "registered_name": None}
        with pytest.raises(ValueError, match="known initializer"):
            ki.get(config)


def test_a_shape_of_a_trillion_entries() -> None:
    for shape in ((10**6, 10**6), (10**12,), (10**4, 10**4, 10**4)):
        for case in ONE_EACH:
            start = time.perf_counter()
            with pytest.raises(ValueError, match="shape must be"):
                case.make(case.shape, 0)(shape)
            assert time.perf_counter() - start < 1
    config = {
        "class_name": "keras_inits>FromArray",
        "config": {"shape": [10**6, 10**6], "dtype": "float32", "sha256": None},
    }
    with pytest.raises(ValueError, match="shape must be"):
        ki.get(config)


def test_keras1_and_wrong_types() -> None:
    for cls in (keras1.HeNormal, keras1.Uniform, keras1.Identity):
        for config in ({"dim_ordering": []}, {"seed": {}}, {"scale": "x"}, {"x": 1}, [], None, 3):
            with pytest.raises(EXPECTED):
                cls.from_config(config)


def test_values_never_depend_on_what_the_file_calls_itself() -> None:
    config = keras.saving.serialize_keras_object(ki.Uniform(seed=3))
    renamed = {**config, "module": "os", "class_name": "system"}
    found = keras.saving.deserialize_keras_object(renamed)
    np.testing.assert_array_equal(to_numpy(found((3, 3))), to_numpy(ki.Uniform(seed=3)((3, 3))))
