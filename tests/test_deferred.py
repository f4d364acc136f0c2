"""Models built without drawing: nothing drawn, nothing forgotten, nothing else changed."""

from __future__ import annotations

import copy
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L

import keras_inits as ki


@keras.saving.register_keras_serializable("test_deferred")
class Custom(L.Layer):
    """Weights as people write them: a default, a function, one that only its build knows, a table."""

    def build(self, shape):
        self.plain = self.add_weight((shape[-1], 3))
        self.scale = self.add_weight(name="scale", shape=(3,), initializer=noise)
        hidden = keras.initializers.RandomNormal(0.0, 0.5)
        self.other = self.add_weight((3,), hidden, name="other")
        self.table = self.add_weight(name="table", shape=(3,), trainable=False)
        self.table.assign(np.arange(3.0))

    def call(self, x):
        return keras.ops.matmul(x, self.plain) * self.scale + self.other + self.table


def noise(shape, dtype=None):
    return keras.random.normal(shape, dtype=dtype, seed=1)


def build():
    inputs = keras.Input((6, 4))
    x = L.Conv1D(5, 3, padding="same", kernel_initializer="he_normal")(inputs)
    x = L.BatchNormalization()(L.Normalization()(x))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.MultiHeadAttention(2, 3)(x, x)
    x = L.Dropout(0.5)(L.LayerNormalization(dtype="bfloat16")(x))
    x = L.Dense(2, bias_initializer="ones", kernel_initializer=ki.Orthogonal())(Custom()(x))
    return keras.Model(inputs, x)


def never(shape, dtype=None):
    raise AssertionError("drawn")


def dense(**arguments):
    return keras.Sequential([keras.Input((4,)), L.Dense(3, **arguments), L.Dense(2)])


# Building


def test_initialize_draws_what_it_draws_without():
    with ki.deferred():
        model = build()
    plain = build()
    assert not ki.deferred_variables(plain)
    missing = set(map(id, ki.deferred_variables(model)))
    for mine, theirs in zip(model.weights, plain.weights, strict=True):
        zero = not to_numpy(mine).any()
        assert (id(mine) in missing) == (zero and to_numpy(theirs).any()), mine.path
    expected, found = ki.initialize(plain, seed=3), ki.initialize(model, seed=3)
    assert found.digest == expected.digest
    assert found.problems == expected.problems
    assert not ki.deferred_variables(model)


def test_no_initializer_is_called():
    with ki.deferred():
        model = dense(kernel_initializer=never, bias_initializer=never)
    assert len(ki.deferred_variables(model)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the resident memory is read from /proc")
def test_no_memory_is_touched():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def large(units, dtype):
        with ki.deferred():
            return keras.Sequential([keras.Input((units,)), L.Dense(units, dtype=dtype)])

    for dtype in ("float32", "bfloat16"):
        large(8, dtype)
        before = resident()
        model = large(8192, dtype)
        assert resident() - before < 2**25  # of 2^28 or 2^27
        assert len(ki.deferred_variables(model)) == 1


def test_it_nests_and_ends_with_an_exception():
    with ki.deferred():
        with pytest.raises(ValueError), ki.deferred():
            dense(no_argument=1)
        assert ki.deferred_variables(dense(kernel_initializer=never))
    assert not ki.deferred_variables(dense())


def test_other_threads_draw():
    found = {}

    def draw():
        found["other"] = ki.deferred_variables(dense())

    with ki.deferred():
        thread = threading.Thread(target=draw)
        thread.start()
        thread.join()
        found["here"] = ki.deferred_variables(dense())
    assert found["other"] == []
    assert len(found["here"]) == 2


def test_functions_that_give_values_are_refused_inside():
    """Before anything is drawn, in this thread alone, and not any more when the context has ended."""
    x = np.eye(4, dtype="float32")
    with ki.deferred():
        model = dense()
        before = ki.digest(model)
        for function in (
            lambda: ki.initialize(model, seed=3),
            lambda: ki.initialize(model, seed=3, only_missing=True, dry_run=True),
            lambda: ki.lsuv(model, x, progress=False),
            lambda: ki.data_dependent(model, x, progress=False),
            lambda: ki.lora_init(model, "gaussian"),
            lambda: ki.attention_init(model),
            lambda: ki.mup(model, model),
        ):
            with (
                ki.deferred(),
                pytest.raises(ValueError, match=r"^\w+: must be called after `with"),
            ):
                function()
        assert ki.digest(model) == before
        built = dense()
        other = threading.Thread(target=ki.initialize, args=(built,), kwargs={"seed": 3})
        other.start()
        other.join()
        assert not ki.deferred_variables(built)
    assert ki.initialize(model, seed=3).digest == ki.digest(built)


def test_a_subclassed_model_that_is_built_by_a_call():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = dense()

        def call(self, x):
            return self.inner(x)

    with ki.deferred():
        model = Mine()
        model(np.ones((1, 4), "float32"))
    assert len(ki.deferred_variables(model)) == 2
    ki.initialize(model, seed=0)
    assert not ki.deferred_variables(model)


def test_a_copy_of_a_layer_waits_by_itself():
    with ki.deferred():
        layer = L.Dense(3)
        layer.build((None, 4))
    other = copy.deepcopy(layer)
    other.kernel.assign(np.ones((4, 3)))
    assert to_numpy(other.kernel).all()
    assert not to_numpy(layer.kernel).any()


# Loading


def test_load_model(tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    with ki.deferred():
        loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not ki.deferred_variables(loaded)
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))


def test_what_a_file_lacks_is_found_and_drawn(tmp_path):
    base = dense(name="base")
    zeros = np.zeros((4, 3), "float32")
    base.layers[0].kernel.assign(zeros)  # loaded, though zero
    base.save_weights(tmp_path / "base.weights.h5")
    with ki.deferred():
        inner = dense(name="base")
        model = keras.Sequential([keras.Input((4,)), inner, L.Dense(7)])
    inner.load_weights(tmp_path / "base.weights.h5")
    assert ki.deferred_variables(model) == [model.layers[-1].kernel]
    inner.trainable = False
    report = ki.initialize(model, only_missing=True, seed=5)
    assert not report.problems
    assert [r.path for r in report.rows if r.scheme != "kept"] == ["dense/kernel"]
    np.testing.assert_array_equal(to_numpy(inner.layers[0].kernel), zeros)
    expected = ki.VarianceScaling(1.0, "fan_avg", "uniform").draw(
        (2, 7), ki.DefaultStream(5).child("dense/kernel")
    )
    np.testing.assert_array_equal(to_numpy(model.layers[-1].kernel), expected)
    again = ki.initialize(model, only_missing=True, seed=6)
    assert {row.scheme for row in again.rows} == {"kept"}


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_layers_without_values_are_drawn(frozen):
    with ki.deferred():
        model = dense()
    model.trainable = not frozen
    ki.initialize(model, seed=0)
    assert not ki.deferred_variables(model)


def test_what_stays_without_values_is_a_problem():
    with ki.deferred():
        model = dense()
    for arguments in ({"rules": {"dense_1": None}}, {"only": "dense/"}):
        report = ki.initialize(model, seed=0, **arguments)
        (problem,) = report.problems
        assert problem.path == "dense_1/kernel"
        assert "built under deferred() and still zero" in problem.reason
    assert len(ki.deferred_variables(model)) == 1


def test_values_written_past_keras_count():
    if keras.backend.backend() != "torch":
        pytest.skip("tensors of the others are not written to")
    with ki.deferred():
        model = dense()
    for mine, theirs in zip(model.parameters(), dense().parameters(), strict=True):
        mine.data.copy_(theirs.data)
    assert not ki.deferred_variables(model)


# Warnings


def test_the_first_use_warns(tmp_path):
    x = np.ones((2, 4), "float32")
    uses = {
        "fit": lambda m: m.fit(x, x[:, :2], verbose=0),
        "predict": lambda m: m.predict(x, verbose=0),
        "save": lambda m: m.save(tmp_path / "model.keras"),
        "save_weights": lambda m: m.save_weights(tmp_path / "model.weights.h5"),
    }
    for name, use in uses.items():
        with ki.deferred():
            model = dense()
        model.compile("sgd", "mse")
        with pytest.warns(UserWarning, match=rf"^{name}: 2 variables of .*only_missing=True"):
            use(model)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            use(model)
        assert not [w for w in seen if "deferred" in str(w.message)]


def test_no_warning_where_all_have_values(tmp_path):
    with ki.deferred():
        model = dense()
    ki.initialize(model)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.save(tmp_path / "model.keras")
        build().save(tmp_path / "plain.keras")
    assert not [w for w in seen if "deferred" in str(w.message)]


@pytest.mark.slow
def test_a_preset_of_keras_hub(tmp_path):
    require("keras_hub")
    import keras_hub

    sizes = {"vocabulary_size": 40, "num_layers": 2, "num_query_heads": 4, "hidden_dim": 16}
    sizes |= {"intermediate_dim": 32, "num_key_value_heads": 2}
    plain = keras_hub.models.LlamaBackbone(**sizes)
    plain.save_to_preset(tmp_path / "preset")
    with ki.deferred():
        loaded = keras_hub.models.LlamaBackbone.from_preset(str(tmp_path / "preset"))
        drawn = keras_hub.models.LlamaBackbone(**sizes)
    assert not ki.deferred_variables(loaded)
    assert ki.digest(loaded) == ki.digest(plain)
    assert ki.initialize(drawn, seed=1).digest == ki.initialize(plain, seed=1).digest
