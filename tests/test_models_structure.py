"""Fans by structure hold the signal's second moment, forwards and backwards, through each layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.initialize import initialize
from keras_inits.models.variables.walk import walk
from keras_inits.models.weights.geometry import Geometry, register_geometry
from keras_inits.models.weights.layers import geometry_of
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.schemes.recurrent import ForgetGateBias, Gated
from keras_inits.schemes.resampling import ICNR
from keras_inits.schemes.variance_scaling import VarianceScaling

BACKEND = keras.backend.backend()

# layer, input shape, number of weights in a row, border where fewer inputs or outputs meet
LINEAR = {
    "Dense": (lambda: L.Dense(500), (40, 400), 1, 0),
    "Conv1D": (lambda: L.Conv1D(256, 5, dilation_rate=2), (32, 256), 1, 8),
    "Conv2D": (lambda: L.Conv2D(256, 3, groups=4), (12, 12, 256), 1, 2),
    "Conv3D": (lambda: L.Conv3D(160, 3), (6, 6, 6, 160), 1, 2),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(256, 5), (32, 256), 1, 4),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(200, 3), (10, 10, 200), 1, 2),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(160, 3), (6, 6, 6, 160), 1, 2),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(7, depth_multiplier=2), (30, 500), 1, 6),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(5, depth_multiplier=2), (12, 12, 500), 1, 4),
    "SeparableConv2D": (lambda: L.SeparableConv2D(200, 5), (12, 12, 300), 2, 4),
    "EinsumDense": (lambda: L.EinsumDense("abc,cde->abde", (None, 8, 50)), (40, 300), 1, 0),
    "EinsumDense, two axes in": (
        lambda: L.EinsumDense("abcd,cde->abe", (None, 400)),
        (40, 8, 50),
        1,
        0,
    ),
    "EinsumDense, by block": (lambda: L.EinsumDense("abc,bcd->abd", (40, 200)), (40, 300), 1, 0),
}
# Strided layers: the mean over positions, with structure="strides".
STRIDED = {
    "Conv2D": (lambda: L.Conv2D(200, 4, strides=2), (14, 14, 200), 1, 4),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(200, 4, strides=2), (10, 10, 200), 1, 4),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(4, strides=2), (14, 14, 500), 1, 4),
}


def models(make, shape, mode, structure):
    """One model with its kernels drawn several times: a batch's mean reaches every position alike, so
    that only different weights average it out."""
    model = keras.Sequential([keras.Input(shape), make()])
    kernels = {
        (L.Layer, s.role): VarianceScaling(2.0, mode, "untruncated_normal")
        for s in walk(model)
        if s.role.endswith("kernel")
    }
    for seed in range(4):
        initialize(model, kernels, seed=seed, structure=structure)
        yield seed, model


def rectified(shape, seed):
    """ReLU of a normal batch, of second moment 1: what a layer reads after a ReLU."""
    x = np.maximum(np.random.default_rng(seed).normal(size=shape), 0) * np.sqrt(2)
    return x.astype("float32")


def interior(x, border):
    if not border:
        return x
    return x[(slice(None), *(slice(border, -border),) * (x.ndim - 2), slice(None))]


def gradient(model, x, g):
    """d sum(g * model(x)) / dx."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(model(x) * g)
        return tape.gradient(loss, x).numpy()
    if BACKEND == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: (model(x) * g).sum())(x))
    import torch

    x = torch.tensor(x, requires_grad=True)
    (model(x) * torch.tensor(g)).sum().backward()
    return x.grad.detach().numpy()


def check_forward(case, structure):
    make, shape, row, border = case
    moments = []
    for seed, model in models(make, shape, "fan_in", structure):
        y = to_numpy(model(rectified((2, *shape), seed)))
        y = interior(y, border if "Transpose" in type(model.layers[0]).__name__ else 0)
        # The weights W and -W have the same law: ReLU of both, so that the mean's sign averages out.
        moments += [(np.maximum(sign * y, 0) ** 2).mean() for sign in (1, -1)]
    # One layer of weights doubles the moment and its ReLU halves it; two in a row have one ReLU.
    assert np.mean(moments) / 2 ** (row - 1) == pytest.approx(1, rel=0.05)


def check_backward(case, structure):
    make, shape, row, border = case
    moments = []
    for seed, model in models(make, shape, "fan_out", structure):
        random = np.random.default_rng(seed)
        x = random.normal(size=(2, *shape)).astype("float32")
        y = to_numpy(model(x))
        g = random.normal(size=y.shape) * (y > 0)
        dx = gradient(model, x, g.astype("float32"))
        transposed = "Transpose" in type(model.layers[0]).__name__
        moments.append((interior(dx, 0 if transposed else border) ** 2).mean())
    assert np.mean(moments) / 2 ** (row - 1) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", LINEAR)
def test_forward_moment(name):
    check_forward(LINEAR[name], True)


@pytest.mark.parametrize("name", LINEAR)
def test_backward_moment(name):
    check_backward(LINEAR[name], True)


@pytest.mark.parametrize("name", ["Conv2DTranspose"])
def test_forward_moment_with_strides(name):
    check_forward(STRIDED[name], "strides")


@pytest.mark.parametrize("name", ["Conv2D", "DepthwiseConv2D"])
def test_backward_moment_with_strides(name):
    check_backward(STRIDED[name], "strides")


def test_embedding_looks_one_row_up():
    model = keras.Sequential([keras.Input((20,), dtype="int32"), L.Embedding(500, 300)])
    initialize(model, {L.Embedding: VarianceScaling(2.0)}, seed=0)
    y = to_numpy(model(np.random.default_rng(0).integers(0, 500, (8, 20))))
    assert (np.maximum(y, 0) ** 2).mean() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(("layer", "gates"), [(L.SimpleRNN, 1), (L.GRU, 3), (L.LSTM, 4)])
@pytest.mark.parametrize("role", ["kernel", "recurrent_kernel"])
def test_each_gate_keeps_the_moment_both_ways(layer, gates, role):
    for mode in ("fan_in", "fan_out"):
        model = keras.Sequential([keras.Input((5, 200)), layer(300)])
        initialize(model, {(layer, role): VarianceScaling(1.0, mode)}, seed=0)
        kernel = to_numpy(next(s.variable for s in walk(model) if s.role == role))
        for gate in np.split(kernel, gates, axis=1):
            x = np.random.default_rng(0).normal(size=(50, gate.shape[mode == "fan_out"]))
            y = x @ (gate if mode == "fan_in" else gate.T)
            assert (y**2).mean() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(("layer", "gates"), [(L.GRU, 3), (L.LSTM, 4)])
def test_each_gate_is_orthogonal(layer, gates):
    model = keras.Sequential([keras.Input((5, 20)), layer(16)])
    report = initialize(model, {(layer, "recurrent_kernel"): "orthogonal"}, seed=0)
    kernel = to_numpy(next(s.variable for s in walk(model) if s.role == "recurrent_kernel"))
    found = np.split(kernel, gates, axis=1)
    for gate in found:
        np.testing.assert_allclose(gate @ gate.T, np.eye(16), atol=1e-5)
    assert abs(found[0] - found[1]).max() > 0.1
    row = next(r for r in report.rows if r.role == "recurrent_kernel")
    assert row.expected_std == pytest.approx(1 / 4)


def test_conv_lstm_gates():
    model = keras.Sequential([keras.Input((3, 9, 9, 8)), L.ConvLSTM2D(24, 3)])
    cell = next(s.layer for s in walk(model) if s.role == "recurrent_kernel")
    for role, inputs in (("kernel", 8), ("recurrent_kernel", 24)):
        found = geometry_of(cell, role, (3, 3, inputs, 96))
        assert (found.fan_in, found.fan_out, found.gate_count) == (9 * inputs, 216, 4)
    initialize(model, {(L.ConvLSTM2D, "kernel"): "orthogonal"}, seed=0)
    kernel = to_numpy(next(s.variable for s in walk(model) if s.role == "kernel"))
    for gate in np.split(kernel, 4, axis=-1):
        flat = gate.reshape(72, 24)
        np.testing.assert_allclose(flat.T @ flat, np.eye(24), atol=1e-5)


def test_orthogonal_attention_is_the_map_from_inputs_to_heads():
    inputs = keras.Input((5, 24))
    model = keras.Model(inputs, L.MultiHeadAttention(4, 6)(inputs, inputs))
    initialize(model, {L.MultiHeadAttention: "orthogonal"}, seed=0)
    for slot in walk(model):
        if slot.role == "kernel":
            output = slot.layer.name == "attention_output"
            flat = to_numpy(slot.variable).reshape((24, 24))
            np.testing.assert_allclose(flat @ flat.T, np.eye(24), atol=1e-5)
            found = geometry_of(slot.layer, "kernel", slot.shape)
            assert (found.fan_in, found.fan_out) == (24, 24)
            assert len(found.inputs) == (2 if output else 1)


def test_orthogonal_transposed_convolution_maps_inputs_to_outputs():
    model = keras.Sequential([keras.Input((5, 5, 4)), L.Conv2DTranspose(30, 3)])
    initialize(model, {"kernel": Orthogonal()}, seed=0)
    kernel = to_numpy(model.layers[0].kernel)  # (3, 3, outputs, inputs)
    flat = kernel.transpose(0, 1, 3, 2).reshape(36, 30)
    np.testing.assert_allclose(flat.T @ flat, np.eye(30), atol=1e-5)


def test_biases_take_their_layers_fans():
    cases = [
        (L.Dense(7), (5,), (5, 7)),
        (L.Conv2D(8, 3, groups=2), (9, 9, 6), (27, 36)),
        (L.Conv2DTranspose(8, 3), (9, 9, 6), (54, 72)),
        (L.DepthwiseConv2D(3), (9, 9, 64), (9, 9)),
        (L.SeparableConv2D(7, 3), (9, 9, 5), (5, 7)),
        (L.LSTM(7), (4, 5), (5, 7)),
        (L.GRU(7), (4, 5), (5, 7)),
    ]
    for layer, shape, fans in cases:
        model = keras.Sequential([keras.Input(shape), layer])
        report = initialize(model, {(L.Layer, "bias"): "keras_inits>FanInUniform"}, seed=0)
        row = next(r for r in report.rows if r.role == "bias")
        assert row.fans == fans, layer
        assert row.expected_std == pytest.approx(1 / np.sqrt(3 * fans[0])), layer


def test_depthwise_is_9_and_not_576():
    model = keras.Sequential([keras.Input((9, 9, 64)), L.DepthwiseConv2D(3)])
    (row, _) = initialize(model, {"kernel": "keras_inits>HeNormal"}, seed=0).rows
    assert row.fans == (9, 9)
    assert row.expected_std == pytest.approx(np.sqrt(2 / 9))
    (row, _) = initialize(model, {"kernel": "keras_inits>HeNormal"}, seed=0, structure=False).rows
    assert row.fans == (576, 9)
    assert row.expected_std == pytest.approx(np.sqrt(2 / 576))


def test_axes_given_by_the_user_prevail():
    model = keras.Sequential([keras.Input((64,)), L.Dense(4)])
    scheme = VarianceScaling(input_axes=[1], output_axes=[0])
    row = initialize(model, {"kernel": scheme}, seed=0).rows[0]
    assert row.expected_std == pytest.approx(0.5)


def test_gates_given_by_the_user_prevail():
    model = keras.Sequential([keras.Input((5, 8)), L.LSTM(8)])
    report = initialize(model, {"recurrent_kernel": Gated("orthogonal", 2)}, seed=0)
    kernel = to_numpy(next(s.variable for s in walk(model) if s.role == "recurrent_kernel"))
    half = kernel[:, :16]
    np.testing.assert_allclose(half @ half.T, np.eye(8), atol=1e-5)
    assert not report.problems


def test_what_has_no_fans():
    model = keras.Sequential(
        [keras.Input((5, 8)), L.LayerNormalization(), L.PReLU(), L.Dropout(0.1)]
    )
    assert [geometry_of(s.layer, s.role, s.shape) for s in walk(model)] == [None] * 4


def weight_of(model, role):
    return to_numpy(next(slot.variable for slot in walk(model) if slot.role == role))


def assert_isometry(matrix, gain=1.0, atol=1e-6):
    """gain times orthonormal rows or columns, the fewer."""
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=atol * gain**2)


@pytest.mark.parametrize("channels", [8, 64, 256])
@pytest.mark.parametrize("multiplier", [1, 3])
def test_orthogonal_depthwise_filters_have_norm_one_each(channels, multiplier):
    layer = L.DepthwiseConv2D(3, depth_multiplier=multiplier)
    model = keras.Sequential([keras.Input((9, 9, channels)), layer])
    report = initialize(model, {"kernel": Orthogonal(1.5)}, seed=0)
    kernel = to_numpy(layer.kernel)
    for channel in range(channels):
        assert_isometry(kernel[:, :, channel].reshape(9, multiplier), 1.5)
    assert not np.allclose(kernel[:, :, 0], kernel[:, :, 1])
    assert report.rows[0].expected_std == pytest.approx(1.5 / 3)
    assert kernel.std() == pytest.approx(1.5 / 3, rel=0.2)


@pytest.mark.parametrize("size", [1, 3])
def test_orthogonal_groups_are_orthogonal_each(size):
    layer = L.Conv2D(64, size, groups=8)
    model = keras.Sequential([keras.Input((9, 9, 64)), layer])
    report = initialize(model, {"kernel": "keras_inits>orthogonal"}, seed=0)
    groups = np.split(to_numpy(layer.kernel), 8, axis=-1)
    for group in groups:
        assert_isometry(group.reshape(-1, 8))
    assert not np.allclose(groups[0], groups[1])
    assert report.rows[0].expected_std == pytest.approx((size * size * 8) ** -0.5)


@pytest.mark.parametrize("layer", [L.SeparableConv1D, L.SeparableConv2D])
def test_orthogonal_separable_kernels(layer):
    made = layer(6, 3, depth_multiplier=2)
    shape = (9, 5) if layer is L.SeparableConv1D else (9, 9, 5)
    model = keras.Sequential([keras.Input(shape), made])
    initialize(model, {"kernel": "keras_inits>orthogonal"}, seed=0)
    depthwise, pointwise = (
        weight_of(model, "depthwise_kernel"),
        weight_of(model, "pointwise_kernel"),
    )
    for channel in range(5):
        assert_isometry(depthwise[..., channel, :].reshape(-1, 2))
    assert_isometry(pointwise.reshape(10, 6))


def test_delta_orthogonal_and_dirac_by_group():
    """Each group passes its own inputs on."""
    layer = L.Conv2D(8, 3, groups=2, padding="same", use_bias=False)
    model = keras.Sequential([keras.Input((7, 7, 8)), layer])
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 8)).astype("float32")
    initialize(model, {"kernel": "dirac"}, seed=0)
    np.testing.assert_array_equal(to_numpy(model(x)), x)
    report = initialize(model, {"kernel": "delta_orthogonal"}, seed=0)
    norm = np.linalg.norm(x.reshape(2, 7, 7, 2, 4), axis=-1)
    found = np.linalg.norm(to_numpy(model(x)).reshape(2, 7, 7, 2, 4), axis=-1)
    np.testing.assert_allclose(found, norm, rtol=1e-5)
    assert report.rows[0].expected_std == pytest.approx((1 / 9 / 4) ** 0.5)
    # Groups that the scheme counts itself are not counted twice.
    from keras_inits import Dirac

    initialize(model, {"kernel": Dirac(groups=2)}, seed=0)
    np.testing.assert_array_equal(to_numpy(model(x)), x)


class Mixer(L.Layer):
    """y = W x for each of two halves, W of shape (half, outputs, inputs)."""

    def build(self, shape):
        self.mix = self.add_weight(name="mix", shape=(2, 5, shape[-1] // 2))
        self.shift = self.add_weight(name="shift", shape=(10,), initializer="zeros")

    def call(self, x):
        halves = keras.ops.reshape(x, (-1, 2, x.shape[-1] // 2))
        return keras.ops.reshape(keras.ops.einsum("bhi,hoi->bho", halves, self.mix), (-1, 10))


@pytest.fixture
def mixer():
    from keras_inits.models.weights import geometry

    register_geometry(Mixer, "mix", lambda layer, shape: Geometry(shape, (2,), (1,), (0,)))
    yield keras.Sequential([keras.Input((12,)), Mixer()])
    geometry._REGISTERED.clear()


def test_a_registered_geometry_gives_fans_and_maps(mixer):
    row = initialize(mixer, {"mix$": "keras_inits>he_normal"}, seed=0).rows[0]
    assert row.fans == (6, 5)
    assert row.expected_std == pytest.approx((2 / 6) ** 0.5)
    initialize(mixer, {"mix$": "keras_inits>orthogonal"}, seed=0)
    for half in weight_of(mixer, "mix"):
        assert_isometry(half)


def test_a_registered_geometry_is_scaled_by_data(mixer):
    from keras_inits import data_dependent, lsuv

    x = np.random.default_rng(0).normal(1.0, 3.0, size=(256, 12)).astype("float32")
    report = lsuv(mixer, x, seed=0, progress=False)
    assert to_numpy(mixer(x)).std() == pytest.approx(1, abs=0.05)
    assert not report.problems
    data_dependent(mixer, x, progress=False)
    np.testing.assert_allclose(to_numpy(mixer(x)).std(axis=0), 1, rtol=1e-4)


GLOROT = VarianceScaling(1.0, "fan_avg", "uniform")


@pytest.mark.parametrize(
    ("layer", "input_shape", "scheme", "fans"),
    [
        (L.Conv2D(80, 3), (8, 8, 20), ICNR(GLOROT), (180, 180)),
        (L.Conv1D(80, 5), (8, 20), ICNR(GLOROT, 4), (100, 100)),
        (L.Conv2DTranspose(80, 3), (8, 8, 20), ICNR(GLOROT, axis=-2), (180, 180)),
        (L.Dense(90), (20,), Gated(GLOROT, 3), (20, 30)),
        (L.LSTM(30), (4, 20), Gated(GLOROT, 4), (20, 30)),
        (L.LSTM(30), (4, 20), Gated(Gated(GLOROT, 2), 4), (20, 15)),
    ],
)
def test_the_fan_out_of_a_part_is_that_of_the_part(layer, input_shape, scheme, fans):
    """What a wrapper draws once and repeats, or draws for one gate, has fewer outputs than the layer."""
    model = keras.Sequential([keras.Input(input_shape), layer])
    (row, *_) = initialize(model, [("/kernel$", scheme)], seed=0).rows
    limit = np.sqrt(6 / sum(fans))
    assert row.expected_std == pytest.approx(limit / np.sqrt(3), rel=1e-6)
    kernel = getattr(layer, "cell", layer).kernel
    assert 0.98 * limit < np.abs(to_numpy(kernel)).max() <= limit * (1 + 1e-6)


def test_the_value_of_a_forget_gate_has_the_layers_fans():
    model = keras.Sequential([keras.Input((4, 5)), L.LSTM(200)])
    scheme = ForgetGateBias(VarianceScaling(3.0, "fan_in", "uniform"))
    initialize(model, [("bias$", scheme)], seed=0)
    bias = to_numpy(model.layers[0].cell.bias)
    assert np.abs(bias[200:400]).max() == pytest.approx(3 / np.sqrt(5), rel=0.02)
