"""initialize: really drawn again, seeds by path, rules, all or nothing."""

from __future__ import annotations

import json
import random

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.legacy.keras1 import schemes as keras1
from keras_inits.models.initialize import initialize
from keras_inits.models.memory import entries as measuring
from keras_inits.models.variables.walk import walk
from keras_inits.schemes.constant import Constant
from keras_inits.schemes.data import FromArray
from keras_inits.schemes.depth import Scaled
from keras_inits.schemes.recurrent import ForgetGateBias
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import GlorotUniform, HeNormal, VarianceScaling
from keras_inits.streams import DefaultStream, TorchStream
from keras_inits.streams.narrow import numpy_dtype


def small(*extra, **first):
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(8, **first),
            L.BatchNormalization(),
            L.Dropout(0.5, seed=3),
            *extra,
            L.Dense(5),
        ]
    )


def values(model):
    return {s.path: to_numpy(s.variable) for s in walk(model)}


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for path in found:
        np.testing.assert_array_equal(found[path], expected[path], err_msg=path)


def rows(report):
    return {row.path: row for row in report.rows}


# Seeds


def test_values_are_the_stream_of_the_seed_and_the_path():
    model = small()
    initialize(model, seed=5)
    expected = VarianceScaling(1.0, "fan_avg", "uniform").draw(
        (6, 8), DefaultStream(5).child("dense/kernel")
    )
    np.testing.assert_array_equal(values(model)["dense/kernel"], expected)


def test_the_same_model_built_twice():
    first, second = small(), small()
    initialize(first, seed=5)
    initialize(second, seed=5)
    assert_equal(values(first), values(second))
    initialize(second, seed=6)
    assert (values(first)["dense/kernel"] != values(second)["dense/kernel"]).all()


def test_a_named_layer_added_changes_no_other():
    first, second = small(), small(L.Dense(8, name="added"))
    initialize(first, seed=5)
    initialize(second, seed=5)
    found = {path: value for path, value in values(second).items() if "added" not in path}
    assert_equal(found, values(first))


def test_no_seed_is_fresh_and_follows_set_random_seed():
    model = small()
    drawn = []
    for seed in (1, 1, None):
        if seed is not None:
            keras.utils.set_random_seed(seed)
        initialize(model)
        drawn.append(values(model)["dense/kernel"])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[1] != drawn[2]).all()


def test_a_seed_in_the_layers_initializer_does_not_repeat_the_draw():
    init = keras.initializers.HeNormal(seed=3)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(6, kernel_initializer=init),
            L.Dense(6, kernel_initializer=init),
        ]
    )
    before = values(model)
    initialize(model, seed=0)
    after = values(model)
    assert (after["dense/kernel"] != before["dense/kernel"]).all()
    assert (after["dense/kernel"] != after["dense_1/kernel"]).all()


@pytest.mark.parametrize("scheme", [HeNormal(seed=3), keras.initializers.HeNormal(seed=3)])
@pytest.mark.parametrize("by_rule", [True, False])
def test_query_key_and_value_differ(scheme, by_rule):
    inputs = keras.Input((5, 8))
    attention = L.MultiHeadAttention(2, 4, kernel_initializer="zeros" if by_rule else scheme)
    model = keras.Model(inputs, attention(inputs, inputs))
    initialize(model, {"kernel": scheme} if by_rule else None, seed=0)
    found = values(model)
    q, k, v = (found[f"multi_head_attention/{n}/kernel"] for n in ("query", "key", "value"))
    assert (q != k).all()
    assert (k != v).all()
    assert (q != v).all()


def test_a_seed_in_a_rule_fixes_its_draws():
    model, drawn = small(), []
    for seed in (1, 2):
        initialize(model, {"dense/kernel": HeNormal(seed=7)}, seed=seed)
        drawn.append(values(model))
    np.testing.assert_array_equal(drawn[0]["dense/kernel"], drawn[1]["dense/kernel"])
    assert (drawn[0]["dense_1/kernel"] != drawn[1]["dense_1/kernel"]).all()


def test_unseeded_keras_initializer_in_a_rule_follows_the_call():
    model, drawn = small(), []
    scheme = keras.initializers.HeNormal()
    for seed in (1, 2, 1):
        initialize(model, {"dense/kernel": scheme}, seed=seed)
        drawn.append(values(model)["dense/kernel"])
    assert (drawn[0] != drawn[1]).all()
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_a_replay_goes_through_the_layers_in_order():
    model = small()
    initialize(model, {"kernel": Normal(1.0)}, seed=TorchStream(4, order="keras"))
    stream = TorchStream(4, order="keras")
    found = values(model)
    np.testing.assert_array_equal(found["dense/kernel"], stream.normal((6, 8)))
    np.testing.assert_array_equal(found["dense_1/kernel"], stream.normal((8, 5)))


def test_a_dry_run_leaves_the_replay_where_it_is():
    model, stream = small(), TorchStream(4, order="keras")
    first = initialize(model, {"kernel": Normal(1.0)}, seed=stream, dry_run=True)
    second = initialize(model, {"kernel": Normal(1.0)}, seed=stream)
    assert first.to_dict() == second.to_dict()


# The layers' own initializers


def test_law_of_each_keras_initializer_is_kept():
    cases = [
        (keras.initializers.RandomNormal(0.3, 0.2), 0.3, 0.2, None),
        (keras.initializers.RandomUniform(-0.1, 0.5), 0.2, 0.6 / np.sqrt(12), 0.5),
        (keras.initializers.TruncatedNormal(0.0, 0.1), 0.0, 0.0879626, 0.2),
        (keras.initializers.HeNormal(), 0.0, np.sqrt(2 / 200), 2 * np.sqrt(2 / 200) / 0.8796),
        (keras.initializers.GlorotUniform(), 0.0, np.sqrt(2 / 500), np.sqrt(6 / 500)),
        (keras.initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"), 0.0, 0.1, None),
        (keras.initializers.Constant(0.7), 0.7, 0.0, 0.7),
        (keras.initializers.Ones(), 1.0, 0.0, 1.0),
    ]
    for init, mean, std, bound in cases:
        model = keras.Sequential([keras.Input((200,)), L.Dense(300, kernel_initializer=init)])
        (row, _) = initialize(model, seed=1).rows
        kernel = values(model)["dense/kernel"]
        assert kernel.mean() == pytest.approx(mean, abs=5 * std / 245 + 1e-7), init
        assert kernel.std() == pytest.approx(std, rel=0.02, abs=1e-6), init
        assert row.expected_std == pytest.approx(std, rel=1e-3), init
        assert row.measured_std == pytest.approx(kernel.std(), rel=1e-4, abs=1e-6), init
        if bound is not None:
            assert kernel.max() == pytest.approx(bound, rel=5e-3), init


class Table(L.Layer):
    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.table = self.add_weight(shape=shape, name="table", initializer="zeros")

    def call(self, x):
        return x


TABLES = {
    "far apart": np.r_[6e4, np.linspace(-1, 1, 300_000)],
    "far from 0": np.linspace(999, 1001, 300_000),
    "equal": np.full(300_000, 0.1),
    "one": np.ones(1),
}


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", TABLES)
def test_the_measured_std_keeps_its_digits(name, dtype, monkeypatch):
    """Also where most of them cancel in a sum of squares; in C and in NumPy."""
    table = np.asarray(TABLES[name]).astype(numpy_dtype(dtype))
    model = keras.Sequential([keras.Input((1,)), Table(table.shape, dtype=dtype)])
    rules = {"table": FromArray(table.astype("float64"))}
    exact = table.astype("float64").std()
    for compiled in (measuring._in_c, None):
        monkeypatch.setattr(measuring, "_in_c", compiled)
        (row,) = initialize(model, rules, seed=0).rows
        assert row.measured_std == pytest.approx(exact, rel=1e-9, abs=1e-15), compiled


@pytest.mark.once
def test_the_largest_numbers_have_a_measured_std():
    table = np.array([-1e200, 1e200, 1e200])
    model = keras.Sequential([keras.Input((1,)), Table(table.shape, dtype="float64")])
    (row,) = initialize(model, {"table": FromArray(table)}, seed=0).rows
    assert row.measured_std == np.inf


@pytest.mark.once
def test_complex_numbers_have_a_measured_std():
    table = np.array([1 + 1j, 2, 3j], "complex64")
    model = keras.Sequential([keras.Input((1,)), Table(table.shape, dtype="complex64")])
    (row,) = initialize(model, {"table": lambda shape, dtype=None: table}, seed=0).rows
    assert row.measured_std == pytest.approx(table.std(), rel=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("at", [0, 1, 200_000, -1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_each_entry_must_be_finite(at, value, monkeypatch):
    table = np.ones(300_000)
    table[at] = value
    model = keras.Sequential([keras.Input((1,)), Table(table.shape)])
    for compiled in (measuring._in_c, None):
        monkeypatch.setattr(measuring, "_in_c", compiled)
        with pytest.raises(ValueError, match="table of shape .* not all finite in float32"):
            initialize(model, {"table": lambda shape, dtype=None: table}, seed=0)


def test_forget_gate_and_other_biases_of_an_lstm():
    lstm = L.LSTM(4, bias_initializer=keras.initializers.RandomNormal(stddev=2.0))
    model = keras.Sequential([keras.Input((3, 2)), lstm])
    drawn = []
    for seed in (0, 1):
        initialize(model, seed=seed)
        drawn.append(values(model)["lstm/lstm_cell/bias"])
    np.testing.assert_array_equal(drawn[0][4:8], 1.0)
    assert (drawn[0] != drawn[1]).sum() == 12


def test_statistics_and_states_return_to_their_start():
    model = keras.Sequential(
        [
            keras.Input((3, 4), batch_size=2),
            L.BatchNormalization(),
            L.Dropout(0.5, seed=9),
            L.GRU(3, stateful=True),
        ]
    )
    x = np.random.default_rng(0).normal(5, 3, (2, 3, 4)).astype("float32")
    model(x, training=True)
    changed = values(model)
    assert abs(changed["batch_normalization/moving_mean"]).max() > 0
    assert changed["dropout/seed_generator_state"][1] > 0
    initialize(model, seed=0)
    found = values(model)
    np.testing.assert_array_equal(found["batch_normalization/moving_mean"], 0)
    np.testing.assert_array_equal(found["batch_normalization/moving_variance"], 1)
    seed = DefaultStream(0).child("dropout/seed_generator_state").integers((), 2**31 - 1)
    np.testing.assert_array_equal(found["dropout/seed_generator_state"], [seed, 0])
    initialize(model)
    np.testing.assert_array_equal(values(model)["dropout/seed_generator_state"], [seed, 0])
    for slot in walk(model):
        if slot.role == "state":
            np.testing.assert_array_equal(to_numpy(slot.variable), 0)


def test_adapted_normalization_stays():
    normalization = L.Normalization()
    normalization.adapt(np.arange(12.0).reshape(6, 2))
    model = keras.Sequential([keras.Input((2,)), normalization, L.Dense(3)])
    before = values(model)
    report = initialize(model, seed=0)
    for path in before:
        if path.startswith("normalization"):
            np.testing.assert_array_equal(values(model)[path], before[path])
            assert rows(report)[path].scheme == "kept"
            assert rows(report)[path].source == "kept: adapted to data"


def test_optimizer_slots_return_to_their_start_when_asked():
    model = small()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    model.fit(x, x[:, :5], verbose=0)
    trained = [to_numpy(v) for v in model.optimizer.variables]
    assert trained[0] == 1
    assert any(abs(t).max() > 0 for t in trained[2:])
    initialize(model, seed=0)
    for found, before in zip(model.optimizer.variables, trained, strict=True):
        np.testing.assert_array_equal(to_numpy(found), before)
    initialize(model, seed=0, reset_optimizer=True)
    for variable in model.optimizer.variables:
        expected = 0.01 if "learning_rate" in variable.path else 0.0
        np.testing.assert_allclose(to_numpy(variable), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="must be compiled"):
        initialize(small(), reset_optimizer=True)


class Forgetful(keras.optimizers.SGD):
    """Its config lacks an argument without a default."""

    def __init__(self, thing, **kwargs):
        super().__init__(**kwargs)


@pytest.mark.parametrize("frozen", [True, False])
def test_an_optimizer_that_cannot_be_reset_leaves_the_model_as_it_was(frozen):
    model = small()
    optimizer = keras.optimizers.Adam() if frozen else Forgetful("thing", learning_rate=0.1)
    model.compile(optimizer, "mse")
    model.fit(np.ones((4, 6), "float32"), np.ones((4, 5), "float32"), verbose=0)
    model.layers[0].trainable = not frozen
    before = values(model)
    message = f"initialize: optimizer {type(optimizer).__name__} cannot be reset: "
    with pytest.raises(ValueError, match=message):
        initialize(model, seed=0, reset_optimizer=True)
    assert_equal(values(model), before)


@pytest.mark.parametrize("seed", ["x", -1, 2**64, True, 1.5])
def test_bad_seeds(seed):
    with pytest.raises(
        (ValueError, TypeError),
        match=r"initialize: seed must be None, an integer from 0 to 2\*\*64 - 1, a keras.random.Se",
    ):
        initialize(small(), seed=seed)


def test_a_seed_generator_moves_on():
    one, two = small(), small()
    generators = [keras.random.SeedGenerator(1) for _ in range(2)]
    for model, generator in zip((one, two), generators, strict=True):
        initialize(model, seed=generator)
    assert_equal(values(one), values(two))
    initialize(one, seed=generators[0], dry_run=True)
    initialize(two, seed=generators[1])
    assert (values(one)["dense/kernel"] != values(two)["dense/kernel"]).any()
    initialize(one, seed=generators[0])
    assert_equal(values(one), values(two))


@pytest.mark.parametrize("rules", [None, "torch", {"kernel": HeNormal()}])
def test_quantized_layers_are_left_and_listed(rules):
    model = small()
    model.layers[0].quantize("int8")
    before = values(model)
    report = initialize(model, rules, seed=0)
    after = values(model)
    kept = [path for path in after if path.startswith("dense/")]
    assert len(kept) == 3
    assert sorted((p.path, p.reason) for p in report.problems) == [
        (path, "quantized to int8; left as it was") for path in sorted(kept)
    ]
    for path in kept:
        np.testing.assert_array_equal(after[path], before[path])
    assert (after["dense_1/kernel"] != before["dense_1/kernel"]).all()


class Counted(L.Dense):
    def build(self, shape):
        super().build(shape)
        self.count = self.add_weight(
            shape=(3,), dtype="int32", initializer="ones", name="count", trainable=False
        )


def test_a_layer_class_does_not_stand_for_integers():
    model = keras.Sequential([keras.Input((4,)), Counted(3)])
    report = initialize(model, {Counted: HeNormal()}, seed=0)
    assert rows(report)["counted/kernel"].source == "rule Counted"
    assert rows(report)["counted/count"].source == "its own initializer"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_long_path_stays_whole(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    model = keras.Sequential([keras.Input((5, 4)), L.Bidirectional(L.LSTM(3)), L.Dense(2)])
    report = initialize(model, seed=0)
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= columns
    start = next(i for i, line in enumerate(lines) if "──" in line) + 1
    paths = [row.path for row in report.rows]
    assert [line.split()[0] for line in lines[start:]][: len(paths)] == paths


class Foreign(keras.initializers.Initializer):
    """Another library's initializer, with a seed in its config."""

    def __init__(self, seed=None):
        self.seed = seed

    def __call__(self, shape, dtype=None, **kwargs):
        drawn = np.random.default_rng(self.seed).exponential(size=shape)
        return keras.ops.convert_to_tensor(drawn, dtype)

    def get_config(self):
        return {"seed": self.seed}


def test_foreign_initializers_are_reseeded_where_they_can_be():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            L.Dense(6, kernel_initializer=Foreign(1)),
            L.Dense(6, kernel_initializer=Foreign(1)),
        ]
    )
    drawn = []
    for seed in (0, 0, 1):
        report = initialize(model, seed=seed)
        drawn.append(values(model))
        assert not report.problems
    assert (drawn[0]["dense/kernel"] != drawn[0]["dense_1/kernel"]).all()
    np.testing.assert_array_equal(drawn[0]["dense/kernel"], drawn[1]["dense/kernel"])
    assert (drawn[0]["dense/kernel"] != drawn[2]["dense/kernel"]).all()


def test_foreign_initializers_without_a_seed_are_reported():
    def wild(shape, dtype=None):
        return keras.ops.convert_to_tensor(
            [[random.random() for _ in range(shape[1])]] * shape[0], dtype
        )

    def ramp(shape, dtype=None):
        return keras.ops.reshape(keras.ops.arange(int(np.prod(shape)), dtype=dtype), shape)

    model = small()
    report = initialize(model, {"dense/kernel": wild, "dense_1/kernel": ramp}, seed=0)
    found = {p.path: p.reason for p in report.problems}
    assert "other values at every run" in found["dense/kernel"]
    assert "the same values at every run" in found["dense_1/kernel"]
    assert values(model)["dense_1/kernel"][0, 1] == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes(dtype):
    model = keras.Sequential([keras.Input((64,)), L.Dense(64, dtype=dtype)])
    (row, _) = initialize(model, {"kernel": "keras_inits>HeNormal"}, seed=0).rows
    assert keras.backend.standardize_dtype(model.layers[0].kernel.dtype) == dtype
    assert row.measured_std == pytest.approx(row.expected_std, rel=0.05)


# Rules


def test_first_match_wins_and_the_rest_keep_their_own_law():
    model = small()
    before = values(model)
    report = initialize(
        model,
        [
            (r"^dense_1/", None),
            ((L.Dense, "bias"), Constant(0.25)),
            (L.Dense, Normal(0.5)),
            ("kernel", Normal(9.0)),
        ],
        seed=0,
    )
    after = values(model)
    for role in ("kernel", "bias"):
        np.testing.assert_array_equal(after[f"dense_1/{role}"], before[f"dense_1/{role}"])
    np.testing.assert_array_equal(after["dense/bias"], 0.25)
    found = rows(report)
    assert found["dense/kernel"].scheme == "Normal(scale=0.5)"
    assert found["dense_1/kernel"].source == "rule '^dense_1/'"
    assert found["batch_normalization/gamma"].source == "its own initializer"


def test_a_class_stands_for_the_layers_inside():
    inputs = keras.Input((5, 8))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(inputs)
    model = keras.Model(inputs, L.MultiHeadAttention(2, 4)(x, x))
    report = initialize(model, {L.LSTM: Normal(1.0), L.MultiHeadAttention: Normal(2.0)}, seed=0)
    chosen = {r.path: r.scheme for r in report.rows if r.scheme.startswith("Normal")}
    assert len([p for p in chosen if "lstm" in p]) == 4
    assert len([p for p in chosen if "attention" in p]) == 4
    assert all(p.endswith("kernel") for p in chosen)


def test_dict_and_pairs_and_strings():
    model, drawn = small(), []
    for rules in (
        {"kernel": "xavier_normal"},
        [("kernel", "xavier_normal")],
        (["kernel", "xavier_normal"],),
    ):
        initialize(model, rules, seed=0)
        drawn.append(values(model))
    assert_equal(drawn[0], drawn[1])
    assert_equal(drawn[0], drawn[2])


def test_a_variable_without_an_initializer_is_kept_until_a_rule_names_it():
    class Plain(L.Layer):
        def __init__(self):
            super().__init__()
            self.table = keras.Variable(np.ones((3, 3), "float32"), name="table")

        def call(self, x):
            return x @ self.table

    model = keras.Sequential([keras.Input((3,)), Plain()])
    report = initialize(model, seed=0)
    assert report.problems[0].path == "plain/table"
    np.testing.assert_array_equal(values(model)["plain/table"], 1)
    report = initialize(model, {"table": Normal(1.0)}, seed=0)
    assert not report.problems
    assert values(model)["plain/table"].std() > 0.1


# Errors: the model stays as it was

BAD_RULES = {
    "nothing matches": ({"dnse_1/kernl": "zeros"}, ValueError, "did you mean dense_1/kernel"),
    "no such layer": ({L.Conv2D: "zeros"}, ValueError, "rule Conv2D matches no variable"),
    "no such role": (
        {(L.Dense, "gamma"): "zeros"},
        ValueError,
        r"did you mean \(Dense, 'kernel'\)",
    ),
    "only scales": ({L.BatchNormalization: "ones"}, ValueError, r"\(BatchNormalization, 'gamma'\)"),
    "not a regular expression": ({"[": "zeros"}, ValueError, "regular expression"),
    "unknown string": ({"kernel": "he_nrmal"}, ValueError, "nearest: 'he_normal'"),
    "not an initializer": ({"kernel": 3}, TypeError, "a rule's initializer must be"),
    "not a pattern": ({3: "zeros"}, TypeError, "a rule's pattern must be"),
    "a class that is no layer": ({dict: "zeros"}, TypeError, "a rule's pattern must be"),
    "not pairs": ([3], TypeError, "pairs"),
    "no rules": ([], ValueError, "not empty"),
    "a number": (3, TypeError, "a preset's name"),
    "no such preset": ("pytorch", ValueError, "'torch'"),
    "shape": (
        {"kernel": "keras_inits>DeltaOrthogonal"},
        ValueError,
        r"dense/kernel of shape \(6, 8\) cannot take DeltaOrthogonal\(\).*rank 3 to 5",
    ),
    "shape of the last": (
        {r"dense_1/bias": "orthogonal"},
        ValueError,
        r"dense_1/bias of shape \(5,\)",
    ),
    "not finite": (
        {"dense_1/kernel": lambda shape, dtype=None: keras.ops.full(shape, float("nan"), dtype)},
        ValueError,
        "not all finite",
    ),
    "wrong shape": (
        {"dense_1/kernel": lambda shape, dtype=None: keras.ops.zeros((2, 2), dtype)},
        ValueError,
        r"gave values of shape \(2, 2\)",
    ),
    "negative variance": ({"moving_variance": Normal(1.0)}, ValueError, "cannot be negative"),
}


@pytest.mark.parametrize("name", BAD_RULES)
def test_bad_rules(name):
    rules, kind, message = BAD_RULES[name]
    model = small()
    before = values(model)
    with pytest.raises(kind, match=message):
        initialize(model, rules, seed=0)
    assert_equal(values(model), before)


def test_other_bad_arguments():
    with pytest.raises(
        ValueError, match="structure must be None, True, False or 'strides', got 'yes'"
    ):
        initialize(small(), structure="yes")
    with pytest.raises(TypeError, match="seed must be"):
        initialize(small(), seed="1")
    with pytest.raises(ValueError, match="^initialize: model must be built"):
        initialize(keras.Sequential([L.Dense(2)]))
    with pytest.raises(ValueError, match="must have weights"):
        initialize(keras.Sequential([keras.Input((2,)), L.Flatten()]))


def test_an_error_while_assigning_restores_all(monkeypatch):
    model = small()
    before = values(model)
    last = model.variables[-2]
    original = type(last).assign

    def assign(self, value):
        if self is last and not np.array_equal(
            to_numpy(self), np.asarray(keras.ops.convert_to_numpy(value))
        ):
            raise RuntimeError("out of memory")
        return original(self, value)

    monkeypatch.setattr(type(last), "assign", assign)
    with pytest.raises(RuntimeError, match="out of memory"):
        initialize(model, seed=0)
    monkeypatch.undo()
    assert_equal(values(model), before)


# The report


def test_dry_run_changes_nothing_and_reports_the_same():
    model = small()
    before = values(model)
    dry = initialize(model, "torch", seed=0, dry_run=True)
    assert_equal(values(model), before)
    assert initialize(model, "torch", seed=0).to_dict() == dry.to_dict()


def test_report_prints_and_exports(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    report = initialize(small(), {"kernel": GlorotUniform()}, seed=0)
    printed = str(report)
    for word in ("path", "shape", "scheme", "fans", "expected std", "measured std"):
        assert word in printed
    assert "dense/kernel" in printed
    assert "(6, 8)" in printed
    assert "0.378" in printed
    exported = json.loads(json.dumps(report.to_dict()))
    assert exported["rows"][0]["path"] == "dense/kernel"
    assert exported["problems"] == []
    assert ">dense/kernel</td>" in report._repr_html_()
    assert len(report) == len(report.rows) == 9


def test_schemes_for_gates_survive_a_config():
    scheme = ForgetGateBias(keras1.Uniform(0.1), "ones")
    again = ForgetGateBias.from_config(json.loads(json.dumps(scheme.get_config())))
    assert isinstance(again.value, keras1.Uniform)
    assert again.value.scale == 0.1


def test_a_model_that_is_not_built_says_so():
    class Unbuilt(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(name="scale", shape=(3,))
            self.dense = L.Dense(2)

        def call(self, x):
            return self.dense(x * self.scale)

    with pytest.raises(ValueError, match="initialize: model must be built"):
        initialize(Unbuilt())


@pytest.mark.once
def test_a_model_of_tf_keras_is_named_as_such():
    model = type("Functional", (), {"__module__": "tf_keras.src.engine.functional"})()
    with pytest.raises(TypeError, match="Functional of the tf_keras package: save it as .h5 and"):
        initialize(model)


class Complex(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        return np.ones(shape) * 1j


class Stops(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        raise StopIteration("out of numbers")


@pytest.mark.parametrize(
    ("initializer", "error", "message"),
    [
        (
            Complex(),
            ValueError,
            "dense/bias of shape .* gave values of dtype complex128 for float32",
        ),
        (Scaled(Complex(), 2.0), ValueError, "gave values of dtype complex128 for float32"),
        (Stops(), ValueError, r"rule 'bias\$'\): StopIteration\('out of numbers'\)"),
    ],
)
def test_what_an_initializer_does_wrong_is_said(initializer, error, message):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    before = [weight.tobytes() for weight in model.get_weights()]
    with pytest.raises(error, match=message):
        initialize(model, [("bias$", initializer)], seed=0)
    assert [weight.tobytes() for weight in model.get_weights()] == before


class Failing(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        raise KeyError("of its own")


def _failing(*_args, **_kwargs):
    raise RuntimeError("of its own")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            (_failing, "zeros"),
            r"rule _failing must say of d/kernel whether .* RuntimeError\('of its",
        ),
        (("kernel", _failing), r"d/kernel .* cannot take _failing \(rule 'kernel'\): RuntimeError"),
        (("kernel", Failing()), r"d/kernel .* cannot take Failing \(rule 'kernel'\): KeyError"),
    ],
)
def test_a_function_that_fails_is_told_with_its_rule(rule, message):
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="d")])
    before = to_numpy(model.layers[0].kernel)
    with pytest.raises(ValueError, match=message):
        initialize(model, [rule])
    np.testing.assert_array_equal(to_numpy(model.layers[0].kernel), before)
