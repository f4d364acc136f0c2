"""Draws on an NVIDIA GPU: time and rate by size, beside the host's draw and copy and a plain copy.

KERAS_BACKEND=torch python benchmarks/gpu.py
KERAS_BACKEND=jax XLA_PYTHON_CLIENT_PREALLOCATE=false python benchmarks/gpu.py
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

import keras_inits
from keras_inits.streams.default import device

LAWS = {
    "uniform": keras_inits.RandomUniform(-0.1, 0.1, seed=1),
    "normal": keras_inits.RandomNormal(0.0, 0.05, seed=2),
    "truncated normal": keras_inits.TruncatedNormal(0.0, 0.05, seed=4),
}
SIDES = [(1024, 2048), (4096, 4096), (16384, 16384), (32768, 32768), (65536, 65536)]


def finish(tensor: Any) -> None:
    if keras.backend.backend() == "jax":
        tensor.block_until_ready()
    else:
        import torch

        torch.cuda.synchronize()


def seconds(draw: Callable[[], Any], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        finish(draw())
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main() -> None:
    drawn = device.fill
    for law, scheme in LAWS.items():
        for shape in SIDES:
            for dtype in ("float32", "bfloat16"):
                size = math.prod(shape) * (4 if dtype == "float32" else 2)
                took = seconds(lambda s=scheme, n=shape, d=dtype: s(n, dtype=d))
                line = f"{law} {shape} {dtype}: {took * 1e3:.2f} ms, {size / took / 1e9:.0f} GB/s"
                if shape[0] <= 4096:
                    device.fill = lambda *arguments: None
                    host = seconds(lambda s=scheme, n=shape, d=dtype: s(n, dtype=d))
                    device.fill = drawn
                    line += f"; host and copy {host * 1e3:.2f} ms, {host / took:.1f} times as long"
                print(line, flush=True)
    if keras.backend.backend() == "torch":
        import torch

        a, b = torch.empty((2, 2**30), device="cuda")
        print(f"copy, read and written: {2**33 / seconds(lambda: b.copy_(a)) / 1e9:.0f} GB/s")
        for name in ("uniform_", "normal_"):
            rate = 2**32 / seconds(getattr(a, name)) / 1e9
            print(f"torch.Tensor.{name}: {rate:.0f} GB/s")


if __name__ == "__main__":
    main()
