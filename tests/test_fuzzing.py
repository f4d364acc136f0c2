"""Any shape, dtype and argument gives a tensor as asked for, or an error in its form.

500 examples; `pytest --hypothesis-profile long tests/test_fuzzing.py` tries 10,000.
"""

from __future__ import annotations

import inspect
import math
import random
from typing import Any

import keras
import numpy as np
import pytest
from cases import BY_ID
from conftest import to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_inits import backend

pytestmark = pytest.mark.once

FLOATS = st.one_of(
    st.floats(width=32),
    st.floats(-2.0, 2.0),
    st.sampled_from([0.0, -0.0, 1e-45, 1.2e-38, 3.4e38, -3.4e38, 1e39, math.inf, math.nan]),
)
BY_TYPE: dict[type, Any] = {
    bool: st.booleans(),
    int: st.one_of(st.integers(-2, 40), st.sampled_from([2**31, 2**63, 10**30])),
    float: FLOATS,
    type(None): st.one_of(st.none(), FLOATS, st.integers(-2, 40)),
}
EXTENTS = st.sampled_from([0, 1, 2, 3, 4, 7, 13, 31, 101, 997, 7919])
SHAPES = st.lists(EXTENTS, max_size=6).filter(lambda shape: math.prod(shape) <= 20_000)
DTYPES = st.sampled_from(["float16", "bfloat16", "float32", "float64", None, "int32", "bool"])


@st.composite
def arguments(draw: Any) -> tuple[str, dict[str, Any]]:
    """A case of the table, and other values for some of its arguments."""
    name = draw(st.sampled_from(sorted(BY_ID)))
    changed = {}
    for parameter in inspect.signature(BY_ID[name].cls).parameters.values():
        values = BY_TYPE.get(type(parameter.default))
        if parameter.name != "seed" and values is not None and draw(st.booleans()):
            changed[parameter.name] = draw(values)
    return name, changed


def test_the_profile_is_not_the_long_one(request: pytest.FixtureRequest) -> None:
    asked = request.config.getoption("--hypothesis-profile", None)
    assert settings.default.max_examples == (10_000 if asked == "long" else 500)


@given(arguments(), SHAPES, DTYPES, st.integers(0, 2**64 - 1))
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_any_draw(given: tuple[str, dict[str, Any]], shape: Any, dtype: Any, seed: int) -> None:
    case, changed = BY_ID[given[0]], given[1]
    state, numpys = random.getstate(), np.random.get_state()[1].copy()
    cls = case.cls
    own = {k: v(case.shape) if callable(v) else v for k, v in case.arguments.items()}
    try:
        scheme = cls(**own | changed, **({"seed": seed} if cls.random else {}))
        tensor = scheme(shape, dtype=dtype)
        refused = None
    except (TypeError, ValueError) as error:
        refused = str(error)
    if refused is not None:
        assert refused.partition(": ")[0].isidentifier(), refused
        return
    assert tuple(tensor.shape) == tuple(shape)
    expected = backend.backend_dtype(dtype or keras.config.floatx())
    assert keras.backend.standardize_dtype(tensor.dtype) == expected
    assert np.isfinite(to_numpy(tensor)).all() or not cls.finite
    assert random.getstate() == state
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)
