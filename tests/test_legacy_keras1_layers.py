"""Layers of Keras 1, one by one, against their formulas in NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import legacy_keras1 as k1
import numpy as np
import pytest

from keras_inits import keras1
from keras_inits.legacy.keras1 import layers as own
from keras_inits.legacy.keras2.activations import hard_sigmoid
from keras_inits.schemes.recurrent import ForgetGateBias, Gated

L = keras.layers


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _hard(x: np.ndarray) -> np.ndarray:
    return np.clip(0.2 * x + 0.5, 0, 1)


def _load(tmp_path: Path, node: dict[str, Any], arrays: Any, **options: Any) -> keras.Model:
    """A Sequential of one layer with these weights, which are a list or named."""
    named = arrays if isinstance(arrays, dict) else {f"w{i}": a for i, a in enumerate(arrays)}
    name = node["config"]["name"]
    weights = [(name, [(f"{name}_{key}", array) for key, array in named.items()])]
    config = k1.sequential(node)
    return k1.load(k1.write(tmp_path / "m.h5", config, weights), config, **options)


def _close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


_AFFINE = {
    **{"init": "glorot_uniform", "bias": True, "activity_regularizer": None},
    **{f"{role}_{kind}": None for role in "Wb" for kind in ("regularizer", "constraint")},
}


@pytest.mark.parametrize("early", [False, True])
def test_highway(early: bool, tmp_path: Path) -> None:
    x, w, carry, b, c = k1.random((5, 3), (3, 3), (3, 3), (3,), (3,))
    node = k1.first(k1.layer("Highway", activation="tanh", **_AFFINE), 3)
    model = _load(tmp_path, node, [w, b, carry, c] if early else [w, carry, b, c])
    gate = _sigmoid(x @ carry + c)
    _close(k1.predict(model, x)[0], gate * np.tanh(x @ w + b) + (1 - gate) * x)


def test_a_fresh_highway_has_two_different_kernels(tmp_path: Path) -> None:
    node = k1.first(k1.layer("Highway", activation="tanh", **_AFFINE), 30)
    layer = k1.fresh(tmp_path, k1.sequential(node)).layers[0]
    kernels = [k1.to_numpy(v) for v in (layer.kernel, layer.carry_kernel)]
    assert abs(np.corrcoef(*(k.ravel() for k in kernels))[0, 1]) < 0.2
    for kernel in kernels:
        assert 0.9 < abs(kernel).max() / (6 / 60) ** 0.5 <= 1
    assert (k1.to_numpy(layer.carry_bias) == 1).all()
    again = own.Highway("tanh", kernel_initializer=keras.initializers.RandomNormal())
    again.build((None, 30))
    assert (k1.to_numpy(again.kernel) != k1.to_numpy(again.carry_kernel)).any()


def test_maxout_dense(tmp_path: Path) -> None:
    x, w, b = k1.random((5, 3), (4, 3, 2), (4, 2))
    node = k1.first(k1.layer("MaxoutDense", output_dim=2, nb_feature=4, **_AFFINE), 3)
    expected = (np.einsum("bi,kio->bko", x, w) + b).max(1)
    _close(k1.predict(_load(tmp_path, node, [w, b]), x)[0], expected)
    bare = {**node, "config": {**node["config"], "bias": False}}
    expected = np.einsum("bi,kio->bko", x, w).max(1)
    _close(k1.predict(_load(tmp_path, bare, [w]), x)[0], expected)


def test_parametric_softplus(tmp_path: Path) -> None:
    x, a, b = k1.random((5, 2, 3), (2, 3), (2, 3))
    node = k1.first(k1.layer("ParametricSoftplus", alpha_init=0.2, beta_init=5.0), 2, 3)
    model = _load(tmp_path, node, {"alphas": a, "betas": b})
    _close(k1.predict(model, x)[0], a * np.log1p(np.exp(b * x)))
    layer = k1.fresh(tmp_path, k1.sequential(node)).layers[0]
    assert [float(k1.to_numpy(v)[0, 0]) for v in (layer.alpha, layer.beta)] == [
        pytest.approx(0.2),
        5.0,
    ]


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
def test_srelu(backend: str, tmp_path: Path) -> None:
    x, tl, al, tr, ar = k1.random((40, 3), (3,), (3,), (3,), (3,))
    starts = ("t_left", "a_left", "t_right", "a_right")
    node = k1.first(k1.layer("SReLU", **{f"{name}_init": "glorot_uniform" for name in starts}), 3)
    arrays = dict(zip(starts, (tl, al, tr, ar), strict=True))
    model = _load(tmp_path, node, arrays, backend=backend)
    right = tl + abs(tr)
    low = al * (x - tl)
    low = np.minimum(low, abs(tr)) if backend == "theano" else low
    middle = np.where(x < tl, tl + low, np.minimum(x, right))
    _close(k1.predict(model, x)[0], middle + ar * np.maximum(x - right, 0))


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (4, 1)])
def test_prelu_reads_its_shared_axes_from_the_weights(shape: Any, tmp_path: Path) -> None:
    x, alphas = k1.random((5, 4, 3), shape)
    model = _load(tmp_path, k1.first(k1.layer("PReLU", init="zero"), 4, 3), {"alphas": alphas})
    assert tuple(model.layers[0].alpha.shape) == shape
    _close(k1.predict(model, x)[0], np.where(x > 0, x, alphas * x))


@pytest.mark.parametrize(
    ("mode", "version"), [(1, "1.0.4"), (1, "1.2.2"), (2, "1.0.5"), (2, "1.2.2")]
)
def test_batch_normalization_by_its_inputs_statistics(
    mode: int, version: str, tmp_path: Path
) -> None:
    x, gamma, beta, mean, std = k1.random((6, 3), (3,), (3,), (3,), (3,))
    node = k1.first(
        k1.layer("BatchNormalization", mode=mode, axis=-1, epsilon=0.1, momentum=0.9), 3
    )
    arrays = {"gamma": gamma, "beta": beta, "running_mean": mean, "running_std": std}
    model = _load(tmp_path, node, arrays, version=version)
    axis = 1 if mode == 1 else 0
    centred = x - x.mean(axis, keepdims=True)
    inner = 0.0 if (mode, version) == (1, "1.0.4") else 0.1
    outer = 0.0 if (mode, version) == (2, "1.2.2") else 0.1
    scale = np.sqrt(x.var(axis, keepdims=True) + inner) + outer
    _close(k1.predict(model, x)[0], gamma * centred / scale + beta)
    assert len(model.weights) == 2


def test_embedding_drops_rows_while_training_alone(tmp_path: Path) -> None:
    table = np.ones((50, 4), "f4")
    node = k1.layer(
        *("Embedding",),
        **{"input_dim": 50, "output_dim": 4, "init": "uniform", "mask_zero": False},
        **{"dropout": 0.5, "input_length": 200},
    )
    model = _load(tmp_path, k1.first(node, 200, dtype="int32"), [table])
    x = np.arange(200).reshape(1, 200) % 50
    assert (k1.predict(model, x)[0] == 1).all()
    trained = k1.to_numpy(model(x, training=True))[0].reshape(4, 50, 4)
    assert set(np.unique(trained)) == {0.0, 2.0}
    assert (trained == trained[:1]).all()  # all places of a word alike
    assert (trained == trained[..., :1]).all()  # the whole row
    assert 0.2 < (trained == 0).mean() < 0.8


def _lstm(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    h = c = np.zeros((x.shape[0], w["U_i"].shape[0]))
    for step in x.swapaxes(0, 1):
        i, f, o = (_hard(step @ w[f"W_{g}"] + h @ w[f"U_{g}"] + w[f"b_{g}"]) for g in "ifo")
        c = f * c + i * np.tanh(step @ w["W_c"] + h @ w["U_c"] + w["b_c"])
        h = o * np.tanh(c)
    return h


def _gru(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    h = np.zeros((x.shape[0], w["U_z"].shape[0]))
    for step in x.swapaxes(0, 1):
        z, r = (_hard(step @ w[f"W_{g}"] + h @ w[f"U_{g}"] + w[f"b_{g}"]) for g in "zr")
        new = np.tanh(step @ w["W_h"] + (r * h) @ w["U_h"] + w["b_h"])
        h = z * h + (1 - z) * new
    return h


@pytest.mark.parametrize("mode", ["cpu", "mem", "gpu"])
@pytest.mark.parametrize(
    ("kind", "gates", "fused"), [("LSTM", "icfo", "ifco"), ("GRU", "zrh", "zrh")]
)
def test_gates(kind: str, gates: str, fused: str, mode: str, tmp_path: Path) -> None:
    shapes = {"W": (3, 4), "U": (4, 4), "b": (4,)}
    keys = [f"{matrix}_{gate}" for gate in gates for matrix in "WUb"]
    x, *found = k1.random((2, 5, 3), *(shapes[key[0]] for key in keys))
    arrays = dict(zip(keys, found, strict=True))
    written = arrays
    if mode == "gpu":
        written = {m: np.concatenate([arrays[f"{m}_{g}"] for g in fused], -1) for m in "WUb"}
    node = k1.first(k1.recurrent(kind, 4, consume_less=mode), 5, 3)
    model = _load(tmp_path, node, written)
    expected = {"LSTM": _lstm, "GRU": _gru}[kind](x.astype("f8"), arrays)
    _close(k1.predict(model, x)[0], expected)


@pytest.mark.parametrize("backwards", [False, True])
def test_bidirectional_around_either_direction(backwards: bool, tmp_path: Path) -> None:
    inner = k1.recurrent("SimpleRNN", 2, "rnn", go_backwards=backwards)
    node = k1.first(k1.layer("Bidirectional", "bi", layer=inner, merge_mode="concat"), 4, 3)
    x, *arrays = k1.random((2, 4, 3), *[(3, 2), (2, 2), (2,)] * 2)
    model = _load(tmp_path, node, arrays)

    def run(x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray) -> np.ndarray:
        h = np.zeros((2, 2))
        for step in x.swapaxes(0, 1):
            h = np.tanh(step @ w + h @ u + b)
        return h

    order = (x[:, ::-1], x) if backwards else (x, x[:, ::-1])
    both = [run(order[0], *arrays[:3]), run(order[1], *arrays[3:])]
    _close(k1.predict(model, x)[0], np.concatenate(both, -1))


def test_a_convolution_of_theano_is_one(tmp_path: Path) -> None:
    """Also with an even kernel and border_mode "same", which Theano padded at the start."""
    from scipy.signal import convolve2d

    x, kernel, bias = k1.random((1, 1, 6, 5), (1, 1, 2, 4), (1,))
    for mode, start, size in (("valid", (1, 3), (5, 2)), ("same", (0, 1), (6, 5)), ("full", 0, 0)):
        node = k1.convolution(1, (2, 4), border_mode=mode, dim_ordering="th")
        model = _load(tmp_path, k1.first(node, 1, 6, 5), [kernel, bias])
        whole = convolve2d(x[0, 0], kernel[0, 0])
        if mode != "full":
            (top, left), (rows, cols) = start, size
            whole = whole[top : top + rows, left : left + cols]
        _close(k1.predict(model, x)[0][0, 0], whole + bias)


@pytest.mark.parametrize("kind", ["Convolution2D", "Convolution3D", "SeparableConvolution2D"])
def test_a_bias_as_long_as_the_last_axis(kind: str, tmp_path: Path) -> None:
    """Keras 3's own layers take that axis for the channels on TensorFlow."""
    rank = int(kind[-2])
    x, bias = k1.random((2, 3, *(5, 6, 4)[-rank:]), (4,))
    node = k1.convolution(4, (1,) * rank, dim_ordering="th")
    kernels = [np.zeros((4, 3, *(1,) * rank), "f4")]
    if kind.startswith("Separable"):
        node = {**node, "class_name": kind, "config": {**node["config"], "depth_multiplier": 1}}
        kernels = [np.zeros((1, 3, 1, 1), "f4"), np.zeros((4, 3, 1, 1), "f4")]
    model = _load(tmp_path, k1.first(node, *x.shape[1:]), [*kernels, bias], backend="tensorflow")
    expected = np.broadcast_to(bias.reshape(1, 4, *(1,) * rank), (2, 4, *x.shape[2:]))
    _close(k1.predict(model, x)[0], expected)


def test_the_early_layout_of_a_convolution1d(tmp_path: Path) -> None:
    x, kernel, bias = k1.random((2, 7, 3), (4, 3, 2, 1), (4,))
    node = k1.first(k1.convolution(4, (2,)), 7, 3)
    w = kernel[:, :, ::-1, 0]  # Theano convolved
    expected = sum(x[:, i : i + 6] @ w[:, :, i].T for i in range(2)) + bias
    _close(k1.predict(_load(tmp_path, node, [kernel, bias]), x)[0], expected)
    later = kernel.transpose(2, 3, 1, 0)
    _close(k1.predict(_load(tmp_path, node, [later, bias]), x)[0], expected)
    with pytest.raises(ValueError, match="the kernel must be one of length 2"):
        _load(tmp_path, node, [kernel.transpose(1, 2, 0, 3), bias])


def test_a_stateful_layer_goes_on_where_it_was(tmp_path: Path) -> None:
    node = k1.recurrent("SimpleRNN", 2, stateful=True, activation="linear")
    node["config"] |= {"batch_input_shape": [2, 1, 3], "input_dtype": "float32"}
    x, w, u, b = k1.random((2, 1, 3), (3, 2), (2, 2), (2,))
    model = _load(tmp_path, node, [w, u, b])
    once = x[:, 0] @ w + b
    _close(k1.predict(model, x)[0], once)
    _close(k1.predict(model, x)[0], x[:, 0] @ w + b + once @ u)


def test_masks_are_joined_as_keras_1_did(tmp_path: Path) -> None:
    """A step is masked where any input's is, not where all are."""
    mask = k1.layer("Masking", "m1", mask_value=0.0), k1.layer("Masking", "m2", mask_value=0.0)
    rnn = k1.recurrent("SimpleRNN", 1, init="one", inner_init="zero", activation="linear")
    joined = k1.merge("sum", [k1.sequential(k1.first(m, 3, 1)) for m in mask])
    model = k1.fresh(tmp_path, k1.sequential(joined, rnn))
    a, b = np.array([[[1.0], [2], [3]]], "f4"), np.array([[[1.0], [2], [0]]], "f4")
    _close(k1.predict(model, a, b)[0], np.array([[4.0]]))


@pytest.mark.parametrize("mode", ["sum", "mul", "ave", "max", "concat", "dot", "cos"])
def test_merge_modes(mode: str, tmp_path: Path) -> None:
    a, b = k1.random((4, 3), (4, 3))
    branches = [
        k1.sequential(k1.first(k1.layer("Activation", name, activation="linear"), 3))
        for name in ("one", "two")
    ]
    model = k1.fresh(tmp_path, k1.sequential(k1.merge(mode, branches, dot_axes=[1, 1])))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    expected = {
        **{"sum": a + b, "mul": a * b, "ave": (a + b) / 2, "max": np.maximum(a, b)},
        **{"concat": np.concatenate([a, b], -1), "dot": (a * b).sum(1, keepdims=True)},
        "cos": ((a * b).sum(1) / norms)[:, None, None],
    }
    _close(k1.predict(model, a, b)[0], expected[mode])


def test_calls_of_a_nested_model_and_shared_layers(tmp_path: Path) -> None:
    """Keras 1 numbered a model's calls from 1."""

    def node(layer: dict[str, Any], *calls: Any) -> dict[str, Any]:
        return {**layer, "name": layer["config"]["name"], "inbound_nodes": list(calls)}

    entry = node(k1.layer("InputLayer", "x", batch_input_shape=[None, 2], input_dtype="float32"))
    entry["config"].pop("trainable")
    tower = k1.sequential(k1.first(k1.dense(2, "in_tower"), 2))
    config = {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [
                entry,
                {
                    **{"class_name": "Sequential", "name": "tower", "config": tower["config"]},
                    "inbound_nodes": [[["x", 0, 0]], [["twice", 0, 0]]],
                },
                node(k1.dense(2, "twice", bias=False), [["tower", 1, 0]], [["tower", 2, 0]]),
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["twice", 1, 0]],
        },
    }
    x, w, b, t = k1.random((3, 2), (2, 2), (2,), (2, 2))
    weights = [("tower", [("W", w), ("b", b)]), ("twice", [("W", t)])]
    model = k1.load(k1.write(tmp_path / "m.h5", config, weights), config)
    _close(k1.predict(model, x)[0], ((x @ w + b) @ t @ w + b) @ t)
    assert model.output.shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["x", "tower", "twice"]
    config["config"]["output_layers"] = [["tower", 0, 0]]
    with pytest.raises(ValueError, match="legacy_load_model: "):
        k1.fresh(tmp_path, config)
    config["config"]["layers"][2]["inbound_nodes"] = [[["tower", 3, 0]]]
    with pytest.raises(ValueError, match="must be in the model's graph"):
        k1.fresh(tmp_path, config)


@pytest.mark.parametrize("version", ["1.0.6", "1.0.7"])
def test_weights_that_do_not_train_stand_last_in_a_nested_model(
    version: str, tmp_path: Path
) -> None:
    """Those of a frozen layer since 1.0.7."""
    normed = k1.layer("BatchNormalization", epsilon=0.1, mode=0, axis=-1)
    frozen = k1.dense(2, "frozen", trainable=False, bias=False)
    inner = k1.sequential(k1.first(frozen, 2), normed, k1.dense(2, "last", bias=False))
    x, w, last = k1.random((3, 2), (2, 2), (2, 2))
    gamma, beta, mean, std = k1.random((2,), (2,), (2,), (2,), seed=1)
    std = abs(std)
    written = [gamma, beta, last, w, mean, std]
    if version == "1.0.6":
        written = [w, gamma, beta, last, mean, std]
    weights = [("inner", [(f"w{i}:0", array) for i, array in enumerate(written)])]
    config = k1.sequential(inner)
    model = k1.load(k1.write(tmp_path / "m.h5", config, weights), config, version)
    normal = gamma * (x @ w - mean) / np.sqrt(std + 0.1) + beta
    _close(k1.predict(model, x)[0], normal @ last)
    assert len(model.trainable_weights) == 3


@pytest.mark.once
def test_penalties_and_constraints(tmp_path: Path) -> None:
    options = {
        "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.5, "l2": 0.25},
        "b_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.125},
        "activity_regularizer": {"name": "ActivityRegularizer", "l1": 0.0, "l2": 1.0},
        "W_constraint": {"name": "MaxNorm", "m": 3, "axis": 0},
        "b_constraint": {"name": "NonNeg"},
    }
    layer = k1.fresh(tmp_path, k1.sequential(k1.first(k1.dense(2, **options), 3))).layers[0]
    assert (layer.kernel_regularizer.l1, layer.kernel_regularizer.l2) == (0.5, 0.25)
    assert (layer.bias_regularizer.l1, layer.bias_regularizer.l2) == (0.0, 0.125)
    assert layer.activity_regularizer.l2 == 1.0
    assert (layer.kernel_constraint.max_value, layer.kernel_constraint.axis) == (3, [0])
    assert isinstance(layer.bias_constraint, keras.constraints.NonNeg)


@pytest.mark.once
@pytest.mark.parametrize(("ordering", "axes"), [("tf", [0, 1, 2]), ("th", [2, 0, 1])])
def test_axes_of_constraints_follow_the_kernel(
    ordering: str, axes: list[int], tmp_path: Path
) -> None:
    axis = [0, 1, 2] if ordering == "tf" else [1, 2, 3]
    bounds = {"low": 0.5, "high": 2.0, "rate": 1.0, "axis": axis}
    found = []
    for constraint in ({"name": "MinMaxNorm", **bounds}, {"name": "UnitNorm", "axis": axis}):
        node = k1.convolution(2, (2, 3), dim_ordering=ordering, W_constraint=constraint)
        layer = k1.fresh(tmp_path, k1.sequential(k1.first(node, 5, 5, 5))).layers[0]
        found.append(layer.kernel_constraint.axis)
    assert found == [axes, axes]
    node = k1.convolution(2, (3,), W_constraint={"name": "MaxNorm", "m": 2, "axis": 1})
    with pytest.raises(ValueError, match="must be over an axis that Keras 3's weight has"):
        k1.fresh(tmp_path, k1.sequential(k1.first(node, 5, 5)))


def _scheme(tmp_path: Path, node: dict[str, Any], *shape: int, **options: Any) -> Any:
    return k1.fresh(tmp_path, k1.sequential(k1.first(node, *shape)), **options).layers[-1]


@pytest.mark.once
def test_initializers_are_keras_1s(tmp_path: Path) -> None:
    layer = _scheme(tmp_path, k1.dense(2, init="he_normal"), 3)
    assert type(layer.kernel_initializer).__name__ == "HeNormal"
    assert keras.saving.get_registered_name(type(layer.kernel_initializer)).startswith(
        ("keras1>", "keras_inits>")
    )
    layer = _scheme(tmp_path, k1.dense(2, init="uniform"), 3)
    assert isinstance(layer.kernel_initializer, keras1.Uniform)
    layer = _scheme(tmp_path, k1.recurrent("LSTM", 4, forget_bias_init="zero"), 5, 3)
    cell = layer.cell
    assert isinstance(cell.kernel_initializer, Gated)
    assert isinstance(cell.bias_initializer, ForgetGateBias)
    assert not cell.unit_forget_bias
    assert cell.recurrent_activation is hard_sigmoid
    assert not k1.to_numpy(cell.bias).any()
    layer = _scheme(tmp_path, k1.recurrent("LSTM", 4, forget_bias_init="one"), 5, 3)
    np.testing.assert_array_equal(k1.to_numpy(layer.cell.bias), [0] * 4 + [1] * 4 + [0] * 8)
    layer = _scheme(tmp_path, k1.recurrent("GRU", 4), 5, 3)
    assert layer.cell.reset_after is False


@pytest.mark.once
def test_custom_layers_initializers_and_activations(tmp_path: Path) -> None:
    class Shift(L.Layer):
        def __init__(self, by: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.by = by

        def build(self, shape: Any) -> None:
            self.fixed = self.add_weight(shape=(1,), trainable=False, name="fixed")
            self.learned = self.add_weight(shape=(1,), name="learned")

        def call(self, x: Any) -> Any:
            return x + self.by + self.learned + 10 * self.fixed

    custom = {"Shift": Shift, "mine": keras.initializers.Ones(), "act": lambda x: -x}
    shift = k1.layer("Shift", by=0.5)
    config = k1.sequential(k1.first(shift, 2), k1.dense(1, init="mine", activation="act"))
    model = k1.fresh(tmp_path, config, custom_objects=custom)
    assert (k1.to_numpy(model.layers[-1].kernel) == 1).all()
    config = k1.sequential(k1.first(shift, 2))
    weights = [("shift_1", [("a", np.array([1.0], "f4")), ("b", np.array([2.0], "f4"))])]
    path = k1.write(tmp_path / "m.h5", config, weights)
    model = k1.load(path, config, custom_objects=custom)
    _close(k1.predict(model, np.zeros((1, 2), "f4"))[0], np.full((1, 2), 21.5))


@pytest.mark.once
def test_what_theano_did_otherwise_and_keras_3_cannot(tmp_path: Path) -> None:
    base = {
        **{"nb_filter": 2, "nb_row": 2, "nb_col": 2, "init": "one", "activation": "linear"},
        **{"border_mode": "same", "subsample": [1, 1], "dim_ordering": "tf", "bias": True},
    }
    deconvolution = k1.layer("Deconvolution2D", output_shape=[None, 4, 4, 2], **base)
    recurrent = k1.layer(
        "ConvLSTM2D",
        **base,
        **{"inner_init": "one", "forget_bias_init": "one", "inner_activation": "sigmoid"},
        **{"return_sequences": False, "go_backwards": False, "stateful": False},
    )
    for node, shape in ((deconvolution, (4, 4, 1)), (recurrent, (3, 4, 4, 1))):
        config = k1.sequential(k1.first(node, *shape))
        k1.fresh(tmp_path, config, backend="tensorflow")
        with pytest.raises(ValueError, match="kernels must have odd sizes where Theano"):
            k1.fresh(tmp_path, config, backend="theano")
    volume = k1.first(k1.convolution(1, (2, 2, 2), border_mode="same"), 4, 4, 4, 1)
    with pytest.warns(UserWarning, match=r"padded as by Theano 0\.9"):
        k1.fresh(tmp_path, k1.sequential(volume), backend="theano")


@pytest.mark.once
def test_products_of_higher_rank_depend_on_the_backend(tmp_path: Path) -> None:
    branches = [
        k1.sequential(k1.first(k1.layer("Activation", name, activation="linear"), 2, 3, 4))
        for name in ("one", "two")
    ]
    config = k1.sequential(k1.merge("dot", branches, dot_axes=[3, 3]))
    with pytest.raises(ValueError, match=r"\(Merge\) must join tensors of rank 3 at most"):
        k1.fresh(tmp_path, config, backend="tensorflow")
    model = k1.fresh(tmp_path, config, backend="theano")
    a, b = k1.random((2, 2, 3, 4), (2, 2, 3, 4))
    _close(k1.predict(model, a, b)[0], np.einsum("abcd,aefd->abcef", a, b))


@pytest.mark.once
def test_own_layers_keep_their_configs(tmp_path: Path) -> None:
    made = [
        own.Highway("tanh", use_bias=False, kernel_initializer="keras1>he_normal"),
        own.MaxoutDense(3, 2, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
        own.ParametricSoftplus(0.3, 2.0, [1]),
        own.SReLU("keras1>one", shared_axes=[1], bounded=True),
        own.BatchNormalization(1, -1, 0.0, 0.2, beta_regularizer=keras.regularizers.L1(0.1)),
        own.Embedding(5, 2, dropout=0.25, seed=3),
        own.Merge("cos", dot_axes=[1, 1]),
        own.Deconvolution2D(2, 3, [5, 5], [1, 1], strides=2),
        own.SamePooling("max", [2, 2], [1, 1], "channels_first", False),
    ]
    for layer in made:
        config = json.loads(json.dumps(layer.get_config()))
        again = type(layer).from_config(config)
        assert again.get_config() == layer.get_config()
        assert keras.saving.get_registered_name(type(layer)) == f"keras1>{type(layer).__name__}"
