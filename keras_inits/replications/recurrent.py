"""Recurrent networks: IRNN, Chrono."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_inits.models.initialize import initialize
from keras_inits.replications.result import Curves, Replication
from keras_inits.replications.training import CLASSES, smooth, train
from keras_inits.schemes.recurrent import Chrono

_L = keras.layers
#: The variance of the sum of two numbers of U(0, 1): the error of always saying 1.
ADDING = 1 / 6


def irnn(seed: int = 0) -> Replication:
    """Le et al. 2015 (arXiv 1504.00941), section 4.1: the sum of the two marked numbers of 20."""
    length, units, steps = 20, 50, 700

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, step])
        x = np.zeros((64, length, 2), "float32")
        x[..., 0] = rng.random((64, length))
        marks = np.stack([rng.integers(0, length // 2, 64), rng.integers(length // 2, length, 64)])
        x[np.arange(64), marks, 1] = 1
        return x, (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)

    rows: list[Any] = [("always 1", "squared error", ADDING)]
    lines: list[Any] = []
    for name, activation, preset in (
        ("IRNN", "relu", "irnn"),
        ("tanh, orthogonal", "tanh", "keras"),
    ):
        cell = _L.SimpleRNN(units, activation)
        model = keras.Sequential([keras.Input((length, 2)), cell, _L.Dense(1)])
        initialize(model, preset, seed=seed)
        adam = keras.optimizers.Adam(0.005, clipnorm=1.0)
        losses = smooth(train(model, batch, adam, "mse", steps), 50)
        rows.append((name, "squared error", losses[-1]))
        lines.append((name, np.arange(steps), losses))
    lines.append(("always 1", [0, steps], [ADDING, ADDING]))
    claim = "a rectified network that starts from the identity learns to add far apart numbers"
    return Replication(
        "irnn", claim, rows, [Curves("adding problem", "step", "squared error", lines)]
    )


def chrono(seed: int = 0) -> Replication:
    """Tallec & Ollivier 2018 (arXiv 1804.11188), section 4: the copy task, one symbol kept for 50 steps."""
    delay, symbols, steps = 50, 8, 3000
    length = delay + 2
    guess = np.log(symbols) / length

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, step])
        symbol = rng.integers(1, symbols + 1, 32)
        x = np.zeros((32, length), "int32")
        x[:, 0], x[:, delay] = symbol, symbols + 1
        y = np.zeros((32, length), "int32")
        y[:, -1] = symbol
        return np.eye(symbols + 2, dtype="float32")[x], y

    rows: list[Any] = [("guessing", "loss", guess)]
    lines: list[Any] = []
    for name, bias in (("Chrono", Chrono(1.5 * delay)), ("forget gate 1", None)):
        model = keras.Sequential(
            [
                keras.Input((length, symbols + 2)),
                _L.LSTM(64, return_sequences=True),
                _L.Dense(symbols + 1),
            ]
        )
        initialize(model, {"lstm_cell/bias$": bias} if bias else None, seed=seed)
        adam = keras.optimizers.Adam(0.01, clipnorm=1.0)
        losses = smooth(train(model, batch, adam, CLASSES, steps), 20)
        rows.append((name, "loss", losses[-1]))
        lines.append((name, np.arange(steps), losses))
    lines.append(("guessing", [0, steps], [guess, guess]))
    claim = "gate biases spread over the time scales of the task solve it where others guess"
    return Replication("chrono", claim, rows, [Curves("copy task", "step", "loss", lines)])
