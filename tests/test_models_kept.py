"""What `initialize` leaves as it is or computes again: builds, frozen layers, arrays, gates, LoRA."""

from __future__ import annotations

import gc
import math
import re

import keras
import numpy as np
import pytest
from conftest import python, to_numpy
from keras import layers as L
from keras import ops

import keras_inits as ki
from keras_inits.models.choice.presets import PRESETS
from keras_inits.models.initialize import initialize

RNG = np.random.default_rng(0)


def rows(report):
    return {row.path: row for row in report.rows}


class Built(L.Layer):
    """Assigns a value to its one variable while it is built, or while it is made."""

    def __init__(self, value=None, trainable_table=False, **options):
        super().__init__(**options)
        self.value, self.trainable_table = value, trainable_table

    def build(self, shape):
        self.table = self.add_weight(
            name="table", shape=(4, 3), initializer="zeros", trainable=self.trainable_table
        )
        self.other = self.add_weight(name="other", shape=(3,), initializer="ones")
        self.table.assign(self.compute())

    def compute(self):
        return np.sin(np.arange(12.0)).reshape(4, 3)

    def call(self, x):
        return x * self.other + self.table


class Mask(Built):
    def compute(self):
        return np.tril(np.ones((4, 3)))


class Scale(Built):
    def compute(self):
        return np.full((4, 3), 1e-4)


class Nothing(Built):
    """Zeros assigned over zeros, which nobody can tell from the initializer's, and need not."""

    def compute(self):
        return np.zeros((4, 3))


@pytest.mark.parametrize("cls", [Built, Mask, Scale, Nothing])
@pytest.mark.parametrize("trainable", [False, True])
def test_what_a_build_assigned_is_computed_again(cls, trainable):
    layer = cls(trainable_table=trainable, name="own")
    model = keras.Sequential([keras.Input((4, 3)), layer])
    before = to_numpy(layer.table)
    layer.table.assign(RNG.normal(size=(4, 3)))
    layer.other.assign(RNG.normal(size=3))
    report = initialize(model, seed=1)
    np.testing.assert_array_equal(to_numpy(layer.table), before)
    np.testing.assert_array_equal(to_numpy(layer.other), 1)
    assert not report.problems
    if cls is not Nothing:
        assert rows(report)["own/table"].source == "computed by its layer, as built"
        assert re.search(r"own/table .*computed by its layer, as built\b", str(report))
    initialize(model, {"table": "ones"}, seed=1)
    np.testing.assert_array_equal(to_numpy(layer.table), 1)


class Normalized(L.Layer):
    """Assigns what depends on another variable's draw: nobody can compute that again."""

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(3, 3), initializer="normal")
        self.n = self.add_weight(name="n", shape=(3,), initializer="zeros", trainable=False)
        self.n.assign(ops.sum(self.w * self.w, axis=0))

    def call(self, x):
        return ops.matmul(x, self.w) / self.n


def test_what_depends_on_a_draw_stays_and_is_listed():
    layer = Normalized(name="own")
    model = keras.Sequential([keras.Input((3,)), layer])
    before, drawn = to_numpy(layer.n), to_numpy(layer.w)
    report = initialize(model, seed=1)
    np.testing.assert_array_equal(to_numpy(layer.n), before)
    assert abs(to_numpy(layer.w) - drawn).max() > 0
    (problem,) = report.problems
    assert (problem.path, problem.reason) == (
        "own/n",
        "computed by its layer while it was built; left as it was",
    )


class Parent(L.Layer):
    """Its build assigns to variables of layers inside of it, made before or while it is built."""

    def __init__(self, where="build", **options):
        super().__init__(**options)
        self.where = where
        if where == "init":
            self.make((None, 3))

    def build(self, shape):
        if self.where == "build":
            self.make(shape)

    def make(self, shape):
        self.scale = L.Dense(3, name="scale")
        self.norm = L.LayerNormalization(name="norm")
        self.other = L.Dense(3, name="other")
        for layer in (self.scale, self.norm, self.other):
            layer.build(shape)
        self.scale.kernel.assign(1e-4 * np.eye(3))
        self.norm.gamma.assign([0.0, 0.1, 0.2])
        self.other.bias.assign(ops.sum(self.other.kernel, axis=0))

    def call(self, x):
        return x + self.scale(self.norm(x)) + self.other(x)


class Grandparent(L.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.parent = Parent(name="parent")

    def build(self, shape):
        self.parent.build(shape)
        self.parent.norm.beta.assign([1.0, 2.0, 3.0])

    def call(self, x):
        return self.parent(x)


@pytest.mark.parametrize("where", ["init", "build", "grandparent"])
def test_what_a_build_assigned_to_the_layers_inside_is_computed_again(where):
    layer = Grandparent(name="own") if where == "grandparent" else Parent(where, name="own")
    model = keras.Sequential([keras.Input((3,)), layer])
    parent = layer.parent if where == "grandparent" else layer
    fixed = [parent.scale.kernel, parent.norm.gamma, parent.norm.beta]
    before = list(map(to_numpy, fixed))
    bias, kernel = to_numpy(parent.other.bias), to_numpy(parent.other.kernel)
    for variable in fixed:
        variable.assign(RNG.normal(size=variable.shape))
    report = initialize(model, seed=1)
    for variable, value in zip(fixed, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)
    assert abs(to_numpy(parent.other.kernel) - kernel).max() > 0
    np.testing.assert_array_equal(to_numpy(parent.other.bias), bias)
    (problem,) = report.problems
    assert problem.path.endswith("other/bias")
    assert "computed by its layer" in problem.reason


def transfer():
    base = keras.Sequential(
        [keras.Input((8,)), L.Dense(6, name="a"), L.BatchNormalization(name="n")], name="base"
    )
    base.trainable = False
    return keras.Sequential([base, L.Dense(3, name="head")])


def test_frozen_layers_stay():
    model = transfer()
    for variable in model.variables:
        variable.assign(np.abs(RNG.normal(size=variable.shape)) + 0.5)
    before = {v.path: to_numpy(v) for v in model.variables}
    for rules in (None, [("^head/kernel$", "keras_inits>he_normal")], "torch"):
        report = initialize(model, rules, seed=1)
        for row in report.rows:
            frozen = row.path.startswith("base/")
            assert (row.source == "frozen, kept") == frozen, row
            assert row.scheme == "kept" or not frozen
        assert not report.problems
    for variable in model.variables:
        same = np.array_equal(to_numpy(variable), before[variable.path])
        assert same == ("head" not in variable.path), variable.path


def test_a_rule_that_names_frozen_weights_draws_them():
    model = transfer()
    report = initialize(model, {"base/a/kernel": "ones"}, seed=1)
    assert rows(report)["base/a/kernel"].measured_std == 0
    assert rows(report)["base/a/bias"].source == "frozen, kept"
    report = initialize(model, seed=1, frozen=True)
    assert not [row for row in report.rows if row.scheme == "kept"]
    with pytest.raises(TypeError, match="initialize: frozen must be True or False"):
        initialize(model, frozen=1)


def test_weights_that_a_trainable_layer_does_not_train_are_drawn_as_before():
    model = keras.Sequential([keras.Input((8,)), L.BatchNormalization(name="n")])
    model.layers[0].moving_mean.assign(np.ones(8))
    initialize(model, seed=1)
    np.testing.assert_array_equal(to_numpy(model.layers[0].moving_mean), 0)


@pytest.mark.parametrize(
    ("only", "drawn"),
    [
        ("head", {"head/kernel", "head/bias"}),
        ([r"first/kernel$", (L.Dense, "bias")], {"first/kernel", "first/bias", "head/bias"}),
        (lambda slot: slot.shape == (8, 6), {"first/kernel"}),
        (L.Dense, {"first/kernel", "first/bias", "head/kernel", "head/bias"}),
        ("layer", {"head/kernel", "head/bias"}),
    ],
    ids=["string", "list", "function", "class", "layer"],
)
def test_only(only, drawn):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            L.Dense(6, name="first"),
            L.LayerNormalization(),
            L.Dense(3, name="head"),
        ]
    )
    only = model.layers[-1] if only == "layer" else only
    for variable in model.variables:
        variable.assign(np.full(variable.shape, 7.0))
    report = initialize(model, seed=1, only=only)
    changed = {row.path for row in report.rows if row.scheme != "kept"}
    assert changed == drawn
    for row, variable in zip(report.rows, model.variables, strict=True):
        assert (to_numpy(variable) == 7).all() == (row.path not in drawn)


def test_only_must_name_something():
    model = keras.Sequential([keras.Input((8,)), L.Dense(6, name="first")])
    with pytest.raises(ValueError, match="matches no variable of the model"):
        initialize(model, only="second")
    with pytest.raises(ValueError, match="only must be"):
        initialize(model, only=[])
    with pytest.raises(TypeError, match="only must be"):
        initialize(model, only=3)


def test_an_array_survives_clones():
    w = RNG.normal(size=(8, 8)).astype("float32")
    scheme = ki.FromArray(w)
    clone = ki.FromArray.from_config(scheme.get_config())
    np.testing.assert_array_equal(to_numpy(clone((8, 8))), w)
    both = L.Bidirectional(L.SimpleRNN(8, recurrent_initializer=scheme))
    keras.Sequential([keras.Input((5, 4)), both])
    for rnn in (both.forward_layer, both.backward_layer):
        np.testing.assert_array_equal(to_numpy(rnn.cell.recurrent_kernel), w)
    model = keras.Sequential([keras.Input((8,)), L.Dense(8, kernel_initializer=scheme)])
    copy = keras.models.clone_model(model)
    np.testing.assert_array_equal(to_numpy(copy.layers[0].kernel), w)
    copy.layers[0].kernel.assign(np.zeros((8, 8)))
    report = initialize(copy, seed=1)
    np.testing.assert_array_equal(to_numpy(copy.layers[0].kernel), w)
    assert not report.problems


@pytest.mark.slow
def test_an_array_that_is_gone_is_listed(tmp_path):
    w = RNG.normal(size=(8, 4)).astype("float32")
    model = keras.Sequential(
        [keras.Input((8,)), L.Dense(4, kernel_initializer=ki.FromArray(w), name="own")]
    )
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras, numpy as np, keras_inits\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "before = keras.ops.convert_to_numpy(model.layers[0].kernel)\n"
        "assert before.any()\n"
        "report = keras_inits.initialize(model, seed=1)\n"
        "assert (keras.ops.convert_to_numpy(model.layers[0].kernel) == before).all()\n"
        "print(report.problems[0].path, report.problems[0].reason)"
    )
    said = python(code, str(tmp_path / "model.keras")).splitlines()[-1]
    assert said == "own/kernel its FromArray has no numbers any more; left as it was"


def test_arrays_are_not_kept_alive():
    scheme = ki.FromArray(RNG.normal(size=(30, 7)))
    config = scheme.get_config()
    del scheme
    gc.collect()
    assert ki.FromArray.from_config(config).array is None


@pytest.mark.parametrize(
    "layer",
    [
        lambda **o: L.LSTM(8, **o),
        lambda **o: L.RNN(L.LSTMCell(8, **o)),
        lambda **o: L.Bidirectional(L.LSTM(8, **o)),
        lambda **o: L.ConvLSTM1D(8, 3, **o),
    ],
    ids=["LSTM", "LSTMCell", "Bidirectional", "ConvLSTM1D"],
)
@pytest.mark.parametrize("unit_forget_bias", [True, False])
def test_gate_biases_lie_at_their_gates(layer, unit_forget_bias):
    """Also where Keras would ask for pieces of the bias and put ones between them."""
    for scheme in (ki.Chrono(50.0, seed=1), ki.ForgetGateBias(3.0)):
        made = layer(bias_initializer=scheme, unit_forget_bias=unit_forget_bias)
        shape = (5, 9, 4) if isinstance(made, L.ConvLSTM1D) else (5, 4)
        model = keras.Sequential([keras.Input(shape), made])

        def check(model=model, scheme=scheme):
            for variable in model.variables:
                if variable.name == "bias":
                    i, f, c, o = np.split(to_numpy(variable), 4)
                    assert not c.any()
                    assert not o.any()
                    if isinstance(scheme, ki.Chrono):
                        np.testing.assert_array_equal(i, -f)
                        assert (f > 0).all()
                    else:
                        np.testing.assert_array_equal(f, 3)

        check()
        for variable in model.variables:
            variable.assign(np.zeros(variable.shape))
        initialize(model, seed=2)
        check()
        (cell_config,) = [c for c in _configs(model.get_config()) if "unit_forget_bias" in c][:1]
        assert cell_config["unit_forget_bias"] == unit_forget_bias


def _configs(node):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _configs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _configs(value)


def test_other_initializers_keep_keras_forget_bias():
    layer = L.LSTM(2, bias_initializer="keras_inits>zero")
    keras.Sequential([keras.Input((5, 4)), layer])
    assert to_numpy(layer.cell.bias).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_lora_starts_as_the_identity():
    model = keras.Sequential([keras.Input((8,)), L.Dense(6, name="own")])
    model.layers[0].enable_lora(2)
    for rules in (None, [(L.Dense, "keras_inits>he_normal")], {"own/kernel$": "ones"}):
        report = initialize(model, rules, seed=1)
        assert not to_numpy(model.layers[0].lora_kernel_b).any()
        assert to_numpy(model.layers[0].lora_kernel_a).any()
        assert [p.path for p in report.problems] == ["own/lora_kernel_a"]
        assert "enable_lora" in report.problems[0].reason
    report = initialize(model, {"lora_kernel_a": "keras_inits>normal"}, seed=1)
    assert not report.problems


class TooLarge(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return ops.full(shape, 1e5, "float32")


@pytest.mark.parametrize("scheme", [TooLarge(), keras.initializers.Constant(1e5), ki.Constant(1e5)])
def test_values_that_a_narrow_dtype_cannot_hold_change_nothing(scheme):
    model = keras.Sequential(
        [keras.Input((8,)), L.Dense(6, name="a"), L.Dense(3, name="b", dtype="float16")]
    )
    before = [to_numpy(v) for v in model.variables]
    with pytest.raises(ValueError, match="b/kernel of shape .* finite in float16"):
        initialize(model, {"kernel": scheme}, seed=1)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


def test_reports_say_the_law_and_whose_it_is():
    model = keras.Sequential([keras.Input((8,)), L.Dense(4), L.Dense(4), L.Dense(4)])
    kernels = "he_normal", "keras_inits>he_normal", "glorot_uniform"
    names = ("dense", "dense_1", "dense_2")
    rules = [(f"^{n}/kernel", k) for n, k in zip(names, kernels, strict=True)]
    report = initialize(model, [*rules, ("bias", ki.TruncatedNormal(0.0, 0.1))], seed=1)
    found = rows(report)
    assert found["dense/kernel"].scheme == "keras HeNormal"
    assert found["dense/kernel"].law == "N(0, 2/fan_in) cut at 2 sigma"
    assert found["dense_1/kernel"].scheme == "HeNormal()"
    assert found["dense_1/kernel"].law == "N(0, 2/fan_in)"
    assert found["dense_2/kernel"].law == "U(-L, L), L = sqrt(3/mean fan)"
    assert found["dense/bias"].law == "N(0, 0.1^2) cut at 2 sigma"
    assert "cut at" in str(report)


@pytest.fixture
def presets():
    before = dict(PRESETS)
    yield
    PRESETS.clear()
    PRESETS.update(before)


@pytest.mark.usefixtures("presets")
def test_presets_of_ones_own():
    ki.register_preset(
        "small", [(lambda slot: len(slot.shape) == 2, ki.Normal(0.01)), ("bias", "zeros")]
    )
    ki.register_preset("depth", lambda slots: [("kernel", ki.Normal(1 / math.sqrt(len(slots))))])
    model = keras.Sequential([keras.Input((8,)), L.Dense(4), L.Dense(4)])
    report = initialize(model, "small", seed=1)
    assert {row.expected_std for row in report.rows} == {0.01, 0.0}
    assert report.rows[0].source == "preset 'small'"
    assert initialize(model, "depth", seed=1).rows[0].expected_std == 0.5
    for name, rules, message in (
        ("small", [("a", "zeros")], "name must be a free name"),
        ("torch", [("a", "zeros")], "name must be a free name"),
        ("a b", [("a", "zeros")], "name must be a free name"),
        ("new", [], "rules must be"),
    ):
        with pytest.raises(ValueError, match=message):
            ki.register_preset(name, rules)
    with pytest.raises(TypeError, match="name must be a string"):
        ki.register_preset(3, [("a", "zeros")])


def test_a_function_names_variables():
    model = keras.Sequential([keras.Input((8,)), L.Dense(4, name="a"), L.Dense(2, name="b")])
    rules = [(lambda slot: slot.shape[-1] == 2, "ones"), (".*", None)]
    report = initialize(model, rules, seed=1)
    assert [row.path for row in report.rows if row.scheme != "kept"] == ["b/kernel", "b/bias"]
    with pytest.raises(ValueError, match=r"rule <lambda> matches no variable"):
        initialize(model, [(lambda slot: False, "ones")])


def test_the_table_shows_a_scheme_whatever_its_rule_is_called():
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="kept")])
    report = initialize(model, {"kept/kernel": "keras_inits>he_normal"}, seed=1)
    assert "HeNormal(): N(0, 2/fan_in)" in str(report)
