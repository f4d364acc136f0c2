"""autoinit: moments followed through a model's operations, and variance 1 at every layer."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as ki

ROOT = Path(__file__).parent.parent


def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("autoinit", ROOT / "benchmarks" / "autoinit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def followed(shape: tuple[int, ...], *layers: Any, x: Any = None) -> float:
    """E[x^2] of what comes to a Dense layer behind `layers`."""
    last = L.Dense(4, name="last")
    model = keras.Sequential([keras.Input(shape), *layers, last])
    report = ki.autoinit(model, x, seed=0, dry_run=True)
    assert not report.problems, report.problems
    row = next(row for row in report.rows if row.path == "last/kernel")
    return 1 / (row.expected_std**2 * last.kernel.shape[0])


def largest_of(count: int, f: Any = lambda z: z) -> float:
    """E[max f(z_i)^2] of so many independent standard normal numbers, f not decreasing."""
    z = np.linspace(-9, 9, 200_001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = np.cumsum(density) * (z[1] - z[0])
    return float(np.trapezoid(f(z) ** 2 * count * below ** (count - 1) * density, z))


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


# Behind these layers, on inputs of N(0, 1).
SECOND_MOMENTS = {
    "input": ((8,), [], 1.0),
    "relu": ((8,), [L.ReLU()], 0.5),
    "Dense relu": ((8,), [L.Dense(16, "relu")], 0.5),
    "leaky": ((8,), [L.LeakyReLU(0.3)], 0.5 * (1 + 0.09)),
    "PReLU": ((8,), [L.PReLU(alpha_initializer=ki.Constant(0.3))], 0.5 * (1 + 0.09)),
    "tanh": ((8,), [L.Dense(16, "tanh")], ki.gain("tanh") ** -2),
    "gelu twice": ((8,), [L.Dense(16, "gelu"), L.Dense(16, "gelu")], ki.gain("gelu") ** -2),
    "two activations": ((8,), [L.ReLU(), L.Activation("exponential")],
                        0.5 + math.exp(2) * math.erfc(-math.sqrt(2)) / 2),
    "dropout": ((8,), [L.ReLU(), L.Dropout(0.25)], 0.5 / 0.75),
    "spatial dropout": ((8, 4), [L.SpatialDropout1D(0.25), L.Flatten()], 1 / 0.75),
    "alpha dropout": ((8,), [L.AlphaDropout(0.2)], 1.0),
    "noise": ((8,), [L.GaussianNoise(0.5)], 1.25),
    "noise that multiplies": ((8,), [L.GaussianDropout(0.2)], 1.25),
    "average": ((8, 4), [L.AveragePooling1D(4)], 0.25),
    "mean of relu": ((8, 4), [L.ReLU(), L.GlobalAveragePooling1D()],
                     0.5 / 8 + 7 / 8 / (2 * math.pi)),
    "largest of 4": ((8, 8, 2), [L.MaxPooling2D(2), L.Flatten()], largest_of(4)),
    "largest of relu": ((8, 8, 2), [L.ReLU(), L.MaxPooling2D(2), L.Flatten()], largest_of(4, relu)),
    "largest of all": ((16, 2), [L.GlobalMaxPooling1D()], largest_of(16)),
    "largest at a border": ((5, 2), [L.MaxPooling1D(3, 1, "same"), L.Flatten()],
                            (3 * largest_of(3) + 2 * largest_of(2)) / 5),
    "strides at a border": ((6, 6, 2), [L.ReLU(), L.MaxPooling2D(3, 2, "same"), L.Flatten()],
                            (4 * largest_of(9, relu) + 4 * largest_of(6, relu)
                             + largest_of(4, relu)) / 9),
    "average at a border": ((5, 2), [L.AveragePooling1D(3, 1, "same"), L.Flatten()],
                            (3 / 3 + 2 / 2) / 5),
    "zeros beside": ((6, 2), [L.ZeroPadding1D(1), L.Flatten()], 6 / 8),
    "border": ((6, 2), [L.Conv1D(8, 3, padding="same"), L.Flatten()], 1.0),
    "normalized": ((8,), [L.ReLU(), L.LayerNormalization()], 1.0),
    "batch normalized": ((8,), [L.ReLU(), L.BatchNormalization()], 1.0),
    "scaled": ((8,), [L.LayerNormalization(gamma_initializer=ki.Constant(2.0))], 4.0),
    "rescaled": ((8,), [L.Rescaling(3.0, 1.0)], 10.0),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND_MOMENTS)
def test_second_moments_are_those_of_closed_forms(name: str) -> None:
    shape, layers, expected = SECOND_MOMENTS[name]
    fresh = [type(layer).from_config(layer.get_config()) for layer in layers]
    assert followed(shape, *fresh) == pytest.approx(expected, rel=2e-3)


def merged(merge: Any) -> float:
    inputs = keras.Input((8,))
    a, b = (L.Dense(16, activation, name=activation)(inputs) for activation in ("relu", "tanh"))
    model = keras.Model(inputs, L.Dense(4, name="last")(merge(a, b)))
    report = ki.autoinit(model, seed=0, dry_run=True)
    assert not report.problems
    row = next(row for row in report.rows if row.path == "last/kernel")
    return 1 / (row.expected_std**2 * row.shape[0])


@pytest.mark.parametrize(
    "name", ["sum", "difference", "mean", "product", "gate", "beside", "same", "after"]
)
def test_what_two_signals_give(name: str) -> None:
    relu, tanh = 0.5, ki.gain("tanh") ** -2
    merges: dict[str, tuple[Any, float]] = {
        "sum": (lambda a, b: L.Add()([a, b]), relu + tanh),
        "difference": (lambda a, b: a - b, relu + tanh),
        "mean": (lambda a, b: L.Average()([a, b]), (relu + tanh) / 4),
        "product": (lambda a, b: L.Multiply()([a, b]), relu * tanh),
        "gate": (lambda a, b: a * keras.ops.sigmoid(b), None),
        "beside": (lambda a, b: L.Concatenate()([a, b]), (relu + tanh) / 2),
        "after": (lambda a, b: L.ReLU(name="r")(a - b), None),
        "same": (lambda a, b: a * a + 2 * a, 1.5 + 4 * math.sqrt(2 / math.pi) + 4 * 0.5),
    }
    merge, expected = merges[name]
    if expected is None:
        y, z = np.random.default_rng(0).normal(size=(2, 4_000_000))
        if name == "gate":
            expected = relu * float(np.mean((1 / (1 + np.exp(-np.tanh(z)))) ** 2))
        else:  # of a skewed law: the sum is not normal
            expected = float(np.mean(np.maximum(np.maximum(y, 0) - np.tanh(z), 0) ** 2))
    assert merged(merge) == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize(
    "layer",
    [
        L.Conv2D(8, 3, padding="same", groups=2),
        L.Conv2D(8, 3, strides=2, dilation_rate=1),
        L.Conv2DTranspose(8, 3, strides=2, padding="same"),
        L.DepthwiseConv2D(3, depth_multiplier=2),
        L.SeparableConv2D(8, 3, padding="same"),
        L.EinsumDense("abcd,de->abce", (None, None, 8), bias_axes="e"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_each_kind_of_kernel_gives_variance_1(layer: Any) -> None:
    """On inputs whose mean square is 1 at each place, up to the spread over draws."""
    model = keras.Sequential([keras.Input((6, 6, 32)), type(layer).from_config(layer.get_config())])
    x = np.random.default_rng(0).normal(size=(16, 6, 6, 32)).astype("float32")
    found = []
    for seed in range(20):
        report = ki.autoinit(model, seed=seed)
        assert not report.problems
        found.append(float(to_numpy(model(x)).var()))
    assert np.mean(found) == pytest.approx(1, abs=4 * np.std(found) / math.sqrt(len(found)) + 1e-3)


def test_a_sum_with_a_border_is_normalized_as_it_is() -> None:
    """Offsets that stop at a border of zeros, and others that do not, before batch normalization."""
    x = inputs = keras.Input((8, 8, 32))
    for _ in range(3):  # what makes positions alike
        x = L.Conv2D(64, 1, activation="relu")(x)
    x = L.Add()([L.Conv2D(64, 3, padding="same")(x), L.Conv2D(64, 1)(x)])
    x = L.Cropping2D(3)(L.BatchNormalization()(x))
    model = keras.Model(inputs, L.Dense(4, name="last")(L.Flatten()(x)))
    middle = keras.Model(inputs, x)
    rng, found = np.random.default_rng(0), []
    for seed in range(12):
        report = ki.autoinit(model, seed=seed)
        batch = rng.normal(size=(16, 8, 8, 32)).astype("float32")
        found.append(float((to_numpy(middle(batch, training=True)) ** 2).mean()))
    row = next(row for row in report.rows if row.path == "last/kernel")
    assert 1 / (row.expected_std**2 * row.shape[0]) == pytest.approx(np.mean(found), rel=0.03)


def test_embeddings_and_biases() -> None:
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            L.Embedding(500, 16),
            L.Dense(8, bias_initializer="ones"),
        ]
    )
    report = ki.autoinit(model, seed=0)
    assert [row.law for row in report.rows] == ["N(0, 1^2)", "N(0, 0.25^2)", "0"]
    assert to_numpy(model.layers[0].embeddings).std() == pytest.approx(1, rel=0.05)
    assert not to_numpy(model.layers[1].bias).any()


def test_the_moments_of_data_are_taken() -> None:
    rng = np.random.default_rng(0)
    x = (3 + 2 * rng.normal(size=(512, 8))).astype("float32")
    assert followed((8,), x=x) == pytest.approx(float((x**2).mean()), rel=1e-4)
    channel = rng.normal(size=(512, 1, 4)) + np.zeros((1, 10, 1))  # equal at all positions
    pooled = followed((10, 4), L.GlobalAveragePooling1D(), x=channel.astype("float32"))
    assert pooled == pytest.approx(float((channel**2).mean()), rel=1e-3)


def test_weights_that_cannot_be_followed_keep_their_values_and_say_why() -> None:
    inputs = keras.Input((6, 8))
    x = L.Dense(8, name="first")(inputs)
    frozen = L.Dense(8, name="frozen", trainable=False)
    h = L.LSTM(8, return_sequences=True, name="lstm")(x)
    h = L.Dense(8, name="behind")(h)
    n = L.Dense(8, name="normalized")(L.LayerNormalization()(h))
    m = L.Dense(8, name="after")(frozen(n))
    p = L.Dense(8, name="twice")(x + L.Softmax()(x))
    model = keras.Model(inputs, [m, p])
    before = {v.path: to_numpy(v) for v in model.variables}
    report = ki.autoinit(model, seed=0)
    reasons = {problem.path: problem.reason for problem in report.problems}
    assert sorted(reasons) == [
        "after/kernel",
        "behind/kernel",
        "frozen/kernel",
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "twice/kernel",
    ]
    assert "LSTM 'lstm'" in reasons["behind/kernel"]
    assert "frozen" in reasons["after/kernel"]
    assert "Softmax" in reasons["twice/kernel"]
    for variable in model.variables:
        changed = not np.array_equal(before[variable.path], to_numpy(variable))
        drawn = variable.path in ("first/kernel", "normalized/kernel")
        assert changed == drawn or "seed" in variable.path, variable.path


def test_operands_that_depend_on_each_other_are_not_taken_for_independent() -> None:
    inputs = keras.Input((8, 8))
    for merge in (
        lambda x: x + L.Permute((2, 1))(x),
        lambda x: x * L.Dropout(0.5)(x),
        lambda x: L.Add()([x, L.AveragePooling1D(3, 1, "same")(x)]),
    ):
        model = keras.Model(inputs, L.Dense(4, name="last")(merge(inputs)))
        (problem,) = ki.autoinit(model, seed=0, dry_run=True).problems
        assert problem.path == "last/kernel"
        assert "depend on each other" in problem.reason


def test_a_shared_layer_is_scaled_by_its_first_call() -> None:
    layer, inputs = L.Dense(8, "relu", use_bias=False, name="shared"), keras.Input((8,))
    model = keras.Model(inputs, L.Dense(4, name="last")(layer(layer(inputs))))
    shared, last = (
        row.expected_std for row in ki.autoinit(model, dry_run=True).rows if "kernel" in row.path
    )
    assert shared == pytest.approx(8**-0.5, rel=1e-4)
    assert last == pytest.approx((8 * 0.25) ** -0.5, rel=1e-3)


class Mix(L.Layer):
    """A user's layer of public operations."""

    def build(self, shape: Any) -> None:
        self.matrix = self.add_weight(name="kernel", shape=(shape[-1], 32))
        self.bias = self.add_weight(name="bias", shape=(32,), initializer="ones")

    def call(self, x: Any) -> Any:
        return keras.ops.relu(keras.ops.matmul(x, self.matrix) + self.bias)


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = Mix(name="first"), L.Dense(4, name="last")

    def call(self, x: Any) -> Any:
        return self.last(self.first(x))


def test_subclassed_models_and_layers_of_ones_own() -> None:
    model = Own()
    x = np.random.default_rng(0).normal(size=(64, 16)).astype("float32")
    model(x)
    report = ki.autoinit(model, x, seed=0)
    assert not report.problems
    stds = {row.path: row.expected_std for row in report.rows}
    assert stds["first/kernel"] == pytest.approx((16 * float((x**2).mean())) ** -0.5, rel=1e-3)
    assert stds["last/kernel"] == pytest.approx(16**-0.5, rel=1e-3)
    assert not to_numpy(model.first.bias).any()


def test_mixed_precision() -> None:
    with_policy = {"dtype": "mixed_float16"}
    layers = [L.Dense(64, "relu", **with_policy), L.Dense(4, **with_policy, name="last")]
    model = keras.Sequential([keras.Input((70_000,)), *layers])
    first, last = (
        r.expected_std for r in ki.autoinit(model, dry_run=True).rows if r.role == "kernel"
    )
    assert first == pytest.approx(70_000**-0.5, rel=2e-3)
    assert last == pytest.approx(32**-0.5, rel=2e-3)


def test_one_seed_gives_one_start_and_a_dry_run_changes_nothing() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(8, "relu"), L.Dense(4)])
    start = ki.digest(model)
    planned = ki.autoinit(model, seed=3, dry_run=True)
    assert ki.digest(model) == start
    report = ki.autoinit(model, seed=3)
    assert report.digest == planned.digest == ki.digest(model)
    assert ki.autoinit(model, seed=4).digest != report.digest
    assert ki.autoinit(model, seed=3).digest == report.digest


def test_quantized_weights_are_named_once() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(4)])
    model.quantize("int8")
    reasons = [p.reason for p in ki.autoinit(model).problems if p.path == "dense/kernel"]
    assert reasons == ["quantized to int8; left as it was"]


def test_bad_arguments() -> None:
    model = keras.Sequential([keras.Input((8,)), L.Dense(4)])
    with pytest.raises(TypeError, match="autoinit: model must be a Keras model, got int"):
        ki.autoinit(3)
    with pytest.raises(ValueError, match="autoinit: x must have shape"):
        ki.autoinit(model, np.zeros((4, 9)) + np.arange(9))
    with pytest.raises(TypeError, match="autoinit: dry_run must be"):
        ki.autoinit(model, dry_run=1)
    with pytest.raises(ValueError, match="autoinit: model must be built"):
        ki.autoinit(Own())


QUICK = ("8 Dense(512), selu, AlphaDropout(0.1)", "gated units, residual")


@pytest.mark.parametrize("name", QUICK)
def test_variance_is_1_at_every_layer(name: str) -> None:
    check_variances(name, draws=6, apart=0.05)


@pytest.mark.slow
@pytest.mark.large
@pytest.mark.parametrize("name", benchmark().ARCHITECTURES)
def test_variance_is_1_at_every_layer_of_all_architectures(name: str) -> None:
    check_variances(name, draws=400, apart=0.05)


def check_variances(name: str, draws: int, apart: float) -> None:
    """The mean over draws, within `apart` and three standard errors of 1."""
    made = benchmark()
    model = made.ARCHITECTURES[name]()
    for path, values in made.moments(model, made.ours(model), draws).items():
        error = float(values.std()) / math.sqrt(draws)
        assert abs(values.mean() - 1) < apart + 3 * error, (path, values.mean(), error)
