"""Peaks of memory of `initialize` and `lsuv`, safe and low, each in a new process.

KERAS_BACKEND=torch python benchmarks/memory.py
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

LAYERS, WIDTH, SAMPLES = 6, 4096, 64
CALLS = ("initialize low", "initialize safe", "lsuv low", "lsuv safe")


def resident() -> float:
    """What the process holds now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(function: str, memory: str) -> None:
    import keras

    import keras_inits

    small = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    batch = keras.random.normal((SAMPLES, WIDTH), seed=0)
    keras_inits.lsuv(small, batch[:, :8], progress=False)  # what a first call imports
    level = resident()
    layers = [keras.layers.Dense(WIDTH) for _ in range(LAYERS)]
    with keras_inits.deferred():
        model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    if function == "lsuv":
        keras_inits.lsuv(model, batch, seed=0, memory=memory, progress=False)
    else:
        keras_inits.initialize(model, seed=0, memory=memory, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - level
    one, weights = WIDTH**2 * 4 / 2**20, LAYERS * WIDTH**2 * 4 / 2**20
    print(
        f"{function} {memory}: {peak:.0f} MiB, the weights and {(peak - weights) / one:.1f} tensors"
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
    for call in CALLS if len(sys.argv) == 1 else ():
        subprocess.run([sys.executable, __file__, *call.split()], check=True)
