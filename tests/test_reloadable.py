"""check_reloadable finds what does not come back, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH

import keras_inits as ki
from keras_inits.models.reloadable import check_reloadable

L = keras.layers
I = keras.initializers  # noqa: E741


class Unregistered(I.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {}


@keras.saving.register_keras_serializable("reloadable")
class Forgetful(Unregistered):
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale


@keras.saving.register_keras_serializable("reloadable")
class Needy(Unregistered):
    def __init__(self, scale: float) -> None:
        self.scale = scale


@keras.saving.register_keras_serializable("reloadable")
class NoJson(Unregistered):
    def get_config(self) -> dict[str, Any]:
        return {"what": object()}


@keras.saving.register_keras_serializable("reloadable")
class OwnLayer(L.Layer):
    def __init__(self, units: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units


class UnregisteredLayer(L.Layer):
    def call(self, x: Any) -> Any:
        return x


@keras.saving.register_keras_serializable("reloadable")
def registered(shape: Any, dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype)


def plain(shape: Any, dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype)


def _model(*layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), *layers])


def _reason(initializer: Any) -> str:
    model = keras.Sequential([L.Dense(4, kernel_initializer=initializer, name="d")])
    report = check_reloadable(model)
    reasons = [p.reason for p in report.problems if p.path.endswith("/d/kernel_initializer")]
    assert len(reasons) == len(report.problems)
    assert report.ok is not bool(reasons)
    return reasons[0] if reasons else ""


@pytest.mark.parametrize(
    ("initializer", "reason"),
    [
        (Unregistered(), "class Unregistered is not registered"),
        (plain, "function plain is not registered"),
        (lambda shape, dtype=None: keras.ops.zeros(shape, dtype), "a lambda"),
        (
            np.zeros((4, 4), "float32"),
            r"a closure over an array of shape \(4, 4\): use .*FromArray",
        ),
        (Forgetful(2.0), "comes back different: scale=2.0 becomes 1.0"),
        (Needy(2.0), "does not come back from its config"),
        (NoJson(), "config is not JSON"),
        (I.Constant(np.zeros((100, 300)).tolist()), "its config has .* characters: arrays belong"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_come_back(initializer: Any, reason: str) -> None:
    import re

    assert re.search(reason, _reason(initializer))


@pytest.mark.parametrize(
    "initializer",
    [
        registered,
        "he_normal",
        Forgetful(),
        I.HeNormal(seed=3),
        I.RandomNormal(seed=4),
        "xavier_normal",
    ],
    ids=["function", "string", "arguments", "keras", "keras2", "alias"],
)
def test_what_comes_back(initializer: Any) -> None:
    assert _reason(initializer) == ""


def test_every_scheme_comes_back() -> None:
    for case in ONE_EACH:
        assert _reason(case.make((4, 4), 3)) == "", case.id


def test_layers_functions_and_nested_models() -> None:
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, kernel_initializer=plain, name="deep")])
    inner.name = "tower"
    model = _model(
        L.Dense(4, activation=lambda x: x, name="a"),
        UnregisteredLayer(name="u"),
        OwnLayer(3, name="fine"),
        OwnLayer(object(), name="o"),
        inner,
    )
    report = check_reloadable(model)
    found = {p.path.split("/", 1)[1]: p.reason for p in report.problems}
    assert set(found) == {"a/activation", "u", "o", "tower/deep/kernel_initializer"}
    assert "get_config fails" in found["o"]
    assert "UnregisteredLayer is not registered" in found["u"]
    assert "4 problems" in str(report)
    json.dumps(report.to_dict())
    assert len(report.rows) > len(report.problems)


def test_ordinary_layers_have_no_problems() -> None:
    sequence = keras.Input((5, 4))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(sequence)
    x = L.MultiHeadAttention(2, 3)(x, x)
    x = L.TimeDistributed(L.Dense(4, kernel_regularizer="l2", kernel_constraint="max_norm"))(x)
    x = L.LayerNormalization()(L.GRU(3)(x))
    model = keras.Model(sequence, L.Dense(2, activation="softmax")(x))
    report = check_reloadable(model)
    assert report.ok, str(report)
    assert any(row.argument == "recurrent_initializer" for row in report.rows)


def test_it_agrees_with_saving(tmp_path: Path) -> None:
    for initializer in (ki.HeNormal(seed=1), I.HeNormal(), registered):
        model = _model(L.Dense(4, kernel_initializer=initializer))
        assert check_reloadable(model).ok
        model.save(tmp_path / "m.keras")
        keras.models.load_model(tmp_path / "m.keras")
    for initializer in (Needy(2.0), np.zeros((4, 4), "float32")):
        model = _model(L.Dense(4, kernel_initializer=initializer))
        assert not check_reloadable(model).ok
        model.save(tmp_path / "m.keras")
        with pytest.raises((TypeError, ValueError)):
            keras.models.load_model(tmp_path / "m.keras")


def test_errors() -> None:
    with pytest.raises(TypeError, match="check_reloadable: model must be a Keras model, got int"):
        check_reloadable(3)


class PlainLoss(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_pred - y_true)


class PlainMetric(keras.metrics.Mean):
    pass


class PlainOptimizer(keras.optimizers.SGD):
    pass


def plain_loss(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(y_pred - y_true)


def test_what_a_model_is_compiled_with() -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({"loss": lambda y_true, y_pred: keras.ops.mean(y_pred - y_true)}, "loss"),
        ({"loss": plain_loss}, "loss"),
        ({"loss": PlainLoss()}, "loss"),
        ({"optimizer": PlainOptimizer(0.1), "loss": "mse"}, "optimizer"),
        ({"loss": "mse", "metrics": ["mae", PlainMetric()]}, "metrics"),
    ]
    for arguments, where in bad:
        model = _model(L.Dense(2))
        model.compile(**arguments)
        (problem,) = check_reloadable(model).problems
        assert problem.path == f"{model.name}/{where}"
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = _model(L.Dense(2))
    loss = keras.losses.Huber()
    metrics = ["mae", keras.metrics.MeanSquaredError(), keras.losses.mean_absolute_error]
    model.compile(keras.optimizers.Adam(rate), loss, metrics=metrics)
    report = check_reloadable(model)
    assert report.ok, str(report)
    assert {row.argument for row in report.rows} >= {"optimizer", "loss", "metrics"}


def test_a_fault_in_nested_sequentials_is_told_once_and_soon() -> None:
    import time

    model = L.Dense(4, kernel_initializer=NoJson())
    for _ in range(60):
        model = _model(model)
    start = time.perf_counter()
    (problem,) = check_reloadable(model).problems
    assert time.perf_counter() - start < 8
    assert problem.path.endswith("/kernel_initializer")
    (problem,) = check_reloadable(_model(_model(OwnLayer(object(), name="o")))).problems
    assert problem.path.endswith("/o")


class Forgetful(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.1, extra=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.extra = extra


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 5)),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adamw": lambda: keras.optimizers.AdamW(1e-3),
    "adafactor": keras.optimizers.Adafactor,
    "rmsprop": lambda: keras.optimizers.RMSprop(centered=True),
    "average": lambda: keras.optimizers.Adam(use_ema=True, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    "of one's own": lambda: Forgetful(extra=1.0),
    "that forgets": lambda: Forgetful(extra=3.0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_changes_nothing_of_what_an_optimizer_saves(name):
    keras.saving.register_keras_serializable("reloadable_tests")(Forgetful)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(OPTIMIZERS[name](), "mse")
    model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"))
    problems = [problem.reason for problem in ki.check_reloadable(model).problems]
    if name == "that forgets":
        assert problems == ["it comes back different: extra=3.0 becomes 1.0"]
    else:
        assert problems == []
