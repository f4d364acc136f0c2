"""What `inspect` costs: against one forward and one backward pass of the same model on the same batch.

KERAS_BACKEND=torch python benchmarks/inspection.py

Both without compilation, in turns, so that whatever else the machine does falls on both; medians.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers as L

from keras_inits import backend, inspect
from keras_inits.backend import differentiation

REPEATS = 5


def dense(depth: int) -> tuple[keras.Model, Any]:
    steps = [L.Dense(64, activation="relu", kernel_initializer="he_normal") for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *steps]), np.random.normal(size=(256, 64))


def convolutional() -> tuple[keras.Model, Any]:
    steps = [L.Conv2D(32, 3, padding="same", activation="relu") for _ in range(20)]
    model = keras.Sequential([keras.Input((32, 32, 32)), *steps])
    return model, np.random.normal(size=(32, 32, 32, 32))


def resnet() -> tuple[keras.Model, Any]:
    model = keras.applications.ResNet50(weights=None, input_shape=(96, 96, 3), classes=10)
    return model, np.random.normal(size=(16, 96, 96, 3))


def passes(model: keras.Model, x: Any) -> None:
    """One forward and one backward pass, to all weights."""

    def run(mark: Any) -> tuple[Any, None]:
        return keras.ops.mean(keras.ops.square(model(x, training=True))) / 2, None

    with backend.eager(gradients=True):
        gradients = differentiation.gradients(run, list(model.trainable_variables)).at_variables
    keras.ops.convert_to_numpy(gradients[0])


def seconds(function: Any) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}\n")
    print("| model | batch | forward and backward | inspect | ratio |")
    print("|---|---|---|---|---|")
    models = {
        "50 Dense(64)": lambda: dense(50),
        "500 Dense(64)": lambda: dense(500),
        "20 Conv2D(32, 3)": convolutional,
        "ResNet50 at 96 x 96": resnet,
    }
    for name, build in models.items():
        model, x = build()
        x = x.astype("float32")
        runs = [partial(passes, model, x), partial(inspect, model, x)]
        for run in runs:
            run()
        times = [[seconds(run) for run in runs] for _ in range(REPEATS)]
        plain, ours = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"| {name} | {len(x)} | {plain:.3f} s | {ours:.3f} s | {ours / plain:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
