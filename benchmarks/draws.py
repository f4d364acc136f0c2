"""Our draws against the host's, law by law, in one process.

    KERAS_BACKEND=tensorflow python benchmarks/draws.py     # against Keras's own initializers
    KERAS_BACKEND=torch python benchmarks/draws.py          # against torch.nn.init

Runs of both take turns, so that whatever else the machine does falls on both; medians. `fills` is the
time in units of what filling the same memory with a constant takes.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_inits

LAWS = {
    "uniform": ((4096, 4096), keras_inits.RandomUniform(-0.1, 0.1, seed=1)),
    "normal": ((4096, 4096), keras_inits.RandomNormal(0.0, 0.05, seed=1)),
    "truncated normal": ((4096, 4096), keras_inits.TruncatedNormal(0.0, 0.05, seed=1)),
    "orthogonal": ((2048, 2048), keras_inits.Orthogonal(seed=1)),
    "truncated normal, small": ((64, 64), keras_inits.TruncatedNormal(0.0, 0.05, seed=1)),
}


def peers() -> dict[str, Callable[[tuple[int, ...]], object]]:
    if keras.backend.backend() == "torch":
        import torch

        init = torch.nn.init

        def truncated(shape: tuple[int, ...]) -> object:
            return init.trunc_normal_(torch.empty(shape), 0.0, 0.05, -0.1, 0.1)

        return {
            "uniform": lambda shape: init.uniform_(torch.empty(shape), -0.1, 0.1),
            "normal": lambda shape: init.normal_(torch.empty(shape), 0.0, 0.05),
            "truncated normal": truncated,
            "orthogonal": lambda shape: init.orthogonal_(torch.empty(shape)),
            "truncated normal, small": truncated,
        }
    host = keras.initializers
    return {
        "uniform": host.RandomUniform(-0.1, 0.1, seed=1),
        "normal": host.RandomNormal(0.0, 0.05, seed=1),
        "truncated normal": host.TruncatedNormal(0.0, 0.05, seed=1),
        "orthogonal": host.Orthogonal(seed=1),
        "truncated normal, small": host.TruncatedNormal(0.0, 0.05, seed=1),
    }


def seconds(draw: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        tensor = draw()
        if hasattr(tensor, "block_until_ready"):
            tensor.block_until_ready()
    return (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    host = "torch.nn.init" if keras.backend.backend() == "torch" else f"keras {keras.__version__}"
    print(f"{keras.backend.backend()}, {os.cpu_count()} processors, milliseconds, {rounds} rounds")
    print(f"| law | shape | fill | ours | {host} | times faster | fills |")
    print("|---|---|---|---|---|---|---|")
    for name, peer in peers().items():
        shape, scheme = LAWS[name]
        runs = {
            "fill": lambda shape=shape: np.full(shape, 1.0, np.float32),
            "ours": lambda shape=shape, scheme=scheme: scheme(shape),
            "peer": lambda shape=shape, peer=peer: peer(shape),
        }
        repeats = 1 if math.prod(shape) > 2**16 else 100
        for draw in runs.values():
            draw()
        table = [[seconds(draw, repeats) for draw in runs.values()] for _ in range(rounds)]
        fill, ours, theirs = (
            1e3 * statistics.median(column) for column in zip(*table, strict=True)
        )
        size = " x ".join(map(str, shape))
        print(
            f"| {name} | {size} | {fill:.3g} | {ours:.3g} | {theirs:.3g}"
            f" | {theirs / ours:.2f} | {ours / fill:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
