"""What `SignalMonitor` costs: training steps with it, one in fifty sampled, against steps without.

KERAS_BACKEND=torch python benchmarks/monitor.py

In turns: EVERY steps of `fit`, and one sample. Medians.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers as L

import keras_inits

EVERY, ROUNDS, SAMPLES = 50, 11, 32


def tiny() -> tuple[keras.Model, Any, int]:
    layers = [L.Dense(64, activation="relu") for _ in range(3)]
    return keras.Sequential([keras.Input((64,)), *layers, L.Dense(10)]), (64,), 32


def convolutional() -> tuple[keras.Model, Any, int]:
    layers = [
        L.Conv2D(32, 3, activation="relu"),
        L.MaxPooling2D(2),
        L.Conv2D(64, 3, activation="relu"),
    ]
    head = [L.MaxPooling2D(2), L.Flatten(), L.Dense(10)]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers, *head]), (28, 28, 1), 32


def dense() -> tuple[keras.Model, Any, int]:
    layers = [L.Dense(512, activation="relu") for _ in range(8)]
    return keras.Sequential([keras.Input((512,)), *layers, L.Dense(10)]), (512,), 128


def seconds(function: Any) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, every={EVERY}\n")
    print(f"| model | rows a step | {EVERY} steps | a sample | cost |")
    print("|---|---|---|---|---|")
    models = {"3 Dense(64)": tiny, "2 Conv2D": convolutional, "8 Dense(512)": dense}
    for name, build in models.items():
        model, shape, batch = build()
        rng = np.random.default_rng(0)
        x = rng.normal(size=(EVERY * batch, *shape)).astype("float32")
        y = rng.integers(0, 10, len(x))
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        monitor = keras_inits.SignalMonitor(x[:SAMPLES], y[:SAMPLES], every=1, steps=10**9)
        monitor.set_model(model)
        runs = [
            partial(model.fit, x, y, batch_size=batch, verbose=0),
            partial(monitor.on_train_batch_end, 0),
        ]
        for run in runs:
            run()
        times = [[seconds(run) for run in runs] for _ in range(ROUNDS)]
        steps, sample = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"| {name} | {batch} | {steps:.3f} s | {1000 * sample:.0f} ms | {100 * sample / steps:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
