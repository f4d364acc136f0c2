"""One seed fixes all that follows, and a digest tells whether two models are equal."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_inits as ki
from keras_inits.backend import spread, together
from keras_inits.models.memory import digest as module
from keras_inits.models.memory.digest import entry_sum
from keras_inits.models.variables.walk import walk


def build():
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            L.LSTM(8, dropout=0.2, return_sequences=True),
            L.Dropout(0.5),
            L.Dense(5, kernel_initializer="he_normal"),
            L.GaussianNoise(0.1, seed=1),
            L.Dense(1),
        ]
    )


def states(model):
    return {s.path: keras.ops.convert_to_numpy(s.variable) for s in walk(model) if s.role == "seed_state"}  # fmt: skip


# Seeds


def test_the_first_steps_of_two_builds_are_equal():
    """The masks of dropout, too, whatever the backend's own generator does between."""
    x = np.random.default_rng(0).normal(size=(8, 6, 4)).astype("float32")
    digests = set()
    for _ in range(2):
        model = build()
        ki.initialize(model, seed=3)
        model.compile("sgd", "mse")
        model.fit(x, x[:, :, :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
        digests.add(ki.digest(model))
    assert len(digests) == 1


def test_every_generator_has_its_own_seed_of_the_stream_and_its_path():
    model = build()
    ki.initialize(model, seed=3)
    found = states(model)
    assert len(found) == 3
    for path, (seed, count) in found.items():
        assert seed == ki.DefaultStream(3).child(path).integers((), 2**31 - 1)
        assert count == 0
    ki.initialize(model, seed=4)
    assert all(states(model)[path][0] != found[path][0] for path in found)


def test_generators_that_stay():
    model = build()
    before = states(model)
    for stays in (
        {"seed": 3, "only": "dense"},
        {"seed": 3, "rules": {"seed_generator": None}},
        {"seed": 3, "dry_run": True},
        {},
        {"seed": ki.TorchStream(0), "rules": {"kernel": "zeros"}},
    ):
        ki.initialize(model, **stays)
        assert {p: s[0] for p, s in states(model).items()} == {p: s[0] for p, s in before.items()}


def test_generators_of_frozen_layers_follow_the_seed():
    model = build()
    model.trainable = False
    kernel = keras.ops.convert_to_numpy(model.layers[-1].kernel)
    ki.initialize(model, seed=3)
    np.testing.assert_array_equal(kernel, model.layers[-1].kernel)
    for path, (seed, _) in states(model).items():
        assert seed == ki.DefaultStream(3).child(path).integers((), 2**31 - 1)


# The digest


def test_any_bit_path_shape_and_dtype_counts():
    model = keras.Sequential([keras.Input((4,)), L.Dense(6), L.Dense(2)])
    digests = {ki.initialize(model, seed=1).digest}
    assert digests == {ki.digest(model)}
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    for change in (
        lambda k: k[:, ::-1],
        lambda k: np.where(np.arange(6) == 5, -k, k),
        lambda k: np.nextafter(k, np.where(k == k[0, 0], np.float32(9), k)),
        lambda k: k[[1, 0, 2, 3]],
    ):
        model.layers[0].kernel.assign(change(kernel))
        digests.add(ki.digest(model))
    model.layers[0].kernel.assign(kernel)
    for other in (
        keras.Sequential([keras.Input((4,)), L.Dense(6, name="first"), L.Dense(2)]),
        keras.Sequential([keras.Input((4,)), L.Dense(6), L.Dense(2, dtype="bfloat16")]),
        keras.Sequential([keras.Input((4,)), L.Dense(6), L.Dense(2), L.Dense(2)]),
    ):
        for variable in other.variables:
            variable.assign(keras.ops.zeros(variable.shape))
        digests.add(ki.digest(other))
    assert len(digests) == 8


def test_a_dry_run_tells_the_digest_and_what_stays_counts():
    model = build()
    expected = ki.initialize(model, {"^dense/": None}, seed=2, dry_run=True).digest
    before = ki.digest(model)
    assert ki.initialize(model, {"^dense/": None}, seed=2).digest == expected
    assert ki.digest(model) == expected != before


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (7,), (5, 300_000), (3, 4, 5), (40, 30, 2, 3), (3, 0)])
def test_the_sum_is_that_of_any_cut_and_of_numpy(shape, dtype, monkeypatch):
    values = (np.random.default_rng(0).normal(size=shape) * 100).astype(dtype)
    whole = tuple(slice(0, n) for n in shape)
    expected = entry_sum(values, whole, shape)
    monkeypatch.setattr(module, "_in_c", None)
    assert entry_sum(values, whole, shape) == expected
    for axis, size in enumerate(shape):
        parts = 0
        for part in (slice(0, size // 3), slice(size // 3, size)):
            block = (*whole[:axis], part, *whole[axis + 1 :])
            parts += entry_sum(values[block], block, shape)
        assert parts % 2**64 == expected


@pytest.mark.once
def test_the_words_are_splitmix64s():
    """The generator's own first words from state 0: its state moves by the same constant."""
    shape = (3,)
    words = [entry_sum(np.zeros(1, "uint64"), (slice(i, i + 1),), shape) for i in range(3)]
    assert words == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_what_is_no_model_is_named():
    with pytest.raises(TypeError, match="digest: model must be a Keras model, got int"):
        ki.digest(3)
    with pytest.raises(ValueError, match="digest: model must be built"):
        ki.digest(keras.Sequential([L.Dense(3)]))


@pytest.mark.once
@pytest.mark.parametrize(("column", "what"), [(0, "the variables of the model"), (1, "seed")])
@pytest.mark.parametrize("name", ["initialize", "lsuv"])
def test_processes_must_hold_one_model_and_draw_from_one_seed(monkeypatch, name, column, what):
    """As if there were three processes, of which the last has another."""

    def gathered(owner, words):
        rows = np.stack([words] * 3)
        rows[2, column] += 1
        return rows

    model = build()
    before = ki.digest(model)
    monkeypatch.setattr(spread, "processes", lambda variable: (0, 1, 2))
    monkeypatch.setattr(together, "gathered", gathered)
    batch = [np.random.default_rng(0).normal(size=(32, 6, 4))] * (name == "lsuv")
    message = f"{name}: {what} must be the same in all processes, got .* and another in 2$"
    with pytest.raises(ValueError, match=message):
        getattr(ki, name)(model, *batch, seed=3)
    monkeypatch.undo()
    assert ki.digest(model) == before
