"""`compare`: any classifier from every scheme; what differs is called by the spread of the seeds."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.comparison.result import Comparison, Row, differ
from keras_inits.comparison.training import measured


def _data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 150)
    x = generator.normal(size=(150, 8)) + 2 * y[:, None]
    return x.astype("float32"), y


def build(initializer: Any) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, "relu", kernel_initializer=initializer),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3, kernel_initializer=initializer),
        ]
    )


def compiled(initializer: Any) -> keras.Model:
    model = keras.Sequential([build(initializer), keras.layers.Softmax()])
    model.build((None, 8))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    return model


def test_the_same_call_gives_the_same_report() -> None:
    """Dropout and moving statistics included, and whatever was trained before."""
    schemes = {"he": "he_normal", "nothing": "zeros", "keras": keras.initializers.GlorotUniform()}
    said: list[str] = []
    first = ki.compare(build, schemes, _data(), seeds=3, epochs=3, progress=said.append)
    again = ki.compare(build, dict(reversed(schemes.items())), _data(), seeds=[0, 1, 2], epochs=3)
    assert said[:4] == ["he, seed 0"] * 3 + ["he, seed 1"]
    assert [(row.network, row.scheme) for row in first.rows] == [
        ("build", name) for name in schemes
    ]
    assert first.to_dict()["rows"] == again.to_dict()["rows"][::-1]
    he, nothing, _ = first.rows
    assert (len(he.loss), len(he.loss[0])) == (3, 4)
    assert len({tuple(curve) for curve in he.loss}) == 3
    assert nothing.loss_at_start == pytest.approx(np.log(3), rel=1e-6)
    assert first.seeds == [0, 1, 2]
    assert "3 seeds" in first.summary()


def test_a_compiled_model_trains_by_its_own_optimizer() -> None:
    report = ki.compare(compiled, ["he_normal"], _data(), seeds=1, epochs=2)
    (curve,) = report.rows[0].loss
    # A rate of zero: only the moving statistics change.
    assert curve[0] != curve[2]
    still = ki.compare(
        lambda initializer: _without_statistics(initializer), ["he_normal"], _data(), seeds=1
    )
    assert len(set(still.rows[0].loss[0])) == 1


def _without_statistics(initializer: Any) -> keras.Model:
    dense = keras.layers.Dense(3, "softmax", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((8,)), dense])
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    return model


@pytest.mark.once
def test_figures_of_logits_and_of_probabilities_agree() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 4))
    y = np.arange(20) % 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(20), y]).mean()
    share = (logits.argmax(axis=1) == y).mean()
    assert measured(logits, y) == pytest.approx((loss, share), rel=1e-12)
    assert measured(probabilities, y) == pytest.approx((loss, share), rel=1e-12)


def _row(*last: float, scheme: str = "a") -> Row:
    return Row("net", scheme, "", [[1.0]] * len(last), [[value] for value in last])


@pytest.mark.once
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.90, 0.91, 0.92), (0.95, 0.96, 0.97), True),
        ((0.90, 0.91, 0.92), (0.92, 0.96, 0.97), False),  # the ranges touch
        ((0.90, 0.91, 0.94), (0.95, 0.951, 0.952), True),
        ((0.90, 0.92, 0.94), (0.945, 0.9451, 0.952), False),  # nearer than the range is wide
        ((0.90, 0.91), (0.95, 0.96), False),  # two seeds
        ((0.1, 0.1, 0.1), (0.1, 0.1, 0.1), False),
    ],
)
def test_a_difference_is_called_by_the_spread(first: Any, second: Any, expected: bool) -> None:
    assert differ(_row(*first), _row(*second)) is expected
    assert differ(_row(*second), _row(*first)) is expected
    rows = [_row(*first, scheme="a"), _row(*second, scheme="b")]
    report = Comparison("data", "jax", 1, range(len(first)), {"net": "a network"}, rows)
    assert [row.scheme for row in report.worse("net")] == ["a"] * expected
    assert ("no difference is called" in report.summary()) == (len(first) < 3)


@pytest.mark.once
@pytest.mark.parametrize(("seeds", "expected"), [(3, 0.0443), (5, 0.0021)])
def test_equal_laws_pass_for_different_as_often_as_said(seeds: int, expected: float) -> None:
    pairs = np.random.default_rng(0).normal(size=(20000, 2, seeds))
    low, high, middle = pairs.min(axis=2), pairs.max(axis=2), np.median(pairs, axis=2)
    apart = (low[:, 0] > high[:, 1]) | (low[:, 1] > high[:, 0])
    called = apart & (np.abs(np.diff(middle)[:, 0]) > (high - low).max(axis=1))
    # Six standard errors of a share of 20,000.
    assert abs(called.mean() - expected) < 6 * np.sqrt(expected / 20000)
    for pair, said in zip(pairs[:50], called[:50], strict=True):
        assert differ(_row(*pair[0]), _row(*pair[1])) == said


X, Y = _data()
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "typo": ({"schemes": ["he_norml"]}, "unknown scheme 'he_norml'; nearest: he_normal"),
    "text": ({"schemes": "he_normal"}, "schemes must be a list or a dict, got 'he_normal'"),
    "none": ({"schemes": []}, "schemes must hold one scheme or more"),
    "twice": ({"schemes": ["zeros", "zeros"]}, "holds zeros more than once; a dict names each"),
    "number": ({"schemes": {"a": 3}}, "schemes must hold a scheme's name or a keras.init"),
    "build": ({"build": 3}, "build must be a function of an initializer, got 3"),
    "no model": ({"build": lambda i: 3}, "build must return a keras.Model, got 3 for 'zeros'"),
    "unbuilt": (
        {"build": lambda i: keras.Sequential([keras.layers.Dense(3)])},
        "build must return a built model",
    ),
    "lengths": ({"data": (X, Y[:5])}, "y must hold a class number, 0 or more, per row of x"),
    "no y": ({"data": X}, "data must be \\(x, y\\) or"),
    "classes": ({"data": (X, Y + 3)}, "outputs must have shape \\(rows, 6 classes or more\\)"),
    "nan": ({"data": (X * np.nan, Y)}, "x must hold finite numbers"),
    "seeds": ({"seeds": 0}, "seeds must be an integer >= 1, got 0"),
    "same seeds": ({"seeds": [1, 1]}, "seeds must be different integers"),
    "epochs": ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
    "batch": ({"batch_size": 1.5}, "batch_size must be an integer >= 1"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    changed, message = BAD[case]
    arguments: dict[str, Any] = {"build": build, "schemes": ["zeros"], "data": (X, Y)} | changed
    with pytest.raises((TypeError, ValueError), match=f"compare: .*{message}"):
        ki.compare(**arguments)


def test_models_of_other_weights_are_refused() -> None:
    def other(initializer: Any) -> keras.Model:
        units = 5 if type(initializer).__name__ == "Zero" else 3
        return keras.Sequential([keras.Input((8,)), keras.layers.Dense(units)])

    with pytest.raises(ValueError, match="build gives other weights for 'zeros' than for 'ones'"):
        ki.compare(other, ["ones", "zeros"], _data())


def test_a_network_that_is_not_there_is_named():
    row = Row("build", "zero", "0", [[1.0]], [[0.1]])
    report = Comparison("digits", "jax", 1, [0], {"build": "two layers"}, [row])
    for ask in (report.best, report.worse):
        with pytest.raises(ValueError, match="network must be one of 'build', got 'biuld'"):
            ask("biuld")
