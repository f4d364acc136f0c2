"""What an audit of a billion weights costs.

KERAS_BACKEND=torch python benchmarks/audit.py
"""

from __future__ import annotations

import time

import keras

import keras_inits

LAYERS, WIDTH = 15, 8192

if __name__ == "__main__":
    with keras_inits.deferred():
        layers = [keras.layers.Dense(WIDTH, use_bias=False) for _ in range(LAYERS)]
        model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    keras_inits.initialize(model, seed=0, memory="low", progress=False)
    clock, processor = time.perf_counter(), time.process_time()
    report = keras_inits.audit(model)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{model.count_params():.4g} weights: {processor:.1f} s of processor time, {clock:.1f} s")
    print(report.summary())
