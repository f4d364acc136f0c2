"""data_dependent: every unit with zero mean and unit variance, through its weights and bias."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.data_dependent import data_dependent
from keras_inits.models.lsuv import lsuv
from keras_inits.streams.seeds import as_stream

RNG = np.random.default_rng(0)


def batch(*shape, samples=64):
    return RNG.normal(0.7, 2.0, (samples, *shape)).astype("float32")


def directions(matrix):
    return matrix / np.linalg.norm(matrix, axis=0)


def test_dense_units_are_normalized_and_keep_their_directions():
    x = batch(12, samples=256)
    steps = [L.Dense(9, activation="relu", bias_initializer="ones") for _ in range(6)]
    model = keras.Sequential([keras.Input((12,)), *steps])
    before = [to_numpy(layer.kernel) for layer in steps]
    report = data_dependent(model, x, progress=False)
    assert not report.problems
    y = x.astype("float64")
    for layer, start, row in zip(steps, before, report.rows, strict=True):
        kernel = to_numpy(layer.kernel)
        np.testing.assert_allclose(directions(kernel), directions(start), atol=1e-5)
        mean, std = (y @ start).mean(0), (y @ start).std(0)
        # Equation 6 of the paper, up to the running error of float32 in y.
        np.testing.assert_allclose(to_numpy(layer.bias), -mean / std, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(kernel, start / std, rtol=1e-3, atol=1e-4)
        y = y @ kernel + to_numpy(layer.bias)
        np.testing.assert_allclose(y.mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(y.std(0), 1, atol=1e-3)
        assert row.mean_after == pytest.approx(0, abs=1e-4)
        assert row.std_after == pytest.approx(1, abs=1e-4)
        assert abs(row.std_before - 1) == pytest.approx(np.abs(std - 1).max(), abs=1e-3)
        y = np.maximum(y, 0)


LAYERS = {
    "grouped": (L.Conv2D, {"filters": 8, "kernel_size": 3, "groups": 2}, (9, 9, 4)),
    "transposed": (L.Conv2DTranspose, {"filters": 5, "kernel_size": 3, "strides": 2}, (5, 5, 4)),
    "depthwise": (L.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 2}, (9, 9, 4)),
    "separable": (L.SeparableConv1D, {"filters": 6, "kernel_size": 3}, (9, 4)),
    "projection": (
        L.EinsumDense,
        {"equation": "abc,cde->abed", "output_shape": (None, 5, 3), "bias_axes": "ed"},
        (4, 6),
    ),
    "any rank": (
        L.EinsumDense,
        {"equation": "...x,xy->...y", "output_shape": 7, "bias_axes": "y"},
        (4, 6),
    ),
    "a matrix a step": (
        L.EinsumDense,
        {"equation": "abc,bcd->abd", "output_shape": (4, 3), "bias_axes": "bd"},
        (4, 6),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_unit_of_other_layers(name):
    cls, arguments, shape = LAYERS[name]
    layer = cls(**arguments)
    model = keras.Sequential([keras.Input(shape), layer])
    x = batch(*shape)
    (row,) = data_dependent(model, x, progress=False).rows
    assert not row.note
    y = to_numpy(model(x)).reshape(-1, int(np.prod(layer.bias.shape)))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-4)


def test_without_a_bias_the_variance_alone():
    model = keras.Sequential([keras.Input((6,)), L.Dense(4, use_bias=False)])
    x = batch(6)
    report = data_dependent(model, x, progress=False)
    y = to_numpy(model(x))
    np.testing.assert_allclose(y.std(0), 1, atol=1e-4)
    assert "no bias" in report.rows[0].note
    assert report.rows[0].mean_after == pytest.approx(
        y.mean(0)[np.abs(y.mean(0)).argmax()], abs=1e-4
    )
    assert not report.problems


def test_recurrent_layers_scale_each_gate_unit_of_the_input_kernel():
    layer = L.LSTM(3)
    model = keras.Sequential([keras.Input((5, 4)), layer])
    x = batch(5, 4)
    recurrent, bias = to_numpy(layer.cell.recurrent_kernel), to_numpy(layer.cell.bias)
    data_dependent(model, x, progress=False)
    y = (x @ to_numpy(layer.cell.kernel)).reshape(-1, 12)
    np.testing.assert_allclose(y.std(0), 1, atol=1e-4)
    np.testing.assert_array_equal(to_numpy(layer.cell.recurrent_kernel), recurrent)
    np.testing.assert_array_equal(to_numpy(layer.cell.bias), bias)


def test_mixed_precision_keeps_the_weights_digits():
    layer = L.Dense(8, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((6,)), layer])
    start = to_numpy(layer.kernel)
    data_dependent(model, batch(6), progress=False)
    np.testing.assert_allclose(directions(to_numpy(layer.kernel)), directions(start), atol=1e-6)


def test_units_that_do_not_vary_stay_as_they_were():
    layer = L.Dense(5)
    model = keras.Sequential([keras.Input((6,)), layer])
    start = to_numpy(layer.kernel)
    start[:, 2] = 0
    layer.kernel.assign(start)
    x = batch(6)
    report = data_dependent(model, x, progress=False)
    (problem,) = report.problems
    assert "1 of 5 units" in problem.reason
    y = to_numpy(model(x))
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y[:, 2], 0)
    np.testing.assert_allclose(np.delete(y, 2, 1).std(0), 1, atol=1e-4)


def test_nothing_is_random():
    model = keras.Sequential([keras.Input((6,)), L.Dense(4, "relu"), L.Dense(2)])
    x, start = batch(6), model.get_weights()
    data_dependent(model, x, progress=False)
    once = model.get_weights()
    model.set_weights(start)
    data_dependent(model, x, progress=False)
    for a, b in zip(once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("equation", "bias_axes", "shifts"),
    [("abc,cd->abd", "b", False), ("abc,cd->abd", "d", True), ("abc,cd->abd", "bd", False)],
)
def test_a_bias_must_be_that_of_the_units(equation, bias_axes, shifts):
    """The extents are all alike: only what the bias does tells."""
    layer = L.EinsumDense(equation, (4, 4), bias_axes=bias_axes, name="einsum")
    model = keras.Sequential([keras.Input((4, 3)), layer])
    # On TensorFlow Keras adds a bias of (4, 1) along the last axis, so that it does shift the units.
    kernel = to_numpy(layer.kernel)
    layer.kernel.assign(np.zeros((3, 4)))
    layer.bias.assign(np.arange(np.prod(layer.bias.shape)).reshape(layer.bias.shape))
    (y,) = to_numpy(model(np.ones((1, 4, 3))))
    shifts = shifts or bool((y == y[0]).all())
    layer.kernel.assign(kernel)
    layer.bias.assign(np.full(layer.bias.shape, 0.5))
    x = batch(4, 3, samples=256)
    report = data_dependent(model, x, progress=False)
    (row,) = report.rows
    y = to_numpy(model(x)).reshape(-1, 4)
    if shifts:
        np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    else:
        np.testing.assert_array_equal(to_numpy(layer.bias), 0.5)
        assert "means stay" in row.note
    np.testing.assert_allclose((x.reshape(-1, 3) @ to_numpy(layer.kernel)).std(0), 1, rtol=1e-3)


def test_rows_hold_no_nan():
    model = keras.Sequential([keras.Input((4,)), L.Lambda(lambda x: keras.ops.log(x)), L.Dense(3)])
    for function in (data_dependent, lsuv):
        report = function(model, batch(4), progress=False)
        json.dumps(report.to_dict(), allow_nan=False)
        assert report.problems


def test_equal_rates_leave_a_relu_network_s_outputs_and_make_its_rates_equal():
    x = batch(9, 9, 3)
    layers = [L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(16, "relu"), L.Dense(4)]
    model = keras.Sequential([keras.Input((9, 9, 3)), *layers])
    data_dependent(model, x, progress=False)
    start = to_numpy(model(x))
    report = data_dependent(model, x, equal_rates=True, seed=0, progress=False)
    assert not report.problems
    rates = [row.rate_after for row in report.rows]
    assert max(rates) < 1.01 * min(rates)
    before = [row.rate_before for row in report.rows]
    assert max(before) > 1.2 * min(before)
    # One round does it: the factors' product is 1, and so each rate becomes the geometric mean.
    assert rates[0] == pytest.approx(np.exp(np.mean(np.log(before))), rel=1e-3)
    np.testing.assert_allclose(to_numpy(model(x)), start, atol=1e-4)
    assert abs(report.rows[-1].std_after - 1) < 1e-3


def test_rates_are_those_of_the_gradient_that_is_taken():
    """The rate of a linear layer in closed form: g = x' r, over the samples."""
    x = batch(5)
    model = keras.Sequential([keras.Input((5,)), L.Dense(3)])
    (row,) = data_dependent(model, x, equal_rates=True, seed=7, progress=False).rows
    r = as_stream("test", 7).child(0).normal((64, 3))
    gradient, kernel = x.T @ r, to_numpy(model.layers[0].kernel)
    expected = np.sqrt((gradient**2).mean() / (kernel**2).mean())
    assert row.rate_after == row.rate_before == pytest.approx(expected, rel=1e-4)


def test_equal_rates_of_other_networks():
    x = batch(6, 5)
    inputs = keras.Input((6, 5))
    unused = L.Dense(4, name="unused")(inputs)
    h = L.Dense(8, "tanh", name="frozen", trainable=False)(inputs)
    for i in range(4):
        h = L.Dense(8, "tanh", name=f"tanh_{i}")(h)
    model = keras.Model(inputs, L.LSTM(4, name="lstm")(h + 0 * unused[..., :1]))
    before = to_numpy(model.get_layer("frozen").kernel)
    report = data_dependent(model, x, equal_rates=True, seed=0, progress=False)
    rates = {row.path: row.rate_after for row in report.rows if row.rate_after is not None}
    assert list(rates) == [*(f"tanh_{i}" for i in range(4)), "lstm/lstm_cell"]
    assert max(rates.values()) < 1.02 * min(rates.values())
    assert [problem.path for problem in report.problems] == ["unused"]
    np.testing.assert_array_equal(to_numpy(model.get_layer("frozen").kernel), before)


def test_a_failure_leaves_the_model_as_it_was(monkeypatch):
    model = keras.Sequential([keras.Input((5,)), L.Dense(3)])
    before = to_numpy(model.layers[0].kernel)
    monkeypatch.setattr("keras_inits.backend.differentiation.gradients", lambda *a: 1 / 0)
    with pytest.raises(ValueError, match="data_dependent: model .* cannot be differentiated"):
        data_dependent(model, batch(5), equal_rates=True, progress=False)
    np.testing.assert_array_equal(to_numpy(model.layers[0].kernel), before)
    with pytest.raises(TypeError, match="data_dependent: equal_rates must be"):
        data_dependent(model, batch(5), equal_rates="yes")
    with pytest.raises(TypeError, match="data_dependent: seed must be"):
        data_dependent(model, batch(5), equal_rates=True, seed="one")
