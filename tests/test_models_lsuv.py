"""lsuv: unit variance layer by layer, in one sweep, whatever the model is made of."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.backend import is_symbolic
from keras_inits.models.lsuv import lsuv, moments
from keras_inits.models.weights.scalable import by_class
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.streams import DefaultStream

RNG = np.random.default_rng(0)
BACKEND = keras.backend.backend()


def batch(*shape, samples=64):
    return RNG.normal(0.7, 2.0, (samples, *shape)).astype("float32")


def weights(layer_or_variable):
    return to_numpy(getattr(layer_or_variable, "kernel", layer_or_variable))


def values(model):
    return [to_numpy(variable) for variable in model.variables]


def outputs(model, tensors, x):
    start = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    found = keras.Model(start, tensors)(x, training=False)
    return [to_numpy(y) for y in (found if len(tensors) > 1 else keras.tree.flatten(found))]


def rows(report):
    return {row.path: row for row in report.rows}


def assert_orthonormal(matrix, atol=1e-5):
    """Rows or columns, the fewer, are orthogonal and of one length."""
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small / small[0, 0], np.eye(len(small)), atol=atol)


def plain(depth, width=16, features=12):
    """Linear layers with the activations between them, so that truncating shows pre-activations."""
    steps = [keras.Input((features,))]
    for i in range(depth):
        steps += [L.Dense(width, name=f"linear_{i}", bias_initializer="ones"), L.ReLU()]
    return keras.Sequential(steps)


def test_fifty_layers_are_within_the_tolerance_each():
    model, x = plain(50), batch(12, samples=256)
    report = lsuv(model, x, tolerance=0.02, seed=1, progress=False)
    linear = [layer for layer in model.layers if isinstance(layer, L.Dense)]
    found = outputs(model, [layer.output for layer in linear], x)
    assert len(found) == len(report.rows) == 50
    for layer, y, row in zip(linear, found, report.rows, strict=True):
        assert abs(y.std() - 1) <= 0.02 + 1e-4
        assert row.path == layer.name
        assert row.layer == "Dense"
        assert row.std_after == pytest.approx(y.std(), abs=1e-4)
        assert not to_numpy(layer.bias).any()
        assert_orthonormal(weights(layer))
    assert not report.problems
    # ReLU halves the second moment, and orthonormal weights keep it: the loop had work to do.
    assert sum(row.iterations for row in report.rows) >= 49
    assert all(row.iterations <= 1 for row in report.rows)


@pytest.mark.parametrize("tolerance", [0.001, 0.02, 0.3])
def test_the_variance_as_the_criterion(tolerance):
    """Layer after layer is scaled where its variance, not its deviation, is off by more."""
    counts = {}
    for criterion in ("std", "variance"):
        model, x = plain(12), batch(12, samples=256)
        report = lsuv(
            model,
            x,
            tolerance=tolerance,
            criterion=criterion,
            target_std=2.0,
            seed=1,
            progress=False,
        )
        power = {"std": 1, "variance": 2}[criterion]
        for row in report.rows:
            assert abs((row.std_after / 2) ** power - 1) <= tolerance
            assert row.iterations == (abs((row.std_before / 2) ** power - 1) > tolerance)
        counts[criterion] = sum(row.iterations for row in report.rows)
    assert counts["std"] <= counts["variance"]
    assert tolerance != 0.3 or counts["std"] < counts["variance"]


def slow_lsuv(model, x, target, tolerance, most, seed):
    """The algorithm as it is written: the network up to the layer for every measurement."""
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        shape = layer.kernel.shape
        stream = DefaultStream(seed).child(f"{layer.name}/kernel")
        flat = Orthogonal().draw((int(np.prod(shape[:-1])), shape[-1]), stream)
        layer.kernel.assign(flat.reshape(shape))
        layer.bias.assign(np.zeros(layer.bias.shape))
        upto = keras.Model(model.inputs[0], layer.output)
        for _ in range(most):
            std = to_numpy(upto(x, training=False)).std()
            if abs(std / target - 1) <= tolerance:
                break
            layer.kernel.assign(weights(layer) * target / std)


@pytest.mark.parametrize("target", [1.0, 0.3])
def test_equals_a_slow_direct_implementation(target):
    def build():
        model = keras.Sequential([keras.Input((8, 8, 3))])
        for i in range(4):
            model.add(L.Conv2D(6, 3, padding="same", name=f"conv_{i}"))
            model.add(L.Activation("tanh" if i % 2 else "relu"))
        model.add(L.Flatten())
        model.add(L.Dense(5, name="head"))
        return model

    x = batch(8, 8, 3, samples=16)
    fast, slow = build(), build()
    lsuv(fast, x, target_std=target, tolerance=1e-3, seed=3, progress=False)
    slow_lsuv(slow, x, target, 1e-3, 10, seed=3)
    for a, b in zip(values(fast), values(slow), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class Derived(L.Dense):
    """A layer of one's own, of which nothing is known but that it has an activation."""

    def call(self, inputs):
        return super().call(inputs)


@pytest.fixture
def runs(monkeypatch):
    """How often a Dense ran on data."""
    count, call = [], L.Dense.call

    def counted(self, inputs):
        count.extend([1] * keras.ops.is_tensor(inputs))
        return call(self, inputs)

    monkeypatch.setattr(L.Dense, "call", counted)
    return count


def test_layer_runs_grow_linearly_with_depth(runs):
    for depth in (10, 20, 40, 80):
        steps = [L.Dense(8, activation="relu") for _ in range(depth)]
        model = keras.Sequential([keras.Input((8,)), *steps])
        runs.clear()
        report = lsuv(model, batch(8), seed=0, progress=False)
        assert not report.problems
        assert len(runs) == sum(row.iterations + 1 for row in report.rows) <= 2 * depth


@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_layer_of_ones_own_runs_once_more_to_activate(activation, runs):
    model = keras.Sequential([keras.Input((8,)), Derived(8, activation), Derived(8, activation)])
    runs.clear()
    report = lsuv(model, batch(8), seed=0, progress=False)
    assert len(runs) == sum(row.iterations + 1 + bool(activation) for row in report.rows)


class Seen(L.Layer):
    """Keeps what it last got."""

    def call(self, inputs):
        if not is_symbolic(inputs):
            self.last = to_numpy(inputs)
        return inputs


class OfOnesOwn(L.Dense):
    """Activates its input too, and neither last nor, on JAX, where values are at hand."""

    def call(self, inputs):
        return 3 * keras.remat(super().call)(self.activation(inputs)) + 1


@keras.saving.register_keras_serializable("tests")
def in_place(y):
    if keras.backend.backend() == "torch":
        return y.relu_()
    return keras.ops.relu(y)


FLOWS = [
    (L.Dense(4, "softmax"), (8,)),
    (L.Dense(4, L.LeakyReLU(0.5)), (8,)),
    (L.EinsumDense("abc,cd->abd", (None, 4), activation="tanh"), (3, 8)),
    (L.Conv1D(4, 3, activation="relu"), (9, 8)),
    (L.Conv2D(4, 3, activation="relu"), (7, 7, 2)),
    (L.Conv3D(4, 2, activation="relu"), (3, 4, 4, 2)),
    (L.Conv1DTranspose(4, 3, activation="relu"), (9, 8)),
    (L.Conv2DTranspose(4, 3, activation="relu"), (5, 5, 2)),
    (L.Conv3DTranspose(4, 2, activation="relu"), (3, 3, 3, 2)),
    (L.DepthwiseConv1D(3, activation="relu"), (9, 4)),
    (L.DepthwiseConv2D(3, activation="relu"), (7, 7, 2)),
    (L.SeparableConv1D(4, 3, activation="relu"), (9, 4)),
    (L.SeparableConv2D(4, 3, activation="relu"), (7, 7, 2)),
    (L.Dense(4, in_place), (8,)),
    (OfOnesOwn(4, "relu"), (8,)),
    (L.TimeDistributed(L.Dense(4, "relu")), (3, 8)),
]


@pytest.mark.parametrize(("layer", "shape"), FLOWS, ids=lambda x: getattr(x, "name", None))
def test_what_flows_on_is_the_output_with_the_weights_at_last(layer, shape):
    seen, x = Seen(), batch(*shape)
    model = keras.Sequential(
        [keras.Input(shape), type(layer).from_config(layer.get_config()), seen]
    )
    assert not lsuv(model, x, seed=0, progress=False).problems
    np.testing.assert_array_equal(seen.last, to_numpy(model.layers[0](x)))


def test_every_layer_with_an_activation_that_keras_has_is_among_these():
    tested = {type(layer) for layer, _ in FLOWS}
    known = {cls for cls in by_class.registry if "activation" in inspect.signature(cls).parameters}
    assert known <= tested


@pytest.mark.parametrize("scale", [1e-23, 1e20])
def test_a_layer_with_tiny_or_huge_inputs_is_alive(scale):
    model = keras.Sequential([keras.Input((8,)), L.Dense(8)])
    x = batch(8)
    report = lsuv(model, x * np.float32(scale), seed=0, progress=False)
    assert report.rows[0].std_before == pytest.approx(scale * x.std(), rel=0.5)
    assert report.rows[0].std_after == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("small", [0, 2**20])
def test_the_moments_are_those_of_all_entries(small, monkeypatch):
    monkeypatch.setattr("keras_inits.models.lsuv.SMALL", small)
    y = np.random.default_rng(0).normal(3, 2, (7, 5, 3)).astype("float32")
    assert moments(keras.ops.convert_to_tensor(y)) == pytest.approx((y.mean(), y.std()), rel=1e-5)


@pytest.mark.parametrize("form", ["list", "dict", "names"])
def test_several_inputs(form):
    a, b = keras.Input((5,), name="a"), keras.Input((7, 3), name="b")
    left, right = L.Dense(6, activation="tanh")(a), L.Conv1D(6, 3, activation="relu")(b)
    joined = L.Add()([left, L.GlobalAveragePooling1D()(right)])
    inputs = {"a": a, "b": b} if form == "dict" else [a, b]
    model = keras.Model(inputs, L.Dense(4, name="head")(joined))
    xs = [batch(5), batch(7, 3)]
    x = xs if form == "list" else {"b": xs[1], "a": xs[0]}
    report = lsuv(model, x, seed=0, progress=False)
    assert {row.path for row in report.rows} == {"dense", "conv1d", "head"}
    assert not report.problems
    into, out = outputs(model, [joined, model.get_layer("head").output], x)
    assert abs(out.std() - 1) <= 0.05
    np.testing.assert_allclose(into @ weights(model.get_layer("head")), out, atol=1e-4)


def test_shared_layers_take_the_data_of_their_first_call(runs):
    shared = L.Dense(6, name="shared")
    inputs = keras.Input((6,))
    once = shared(inputs)
    model = keras.Model(inputs, shared(L.ReLU()(once)))
    runs.clear()
    x = batch(6)
    report = lsuv(model, x, seed=0, progress=False)
    (row,) = report.rows
    assert len(runs) == row.iterations + 2
    assert abs((x @ weights(shared)).std() - 1) <= 0.05


class Block(keras.Model):
    """A subclassed model with layers in a list, in a dict and in a nested model."""

    def __init__(self):
        super().__init__()
        self.steps = [L.Dense(6, activation="relu") for _ in range(2)]
        self.heads = {"out": L.Dense(3)}
        self.inner = keras.Sequential([keras.Input((6,)), L.Dense(6, "tanh"), L.Dense(6)])
        self.unused = L.Dense(4)

    def build(self, shape):
        for step in self.steps:
            step.build(shape)
        self.unused.build(shape)
        self.heads["out"].build(shape)

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return self.heads["out"](self.inner(x))


def test_subclassed_and_nested_models():
    model, x = Block(), batch(6)
    model.build((None, 6))
    before = weights(model.unused)
    report = lsuv(model, x, seed=0, progress=False)
    measured = [row for row in report.rows if row.std_after is not None]
    assert len(measured) == 5
    y = x
    for layer in [*model.steps, *model.inner.layers, model.heads["out"]]:
        y = y @ weights(layer)
        assert abs(y.std() - 1) <= 0.051
        y = np.maximum(y, 0) if layer in model.steps else y
        y = np.tanh(y) if layer is model.inner.layers[0] else y
    (problem,) = report.problems
    assert "not reached" in problem.reason
    np.testing.assert_array_equal(weights(model.unused), before)


def gates(kernel, count):
    """One matrix a gate, the inputs flattened."""
    split = np.split(kernel, count, axis=-1)
    return [gate.reshape(-1, gate.shape[-1]) for gate in split]


@pytest.mark.parametrize(("layer", "count"), [("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)])
def test_recurrent_layers_have_unit_projections_and_orthogonal_gates(layer, count):
    inputs = keras.Input((6, 5))
    first = getattr(L, layer)(4, return_sequences=True)
    second = getattr(L, layer)(4)
    model = keras.Model(inputs, second(first(inputs)))
    x = batch(6, 5)
    biases = [to_numpy(rnn.cell.bias) for rnn in (first, second)]
    report = lsuv(model, x, seed=0, progress=False)
    assert not report.problems
    (hidden,) = outputs(model, [first.output], x)
    for rnn, sequence, bias in zip((first, second), (x, hidden), biases, strict=True):
        kernel, recurrent = weights(rnn.cell), weights(rnn.cell.recurrent_kernel)
        assert abs((sequence @ kernel).std() - 1) <= 0.051
        for gate in gates(kernel, count):
            assert_orthonormal(gate)
        for gate in gates(recurrent, count):
            np.testing.assert_allclose(gate.T @ gate, np.eye(4), atol=1e-5)
        np.testing.assert_array_equal(to_numpy(rnn.cell.bias), bias)


def test_wrapped_and_stacked_recurrent_layers():
    inputs = keras.Input((6, 5))
    both = L.Bidirectional(L.LSTM(4, return_sequences=True))
    stack = L.RNN([L.GRUCell(3), L.LSTMCell(3)], return_sequences=True)
    model = keras.Model(inputs, stack(both(inputs)))
    x = batch(6, 5)
    report = lsuv(model, x, seed=0, progress=False)
    assert [row.layer for row in report.rows] == ["LSTMCell", "LSTMCell", "GRUCell", "LSTMCell"]
    assert not report.problems
    (hidden,) = outputs(model, [both.output], x)
    first, second = stack.cell.cells
    between = to_numpy(L.RNN(first, return_sequences=True)(hidden))
    for cell, sequence in [
        (both.forward_layer.cell, x),
        (both.backward_layer.cell, x),
        (first, hidden),
        (second, between),
    ]:
        assert abs((sequence @ weights(cell)).std() - 1) <= 0.051


def test_convolutional_recurrent_layer():
    inputs = keras.Input((3, 6, 6, 2))
    layer = L.ConvLSTM2D(4, 3, strides=2, padding="same")
    model = keras.Model(inputs, layer(inputs))
    x = batch(3, 6, 6, 2, samples=8)
    (row,) = lsuv(model, x, seed=0, progress=False).rows
    kernel = layer.cell.kernel
    y = keras.ops.conv(x.reshape(-1, 6, 6, 2), kernel, strides=2, padding="same")
    assert row.std_after == pytest.approx(to_numpy(y).std(), abs=1e-3)
    assert abs(row.std_after - 1) <= 0.05
    for gate in gates(weights(kernel), 4):
        assert_orthonormal(gate)


def test_attention():
    inputs = keras.Input((7, 12))
    attention = L.MultiHeadAttention(3, 4)
    model = keras.Model(inputs, attention(inputs, inputs))
    x = batch(7, 12)
    report = lsuv(model, x, seed=0, progress=False)
    assert not report.problems
    paths = [f"multi_head_attention/{part}" for part in ("query", "key", "value")]
    assert set(rows(report)) == {*paths, "multi_head_attention/attention_output"}
    variables = {"/".join(v.path.split("/")[-2:]): v for v in attention.weights}
    for part in ("query", "key", "value"):
        kernel = to_numpy(variables[f"{part}/kernel"]).reshape(12, -1)
        assert_orthonormal(kernel)
        assert abs((x @ kernel).std() - 1) <= 0.051
    assert_orthonormal(to_numpy(variables["attention_output/kernel"]).reshape(-1, 12))
    assert abs(to_numpy(model(x)).std() - 1) <= 0.051


def test_grouped_query_attention():
    inputs = keras.Input((7, 12))
    layer = L.GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    model = keras.Model(inputs, layer(inputs, inputs))
    x = batch(7, 12)
    report = lsuv(model, x, seed=0, progress=False)
    assert len(report.rows) == 4
    assert not report.problems
    assert abs(to_numpy(model(x)).std() - 1) <= 0.051


def test_time_distributed_sees_all_steps():
    inputs = keras.Input((6, 8, 3))
    inner = keras.Sequential([L.Conv1D(4, 3, activation="relu"), L.Flatten(), L.Dense(5, "tanh")])
    model = keras.Model(inputs, L.TimeDistributed(inner)(inputs))
    x = batch(6, 8, 3) * np.arange(1, 7, dtype="float32")[:, None, None]
    report = lsuv(model, x, seed=0, progress=False)
    assert not report.problems
    assert len(report.rows) == 2
    conv, _, dense = inner.layers
    folded = x.reshape(-1, 8, 3)
    y = to_numpy(keras.ops.conv(folded, conv.kernel))
    assert abs(y.std() - 1) <= 0.051
    y = np.maximum(y, 0).reshape(len(y), -1) @ weights(dense)
    assert abs(y.std() - 1) <= 0.051


CONVOLUTIONS = {
    "grouped": (L.Conv2D(8, 3, groups=2), (9, 9, 4)),
    "dilated": (L.Conv1D(8, 3, dilation_rate=2), (9, 4)),
    "transposed": (L.Conv2DTranspose(8, 3, strides=2), (5, 5, 4)),
    "depthwise": (L.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 4)),
    "separable": (L.SeparableConv1D(6, 3, depth_multiplier=2), (9, 4)),
    "volume": (L.Conv3D(4, 2), (4, 4, 4, 3)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    template, shape = CONVOLUTIONS[name]
    layer = type(template).from_config(template.get_config())
    model = keras.Sequential([keras.Input(shape), layer])
    x = batch(*shape, samples=8)
    (row,) = lsuv(model, x, seed=0, progress=False).rows
    y = to_numpy(model(x))
    assert row.std_after == pytest.approx(y.std(), rel=1e-4)
    assert abs(y.std() - 1) <= 0.05
    if name == "grouped":
        for half in np.split(weights(layer), 2, axis=-1):
            assert_orthonormal(half.reshape(-1, 4))
    elif name == "transposed":
        assert_orthonormal(weights(layer).transpose(0, 1, 3, 2).reshape(-1, 8))
    elif name == "depthwise":
        for channel in np.moveaxis(weights(layer), 2, 0):
            assert_orthonormal(channel.reshape(9, 2))
    elif name == "separable":
        for channel in np.moveaxis(to_numpy(layer.depthwise_kernel), 1, 0):
            np.testing.assert_allclose(channel.T @ channel, np.eye(2), atol=1e-5)
        assert_orthonormal(to_numpy(layer.pointwise_kernel)[0])


@pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow has no channels_first on the CPU")
def test_channels_first():
    layer = L.Conv2D(5, 3, groups=1, data_format="channels_first")
    model = keras.Sequential([keras.Input((3, 8, 8)), layer])
    x = batch(3, 8, 8, samples=8)
    lsuv(model, x, seed=0, progress=False)
    assert abs(to_numpy(model(x)).std() - 1) <= 0.05


def test_embeddings_and_integer_inputs():
    inputs = keras.Input((6,), dtype="int32")
    embedding = L.Embedding(50, 8)
    model = keras.Model(inputs, L.Dense(4)(embedding(inputs)))
    x = RNG.integers(0, 50, (32, 6))
    report = lsuv(model, x, seed=0, progress=False)
    assert [row.layer for row in report.rows] == ["Embedding", "Dense"]
    assert abs(to_numpy(embedding(x)).std() - 1) <= 0.05
    assert abs(to_numpy(model(x)).std() - 1) <= 0.051


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float64"])
def test_other_dtypes(policy):
    steps = [L.Dense(16, activation="relu", dtype=policy) for _ in range(5)]
    model = keras.Sequential([keras.Input((16,)), *steps])
    x = batch(16)
    report = lsuv(model, x, seed=0, progress=False)
    assert not report.problems
    y = x.astype("float64")
    for layer in model.layers:
        y = y @ weights(layer)
        assert abs(y.std() - 1) <= 0.07
        y = np.maximum(y, 0)
    assert keras.backend.standardize_dtype(model.layers[0].kernel.dtype) == (
        "float32" if policy == "mixed_bfloat16" else policy
    )


def test_normalization_and_dropout_are_in_inference_mode_and_states_stay():
    inputs = keras.Input(batch_shape=(16, 5, 4))
    y = L.Dropout(0.5)(L.BatchNormalization()(L.Conv1D(4, 3)(inputs)))
    model = keras.Model(inputs, L.LSTM(3, stateful=True, recurrent_dropout=0.5)(y))
    model(batch(5, 4, samples=16), training=True)
    kept = [v for v in model.variables if v.name not in ("kernel", "recurrent_kernel", "bias")]
    kept = list({id(v): v for v in [*kept, *model.layers[-1].states]}.values())
    before = [to_numpy(v) for v in kept]
    assert len(kept) == 8
    lsuv(model, batch(5, 4, samples=16), seed=0, progress=False)
    for variable, value in zip(kept, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


def test_a_seed_gives_the_same_weights_and_a_named_layer_changes_no_direction_elsewhere():
    def build(extra=False):
        model = keras.Sequential([keras.Input((9,)), L.Dense(9, activation="relu")])
        if extra:
            model.add(L.Dense(9, name="extra"))
        model.add(L.Dense(9, name="head"))
        return model

    x = batch(9)
    models = [build(), build(), build(extra=True), build()]
    for model, seed in zip(models, (5, DefaultStream(5), 5, 6), strict=True):
        lsuv(model, x, seed=seed, progress=False)
    first, again, longer, other = ([weights(v) for v in m.layers] for m in models)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first[0], longer[0])
    np.testing.assert_allclose(
        first[1] / np.linalg.norm(first[1]), longer[2] / np.linalg.norm(longer[2]), atol=1e-6
    )
    assert np.abs(first[0] - other[0]).max() > 0.1
    assert np.abs(first[0] - first[1]).max() > 0.1


def test_without_a_seed_the_weights_follow_the_global_one():
    def head():
        model = keras.Sequential([keras.Input((4,)), L.Dense(4)])
        lsuv(model, batch(4), progress=False)
        direction = weights(model.layers[0])
        return direction / np.linalg.norm(direction)

    keras.utils.set_random_seed(1)
    first, second = head(), head()
    keras.utils.set_random_seed(1)
    np.testing.assert_allclose(head(), first, atol=1e-6)
    assert np.abs(first - second).max() > 0.1


def test_a_bias_that_is_frozen_needs_several_iterations():
    """The deviation counts the bias, so scaling the kernel alone is not exact at once."""
    layer = L.Dense(8)
    model = keras.Sequential([keras.Input((8,)), layer])
    layer.bias.assign(np.linspace(-1.2, 1.2, 8))
    layer.bias.trainable = False
    x = batch(8)
    (row,) = lsuv(model, x, seed=0, tolerance=0.001, max_iterations=50, progress=False).rows
    assert row.iterations > 1
    assert abs(to_numpy(model(x)).std() - 1) <= 0.0011


def test_compiled_models():
    model = plain(3)
    model.compile("sgd", "mse", jit_compile=BACKEND != "torch")
    x = batch(12)
    model.fit(x, np.zeros((64, 16)), verbose=0)
    lsuv(model, x, seed=0, progress=False)
    assert abs(outputs(model, [model.layers[2].output], x)[0].std() - 1) <= 0.051
    np.testing.assert_allclose(model.predict(x, verbose=0), to_numpy(model(x)), atol=1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.function")
def test_calls_that_are_decorated_to_be_compiled():
    import tensorflow as tf

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(4)
            self.dense.build((None, 4))

        @tf.function
        def call(self, x):
            return self.dense(x)

    model, x = Compiled(), batch(4)
    model(x)
    (row,) = lsuv(model, x, seed=0, progress=False).rows
    assert abs(row.std_after - 1) <= 0.05
    assert not tf.config.functions_run_eagerly()
    assert abs(to_numpy(model(x)).std() - 1) <= 0.05


class Own(L.Layer):
    """A layer of one's own with one matrix, used as `use(x, w)` says."""

    def __init__(self, use, shape, **options):
        super().__init__(**options)
        self.use, self.own_shape = use, shape

    def build(self, shape):
        self.table = self.add_weight(name="table", shape=self.own_shape, initializer="normal")

    def call(self, x):
        return self.use(x, self.table)


ops = keras.ops
ADDED = {
    "added": (lambda x, w: x + w, (6, 8)),
    "added to a map": (lambda x, w: x + ops.matmul(x, w), (8, 8)),
    "positions alone": (lambda x, w: ops.broadcast_to(w, ops.shape(x)), (6, 8)),
    "looked up by position": (
        lambda x, w: ops.take(w, ops.arange(6), axis=0) + ops.zeros_like(x),
        (20, 8),
    ),
}
MULTIPLIED = {
    "kernel": (lambda x, w: ops.matmul(x, w), (8, 5)),
    "kernel and activation": (lambda x, w: ops.tanh(ops.matmul(x, w)), (8, 5)),
    "gate": (lambda x, w: x * w, (6, 8)),
}


@pytest.mark.parametrize("case", ADDED)
def test_a_table_that_is_added_is_no_kernel(case):
    model = keras.Sequential([keras.Input((6, 8)), Own(*ADDED[case], name="own"), L.Dense(4)])
    before = to_numpy(model.layers[0].table)
    report = lsuv(model, batch(6, 8), seed=1, progress=False)
    np.testing.assert_array_equal(to_numpy(model.layers[0].table), before)
    (problem,) = report.problems
    assert problem.path == "own"
    assert "data does not scale" in problem.reason
    assert rows(report)["dense"].std_after == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("case", MULTIPLIED)
def test_a_weight_that_multiplies_the_input_is_scaled(case):
    model = keras.Sequential([keras.Input((6, 8)), Own(*MULTIPLIED[case], name="own")])
    report = lsuv(model, 0.1 * batch(6, 8), seed=1, progress=False, target_std=0.3)
    row = rows(report)["own"]
    assert not report.problems
    assert row.std_after == pytest.approx(0.3, rel=0.05)


def test_rows_that_the_input_looks_up_are_scaled():
    lookup = Own(lambda x, w: ops.take(w, ops.cast(x, "int32"), axis=0), (30, 8), name="own")
    model = keras.Sequential([keras.Input((6,), dtype="int32"), lookup])
    report = lsuv(model, RNG.integers(0, 30, (64, 6)), seed=1, progress=False)
    assert not report.problems
    assert rows(report)["own"].std_after == pytest.approx(1, abs=0.05)


def test_a_table_of_zeros_is_told_from_a_kernel_of_zeros():
    for use, multiplies in ((lambda x, w: x + w, False), (lambda x, w: ops.matmul(x, w), True)):
        own = Own(use, (8, 8), name="own")
        model = keras.Sequential([keras.Input((8, 8)), own])
        own.table.assign(np.zeros((8, 8)))
        report = lsuv(model, batch(8, 8), seed=1, progress=False)
        assert bool(to_numpy(own.table).any()) == multiplies
        assert bool(report.problems) != multiplies


def test_quantized_layers_say_so():
    for mode in ("int8", "float8"):
        model = keras.Sequential(
            [keras.Input((16,)), L.Dense(16, name="one"), L.Dense(8, name="two")]
        )
        model.layers[0].quantize(mode)
        report = lsuv(model, batch(16), seed=1, progress=False)
        assert [(p.path, p.reason) for p in report.problems] == [
            ("one", f"quantized to {mode}; left as it was")
        ]
