"""What `SignalMonitor` costs: training steps with it, one in fifty sampled, against steps without.

KERAS_BACKEND=torch python benchmarks/monitor.py

The compiled step of `fit` on TensorFlow and JAX is much faster than the monitor's plain run, so what a
sample costs is also given in steps. Times are in turns, and of the processor (`time.process_time`).
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import keras
import numpy as np
from keras import layers as L

import keras_inits

EVERY, ROUNDS, BATCH, SAMPLES = 50, 3, 128, 32


def dense() -> tuple[keras.Model, Any]:
    layers = [L.Dense(512, activation="relu") for _ in range(8)]
    return keras.Sequential([keras.Input((512,)), *layers, L.Dense(10)]), (512,)


def convolutional() -> tuple[keras.Model, Any]:
    layers = [L.Conv2D(32, 3, padding="same", activation="relu") for _ in range(8)]
    head = [L.GlobalAveragePooling2D(), L.Dense(10)]
    return keras.Sequential([keras.Input((16, 16, 3)), *layers, *head]), (16, 16, 3)


def seconds(model: keras.Model, x: Any, y: Any, callbacks: list[Any]) -> float:
    """Processor time of EVERY steps, the first of which is sampled."""
    start = time.process_time()
    model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
    return time.process_time() - start


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, every={EVERY}\n")
    print("| model | batch | 50 steps | with the monitor | cost | a sample in steps |")
    print("|---|---|---|---|---|---|")
    for name, build in {"8 Dense(512)": dense, "8 Conv2D(32, 3)": convolutional}.items():
        model, shape = build()
        rng = np.random.default_rng(0)
        x = rng.normal(size=(EVERY * BATCH, *shape)).astype("float32")
        y = rng.integers(0, 10, len(x))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        monitor = keras_inits.SignalMonitor(x[:SAMPLES], y[:SAMPLES], every=EVERY, steps=10**9)
        seconds(model, x, y, [monitor])
        turns = [(seconds(model, x, y, []), seconds(model, x, y, [monitor])) for _ in range(ROUNDS)]
        without, watched = (statistics.median(column) for column in zip(*turns, strict=True))
        cost = statistics.median(b - a for a, b in turns)
        print(
            f"| {name} | {BATCH} | {without:.2f} s | {watched:.2f} s | {100 * cost / without:.1f} % "
            f"| {EVERY * cost / without:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
