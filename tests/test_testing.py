"""The conformance check: every scheme passes it, and planted faults do not."""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH, Case

import keras_inits as ki
from keras_inits import laws
from keras_inits.testing import check_initializer


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_every_scheme_conforms(case: Case) -> None:
    check_initializer(case.make(case.shape, 1), shapes=[case.shape])


class _Faulty(keras.initializers.Initializer):
    """Right but for what a subclass breaks."""

    def __init__(self, scale: float = 1.0, seed: Any = None) -> None:
        self.scale, self.seed = scale, seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ki.Uniform(self.scale, seed=self.seed)(shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "seed": self.seed}

    def law(self, shape: Any) -> laws.Law:
        return laws.Uniform(-self.scale, self.scale)


def _faulty(name: str = "Right", **methods: Any) -> Any:
    cls = type(name, (_Faulty,), {**methods, "__module__": __name__})
    setattr(sys.modules[__name__], name, cls)  # where pickle looks for it
    return keras.saving.register_keras_serializable("faulty")(cls)


FAULTS = {
    "config": {"get_config": lambda self: {"scale": 1.0, "seed": self.seed, "more": 1}},
    "dtypes": {"__call__": lambda self, shape, dtype=None: ki.Uniform(seed=self.seed)(shape)},
    "seeds": {"__call__": lambda self, shape, dtype=None: ki.Uniform(1.0, seed=4)(shape, dtype)},
    "law": {"law": lambda self, shape: laws.Uniform(-1.1, 1.1)},
    "global_state": {
        "__call__": lambda self, shape, dtype=None: (
            np.random.rand(),
            _Faulty.__call__(self, shape, dtype),
        )[1]
    },
    "bad_shapes": {
        "__call__": lambda self, shape, dtype=None: _Faulty.__call__(
            self, [abs(n or 1) for n in shape], dtype
        )
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    with pytest.raises(AssertionError, match=rf"(?m)^{fault}: "):
        check_initializer(_faulty(fault, **FAULTS[fault]), shapes=[(20, 30)])


def test_the_right_one_passes() -> None:
    check_initializer(_faulty()(seed=1))
    with pytest.raises(AssertionError, match="law: entries"):
        check_initializer(_faulty(), law=laws.Normal(0.0, 1.0))


def test_what_is_no_initializer() -> None:
    with pytest.raises(TypeError, match="check_initializer: subject must be an initializer"):
        check_initializer(json)


def test_entries_that_are_copies_of_others() -> None:
    def repeated(self: Any, shape: Any, dtype: Any = None) -> Any:
        one = _Faulty.__call__(self, (shape[0], shape[1] // 16), dtype)
        return keras.ops.concatenate([one] * 16, axis=1)

    def half(self: Any, shape: Any, dtype: Any = None) -> Any:
        one = _Faulty.__call__(self, (shape[0], shape[1] // 2), dtype)
        return keras.ops.concatenate([one, keras.ops.zeros_like(one)], axis=1)

    for seed in range(3):  # the mean of copies strays four times as far
        check_initializer(_faulty("Repeated", __call__=repeated)(seed=seed), shapes=[(32, 64)])
    with pytest.raises(AssertionError, match="law: entries"):
        check_initializer(_faulty("Half", __call__=half)(), shapes=[(32, 64)])
