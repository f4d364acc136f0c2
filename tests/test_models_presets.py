"""Presets give each layer type the framework's own law, biases included."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L
from scipy import stats

from keras_inits.models.initialize import initialize
from keras_inits.models.variables.walk import walk
from keras_inits.streams import TorchStream

SAMPLES = 100_000


def drawn(layer, preset, role, path, input_shapes, wanted=SAMPLES):
    """`wanted` entries of one variable of the layer."""
    inputs = [keras.Input(shape) for shape in input_shapes]
    model = keras.Model(inputs, layer(*inputs))
    entries, seed = [], 0
    while sum(map(len, entries)) < wanted:
        initialize(model, preset, seed=seed)
        seed += 1
        entries += [
            to_numpy(slot.variable).ravel()
            for slot in walk(model)
            if slot.role == role and path in slot.path
        ]
    return np.concatenate(entries)[:wanted]


def torch_entries(torch, make, names):
    """At least SAMPLES entries of the named parameters of fresh torch layers."""
    entries = []
    torch.manual_seed(1)
    while sum(map(len, entries)) < SAMPLES:
        parameters = dict(make().named_parameters())
        entries += [parameters[name].detach().numpy().ravel().astype("float64") for name in names]
    return np.concatenate(entries)[:SAMPLES]


def assert_same_law(ours, theirs):
    if ours.std() == 0 or theirs.std() == 0:
        np.testing.assert_array_equal(np.unique(ours), np.unique(theirs))
        return
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-4
    if theirs.max() < 3.5 * theirs.std():  # bounded: the bounds agree
        assert ours.max() == pytest.approx(theirs.max(), rel=5e-3)


# For each torch layer: inputs and outputs, ours, the input's shape, torch's. Biases are few entries a
# layer, so they are looked at in wider ones.
TORCH = {
    "Linear": (L.Dense, lambda n: (n,), lambda nn: nn.Linear, {}),
    "Conv1d": (L.Conv1D, lambda n: (9, n), lambda nn: nn.Conv1d, {"kernel_size": 3}),
    "Conv2d": (
        L.Conv2D,
        lambda n: (9, 9, n),
        lambda nn: nn.Conv2d,
        {"kernel_size": 3, "groups": 2},
    ),
    "Conv3d": (L.Conv3D, lambda n: (5, 5, 5, n), lambda nn: nn.Conv3d, {"kernel_size": 3}),
    "ConvTranspose2d": (
        L.Conv2DTranspose,
        lambda n: (5, 5, n),
        lambda nn: nn.ConvTranspose2d,
        {"kernel_size": 3},
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(
    ("role", "parameter", "inputs", "outputs"),
    [("kernel", "weight", 48, 30), ("bias", "bias", 4, 4000)],
)
def test_torch_law(name, role, parameter, inputs, outputs):
    require("torch")
    import torch

    layer, shape, other, options = TORCH[name]
    ours = drawn(layer(outputs, **options), "torch", role, role, [shape(inputs)])
    make = other(torch.nn)
    theirs = torch_entries(torch, lambda: make(inputs, outputs, **options), [parameter])
    assert_same_law(ours, theirs)


@pytest.mark.once
def test_torch_embedding_law():
    require("torch")
    import torch

    ours = drawn(L.Embedding(500, 200), "torch", "embeddings", "", [(3,)])
    assert_same_law(ours, torch_entries(torch, lambda: torch.nn.Embedding(500, 200), ["weight"]))


@pytest.mark.once
def test_torch_slope():
    model = keras.Sequential([keras.Input((3,)), L.PReLU()])
    initialize(model, "torch", seed=0)
    assert (model.get_weights()[0] == 0.25).all()


RECURRENT = [
    ("kernel", "weight_ih_l0"),
    ("recurrent_kernel", "weight_hh_l0"),
    ("bias", "bias_ih_l0"),
]


@pytest.mark.once
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@pytest.mark.parametrize(("role", "parameter"), RECURRENT)
def test_torch_recurrent_law(name, role, parameter):
    require("torch")
    import torch

    ours = drawn(getattr(L, name)(500), "torch", role, role, [(4, 70)])
    make = getattr(torch.nn, name)
    assert_same_law(ours, torch_entries(torch, lambda: make(70, 500), [parameter]))


ATTENTION = [
    ("query/kernel", "in_proj_weight"),
    ("key/kernel", "in_proj_weight"),
    ("value/kernel", "in_proj_weight"),
    ("query/bias", "in_proj_bias"),
    ("attention_output/kernel", "out_proj.weight"),
    ("attention_output/bias", "out_proj.bias"),
]


@pytest.mark.once
@pytest.mark.parametrize(("path", "parameter"), ATTENTION)
def test_torch_attention_law(path, parameter):
    require("torch")
    import torch

    layer = L.MultiHeadAttention(4, 20)
    wanted = {"kernel": SAMPLES, "bias": 80}[path.split("/")[1]]
    ours = drawn(layer, "torch", path.split("/")[1], path, [(5, 80), (5, 80)], wanted)
    make = lambda: torch.nn.MultiheadAttention(80, 4)  # noqa: E731
    assert_same_law(ours, torch_entries(torch, make, [parameter]))


@pytest.mark.once
def test_torch_attention_with_other_widths_is_not_fused():
    require("torch")
    import torch

    ours = drawn(
        L.MultiHeadAttention(4, 20, value_dim=20),
        "torch",
        "kernel",
        "value/kernel",
        [(5, 80), (5, 48)],
    )
    make = lambda: torch.nn.MultiheadAttention(80, 4, kdim=48, vdim=48)  # noqa: E731
    assert_same_law(ours, torch_entries(torch, make, ["v_proj_weight"]))


def test_torch_replay_of_an_mlp():
    require("torch")
    import torch

    model = keras.Sequential([keras.Input((19,)), L.Dense(33), L.Dense(7), L.Dense(5)])
    initialize(model, "torch", seed=TorchStream(0))
    torch.manual_seed(0)
    theirs = [torch.nn.Linear(19, 33), torch.nn.Linear(33, 7), torch.nn.Linear(7, 5)]
    for ours, linear in zip(model.layers, theirs, strict=True):
        np.testing.assert_array_equal(
            to_numpy(ours.kernel).astype("float32"), linear.weight.detach().numpy().T
        )
        np.testing.assert_array_equal(
            to_numpy(ours.bias).astype("float32"), linear.bias.detach().numpy()
        )


def test_torch_replay_of_a_cnn():
    require("torch")
    import torch

    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            L.Conv2D(8, (3, 2)),
            L.BatchNormalization(),
            L.Conv2D(12, 5, groups=4),
            L.GlobalAveragePooling2D(),
            L.Dense(10),
        ]
    )
    initialize(model, "torch", seed=TorchStream(0))
    torch.manual_seed(0)
    nn = torch.nn
    theirs = [nn.Conv2d(3, 8, (3, 2)), nn.Conv2d(8, 12, 5, groups=4), nn.Linear(12, 10)]
    weighted = [model.layers[0], model.layers[2], model.layers[4]]
    for ours, other in zip(weighted, theirs, strict=True):
        weight = other.weight.detach().numpy()
        weight = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        np.testing.assert_array_equal(to_numpy(ours.kernel).astype("float32"), weight)
        np.testing.assert_array_equal(
            to_numpy(ours.bias).astype("float32"), other.bias.detach().numpy()
        )


def test_torch_replay_of_an_embedding():
    require("torch")
    import torch

    model = keras.Sequential([keras.Input((4,)), L.Embedding(30, 8), L.Dense(3)])
    initialize(model, "torch", seed=TorchStream(0))
    torch.manual_seed(0)
    embedding, linear = torch.nn.Embedding(30, 8), torch.nn.Linear(8, 3)
    ours = to_numpy(model.layers[0].embeddings).astype("float32")
    np.testing.assert_array_max_ulp(ours, embedding.weight.detach().numpy(), maxulp=4)
    np.testing.assert_array_equal(
        to_numpy(model.layers[1].kernel).astype("float32"), linear.weight.detach().numpy().T
    )


def zoo():
    """One model with every kind of layer that presets tell apart."""
    x = inputs = keras.Input((12,), dtype="int32")
    x = L.Embedding(40, 36, embeddings_initializer="ones")(x)
    x = L.Conv1D(36, 3, groups=3, padding="same", kernel_initializer="ones")(x)
    x = L.PReLU(alpha_initializer="ones")(x)
    x = L.LSTM(30, return_sequences=True, kernel_initializer="ones")(x)
    x = L.GRU(30, return_sequences=True, recurrent_initializer="ones")(x)
    x = L.SeparableConv1D(36, 3, padding="same", bias_initializer="ones")(x)
    x = L.MultiHeadAttention(6, 6, kernel_initializer="ones")(x, x)
    x = L.LayerNormalization(beta_initializer="ones")(x)
    x = L.Dense(24, bias_initializer="ones")(x)
    return keras.Model(inputs, x)


def rows(report):
    return {row.path: row for row in report.rows}


def test_keras_law_is_that_of_a_layer_built_with_defaults():
    model = zoo()
    found = rows(initialize(model, "keras", seed=0, structure=False))
    assert found["dense/kernel"].scheme == f"keras {type(L.Dense(1).kernel_initializer).__name__}"
    assert found["dense/kernel"].fans == (36, 24)
    assert found["dense/bias"].measured_std == 0
    assert found["embedding/embeddings"].expected_std == pytest.approx(0.05 / math.sqrt(3))
    assert found["lstm/lstm_cell/kernel"].fans == (36, 120)
    assert found["gru/gru_cell/recurrent_kernel"].scheme == "keras Orthogonal"
    bias = to_numpy(next(s.variable for s in walk(model) if s.path == "lstm/lstm_cell/bias"))
    np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 30))
    structured = rows(initialize(model, "keras", seed=0))
    assert structured["lstm/lstm_cell/kernel"].fans == (36, 30)
    assert structured["separable_conv1d/depthwise_kernel"].fans == (3, 3)


def test_flax_laws():
    model = zoo()
    found = rows(initialize(model, "flax", seed=0))
    expected = {
        "embedding/embeddings": 1 / 6,
        "conv1d/kernel": 1 / math.sqrt(36),
        "p_re_lu/alpha": 0.0,
        "lstm/lstm_cell/kernel": 1 / math.sqrt(36),
        "lstm/lstm_cell/recurrent_kernel": 1 / math.sqrt(30),
        "lstm/lstm_cell/bias": 0.0,
        "gru/gru_cell/bias": 0.0,
        "separable_conv1d/depthwise_kernel": 1 / math.sqrt(3),
        "separable_conv1d/pointwise_kernel": 1 / math.sqrt(30),
        "multi_head_attention/query/kernel": 1 / 6,
        "multi_head_attention/attention_output/kernel": 1 / 6,
        "layer_normalization/beta": 0.0,
        "dense/kernel": 1 / 6,
        "dense/bias": 0.0,
    }
    for path, std in expected.items():
        assert found[path].expected_std == pytest.approx(std), path
        assert found[path].measured_std == pytest.approx(std, rel=0.15), path
    alpha = next(s.variable for s in walk(model) if s.role == "alpha")
    np.testing.assert_allclose(to_numpy(alpha), 0.01)
    recurrent = next(
        s.variable for s in walk(model) if s.path.endswith("lstm_cell/recurrent_kernel")
    )
    for gate in np.split(to_numpy(recurrent), 4, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(30), atol=1e-5)
    kernel = to_numpy(next(s.variable for s in walk(model) if s.path == "dense/kernel"))
    assert abs(kernel).max() <= 2 / 6 / 0.87962566103423978 * (1 + 1e-6)  # cut, then widened


def test_gpt2_scales_what_writes_to_the_residual_stream():
    width, blocks = 32, 3
    x = inputs = keras.Input((8,), dtype="int32")
    x = L.Embedding(50, width)(x)
    for i in range(blocks):
        a = L.LayerNormalization(beta_initializer="ones")(x)
        x = L.Add()([x, L.MultiHeadAttention(4, 8, name=f"attention_{i}")(a, a)])
        h = L.Dense(4 * width, activation="gelu", name=f"up_{i}")(L.LayerNormalization()(x))
        x = L.Add()([x, L.Dense(width, name=f"down_{i}", bias_initializer="ones")(h)])
    model = keras.Model(inputs, L.Dense(50, use_bias=False, name="head")(x))
    found = rows(initialize(model, "gpt2", seed=0))
    small = 0.02 / math.sqrt(2 * blocks)
    for i in range(blocks):
        assert found[f"attention_{i}/query/kernel"].expected_std == 0.02
        assert found[f"attention_{i}/attention_output/kernel"].expected_std == pytest.approx(small)
        assert found[f"up_{i}/kernel"].expected_std == 0.02
        assert found[f"down_{i}/kernel"].expected_std == pytest.approx(small)
        assert found[f"down_{i}/bias"].measured_std == 0
    assert found["embedding/embeddings"].expected_std == 0.02
    assert found["head/kernel"].expected_std == 0.02
    for row in found.values():
        if row.expected_std:
            assert row.measured_std == pytest.approx(row.expected_std, rel=0.1), row.path


def test_irnn_keeps_its_state_and_leaves_other_layers_alone():
    """Without input a state h >= 0 stays as it is, for good."""
    model = keras.Sequential(
        [
            keras.Input((30, 3)),
            L.SimpleRNN(16, activation="relu", bias_initializer="ones", return_sequences=True),
            L.RNN(L.SimpleRNNCell(16, activation="relu")),
            L.Dense(2, kernel_initializer="he_normal"),
        ]
    )
    found = rows(initialize(model, "irnn", seed=0))
    rnn = model.layers[0]
    assert found["simple_rnn/simple_rnn_cell/kernel"].expected_std == 0.001
    assert found["rnn/simple_rnn_cell/kernel"].expected_std == 0.001
    assert found["dense/kernel"].source == "its own initializer"
    state = np.abs(np.random.default_rng(0).normal(size=(2, 16))).astype("float32")
    y = to_numpy(rnn(np.zeros((2, 30, 3), "float32"), initial_state=state))
    np.testing.assert_array_equal(y, np.repeat(state[:, None], 30, axis=1))


def test_unknown_preset():
    model = keras.Sequential([keras.Input((2,)), L.Dense(2)])
    with pytest.raises(
        ValueError, match="one of 'keras', 'keras1', 'torch', 'flax', 'gpt2', 'irnn', .*, got 'jax'"
    ):
        initialize(model, "jax")


@pytest.mark.once
def test_an_initializer_in_the_place_of_a_preset_says_which_call_was_meant():
    with pytest.raises(
        ValueError, match=r"got the initializer 'he_normal'; .*\{\"kernel\$\": 'he_normal'\}"
    ):
        initialize(keras.Sequential([keras.Input((3,)), L.Dense(2)]), "he_normal")


@pytest.mark.once
def test_presets_know_every_role_of_their_layers():
    """A variable that a preset leaves to its own initializer is named here, on purpose."""
    for name in ("torch", "flax", "gpt2"):
        left = [
            r.path for r in initialize(zoo(), name, seed=0).rows if r.source.startswith("its own")
        ]
        assert left == (["p_re_lu/alpha"] if name == "gpt2" else []), name


@pytest.mark.parametrize("preset", ["torch", "flax", "gpt2"])
def test_scales_of_normalizations_alone_are_ones(preset):
    """The scale of an additive attention is a weight, and a moving mean no scale."""
    inputs = keras.Input((5, 8))
    y = L.BatchNormalization(name="norm")(L.AdditiveAttention(name="scores")([inputs, inputs]))
    model = keras.Model(inputs, y)
    for variable in model.variables:
        variable.assign(np.full(variable.shape, 7.0))
    found = {row.path: row for row in initialize(model, preset, seed=1).rows}
    assert found["scores/scale"].source == "its own initializer"
    values = {v.path: to_numpy(v) for v in model.variables}
    assert (values["norm/gamma"] == 1).all()
    assert not values["norm/beta"].any()
    assert not values["norm/moving_mean"].any()
