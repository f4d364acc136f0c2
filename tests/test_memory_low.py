"""memory="low": the same values, drawn in place; what it leaves where it fails."""

from __future__ import annotations

import itertools
import re

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as ki


def build(**last):
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            L.Conv1D(8, 3, groups=2, kernel_initializer=ki.Orthogonal()),
            L.LSTM(5),
            L.BatchNormalization(),
            L.Dropout(0.5),
            L.Dense(4),
            L.Dense(3, **last),
        ]
    )


def fails(shape, dtype=None):
    raise MemoryError("no memory left")


def get(model):
    return [to_numpy(v) for v in model.variables]


@pytest.mark.parametrize("rules", [None, "keras1", {"kernel": "keras_inits>he_normal"}])
def test_the_values_are_the_same(rules):
    model = build()
    for seed in (3, ki.Keras1Stream(3)) if rules == "keras1" else (3,):
        expected = ki.initialize(model, rules, seed=seed)
        values = get(model)
        ki.initialize(model, seed=4, only="kernel")
        again = type(seed)(3) if seed != 3 else 3
        found = ki.initialize(model, rules, seed=again, memory="low")
        assert found.to_dict() == expected.to_dict()
        assert found.digest == expected.digest == ki.digest(model)
        for mine, theirs in zip(get(model), values, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_dry_run_changes_nothing():
    model = build()
    before = ki.digest(model)
    expected = ki.initialize(model, seed=3, memory="low", dry_run=True).digest
    assert ki.digest(model) == before
    assert ki.initialize(model, seed=3).digest == expected


def test_memory_that_runs_out_in_the_middle_is_said():
    for memory in ("safe", "low"):
        model = build(kernel_initializer="zeros")
        model.layers[-1].kernel_initializer = fails
        before = get(model)
        with pytest.raises(MemoryError) as error:
            ki.initialize(model, seed=0, memory=memory)
        changed = [not np.array_equal(a, b) for a, b in zip(before, get(model), strict=True)]
        if memory == "safe":
            assert not any(changed)
            assert not hasattr(error.value, "__notes__")
        else:
            assert any(changed[:-2])
            assert not any(changed[-2:])
            (note,) = error.value.__notes__
            assert f"has drawn {len(before) - 2} of {len(before)} variables before" in note


def failing_at(time, function):
    """The function, which has no memory left when it is called for that time."""
    count = itertools.count(1)

    def failing(*arguments):
        if next(count) == time:
            raise MemoryError("no memory left")
        return function(*arguments)

    return failing


@pytest.mark.once
@pytest.mark.parametrize("name", ["initialize", "lsuv"])
@pytest.mark.parametrize("place", [(keras.Variable, "assign"), (ki.DefaultStream, "_draw")])
def test_no_memory_at_any_time_leaves_what_the_note_says(name, place, monkeypatch):
    """The first variables have their new values, as many as it says, and the others their old ones."""
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), *(L.Dense(4) for _ in range(3))])
    for layer in model.layers:
        layer.bias.assign(np.ones(4))

    def call():
        if name == "lsuv":
            return ki.lsuv(model, x, seed=0, progress=False, memory="low")
        return ki.initialize(model, {"bias": "zeros"}, seed=0, memory="low")

    old = get(model)
    call()
    new, said = get(model), set()
    for time in itertools.count(1):
        model.set_weights(old)
        with monkeypatch.context() as patch:
            patch.setattr(*place, failing_at(time, getattr(*place)))
            try:
                call()
            except MemoryError as error:
                (note,) = getattr(error, "__notes__", ["has drawn 0"])  # laws are tried before
            else:
                break
        said.add(int(re.search(r"(?:has drawn|weights to) (\d+)", note)[1]))
        done = max(said) * (2 if name == "lsuv" else 1)
        for found, expected in zip(get(model), new[:done] + old[done:], strict=True):
            np.testing.assert_array_equal(found, expected)
    assert said >= ({0, 1, 2} if name == "lsuv" else {0, 2, 4})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({r"dense_1/kernel": ki.Dirac()}, "Dirac: shape must be of rank 3"),
        ({r"dense_1/kernel": ki.Uniform(1e39)}, "finite|hold"),
        ({r"dense_1/kernel": ki.FromArray(np.ones((2, 2)))}, "FromArray: "),
    ],
)
def test_what_cannot_be_is_found_before_anything_changes(rules, message):
    model = build()
    before = ki.digest(model)
    with pytest.raises(ValueError, match=message):
        ki.initialize(model, rules, seed=0, memory="low")
    assert ki.digest(model) == before


def test_lsuv():
    x = np.random.default_rng(0).normal(size=(32, 6, 4)).astype("float32")
    model = build()
    ki.initialize(model, seed=0)
    expected = ki.lsuv(model, x, seed=1, progress=False)
    values = get(model)
    ki.initialize(model, seed=0)
    found = ki.lsuv(model, x, seed=1, progress=False, memory="low")
    assert found.rows == expected.rows
    for mine, theirs in zip(get(model), values, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_lsuv_that_fails_in_the_middle_says_what_it_left():
    class Bad(L.Layer):
        ready = False

        def call(self, x):
            if self.ready:
                raise RuntimeError("bad")
            return x

    for memory, left in (("safe", False), ("low", True)):
        model = keras.Sequential([keras.Input((4,)), L.Dense(4), Bad(), L.Dense(3)])
        model.layers[1].ready = True
        before = get(model)
        with pytest.raises(ValueError, match="bad") as error:
            ki.lsuv(model, np.eye(4, dtype="float32"), progress=False, memory=memory)
        notes = getattr(error.value, "__notes__", [])
        assert notes == ["lsuv: memory='low' has given new weights to 1 layers"] * left
        changed = [not np.array_equal(a, b) for a, b in zip(before, get(model), strict=True)]
        assert changed == [left, False, False, False]


def test_the_argument_is_checked():
    for function in (lambda **k: ki.initialize(build(), **k), lambda **k: ki.lsuv(build(), 0, **k)):
        with pytest.raises(ValueError, match="memory must be one of 'safe', 'low', got 'no'"):
            function(memory="no")
