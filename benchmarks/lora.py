"""What each method of `lora_init` that decomposes a kernel costs, on one of 2048 x 2048 at rank 16.

KERAS_BACKEND=torch python benchmarks/lora.py
"""

import time

import keras

import keras_inits

for method in ("pissa", "pissa_niter", "pissa_niter_4", "olora"):
    model = keras.Sequential([keras.Input((2048,)), keras.layers.Dense(2048)])
    model.layers[0].enable_lora(16)
    start = time.perf_counter()
    keras_inits.lora_init(model, method, seed=0)
    print(f"{method}: {time.perf_counter() - start:.1f} s")
