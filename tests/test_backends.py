"""One seed, the same bits: on three backends, in other processes, on any number of threads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conftest import BACKENDS, python, require

pytestmark = pytest.mark.once

DRAW = """
import hashlib, json, sys
import numpy as np
import keras
from cases import CASES

results = {}
for case in CASES:
    for dtype in ("float32", "float16", "bfloat16"):
        x = case.make(case.shape, 12345)(case.shape, dtype)
        x = keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))
        digest = hashlib.sha256(x.tobytes()).hexdigest()
        some = x.ravel()[:: max(1, x.size // 50)].astype("float64").tolist()
        results[f"{case.id} {dtype}"] = [digest, some]
print(json.dumps(results))
"""


def _draws(**environment: str) -> dict[str, Any]:
    return json.loads(python(DRAW, **environment).splitlines()[-1])


@pytest.mark.slow
def test_same_bits_on_every_backend() -> None:
    """Schemes with linear algebra promise 1e-6 (and what the dtype then rounds), the others bits."""
    for backend in BACKENDS:
        require(backend)
    draws = {backend: _draws(KERAS_BACKEND=backend) for backend in BACKENDS}
    draws["one thread"] = _draws(KERAS_BACKEND="jax", KERAS_INITS_THREADS="1")
    draws["eight threads"] = _draws(KERAS_BACKEND="jax", KERAS_INITS_THREADS="8")
    reference = draws.pop("tensorflow")
    assert len(reference) > 150
    for name, others in draws.items():
        assert others.keys() == reference.keys()
        for case, (digest, some) in reference.items():
            if "rthogonal" in case:
                tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[case.split()[-1]]
                np.testing.assert_allclose(others[case][1], some, atol=tolerance, err_msg=name)
            else:
                assert others[case][0] == digest, (name, case)
