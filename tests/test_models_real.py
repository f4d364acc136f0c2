"""initialize on real models: ResNet50, MobileNetV2, EfficientNetB0 and a transformer of 12 blocks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.initialize import initialize
from keras_inits.models.lsuv import lsuv
from keras_inits.models.variables.walk import STATE_ROLES, walk

pytestmark = pytest.mark.slow


def transformer(blocks=12, width=96, heads=4, vocabulary=500, length=32):
    x = inputs = keras.Input((length,), dtype="int32")
    positions = L.Embedding(length, width, name="positions")(keras.ops.arange(length))
    x = L.Dropout(0.1)(L.Embedding(vocabulary, width, name="tokens")(x) + positions)
    for _ in range(blocks):
        normed = L.LayerNormalization()(x)
        attended = L.MultiHeadAttention(heads, width // heads, dropout=0.1)(
            normed, normed, use_causal_mask=True
        )
        x = L.Add()([x, attended])
        hidden = L.Dense(4 * width, activation="gelu")(L.LayerNormalization()(x))
        x = L.Add()([x, L.Dropout(0.1)(L.Dense(width)(hidden))])
    return keras.Model(inputs, L.Dense(vocabulary, use_bias=False)(L.LayerNormalization()(x)))


MODELS = {
    "ResNet50": lambda: keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=10
    ),
    "MobileNetV2": lambda: keras.applications.MobileNetV2(
        weights=None, input_shape=(64, 64, 3), classes=10
    ),
    "EfficientNetB0": lambda: keras.applications.EfficientNetB0(
        weights=None, input_shape=(64, 64, 3), classes=10
    ),
    "transformer": transformer,
}


def batch(model):
    shape = (8, *model.inputs[0].shape[1:])
    if model.inputs[0].dtype == "int32":
        return np.random.default_rng(0).integers(0, 500, shape).astype("int32")
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param]()


def test_every_weight_is_drawn_again_with_its_law(model):
    before = {s.path: to_numpy(s.variable) for s in walk(model)}
    report = initialize(model, seed=1)
    assert not report.problems
    assert len(report) == len(model.variables)
    for slot, row in zip(walk(model), report.rows, strict=True):
        if row.expected_std:
            assert (to_numpy(slot.variable) != before[row.path]).mean() > 0.99, row.path
            size = np.prod(row.shape)
            assert row.measured_std == pytest.approx(row.expected_std, rel=6 / np.sqrt(size)), (
                row.path
            )


def test_fans_by_structure_in_a_whole_model(model):
    report = initialize(model, {r"kernel$": "keras_inits>HeNormal"}, seed=1)
    for row in report.rows:
        if row.role == "kernel" and row.layer == "DepthwiseConv2D":
            assert row.fans[0] == np.prod(row.shape[:2])
        elif row.role == "kernel" and row.layer == "Conv2D":
            assert row.fans[0] == np.prod(row.shape[:3])
        if row.role == "kernel":
            assert row.expected_std == pytest.approx(np.sqrt(2 / row.fans[0])), row.path


@pytest.mark.parametrize("preset", ["keras", "torch", "flax", "gpt2"])
def test_presets_run_on_real_models(model, preset):
    report = initialize(model, preset, seed=1)
    assert not report.problems
    weights = [r for r in report.rows if r.role not in STATE_ROLES]
    assert sum(r.source.startswith("preset") for r in weights) >= 0.6 * len(weights)


def test_initialize_lsuv_save_and_reload(model, tmp_path):
    initialize(model, {r"kernel$": "keras_inits>HeNormal"}, seed=2)
    x = batch(model)
    report = lsuv(model, x, seed=2, progress=False)
    assert not report.problems
    scaled = [row for row in report.rows if row.std_after is not None]
    assert len(scaled) >= 50
    for row in scaled:
        assert abs(row.std_after - 1) <= 0.05, row.path
    expected = to_numpy(model(x, training=False))
    assert np.isfinite(expected).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(again(x, training=False)), expected, rtol=1e-4, atol=1e-5)
    first, second = (initialize(m, seed=3).to_dict() for m in (model, again))
    assert first == second
