"""SignalMonitor: figures as `inspect` gives them, and training as without it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits import SignalMonitor, inspect

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 8)).astype("float32")
Y = RNG.integers(0, 3, 96)


def made(rate=0.01):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            *(L.Dense(16, activation="relu") for _ in range(4)),
            L.BatchNormalization(),
            L.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(rate, 0.9), "sparse_categorical_crossentropy")
    return model


def fitted(model, *callbacks):
    return model.fit(
        X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


def test_figures_are_those_of_inspect_and_steps_are_counted():
    model = made(rate=0.0)
    monitor = SignalMonitor(X[:32], Y[:32], every=4, steps=9)
    history = fitted(model, monitor).history
    assert [step for step, _ in monitor.samples] == [0, 4, 8]
    report = inspect(model, X[:32], Y[:32])
    for _, figures in monitor.samples:
        assert figures["signal_chi"] == pytest.approx(report.forward.chi, rel=1e-5)
        assert figures["gradient_chi"] == pytest.approx(report.backward.chi, rel=1e-5)
        assert figures["problems"] == len(report.problems)
        assert figures["dead"] == max(row.dead for row in report.rows if row.dead is not None)
    assert history["signal_chi"] == [figures["signal_chi"] for _, figures in monitor.samples[1:]]


def test_training_is_the_same_as_without():
    plain, watched = made(), made()
    fitted(plain)
    fitted(watched, SignalMonitor(X[:32], Y[:32], every=3))
    for one, two in zip(plain.variables, watched.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(two))
    for one, two in zip(plain.optimizer.variables, watched.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(two))


def test_later_callbacks_see_the_figures():
    seen = []
    later = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append("signal_chi" in logs)
    )
    fitted(made(), SignalMonitor(X[:32], Y[:32], every=5), later)
    assert seen == [i % 5 == 0 for i in range(12)]


@pytest.mark.once
def test_tensorboard_reads_the_figures(tmp_path):
    import tensorflow as tf

    monitor = SignalMonitor(X[:32], Y[:32], every=6, log_dir=tmp_path)
    fitted(made(), monitor)
    found = {}
    for path in tmp_path.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    for step, figures in monitor.samples:
        for name, value in figures.items():
            assert found[f"keras_inits/{name}", step] == pytest.approx(value, rel=1e-5)


@pytest.mark.once
def test_bad_input(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="SignalMonitor: every must be an integer >= 1, got 0"):
        SignalMonitor(X, every=0)
    with pytest.raises(TypeError, match="SignalMonitor: steps must be an integer"):
        SignalMonitor(X, steps=1.5)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="log_dir needs tensorboardX"):
        SignalMonitor(X, log_dir=tmp_path)
