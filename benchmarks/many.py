"""Processor time of `initialize` for many small variables, and of Keras's assignments alone.

    KERAS_BACKEND=torch python benchmarks/many.py

Kernels of 8 x 8 entries, side by side in one model; the least of three rounds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_inits

COUNTS = (1000, 2500, 5000, 10_000, 20_000)


class Many(keras.Model):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.parts = [keras.layers.Dense(8, use_bias=False) for _ in range(count)]
        for part in self.parts:
            part.build((None, 8))
        self.built = True


def microseconds(function: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times) / count * 1e6


def measure(count: int) -> None:
    with keras_inits.deferred():
        model = Many(count)
    values = np.zeros((8, 8), "float32")
    keras_inits.initialize(model, seed=0, progress=False)
    ours = microseconds(lambda: keras_inits.initialize(model, seed=1, progress=False), count)
    alone = microseconds(lambda: [v.assign(values) for v in model.variables], count)
    print(f"{count} variables: initialize {ours:.0f}, assignments alone {alone:.0f}", flush=True)


if __name__ == "__main__":
    print(f"{keras.backend.backend()}, keras {keras.__version__}; microseconds per variable")
    for count in COUNTS:
        measure(count)
