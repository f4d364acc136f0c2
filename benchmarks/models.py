"""What `initialize` costs: against building the model again, and the walk against the drawing.

KERAS_BACKEND=jax python benchmarks/models.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

from keras_inits.models.initialize import initialize
from keras_inits.models.variables.walk import walk

REPEATS = 5


def seconds(function: Callable[[], Any]) -> float:
    """The median of several runs, after one that is not counted."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}\n")
    print("| model | weights | build again | initialize | drawing alone | walk | walk / drawing |")
    print("|---|---|---|---|---|---|---|")
    for name in ("ResNet50", "MobileNetV2", "EfficientNetB0"):
        make = getattr(keras.applications, name)
        model = make(weights=None)
        building = seconds(lambda make=make: make(weights=None))
        whole = seconds(lambda model=model: initialize(model, seed=0))
        walking = seconds(lambda model=model: walk(model))
        dry = seconds(lambda model=model: initialize(model, seed=0, dry_run=True))
        drawing = dry - walking
        print(
            f"| {name} | {model.count_params() / 1e6:.1f} M | {building:.2f} s | {whole:.2f} s "
            f"| {drawing:.2f} s | {walking:.3f} s | {100 * walking / drawing:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
