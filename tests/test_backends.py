"""One seed, the same bits: on three backends, in other processes, on any number of threads."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import BACKENDS, python, require

pytestmark = pytest.mark.once

DRAW = """
import hashlib, json, os, sys
import keras
import keras_inits as ki
from cases import CASES
from keras import layers as L

def draws():
    results = {}
    for case in CASES:
        for dtype in ("float32", "float16", "bfloat16"):
            x = keras.ops.convert_to_numpy(case.make(case.shape, 12345)(case.shape, dtype))
            x = x.astype("float32")
            digest = hashlib.sha256(x.tobytes()).hexdigest()
            some = x.ravel()[:: max(1, x.size // 50)].astype("float64").tolist()
            results[f"{case.id} {dtype}"] = [digest, some]
    return results

model = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization(),
    L.Dropout(0.5), L.Flatten(), L.Dense(5, dtype="mixed_bfloat16"), L.Dense(3, dtype="bfloat16")])
told = [ki.initialize(model, seed=1).digest, ki.digest(model)]
found = {}
for threads in sys.argv[1:]:
    os.environ["KERAS_INITS_THREADS"] = threads
    found[threads] = draws()
print(json.dumps([told, found]))
"""


@pytest.mark.slow
def test_same_bits_on_every_backend() -> None:
    """Schemes with linear algebra promise 1e-6 (and what the dtype then rounds), the others bits."""
    draws, digests = {}, set()
    for backend in BACKENDS:
        require(backend)
        threads = ("", "1", "8") if backend == "jax" else ("",)
        told, found = json.loads(python(DRAW, *threads, KERAS_BACKEND=backend).splitlines()[-1])
        draws |= {f"{backend}, threads {number or 'as usual'}": found[number] for number in found}
        digests |= set(told)
    assert len(digests) == 1
    reference = draws.pop("tensorflow, threads as usual")
    assert len(reference) > 150
    for name, others in draws.items():
        assert others.keys() == reference.keys()
        for case, (digest, some) in reference.items():
            if "rthogonal" in case:
                tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[case.split()[-1]]
                np.testing.assert_allclose(others[case][1], some, atol=tolerance, err_msg=name)
            else:
                assert others[case][0] == digest, (name, case)
