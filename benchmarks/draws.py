"""Our draws against the host's, law by law and dtype by dtype, in one process.

    KERAS_BACKEND=tensorflow python benchmarks/draws.py     # against Keras's own initializers
    KERAS_BACKEND=torch python benchmarks/draws.py          # against torch.nn.init
    KERAS_BACKEND=torch python benchmarks/draws.py --keras  # against Keras's on PyTorch, too

Runs of both take turns, so that whatever else the machine does falls on both; medians. `fills` is the
time in units of what filling the memory of a float32 tensor with a constant takes.
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
    "orthogonal, dense": ((512, 512), keras_inits.Orthogonal(seed=1)),
    "orthogonal, convolution": ((3, 3, 512, 512), keras_inits.Orthogonal(seed=1)),
    "truncated normal, small": ((64, 64), keras_inits.TruncatedNormal(0.0, 0.05, seed=1)),
}
Draw = Callable[[tuple[int, ...], str], object]


def torch_peers() -> dict[str, Draw]:
    import torch

    init = torch.nn.init

    def on_empty(fill: Callable[..., object], *arguments: float) -> Draw:
        return lambda shape, dtype: fill(
            torch.empty(shape, dtype=getattr(torch, dtype)), *arguments
        )

    return {
        "uniform": on_empty(init.uniform_, -0.1, 0.1),
        "normal": on_empty(init.normal_, 0.0, 0.05),
        "truncated normal": on_empty(init.trunc_normal_, 0.0, 0.05, -0.1, 0.1),
        "orthogonal": on_empty(init.orthogonal_),
        "orthogonal, dense": on_empty(init.orthogonal_),
        "truncated normal, small": on_empty(init.trunc_normal_, 0.0, 0.05, -0.1, 0.1),
    }


def keras_peers() -> dict[str, Draw]:
    host = keras.initializers
    return {
        "uniform": host.RandomUniform(-0.1, 0.1, seed=1),
        "normal": host.RandomNormal(0.0, 0.05, seed=1),
        "truncated normal": host.TruncatedNormal(0.0, 0.05, seed=1),
        "orthogonal": host.Orthogonal(seed=1),
        "orthogonal, dense": host.Orthogonal(seed=1),
        "orthogonal, convolution": host.Orthogonal(seed=1),
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
    parser.add_argument("--keras", action="store_true", help="Keras's initializers on any backend")
    options = parser.parse_args()
    on_torch = keras.backend.backend() == "torch" and not options.keras
    host = "torch.nn.init" if on_torch else f"keras {keras.__version__}"
    print(
        f"{keras.backend.backend()}, {os.cpu_count()} processors, milliseconds, "
        f"{options.rounds} rounds"
    )
    print(f"| law | dtype | shape | fill | ours | {host} | times faster | fills |")
    print("|---|---|---|---|---|---|---|---|")
    for name, peer in (torch_peers() if on_torch else keras_peers()).items():
        shape, scheme = LAWS[name]
        for dtype in ("float32", "bfloat16", "float16"):
            if name.startswith("orthogonal") and dtype != "float32":
                continue  # both take the time of float32, and a host's QR may refuse
            runs = {
                "fill": lambda shape=shape: np.full(shape, 1.0, np.float32),
                "ours": lambda shape=shape, dtype=dtype, scheme=scheme: scheme(shape, dtype),
                "peer": lambda shape=shape, dtype=dtype, peer=peer: peer(shape, dtype),
            }
            repeats = 1 if math.prod(shape) > 2**16 else 100
            for draw in runs.values():
                draw()
            table = [
                [seconds(draw, repeats) for draw in runs.values()] for _ in range(options.rounds)
            ]
            fill, ours, theirs = (
                1e3 * statistics.median(column) for column in zip(*table, strict=True)
            )
            size = " x ".join(map(str, shape))
            print(
                f"| {name} | {dtype} | {size} | {fill:.3g} | {ours:.3g} | {theirs:.3g}"
                f" | {theirs / ours:.2f} | {ours / fill:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
