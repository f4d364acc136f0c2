"""What lsuv costs: against three runs of every layer, and as the network gets deeper.

KERAS_BACKEND=jax python benchmarks/lsuv.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
from keras import layers as L

from keras_inits.models.lsuv import lsuv
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.streams import DefaultStream

SAMPLES, DEPTH, REPEATS = 256, 50, 5


def dense(depth: int, width: int) -> keras.Model:
    steps = [L.Dense(width, activation="relu") for _ in range(depth)]
    return keras.Sequential([keras.Input((width,)), *steps])


def convolutional(depth: int, filters: int = 32) -> keras.Model:
    steps = [L.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(depth)]
    return keras.Sequential([keras.Input((16, 16, filters)), *steps])


def seconds(function: Callable[[], Any]) -> float:
    """The best of several runs, after one that is not counted."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def forward(model: keras.Model, x: Any) -> None:
    with no_grad():
        keras.ops.convert_to_numpy(model(x, training=False))


def no_grad() -> Any:
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()


def draw(model: keras.Model) -> None:
    """The orthonormal kernels alone."""
    for layer in model.layers:
        Orthogonal(seed=0).draw(layer.kernel.shape, DefaultStream(0))


def measure(name: str, model: keras.Model) -> float:
    x = np.random.default_rng(0).normal(size=(SAMPLES, *model.inputs[0].shape[1:]))
    x = keras.ops.convert_to_tensor(x, "float32")
    once = seconds(lambda: forward(model, x))
    whole = seconds(lambda: lsuv(model, x, seed=0, progress=False))
    draws = seconds(lambda: draw(model))
    times = " | ".join(f"{1000 * t:.0f} ms" for t in (once, draws, whole))
    print(f"| {name} | {times} | {whole / (3 * once):.2f} |", flush=True)
    return whole


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, {SAMPLES} samples\n")
    print("| network | one run | draws alone | lsuv | lsuv over 3 runs |\n|---|---|---|---|---|")
    measure(f"{DEPTH} Conv2D(32, 3) on 16 x 16", convolutional(DEPTH))
    for width in (64, 512):
        measure(f"{DEPTH} Dense({width})", dense(DEPTH, width))
    times = {d: measure(f"{d} Conv2D(16, 3)", convolutional(d, 16)) for d in (10, 20, 40, 80)}
    print("\ntime a layer:", ", ".join(f"{d}: {1000 * t / d:.1f} ms" for d, t in times.items()))


if __name__ == "__main__":
    main()
