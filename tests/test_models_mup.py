"""mup: roles, laws and rates by width; its optimizer; the sizes of changes across widths."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L

from keras_inits.models.initialize import initialize
from keras_inits.models.width.coordinates import coordinate_check
from keras_inits.models.width.mup import mup
from keras_inits.models.width.optimizer import MupOptimizer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 8)).astype("float32")
Y = RNG.integers(0, 3, 32)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
O = keras.optimizers  # noqa: E741


def mlp(width, layers=2, output="glorot_uniform", inputs=8, units=3, activation="relu"):
    scheme = {"relu": "he_normal", "tanh": "lecun_normal"}[activation]
    hidden = [L.Dense(width, activation, kernel_initializer=scheme) for _ in range(layers)]
    return keras.Sequential(
        [keras.Input((inputs,)), *hidden, L.Dense(units, kernel_initializer=output)]
    )


def transformer(width, heads=2, vocabulary=11):
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(vocabulary, width)(ids)
    attention = L.MultiHeadAttention(heads, width // heads)
    x = x + attention(L.LayerNormalization()(x), x)
    x = x + L.Dense(width)(L.Dense(4 * width, "gelu")(x))
    return keras.Model(ids, L.Dense(vocabulary)(x))


def by_path(report):
    return {row.path: row for row in report.rows}


def test_roles_and_rates():
    rows = by_path(mup(mlp(32), mlp(8), seed=0))
    found = {path: (row.role, row.adam, row.sgd) for path, row in rows.items()}
    assert found == {
        "dense/kernel": ("input", 1, 4),
        "dense/bias": ("vector", 1, 4),
        "dense_1/kernel": ("hidden", 1 / 4, 1),
        "dense_1/bias": ("vector", 1, 4),
        "dense_2/kernel": ("output", 1 / 4, 1 / 4),
        "dense_2/bias": ("fixed", 1, 1),
    }
    assert rows["dense/kernel"].std == pytest.approx(np.sqrt(2 / 8))
    assert rows["dense_1/kernel"].std == pytest.approx(np.sqrt(2 / 32))
    assert rows["dense_2/kernel"].std == pytest.approx(np.sqrt(2 / (8 + 3)) / 4)
    assert rows["dense_2/kernel"].multiplier == 1 / 4


def test_roles_of_a_transformer():
    rows = by_path(mup(transformer(32), transformer(8), seed=0))
    attention = "multi_head_attention"
    expected = {
        "embedding/embeddings": "input",
        f"{attention}/query/kernel": "hidden",
        f"{attention}/query/bias": "vector",
        f"{attention}/attention_output/kernel": "hidden",
        "layer_normalization/gamma": "vector",
        "dense/kernel": "hidden",
        "dense_1/kernel": "hidden",
        "dense_2/kernel": "output",
    }
    assert {path: rows[path].role for path in expected} == expected
    # Heads of 16 for 4: the logits are q.k / 16 and not q.k / 4, times what they are at the base.
    query, key = rows[f"{attention}/query/kernel"], rows[f"{attention}/key/kernel"]
    assert query.multiplier == pytest.approx(0.5)
    assert (query.adam, query.sgd) == pytest.approx((key.adam / 2, key.sgd / 4))
    assert query.std == pytest.approx(key.std / 2)
    more = by_path(mup(transformer(32, heads=8), transformer(8), seed=0))
    assert more[f"{attention}/query/kernel"].multiplier == 1


def test_the_rows_are_what_is_drawn():
    model = transformer(64)
    report = mup(model, transformer(16), seed=0)
    drawn = {v.path: float(to_numpy(v).std()) for v in model.trainable_variables}
    assert len(drawn) == len(report.rows)
    for row, std in zip(report.rows, drawn.values(), strict=True):
        size = np.prod(row.shape)
        assert std == pytest.approx(row.std, rel=4 / np.sqrt(size), abs=1e-6), row.path


def test_at_the_base_nothing_differs():
    first, second = mlp(16), mlp(16)
    report = mup(first, mlp(16), seed=3)
    initialize(second, seed=3)
    for a, b in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
    assert {(row.role, row.adam, row.sgd) for row in report.rows} == {("fixed", 1, 1)}


def test_delta_says_which_dimensions_are_widths():
    wide, base = mlp(32, units=30), mlp(8, units=3)
    assert by_path(mup(wide, base, seed=0))["dense_2/kernel"].role == "hidden"
    rows = by_path(mup(wide, base, delta=mlp(16, units=3), seed=0))
    assert rows["dense_2/kernel"].role == "output"
    assert rows["dense_2/bias"].role == "fixed"


@pytest.mark.parametrize(
    ("build", "path", "role"),
    [
        (lambda w: L.Conv2D(2 * w, 3), "conv2d/kernel", "hidden"),
        (lambda w: L.DepthwiseConv2D(3), "depthwise_conv2d/kernel", "vector"),
        (lambda w: L.Conv2DTranspose(3, 2), "conv2d_transpose/kernel", "output"),
        (lambda w: L.Reshape((16, w)), None, None),
    ],
)
def test_roles_of_other_layers(build, path, role):
    def model(width):
        return keras.Sequential([keras.Input((4, 4, width)), L.Dense(width), build(width)])

    rows = by_path(mup(model(8), model(4), seed=0))
    if path is not None:
        assert rows[path].role == role
    assert rows["dense/kernel"].role == "hidden"


def test_recurrent_layers():
    def model(width):
        return keras.Sequential([keras.Input((5, 3)), L.LSTM(width), L.Dense(2)])

    rows = by_path(mup(model(12), model(4), seed=0))
    assert [(row.role, row.adam) for row in rows.values()] == [
        ("input", 1),
        ("hidden", 1 / 3),
        ("vector", 1),
        ("output", 1 / 3),
        ("fixed", 1),
    ]


def test_layers_of_a_users_own_are_read_by_shape_and_said():
    class Mix(L.Layer):
        def build(self, shape):
            self.mix = self.add_weight(name="mix", shape=(shape[-1], shape[-1]))

        def call(self, x):
            return x @ self.mix

    def model(width):
        return keras.Sequential([keras.Input((3,)), L.Dense(width), Mix()])

    row = mup(model(8), model(4), seed=0).rows[-1]
    assert row.role == "hidden"
    assert "by its shape alone" in row.note


@pytest.mark.once  # the newest keras-hub needs a newer Keras than the oldest
def test_tied_embeddings_are_listed():
    keras_hub = pytest.importorskip("keras_hub")

    def model(width):
        ids = keras.Input((4,), dtype="int32")
        table = keras_hub.layers.ReversibleEmbedding(9, width, tie_weights=True)
        return keras.Model(ids, table(L.Dense(width)(table(ids)), reverse=True))

    (problem,) = mup(model(8), model(4), seed=0).problems
    assert "divide its logits by 2" in problem.reason


OPTIMIZERS = {
    "Adam": (lambda: O.Adam(0.01), True),
    "AdamW": (lambda: O.AdamW(0.01, weight_decay=0.1, clipnorm=1.0), True),
    "Adamax": (lambda: O.Adamax(0.01), True),
    "RMSprop": (lambda: O.RMSprop(0.01, use_ema=True), True),
    "Lion": (lambda: O.Lion(0.01, gradient_accumulation_steps=2), True),
    "SGD": (lambda: O.SGD(0.01, momentum=0.9), False),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_is_the_optimizers_own_at_each_variables_rate(name):
    """Each variable alone in a plain optimizer of its own rate, by hand."""
    make, like_adam = OPTIMIZERS[name]
    model = mlp(16)
    report = mup(model, mlp(4), seed=0)
    optimizer = report.optimizer(make())
    optimizer.clipnorm = None
    expected = []
    for row, variable in zip(report.rows, model.trainable_variables, strict=True):
        config = make().get_config() | {"clipnorm": None}
        factor = row.adam if like_adam else row.sgd
        if config["weight_decay"]:  # at the rate of the base, whatever the factor
            config["weight_decay"] /= factor
        config["learning_rate"] *= factor
        expected.append((type(make()).from_config(config), keras.Variable(variable), row))
    for step in range(4):
        gradients = [
            np.random.default_rng(step).normal(size=v.shape) for v in model.trainable_variables
        ]
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients],
                        model.trainable_variables)  # fmt: skip
        for (plain, variable, row), gradient in zip(expected, gradients, strict=True):
            scaled = gradient * (row.gradient if like_adam else 1)
            plain.apply([keras.ops.convert_to_tensor(scaled, "float32")], [variable])
    for (_, variable, _), own in zip(expected, model.trainable_variables, strict=True):
        np.testing.assert_allclose(to_numpy(own), to_numpy(variable), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "rate", [0.01, O.schedules.ExponentialDecay(0.01, 1, 0.5)], ids=lambda v: type(v).__name__
)
def test_it_trains_saves_and_goes_on(tmp_path, rate):
    model = mlp(16)
    optimizer = mup(model, mlp(4), seed=0).optimizer(O.Adam(rate, weight_decay=0.01))
    model.compile(optimizer, LOSS)
    before = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, epochs=4, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < before
    if isinstance(rate, float):
        optimizer.learning_rate = 0.02
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, MupOptimizer)
    assert loaded.optimizer.factors == optimizer.factors
    assert float(loaded.optimizer.learning_rate) == pytest.approx(float(optimizer.learning_rate))
    for one in (model, loaded):
        one.fit(X, Y, batch_size=32, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), atol=1e-6)


@pytest.mark.parametrize("make", [lambda: O.Adam(0.1), lambda: O.SGD(0.1)], ids=["Adam", "SGD"])
def test_an_embedding_trains(make):
    """TensorFlow's gradient of one is the rows that were looked up."""

    def build(width):
        return keras.Sequential(
            [keras.Input((4,), dtype="int32"), L.Embedding(9, width), L.Flatten(), L.Dense(3)]
        )

    model, ids = build(8), RNG.integers(0, 9, (32, 4))
    model.compile(mup(model, build(4), seed=0).optimizer(make()), LOSS)
    before = to_numpy(model.layers[0].embeddings)
    history = model.fit(ids, Y, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
    assert np.abs(to_numpy(model.layers[0].embeddings) - before).max() > 0


def test_mixed_precision_trains():
    with_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = mlp(16)
        model.compile(mup(model, mlp(4), seed=0).optimizer(O.Adam(0.01)), LOSS)
        assert isinstance(model.optimizer, O.LossScaleOptimizer)
        history = model.fit(X, Y, epochs=3, verbose=0).history["loss"]
        assert history[-1] < history[0]
    finally:
        keras.config.set_dtype_policy(with_policy)


def excluding():
    optimizer = O.AdamW(0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def built():
    optimizer = O.Adam(0.01)
    optimizer.build([keras.Variable(np.zeros(2))])
    return optimizer


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "adam", TypeError, "Mup.optimizer: optimizer must be a Keras optimizer, got 'adam'"),
        (lambda: O.Nadam(0.1), TypeError, "optimizer must be an optimizer with a rule for width"),
        (lambda: O.LossScaleOptimizer(O.Adam(0.1)), TypeError, "must be the optimizer inside"),
        (built, ValueError, "optimizer must be new"),
        (excluding, ValueError, "must exclude nothing from weight decay yet"),
    ],
)  # fmt: skip
def test_bad_optimizers(make, error, message):
    report = mup(mlp(8), mlp(4), seed=0)
    with pytest.raises(error, match=message):
        report.optimizer(make())


def test_a_layer_frozen_later_is_an_error():
    model = mlp(8)
    optimizer = mup(model, mlp(4), seed=0).optimizer(O.Adam(0.01))
    model.layers[0].trainable = False
    with pytest.raises(ValueError, match="must be the 6 trainable ones that mup saw, got shape"):
        optimizer.build(model.trainable_variables)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (mlp(4), mlp(8, layers=3)),
            ValueError,
            r"base must have the model's layers|variables, got 8",
        ),
        ((mlp(4), transformer(8)), ValueError, r"base must have the model's layers, got Embedding"),
        ((mlp(4), None), TypeError, "mup: base must be a built Keras model, got None"),
        ((mlp(4), keras.Sequential([L.Dense(2)])), ValueError, "mup: base: model must be built"),
        (("model", mlp(4)), TypeError, "mup: model must be a Keras model"),
    ],
)
def test_bad_models(arguments, error, message):
    before = [to_numpy(v) for v in getattr(arguments[0], "variables", [])]
    with pytest.raises(error, match=message):
        mup(*arguments)
    for then, variable in zip(before, getattr(arguments[0], "variables", []), strict=True):
        np.testing.assert_array_equal(to_numpy(variable), then)


def check(widths, **arguments):
    def build(width):
        return mlp(width, 3, "zeros")

    return coordinate_check(build, widths, X, Y, loss=LOSS, **arguments)


def test_coordinate_check_tells_both_apart(tmp_path):
    report = check([32, 128, 512], optimizer=O.Adam(3e-3))
    assert [row.path for row in report.rows] == ["dense", "dense_1", "dense_2", "dense_3"]
    assert max(abs(row.slope) for row in report.rows) < 0.1
    assert report.rows[-1].standard > 0.5
    report.plot().savefig(tmp_path / "check.png")
    assert (tmp_path / "check.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": [8]}, "widths must be at least two widths, ascending, got"),
        ({"widths": [8, 4]}, "widths must be at least two widths, ascending"),
        ({"widths": [4, 8], "steps": 0}, "steps must be an integer >= 1"),
        ({"widths": [4, 8], "seeds": 0}, "seeds must be an integer >= 1"),
        ({"widths": [4, 8], "tolerance": 0}, "tolerance must be a finite number > 0"),
    ],
)
def test_bad_checks(arguments, message):
    with pytest.raises(ValueError, match=f"coordinate_check: {message}"):
        check(**arguments)


def digits():
    require("sklearn")
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.data / 16 - 0.3).astype("float32"), found.target


@pytest.mark.large
@pytest.mark.once
@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [("tanh", O.Adam(1e-3)), ("tanh", O.SGD(0.1)), ("relu", O.SGD(0.1))],
    ids=["tanh, Adam", "tanh, SGD", "relu, SGD"],
)
def test_changes_keep_their_size_from_64_to_2048(activation, optimizer):
    def build(width):
        return mlp(width, 3, "zeros", 64, 10, activation)

    x, y = (part[:64] for part in digits())
    widths = [64, 128, 256, 512, 1024, 2048]
    report = coordinate_check(build, widths, x, y, loss=LOSS, optimizer=optimizer, seeds=2)
    assert max(abs(row.slope) for row in report.rows) < 0.05
    assert min(row.standard for row in report.rows[1:]) > 0.5


def best_rate(width, rates, by_mup, seeds, epochs=4):
    """The rate of the least training loss on the digits, its logarithm averaged over the seeds."""
    x, y = digits()
    losses = np.empty((len(seeds), len(rates)))
    for i, seed in enumerate(seeds):
        for j, rate in enumerate(rates):
            model, optimizer = mlp(width, 3, "zeros", 64, 10), O.Adam(rate)
            if by_mup:
                optimizer = mup(model, mlp(64, 3, "zeros", 64, 10), seed=seed).optimizer(optimizer)
            else:
                initialize(model, seed=seed)
            model.compile(optimizer, LOSS)
            keras.utils.set_random_seed(seed)
            history = model.fit(x, y, batch_size=64, epochs=epochs, verbose=0).history["loss"]
            losses[i, j] = history[-1] if np.isfinite(history[-1]) else 1e3
    return rates[int(np.log(losses).mean(axis=0).argmin())], losses


@pytest.mark.large
@pytest.mark.once
def test_the_best_rate_at_width_64_is_the_best_at_1024():
    rates = [2.0**k for k in range(-12, -3)]
    narrow, _ = best_rate(64, rates, True, range(5))
    wide, _ = best_rate(1024, rates, True, range(5))
    standard, _ = best_rate(1024, rates, False, range(5))
    print(f"64: {narrow:g}, 1024: {wide:g}, 1024 in standard parametrization: {standard:g}")
    assert 0.5 <= wide / narrow <= 2
    assert standard / narrow < 0.5


class Block(L.Layer):
    """Two pre-norm branches."""

    def __init__(self, width, heads=2, **options):
        super().__init__(**options)
        self.norms = [L.LayerNormalization(name=f"norm_{i}") for i in range(2)]
        self.attention = L.MultiHeadAttention(heads, width // heads)
        self.up, self.down = L.Dense(2 * width, "gelu", name="up"), L.Dense(width, name="down")

    def call(self, x):
        for norm, branch in zip(self.norms, (self._attend, self._feed), strict=True):
            x = x + branch(norm(x))
        return x

    def _attend(self, x):
        return self.attention(x, x)

    def _feed(self, x):
        return self.down(self.up(x))


def deep(blocks, width=16):
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(11, width)(ids)
    for i in range(blocks):
        x = Block(width, name=f"block_{i}")(x)
    x = L.LayerNormalization(name="last")(x)
    return keras.Model(ids, L.Dense(11, kernel_initializer="zeros", name="head")(x))


def figures(row):
    return row.depth, row.multiplier, row.adam, row.sgd, row.gradient


def test_depth_is_that_of_completep():
    """Table 1 of Dey et al. 2025 at alpha = 1, m = 4: the last weights take the branch's 1/m."""
    rows = by_path(mup(deep(4), deep(4), depth_base=deep(1), seed=0))
    inner, carried, outside = (4, 1, 1, 4, 4), (4, 1 / 4, 1 / 4, 1 / 4, 1), (1, 1, 1, 1, 1)
    expected = {
        "embedding/embeddings": outside,
        "block_3/norm_0/gamma": inner,
        "block_3/multi_head_attention/query/kernel": inner,
        "block_3/multi_head_attention/value/bias": inner,
        "block_3/multi_head_attention/attention_output/kernel": carried,
        "block_3/multi_head_attention/attention_output/bias": carried,
        "block_2/norm_1/beta": inner,
        "block_2/up/kernel": inner,
        "block_2/down/kernel": carried,
        "block_2/down/bias": carried,
        "last/gamma": outside,
        "head/kernel": outside,
    }
    assert {path: figures(rows[path]) for path in expected} == expected
    assert rows["block/down/kernel"].std == rows["block/down/kernel"].std_before / 4


def residual_mlp(depth, width=64, factor=None):
    def dense(units, **options):  # small, as in GPT-2: few branches then differ little from many
        return L.Dense(
            units, kernel_initializer=keras.initializers.RandomNormal(0, 0.02), **options
        )

    x = inputs = keras.Input((8,))
    x = L.Dense(width, name="stem")(x)
    for i in range(depth):
        hidden = dense(width, activation="relu", name=f"up_{i + 1}")(L.LayerNormalization()(x))
        added = dense(width, name=f"down_{i + 1}")(hidden)
        x = L.Add()([x, added if factor is None else factor * added])
    return keras.Model(inputs, [dense(3, name="head")(L.LayerNormalization()(x)), x])


def test_a_model_that_multiplies_its_branches_itself_takes_nothing_on():
    for own, of_base, expected in ((0.25, None, (4, 1, 1, 4, 4)), (0.25, 0.5, (4, 0.5, 0.5, 1, 2))):
        model, base = residual_mlp(4, factor=own), residual_mlp(1, factor=of_base)
        rows = by_path(mup(model, model, depth_base=base, seed=0))
        assert figures(rows["down_3/kernel"]) == expected


@pytest.mark.parametrize(
    "make",
    [lambda: O.AdamW(0.01, epsilon=1e-3), lambda: O.SGD(0.1)],
    ids=["AdamW", "SGD"],
)
def test_both_ways_to_multiply_a_branch_train_alike(make):
    given = []
    for factor in (None, 0.5):
        model = residual_mlp(2, 8, factor)
        start = mup(model, model, depth_base=residual_mlp(1), seed=0)
        model.compile(start.optimizer(make()), [LOSS, None], run_eagerly=True)
        for _ in range(3):
            model.train_on_batch(X, Y)
        given.append(to_numpy(model(X)[0]))
    assert np.abs(given[0]).max() > 0.01
    np.testing.assert_allclose(*given, atol=1e-5)


def test_width_and_depth_together():
    base = residual_mlp(4, 16)
    rows = by_path(mup(residual_mlp(4, 32), base, depth_base=residual_mlp(1, 8), seed=0))
    assert figures(rows["down_3/kernel"]) == (4, 1 / 4, 1 / 8, 1 / 4, 2)
    assert figures(rows["up_3/kernel"]) == (4, 1, 1 / 2, 4, 8)


def test_at_the_depth_base_nothing_differs():
    first, second = residual_mlp(2), residual_mlp(2)
    mup(first, first, depth_base=residual_mlp(2), seed=3)
    initialize(second, seed=3)
    for a, b in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def ending(blocks, end):
    x = inputs = keras.Input((4, 4, 8))
    for i in range(blocks):
        y = L.Conv2D(8, 3, padding="same", name=f"conv_{i}")(L.BatchNormalization()(x))
        x = L.Add()([x, end(y, i)])
    return keras.Model(inputs, x)


@pytest.mark.parametrize(
    ("end", "carriers"),
    [
        (lambda y, i: L.Dropout(0.1)(y), ["conv_{}/kernel", "conv_{}/bias"]),
        (lambda y, i: L.BatchNormalization(name=f"n_{i}")(y), ["n_{}/gamma", "n_{}/beta"]),
        (lambda y, i: y * L.Dense(8, "sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(y)),
         ["conv_{}/kernel", "conv_{}/bias"]),
        (lambda y, i: L.ReLU()(y), []),
    ],
    ids=["dropout", "normalization", "gate", "activation"],
)  # fmt: skip
def test_what_takes_on_a_branchs_multiplier(end, carriers):
    report = mup(ending(6, end), ending(6, end), depth_base=ending(2, end), seed=0)
    expected = {path.format(i) for i in range(6) for path in carriers}
    assert {row.path for row in report.rows if row.multiplier != 1} == expected
    model_has_to = [p for p in report.problems if "multiply these branches by 0.3333" in p.why]
    assert len(model_has_to) == (not carriers)


@pytest.mark.parametrize(
    ("depth_base", "error", "message"),
    [
        (3, TypeError, "mup: depth_base must be a built Keras model, got 3"),
        (mlp(8), ValueError, "mup: depth_base must have residual branches"),
        (keras.Sequential([L.Dense(2)]), ValueError, "mup: depth_base: .*built"),
    ],
)
def test_bad_depth_bases(depth_base, error, message):
    model = residual_mlp(1)
    before = [to_numpy(v) for v in model.variables]
    with pytest.raises(error, match=message):
        mup(model, model, depth_base=depth_base)
    for then, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), then)


def change_of_the_stream(depth, by_depth, make, seed, steps=3):
    """The mean change of what the last branch is added to, after a few steps."""
    model, optimizer = residual_mlp(depth), make()
    base = residual_mlp(2) if by_depth else model
    start = mup(model, model, depth_base=base, seed=seed)
    before = to_numpy(model(X)[1])
    model.compile(start.optimizer(optimizer), [LOSS, None])
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return np.abs(to_numpy(model(X)[1]) - before).mean()


@pytest.mark.large
@pytest.mark.once
@pytest.mark.parametrize("make", [lambda: O.Adam(1e-3), lambda: O.SGD(0.1)], ids=["Adam", "SGD"])
def test_changes_keep_their_size_from_2_to_32_blocks(make):
    depths, slopes = [2, 4, 8, 16, 32], []
    for by_depth in (True, False):
        changes = [
            np.mean([change_of_the_stream(n, by_depth, make, seed) for seed in range(3)])
            for n in depths
        ]
        slopes.append(np.polyfit(np.log(depths), np.log(changes), 1)[0])
        print(f"{'CompleteP' if by_depth else 'usual'}: slope {slopes[-1]:.2f}, {changes}")
    assert abs(slopes[0]) < 0.05
    assert slopes[1] > 0.5
