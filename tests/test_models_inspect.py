"""inspect: its figures by another way, its problems on planted faults and their healthy twins."""

from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as k
from keras_inits import backend, inspect
from keras_inits.models.flow.places import places
from keras_inits.models.signal.growth import growth
from keras_inits.models.signal.statistics import statistics

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 32)).astype("float32")
X64 = np.random.default_rng(5).normal(size=(64, 64)).astype("float32")
IMAGES = RNG.normal(size=(16, 12, 12, 8)).astype("float32")
STEPS = RNG.normal(size=(16, 7, 16)).astype("float32")
HE, LECUN = "keras_inits>he_normal", "keras_inits>lecun_normal"


class Shift(L.Layer):
    """Adds a weight as large as the output: its gradient is the gradient there."""

    def build(self, shape):
        self.shift = self.add_weight(name="shift", shape=shape, initializer="zeros")

    def call(self, x):
        return x + self.shift


def shifted(*layers, head=True):
    """Each layer followed by a Shift."""
    steps = [step for i, layer in enumerate(layers) for step in (layer, Shift(name=f"shift_{i}"))]
    return [*steps, *([L.Flatten(), L.Dense(2, name="head")] if head else [])]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner, self.after = L.Dense(3, activation="tanh", name="inner"), Shift(name="shift_0")
        self.head = L.Dense(2, name="head")

    def call(self, x, training=None):
        return self.head(x + self.after(self.inner(x)))


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape, batch_size=6), *shifted(*layers)])


def functional(shape, call, batch=None):
    inputs = keras.Input(shape, batch_size=batch)
    return keras.Model(inputs, call(inputs))


def attention(x):
    y = Shift(name="shift_0")(L.MultiHeadAttention(1, 2, name="attention")(x, x))
    return L.Dense(2, name="head")(L.Flatten()(L.Add()([x, y])))


def shared(x):
    layer = L.Dense(3, activation="tanh", name="shared")
    return L.Dense(2, name="head")(Shift(name="shift_0")(layer(layer(x))))


def nested(x):
    inner = keras.Sequential(
        [keras.Input((3,), batch_size=6), L.Dense(3, name="a"), Shift(name="shift_0")], name="inner"
    )
    return L.Dense(2, name="head")(inner(x))


ARCHITECTURES = {
    "dense": ((3,), lambda: sequential((3,), L.Dense(4, activation="tanh"), L.Dense(3))),
    "convolution": (
        (4, 4, 2),
        lambda: sequential(
            (4, 4, 2), L.Conv2D(2, 2, name="conv"), L.BatchNormalization(), L.Activation("softplus")
        ),
    ),
    "separable": (
        (5, 2),
        lambda: sequential((5, 2), L.SeparableConv1D(2, 2), L.AveragePooling1D(2)),
    ),
    "transposed": (
        (3, 2),
        lambda: sequential((3, 2), L.Conv1DTranspose(2, 2), L.LayerNormalization()),
    ),
    "lstm": ((3, 2), lambda: sequential((3, 2), L.LSTM(2, return_sequences=True), L.GRU(2))),
    "bidirectional": ((3, 2), lambda: sequential((3, 2), L.Bidirectional(L.SimpleRNN(2)))),
    "attention": ((3, 2), lambda: functional((3, 2), attention, 6)),
    "shared": ((3,), lambda: functional((3,), shared, 6)),
    "nested": ((3,), lambda: functional((3,), nested, 6)),
    "subclassed": ((3,), Subclassed),
    "distributed": (
        (2, 3),
        lambda: sequential((2, 3), L.TimeDistributed(L.Dense(2)), L.Reshape((4,))),
    ),
}


def loss_of(model, x):
    y = model(x, training=True)
    return float((to_numpy(y) ** 2).mean() / 2)


def numeric(loss, variable):
    """The gradient of `loss()` by central differences of fourth order."""
    value = to_numpy(variable)
    found = np.zeros(value.size)
    for i in range(value.size):
        for step, weight in ((2, -1), (1, 8), (-1, -8), (-2, 1)):
            moved = value.copy()
            moved.flat[i] += step * 1e-3
            variable.assign(moved)
            found[i] += weight * float(loss()) / (12 * 1e-3)
    variable.assign(value)
    return found


@pytest.mark.slow
@pytest.mark.skipif(backend.name() != "tensorflow", reason="Keras computes in float32 elsewhere")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_by_differences(name):
    import tensorflow as tf

    shape, build = ARCHITECTURES[name]
    with backend.double_precision():
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float64")
        try:
            keras.utils.set_random_seed(1)
            model = build()
            x = np.random.default_rng(1).normal(size=(6, *shape))
            model(x)
            report = inspect(model, x)
            weights = {row.path: row for row in report.weights}
            assert len(weights) == len(model.trainable_variables)
            # Traced once: a thousand calls one by one take half a minute.
            traced = tf.function(lambda: tf.reduce_mean(model(x, training=True) ** 2) / 2)
            for variable, row in zip(model.trainable_variables, report.weights, strict=True):
                by_hand = numeric(traced, variable)
                np.testing.assert_allclose(row.gradient_std, by_hand.std(), rtol=1e-5, atol=1e-8)
                np.testing.assert_allclose(row.std, to_numpy(variable).std(), rtol=1e-5, atol=1e-9)
                size = np.linalg.norm(to_numpy(variable))
                if size:
                    ratio = np.linalg.norm(by_hand) / size
                    np.testing.assert_allclose(row.ratio, ratio, rtol=1e-5, atol=1e-8)
            assert report.loss == pytest.approx(loss_of(model, x), rel=1e-6)
        finally:
            keras.config.set_dtype_policy(policy)


def plain_gradients(model, x):
    """By the backend alone."""
    variables = model.trainable_variables
    if backend.name() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True) ** 2) / 2
        return tape.gradient(loss, [v.value for v in variables])
    if backend.name() == "jax":
        import jax

        def function(values):
            others = [v.value for v in model.non_trainable_variables]
            y, _ = model.stateless_call(values, others, x, training=True)
            return (y**2).mean() / 2

        return jax.grad(function)([v.value for v in variables])
    (model(x, training=True) ** 2).mean().div(2).backward()
    return [v.value.grad for v in variables]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_by_the_backend_alone(name):
    shape, build = ARCHITECTURES[name]
    keras.utils.set_random_seed(1)
    model = build()
    x = np.random.default_rng(1).normal(size=(6, *shape)).astype("float32")
    model(x)
    report = inspect(model, x)
    for gradient, row in zip(plain_gradients(model, x), report.weights, strict=True):
        expected = to_numpy(gradient).std()
        np.testing.assert_allclose(row.gradient_std, expected, rtol=1e-5, atol=1e-7)
    weights = {row.path: row for row in report.weights}
    rows = {row.path: row for row in report.rows}
    shifts = [path for path in weights if path.endswith("shift")]
    assert shifts
    for path in shifts:  # the gradient at a layer's output, and at what is added to it
        at = rows[path.rpartition("/")[0]].gradient_std
        np.testing.assert_allclose(at, weights[path].gradient_std, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "name", [n for n in ARCHITECTURES if n not in ("subclassed", "shared", "nested")]
)
def test_figures_by_intermediate_models(name):
    shape, build = ARCHITECTURES[name]
    model = build()
    x = np.random.default_rng(2).normal(size=(6, *shape)).astype("float32")
    report = inspect(model, x)
    rows = {row.path: row for row in report.rows}
    paths = {id(place.layer): place.path for place in places(model)}
    (start,) = model.inputs
    looked = 0
    for layer in model.layers:
        row = rows.get(paths[id(layer)])
        if row is None or not isinstance(layer.output, keras.KerasTensor):
            continue
        y = to_numpy(keras.Model(start, layer.output)(x, training=True)).astype("float64")
        y = y.reshape(-1, y.shape[-1])
        eigenvalues = np.linalg.eigvalsh(np.cov(y.T, bias=True)) if y.shape[1] > 1 else None
        expected = {
            "mean": y.mean(),
            "std": y.std(),
            "second_moment": (y**2).mean(),
            "zeros": (y == 0).mean(),
            "dead": (y == y[:1]).all(axis=0).mean(),
        }
        if eigenvalues is not None:
            expected["rank"] = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
            expected["correlation"] = np.abs(np.corrcoef(y.T) - np.eye(y.shape[1])).max()
        for field, value in expected.items():
            np.testing.assert_allclose(
                getattr(row, field), value, rtol=1e-4, atol=2e-6, err_msg=field
            )
        looked += 1
    assert looked >= 3


def test_saturated_dead_and_zeros_by_hand():
    y = np.array([[0.0, 1.0, 0.995, 0.5], [0.0, 0.001, 0.3, 0.5]], "float32")
    model = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="sigmoid", use_bias=False)])
    model.layers[0].kernel.assign(np.eye(4))
    inside = np.clip(y.astype("float64"), 1e-9, 1 - 1e-9)
    logit = np.log(inside / (1 - inside)).astype("float32")
    row = inspect(model, logit).rows[0]
    assert row.saturated == 5 / 8  # 0 twice, 1, 0.995 and 0.001
    assert row.dead == 0.5  # columns of 0 and of 0.5
    figures = statistics(keras.ops.convert_to_tensor(np.maximum(y - 0.4, 0)))
    assert figures.zeros == 4 / 8
    assert figures.width == 4


def test_channels_first_numbers_the_units():
    figures = statistics(keras.ops.convert_to_tensor(np.ones((2, 3, 4, 5), "float32")), axis=1)
    assert figures.width == 3


def everything(model):
    values = [to_numpy(v) for v in model.variables]
    values += [to_numpy(v) for v in model.optimizer.variables] if model.optimizer else []
    return values + [to_numpy(v) for v in model.metrics_variables]


def test_the_model_is_as_before():
    model = keras.Sequential(
        [
            keras.Input((3, 16)),
            L.LSTM(8, return_sequences=True, recurrent_dropout=0.2),
            L.BatchNormalization(),
            L.Dropout(0.5),
            L.GaussianNoise(0.1),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    y, x = RNG.integers(0, 3, 16), STEPS[:, :3]
    model.fit(x, y, verbose=0)
    before = everything(model)
    calls = [vars(layer).get("call") for layer in model.layers]
    first, again = (inspect(model, x, y) for _ in range(2))
    other = inspect(model, x, y, seed=5)
    same = inspect(model, x, y, seed=5)
    for one, two in zip(before, everything(model), strict=True):
        np.testing.assert_array_equal(one, two)
    assert calls == [vars(layer).get("call") for layer in model.layers]
    assert first.to_dict() == again.to_dict()
    assert other.to_dict() == same.to_dict() != first.to_dict()
    predicted = to_numpy(model(x, training=False))
    assert inspect(model, x, y, training=False).loss == pytest.approx(
        -np.log(predicted[np.arange(16), y]).mean(), rel=1e-4
    )


def test_a_failing_model_is_as_before():
    class Fails(L.Layer):
        def call(self, x, training=False):
            if training:
                raise RuntimeError("not today")
            return x

    model = keras.Sequential([keras.Input((32,)), L.BatchNormalization(), L.Dropout(0.5), Fails()])
    before = [to_numpy(v) for v in model.variables]
    with pytest.raises(ValueError, match=r"inspect: model 'seq.*' fails on x of shape.*not today"):
        inspect(model, X)
    for one, two in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(one, to_numpy(two))


def mlp(depth=10, activation="relu", init=HE, width=32, head=10, **options):
    steps = [
        L.Dense(width, activation=activation, kernel_initializer=init, **options)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((32,)), *steps, L.Dense(head)])


def seeded(init, **options):
    """One draw a layer, all of a seed."""
    model = mlp(init="zeros", **options)
    k.initialize(model, {"kernel$": init, "bias$": None}, seed=3)
    return model


def residual(scale, blocks=16):
    def call(x):
        for _ in range(blocks):
            y = L.Dense(32, activation="relu")(x)
            x = L.Add()([x, L.Dense(32, name=None)(y)])
        return L.Dense(3)(x)

    model = functional((32,), call)
    k.initialize(
        model, {"kernel$": k.VarianceScaling(scale, "fan_in", "untruncated_normal")}, seed=3
    )
    return model


class Block(L.Layer):
    def build(self, shape):
        self.a, self.b = L.Dense(32, activation="relu"), L.Dense(32)
        self.a.build(shape)
        self.b.build(shape)

    def call(self, x):
        return x + self.b(self.a(x))


def blocks(scale):
    model = keras.Sequential([keras.Input((32,)), *(Block() for _ in range(16)), L.Dense(3)])
    k.initialize(
        model, {"kernel$": k.VarianceScaling(scale, "fan_in", "untruncated_normal")}, seed=3
    )
    return model


def assigned(values):
    model = seeded(HE)
    model.layers[4].kernel.assign(values)
    return model


def attending(seed):
    def call(x):
        layer = L.MultiHeadAttention(2, 8, kernel_initializer=k.GlorotUniform(seed=seed))
        return L.Dense(2)(L.Flatten()(layer(x, x)))

    return functional((7, 16), call)


def half(init):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return seeded(init, depth=4)
    finally:
        keras.config.set_dtype_policy(policy)


def images(*layers):
    return keras.Sequential([keras.Input((12, 12, 8)), *layers, L.Flatten(), L.Dense(2)])


def classifier(units, activation, bias="zeros"):
    model = keras.Sequential(
        [keras.Input((32,)), L.Dense(8, activation="relu"), L.Dense(units, activation=activation)]
    )
    k.initialize(model, {"dense_1/kernel": k.Normal(0.01), "/": None}, seed=3)
    model.layers[-1].bias.assign(np.full(units, bias) if bias != "zeros" else np.zeros(units))
    return model


RARE = (np.arange(64) == 0).astype("int32")
EVEN = (np.arange(64) % 2).astype("int32")
FEW = np.minimum(np.arange(64) % 40, 4).astype("int32")
OUTER = np.outer(RNG.normal(size=32), RNG.normal(size=32)) / 4
ORTHOGONAL = np.linalg.qr(RNG.normal(size=(32, 32)))[0]
BINARY = {"loss": "binary_crossentropy"}
SPARSE = {"loss": "sparse_categorical_crossentropy"}
# What is wrong: (model, healthy twin, data, words of the problem, arguments, the twin's).
FAULTS = {
    "signal vanishes": (lambda: seeded("glorot_uniform", depth=30), lambda: seeded(HE, depth=30), X, "signal's second moment shrinks"),
    "signal explodes": (lambda: seeded(k.Normal(1.0)), lambda: seeded(HE), X, "signal's second moment grows"),
    "gradient vanishes": (lambda: seeded(LECUN, depth=40, activation="sigmoid"), lambda: seeded(LECUN, depth=40, activation="selu"), X, "gradient's second moment shrinks"),
    "gradient explodes": (lambda: seeded(k.Normal(1.0), depth=20, activation="tanh"), lambda: seeded(LECUN, depth=20, activation="tanh"), X, "gradient's second moment grows"),
    "dead units": (lambda: mlp(2, bias_initializer=keras.initializers.Constant(-6.0)), lambda: mlp(2), X, "of its units give one value"),
    "dead network": (lambda: mlp(bias_initializer=keras.initializers.Constant(-20.0)), lambda: mlp(), X, "the same for all samples"),
    "no gradient": (lambda: mlp(bias_initializer=keras.initializers.Constant(-20.0)), lambda: mlp(), X, "no gradient reaches"),
    "saturated tanh": (lambda: seeded(k.Normal(2.0), depth=3, activation="tanh"), lambda: seeded(LECUN, depth=3, activation="tanh"), X, "at the bounds of its activation"),
    "saturated sigmoid": (lambda: seeded(k.Normal(3.0), depth=3, activation="sigmoid"), lambda: seeded(LECUN, depth=3, activation="sigmoid"), X, "at the bounds of its activation"),
    "rank collapses": (lambda: assigned(OUTER), lambda: assigned(ORTHOGONAL), X, "vary in one direction alone"),
    "equal kernels": (lambda: mlp(3, init=k.HeNormal(seed=3)), lambda: mlp(3), X, "has the same values as dense_1/kernel"),
    "one seed": (lambda: keras.Sequential([keras.Input((32,)), L.Dense(64, kernel_initializer=k.HeNormal(seed=3)), L.Dense(16, kernel_initializer=k.HeNormal(seed=3))]), lambda: keras.Sequential([keras.Input((32,)), L.Dense(64, kernel_initializer=k.HeNormal(seed=3)), L.Dense(16, kernel_initializer=k.HeNormal(seed=4))]), X, "drawn with the same seed, 3"),
    "keras's one seed": (lambda: mlp(3, init=keras.initializers.HeNormal(seed=3)), lambda: mlp(3, init="he_normal"), X, "has the same values"),
    "query, key and value": (lambda: attending(1), lambda: attending(None), STEPS, "query, key and value are equal"),
    "equal units": (lambda: assigned(np.full((32, 32), 0.05)), lambda: assigned(ORTHOGONAL), X, "all its 32 units have the same weights"),
    "equal columns": (lambda: assigned(np.repeat(RNG.normal(size=(32, 1)), 32, 1) / 6), lambda: assigned(ORTHOGONAL), X, "all its 32 units have the same weights"),
    "depthwise fans": (lambda: images(L.DepthwiseConv2D(3)), lambda: images(L.DepthwiseConv2D(3, depthwise_initializer=k.Normal(0.33))), IMAGES, "by the layer's fans, (9, 9)"),
    "grouped fans": (lambda: images(L.Conv2D(64, 1, groups=8, kernel_initializer=k.VarianceScaling(1.0, "fan_out"))), lambda: images(L.Conv2D(64, 1)), IMAGES, "by the layer's fans, (1, 8)"),
    "transposed fans": (lambda: images(L.Conv2DTranspose(2, 3, kernel_initializer="he_normal")), lambda: images(L.Conv2DTranspose(8, 3, kernel_initializer="he_normal")), IMAGES, "by the layer's fans, (72, 18)"),
    "fans of gates": (lambda: keras.Sequential([keras.Input((7, 16)), L.LSTM(8, kernel_initializer=k.VarianceScaling(1.0, "fan_out"))]), lambda: keras.Sequential([keras.Input((7, 16)), L.LSTM(8)]), STEPS, "by the layer's fans, (16, 8)"),
    "stream of sums": (lambda: residual(2.0), lambda: residual(0.2), X, "residual stream's second moment grows"),
    "stream of blocks": (lambda: blocks(2.0), lambda: blocks(0.2), X, "residual stream's second moment grows"),
    "half: too small": (lambda: half(k.Normal(0.004)), lambda: half(HE), X, "below float16's normal numbers"),
    "half: too large": (lambda: half(k.Normal(3.0)), lambda: half(HE), X, "near float16's largest number|NaN or infinite"),
    "rare class": (lambda: classifier(1, "sigmoid"), lambda: classifier(1, "sigmoid", math.log(1 / 63)), X, "the rarest class has 1.6%", {"y": RARE, **BINARY}),
    "rare classes": (lambda: classifier(5, "softmax"), lambda: classifier(5, "softmax"), X, "other probabilities than the targets", {"y": FEW, **SPARSE}, {"y": np.arange(64) % 5, **SPARSE}),
    "not finite": (lambda: assigned(np.full((32, 32), np.nan)), lambda: assigned(ORTHOGONAL), X, "2048 of 2048 values NaN or infinite"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found_and_healthy_twins_have_none(name):
    planted, twin, x, words, *arguments = FAULTS[name]
    keras.utils.set_random_seed(4)
    given = arguments[0] if arguments else {}
    report = inspect(planted(), x, **given)
    found = [p for p in report.problems if any(w in p.reason for w in words.split("|"))]
    assert found, report.problems
    assert all(p.path and p.why and p.code for p in found)
    with pytest.raises(AssertionError, match="not healthy"):
        report.assert_healthy()
    healthy = inspect(twin(), x, **(arguments[-1] if arguments else {}))
    assert not healthy.problems, healthy.problems
    healthy.assert_healthy(max_growth=100, max_total=1e6)


@pytest.mark.parametrize(
    ("depth", "init", "activation"),
    [
        (50, HE, "relu"),
        (100, HE, "relu"),
        (50, LECUN, "selu"),
        (50, "keras_inits>orthogonal", "linear"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_healthy_deep_networks_have_no_problem(depth, init, activation, seed):
    model = mlp(depth, activation, init="zeros", width=64)
    k.initialize(model, {"kernel$": init, "bias$": None}, seed=seed)
    assert not inspect(model, X).problems


def test_a_thin_branch_or_an_even_gate_is_no_collapse():
    inputs = stream = keras.Input((32,))
    for _ in range(4):
        stream = L.Add()([stream, L.Dense(32)(stream)])
    inner = L.Dense(16, activation="relu")(stream)
    even = L.Dense(32, activation="sigmoid", kernel_initializer=k.Normal(1e-3, seed=0))(inner)
    model = keras.Model(inputs, L.Dense(2)(L.Dense(32)(L.Multiply()([stream, even]))))
    model.layers[5].kernel.assign(OUTER / 8)
    report = inspect(model, X)
    assert min(row.rank for row in report.rows if row.width == 32) < 1.01
    assert not report.problems
    assert [p.path for p in inspect(assigned(OUTER), X).problems if "direction" in p.reason]


def test_code_of_a_problem_mends_it():
    model, x = seeded("glorot_uniform", depth=30), X
    (problem, *_) = [p for p in inspect(model, x).problems if "signal" in p.reason]
    exec(problem.code, {"keras_inits": k, "model": model, "x": x, "keras": keras})
    assert not inspect(model, x).problems


@pytest.mark.parametrize("activation", ["tanh", "softsign", "hard_tanh"])
def test_bounded_activations_are_mended_without_a_growing_gradient(activation):
    small = [seeded_dense(activation, seed) for seed in range(50)]
    model, x = keras.Sequential([keras.Input((64,)), *small]), X64
    first, *others = inspect(model, x).problems
    assert "the signal's second moment shrinks" in first.reason
    assert others
    exec(first.code, {"keras_inits": k, "model": model, "x": x, "keras": keras})
    report = inspect(model, x)
    assert not report.problems
    # Orthogonal kernels keep norms, and a slope is at most 1: neither direction can grow.
    assert 0.8 < report.backward.chi < 1.0
    assert 0.9 < report.forward.chi < 1.0


def seeded_dense(activation, seed):
    return L.Dense(
        64, activation, kernel_initializer=keras.initializers.RandomNormal(0, 0.03, seed)
    )


def test_causes_stand_before_what_follows_from_them():
    shared = k.Normal(0.05, seed=7)  # the same numbers on every backend
    layers = [L.Dense(64, "relu", kernel_initializer=shared) for _ in range(30)]
    reasons = [
        p.reason for p in inspect(keras.Sequential([keras.Input((64,)), *layers]), X64).problems
    ]
    assert "has the same values as" in reasons[0]
    assert any("second moment shrinks" in reason for reason in reasons[1:])


def test_growth_by_hand():
    found = growth("signal", [2.0 * 0.5**i for i in range(10)])
    assert found.chi == pytest.approx(0.5)
    assert found.total == pytest.approx(0.5**9)
    assert found.stderr == pytest.approx(0, abs=1e-9)
    assert growth("signal", [1.0, None, 2.0]) is None
    assert growth("signal", [1.0, None, 4.0, 8.0]).chi == pytest.approx(2.0)


def test_theory_of_the_factor():
    """He's law keeps a ReLU network's second moment, Glorot's halves it; so backward (He 2015)."""
    for init, factor in ((HE, 1.0), ("glorot_uniform", 0.5)):
        model = mlp(30, init="zeros", width=256)
        k.initialize(model, {"kernel$": init, "bias$": None}, seed=1)
        report = inspect(model, X)
        # 30 layers of width 256: log-variance 5/256 a layer, so 0.026 of the mean slope.
        assert report.forward.chi == pytest.approx(factor, rel=0.1)
        assert report.backward.chi == pytest.approx(factor, rel=0.1)


def test_the_report_is_json_and_prints():
    report = inspect(mlp(3), X)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(told) == {"rows", "problems", "weights", "forward", "backward", "loss"}
    assert "dense_1" in str(report)
    assert "no problems" in report.summary()
    assert report.plot() is not None


class Choosing(keras.Model):
    """One layer runs, of one the weights alone are used, and one is idle."""

    def __init__(self):
        super().__init__()
        self.first, self.tied, self.idle = (L.Dense(32, name=n) for n in ("first", "tied", "idle"))
        for layer in (self.tied, self.idle):
            layer.build((None, 32))

    def call(self, x):
        return keras.ops.matmul(self.first(x), self.tied.kernel)


def test_layers_that_do_not_run_are_told():
    model = Choosing()
    model(X)
    (problem,) = inspect(model, X).problems
    assert (problem.path, problem.reason) == ("idle", "did not run; not looked at")


@keras.ops.custom_gradient
def no_way_back(x):
    def grad(*args, upstream=None):
        raise NotImplementedError("no way back")

    return x * 1.0, grad


class OneWay(L.Layer):
    def call(self, x):
        return no_way_back(x)


class OnlyThere(L.Layer):
    """NumPy's numbers: PyTorch and JAX do not give them while they differentiate."""

    def call(self, x):
        return x + keras.ops.convert_to_tensor(np.asarray(x) * 0)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor(x.shape, x.dtype)


class Kept(L.Dense):
    """Differentiable by its input alone."""

    def call(self, x):
        return x @ no_way_back(1.0 * self.kernel)


class Fails(L.Layer):
    def call(self, x, training=False):
        if training:
            raise RuntimeError("no way")
        return x


class Between(keras.Model):
    def __init__(self):
        super().__init__(name="between")
        self.first, self.last = L.Dense(8, name="first"), L.Dense(2, name="last")

    def call(self, x):
        return self.last(no_way_back(self.first(x)))


def odd(layer):
    """In a nested model, beside a branch that is none of it."""
    inputs = keras.Input((32,))
    x = L.Dense(8)(inputs)
    beside = L.Dense(8)(L.Dense(8)(x))
    inner = keras.Sequential([keras.Input((8,)), L.Dense(8), layer, L.Dense(8)], name="inner")
    return keras.Model(inputs, L.Dense(2)(L.Add()([inner(x), beside])))


def test_the_layer_that_cannot_be_run_or_differentiated_is_named():
    between = Between()
    between(X)
    cases = [
        (odd(OneWay(name="odd")), "cannot be differentiated on.*, at layer 'inner/odd':"),
        (
            odd(Kept(8, name="odd")),
            "cannot be differentiated on.*, at (layer 'inner/odd|the weight '.*odd/kernel)':",
        ),
        (odd(Fails(name="odd")), "fails on.*, at layer 'inner/odd': .*no way"),
        (between, "cannot be differentiated on.*, at an operation after layer 'first':"),
    ]
    if backend.name() != "tensorflow":  # where such a layer passes no gradient, and nothing fails
        cases.append(
            (odd(OnlyThere(name="odd")), "cannot be differentiated.*at layer 'inner/odd':")
        )
    for model, message in cases:
        before = [to_numpy(v) for v in model.variables]
        with pytest.raises(ValueError, match=message):
            inspect(model, X, seed=0)
        for one, two in zip(before, model.variables, strict=True):
            np.testing.assert_array_equal(one, to_numpy(two))
        assert not [layer for layer in model.layers if "call" in vars(layer)]


def test_integer_layers_are_told_and_dead_ends_named():
    class Rounds(L.Layer):
        def call(self, x):
            return keras.ops.cast(keras.ops.round(x), "int32")

    model = keras.Sequential(
        [
            keras.Input((32,)),
            L.Dense(8),
            Rounds(name="rounds"),
            L.Embedding(50, 4),
            L.Flatten(),
            L.Dense(2),
        ]
    )
    problems = [(p.path, p.reason) for p in inspect(model, np.abs(X)).problems]
    assert ("rounds", "gives no floating-point tensor; not looked at") in problems


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": X[:, :3]}, ValueError, r"inspect: x must have shape \(None, 32\), got \(64, 3\)"),
        ({"x": X[:0]}, ValueError, "inspect: x must be a batch of two samples or more"),
        ({"x": np.full((4, 32), np.nan)}, ValueError, "inspect: x must be finite, got 128 of 128"),
        ({"x": X, "y": 1, "loss": "nope"}, ValueError, "inspect: loss must be a Keras loss"),
        (
            {"x": X, "loss": "mse"},
            ValueError,
            "inspect: y must be the targets of the loss, got None",
        ),
        ({"x": X, "y": X}, ValueError, "inspect: loss must be given with y"),
        (
            {"x": X, "y": np.zeros((64, 3)), "loss": "mse"},
            ValueError,
            r"inspect: loss must take y of shape \(64, 3\)",
        ),
        (
            {"x": X, "y": np.zeros(32), "loss": "mse"},
            ValueError,
            r"inspect: y must have a target for each of 64 samples, got shape \(32,\)",
        ),
        (
            {"x": np.array([["a", "b"] * 16] * 2)},
            TypeError,
            "inspect: x must be an array of numbers, got dtype",
        ),
        ({"x": X, "training": 1}, TypeError, "inspect: training must be True or False, got 1"),
        ({"x": X, "seed": -1}, ValueError, "inspect: seed must be"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        inspect(mlp(2), **arguments)
    with pytest.raises(TypeError, match="inspect: model must be a Keras model, got str"):
        inspect("model", X)
    with pytest.raises(ValueError, match="inspect: model must have weights"):
        inspect(keras.Sequential([keras.Input((32,)), L.ReLU()]), X)


def test_equal_kernels_are_found_beside_one_that_is_nearly_equal():
    one = np.random.default_rng(1).normal(size=(32, 32)) / 6
    other = one.copy()
    other[0, 1] += 1
    model = keras.Sequential([keras.Input((32,)), *[L.Dense(32) for _ in range(3)]])
    for layer, kernel in zip(model.layers, (one, other, other), strict=True):
        layer.kernel.assign(kernel)
    (found,) = [p for p in inspect(model, X, progress=False).problems if "same values" in p.reason]
    assert found.path == "dense_1/kernel"
