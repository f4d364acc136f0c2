"""Models built, initialized and loaded with and without `deferred`.

    KERAS_BACKEND=jax python benchmarks/deferred.py [vgg19] [resnet50] [llama] [--gib 4] [--rounds 3] [--profile]

Runs of both take turns, so that whatever else the machine does falls on both; medians. `llama` is of
KerasHub's layers, with as many of them as make so many GiB of float32; its memory is measured by a build and
`initialize(memory="low")` in the same process, first of all. The first build is that of a new process, which on JAX
compiles each draw. `--profile` shows where the processor time of a deferred load goes.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import gc
import math
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_inits

GIB = 2**30


def llama(gib: float) -> keras.Model:
    import keras_hub

    width, hidden, vocabulary = 2048, 5632, 32000
    layer = 2 * width * width + 2 * width * width // 8 + 3 * width * hidden
    layers = max(1, round((gib * GIB / 4 - 2 * vocabulary * width) / layer))
    return keras_hub.models.LlamaBackbone(
        vocabulary_size=vocabulary,
        num_layers=layers,
        num_query_heads=32,
        num_key_value_heads=4,
        hidden_dim=width,
        intermediate_dim=hidden,
    )


def seconds(function: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def deferred(function: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with keras_inits.deferred():
            return function()

    return run


def turns(rounds: int, *functions: Callable[[], object]) -> list[float]:
    table = [[seconds(function) for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*table, strict=True)]


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory(build: Callable[[], keras.Model]) -> None:
    before = peak()
    model = deferred(build)()
    built = peak()
    taken = seconds(lambda: keras_inits.initialize(model, seed=0, memory="low", progress=False))
    sizes = [4 * math.prod(v.shape) for v in model.variables]  # all float32
    weights, largest = sum(sizes), max(sizes)
    print(
        f"{model.name}: {weights / GIB:.2f} GiB, largest tensor {largest / GIB:.2f} GiB; peak above the "
        f"start {(built - before) / GIB:.2f} GiB built, {(peak() - before) / GIB:.2f} GiB initialized "
        f"in {taken:.1f} s",
        flush=True,
    )


def first(name: str, gib: float, how: str) -> float:
    command = [sys.executable, __file__, name, "--gib", str(gib), "--first", how]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def profile(function: Callable[[], object]) -> None:
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(function)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["vgg19", "resnet50"])
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--first", choices=["plain", "deferred"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    applications = keras.applications
    builds = {
        "vgg19": lambda: applications.VGG19(weights=None),
        "resnet50": lambda: applications.ResNet50(weights=None),
        "llama": lambda: llama(options.gib),
    }
    if options.first:
        build = builds[options.models[0]]
        print(seconds(build if options.first == "plain" else deferred(build)))
        return
    print(f"{keras.backend.backend()}, keras {keras.__version__}, {os.cpu_count()} processors")
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    keras_inits.initialize(small, seed=0)
    if "llama" in options.models:
        import keras_hub  # noqa: F401  (its own memory is none of the model's)
    for name in options.models:
        build = builds[name]
        memory(build)
        plain, ours = turns(options.rounds, build, deferred(build))
        print(
            f"{name} build: {plain:.2f} s, deferred {ours:.2f} s, {plain / ours:.1f} times",
            flush=True,
        )
        ways = [functools.partial(first, name, options.gib, how) for how in ("plain", "deferred")]
        rows = [[way() for way in ways] for _ in range(options.rounds)]
        plain, ours = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{name} first build: {plain:.2f} s, deferred {ours:.2f} s, {plain / ours:.1f} times",
            flush=True,
        )
        if name == "llama":
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            build().save(path)
            size = path.stat().st_size / 1e6
            load = functools.partial(keras.models.load_model, path)
            plain, ours = turns(options.rounds, load, deferred(load))
            if options.profile:
                profile(deferred(load))
        print(
            f"{name} load_model of {size:.0f} MB: {plain:.2f} s, deferred {ours:.2f} s, "
            f"{plain / ours:.2f} times",
            flush=True,
        )


if __name__ == "__main__":
    main()
