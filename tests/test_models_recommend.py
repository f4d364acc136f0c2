"""recommend: the ranking follows what is known, and the model stays as it was."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as k
from keras_inits import inspect, recommend
from keras_inits.models.recommend import CLOSE

X = np.random.default_rng(0).normal(size=(32, 16)).astype("float32")


def deep(activation, depth=12, width=48):
    layers = [L.Dense(width, activation=activation) for _ in range(depth)]
    return keras.Sequential([keras.Input((16,)), *layers, L.Dense(4)])


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_deep_network_gets_the_gain_of_its_activation_or_lsuv(activation):
    model = deep(activation)
    before = [to_numpy(v) for v in model.variables]
    report = recommend(model, X, seed=1)
    for one, two in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(one, to_numpy(two))
    ranks = {row.path: i for i, row in enumerate(report.rows)}
    assert {"gain of the activation", "lsuv"} == {row.path for row in report.rows[:2]}
    assert min(ranks["own"], ranks["flax"]) >= 2
    own = report.rows[ranks["own"]]
    assert "keras" in own.same
    assert "keras" not in ranks
    assert own.names.startswith("own, keras")
    assert own.names in str(report)
    assert 0.75 < report.best.forward < 1.3
    rows = {row.path: row for row in report.rows}
    assert rows["own"].forward == pytest.approx({"relu": 0.5, "gelu": 0.28}[activation], rel=0.25)
    scores = [row.score for row in report.rows]
    assert scores == sorted(scores)
    for row in report.rows:
        by_hand = row.dead + row.faults + abs(np.log(row.forward)) + abs(np.log(row.backward))
        assert row.score == pytest.approx(by_hand)
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.summary().splitlines()[1].strip() == report.code


@pytest.mark.parametrize(("depth", "first"), [(3, "own"), (12, "lsuv")])
def test_the_own_start_is_left_where_another_is_clearly_better(depth, first):
    report = recommend(deep("relu" if depth > 3 else "tanh", depth), X, seed=1)
    own = next(row for row in report.rows if row.path == "own")
    best = min(row.score for row in report.rows)
    assert (own.score <= best + CLOSE) == (first == "own")
    assert (report.best is own) == (first == "own")
    words = "better by more than 0.25" if first == "own" else "the layers' own has a score of"
    assert words in report.summary()
    others = [row.score for row in report.rows if row is not own]
    assert others == sorted(others)


def test_starts_of_other_weights_have_rows_of_their_own():
    model = keras.Sequential([keras.Input((7, 16)), L.LSTM(4), L.Dense(2)])
    report = recommend(model, np.ones((4, 7, 16)) * X[:4, None], seed=1)
    assert report.best.forward is None  # too few layers for a growth
    assert {"own", "keras", "torch", "flax", "lsuv"} <= {row.path for row in report.rows}
    assert report.best.path == "own"


def test_the_code_draws_what_was_tried():
    model, x = deep("relu"), X
    report = recommend(model, x, seed=1)
    for row in (report.rows[0], report.rows[-1]):
        exec(row.code, {"keras_inits": k, "model": model, "x": x})
        again = inspect(model, x, seed=1)
        assert again.forward.chi == pytest.approx(row.forward, rel=1e-4)


def test_what_could_not_be_tried_is_listed():
    inputs = keras.Input((7,), dtype="int32")
    model = keras.Model(inputs, L.Embedding(9, 4)(inputs))
    report = recommend(model, np.arange(56).reshape(8, 7) % 9)
    assert "orthogonal" in {p.path for p in report.problems}  # no kernel: the rule matches nothing
    assert "own" in {row.path for row in report.rows}


def test_bad_input():
    with pytest.raises(TypeError, match="recommend: model must be a Keras model"):
        recommend("model", X)
    with pytest.raises(ValueError, match="recommend: x must have shape"):
        recommend(deep("relu"), X[:, :3])
    with pytest.raises(ValueError, match="loss must be a Keras loss"):
        recommend(deep("relu"), X, X, loss="nope")
