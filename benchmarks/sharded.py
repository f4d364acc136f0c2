"""Draw a tensor of 4 GiB over 8 devices and report the memory beyond the shards.

    python benchmarks/sharded.py [GIB]

The devices are the host's own, simulated, so all shards lie in this process. Prints the peak memory
above the level before the draw, in units of one shard; more than 8 shards, one shard's copy and the
tiles in work would be waste.
"""

from __future__ import annotations

import os
import resource
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import keras

import keras_inits as ki

GIB = 2**30


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    columns = 16384
    rows = int(size * GIB / 4 / columns)
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"])
    layout = keras.distribution.TensorLayout(["batch", "model"], mesh)
    scheme = ki.HeNormal(seed=0)
    jax.block_until_ready(scheme((64, 64), "float32", layout))
    before = peak()
    start = time.perf_counter()
    tensor = jax.block_until_ready(scheme((rows, columns), "float32", layout))
    seconds = time.perf_counter() - start
    shard = tensor.nbytes / 8
    used = peak() - before
    print(f"{tensor.nbytes / GIB:.2f} GiB as {tensor.shape} over 8 devices in {seconds:.1f} s")
    print(f"peak memory {used / GIB:.2f} GiB = {used / shard:.2f} shards of {shard / GIB:.2f} GiB")
    print(f"beyond the 8 shards: {used / shard - 8:.2f} shards")


if __name__ == "__main__":
    main()
