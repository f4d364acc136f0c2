"""The conformance check: every scheme passes it, and planted faults do not."""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH, Case

import keras_inits as ki
from keras_inits import backend, laws
from keras_inits.streams.seeds import check_seed
from keras_inits.testing import check_initializer, initializer_checks, parametrize_with_checks


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_every_scheme_conforms(case: Case) -> None:
    check_initializer(case.make(case.shape, 1), shapes=[case.shape])


class _Faulty(keras.initializers.Initializer):
    """U(-scale, scale), right but for what a subclass breaks; seed as Keras has it."""

    def __init__(self, scale: float = 1.0, seed: Any = None) -> None:
        self.scale, self.seed = scale, check_seed("Faulty", seed)

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        return ki.Uniform(self.scale, seed=self.seed)(shape, dtype, layout)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "seed": self.seed}

    def law(self, shape: Any) -> laws.Law:
        return laws.Uniform(-self.scale, self.scale)


def _faulty(name: str = "Right", **methods: Any) -> Any:
    cls = type(name, (_Faulty,), {"__doc__": "U.", **methods, "__module__": __name__})
    setattr(sys.modules[__name__], name, cls)  # where pickle looks for it
    return keras.saving.register_keras_serializable("faulty")(cls)


def _calling(change: Callable[..., Any]) -> dict[str, Any]:
    """A call that is changed: `change(right, self, shape, dtype, layout)`."""

    def call(self: Any, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        return change(_Faulty.__call__, self, shape, dtype, layout)

    return {"__call__": call}


def _otherwise_in_a_thread(right: Any, *arguments: Any) -> Any:
    tensor = right(*arguments)
    return tensor if threading.current_thread() is threading.main_thread() else -tensor


def _otherwise_compiled(right: Any, *arguments: Any) -> Any:
    tensor = right(*arguments)
    compiling = backend.is_symbolic(tensor) or backend.is_symbolic(keras.ops.ones(1) * 1)
    return -tensor if compiling else tensor


FAULTS: dict[str, dict[str, Any]] = {
    "shapes": _calling(lambda *arguments: _refuse()),
    "config": {"get_config": lambda self: {"scale": 1.0, "seed": self.seed, "more": 1}},
    "copies": {"__deepcopy__": lambda self, memo: type(self)(0.5, self.seed)},
    "files": {"get_config": lambda self: {"scale": self.scale, "seed": id(self) % 2**32}},
    "documentation": {"__doc__": ""},
    "dtypes": _calling(lambda right, self, shape, *a: right(self, shape)),
    "bad_shapes": _calling(lambda right, self, shape, *a: right(self, [abs(n or 1) for n in shape], *a)),
    "empty": _calling(lambda right, self, shape, *a: right(self, [1 if n == 0 else n for n in shape], *a)),
    "bad_seeds": {"__init__": lambda self, scale=1.0, seed=None: _Faulty.__init__(self, scale, seed if isinstance(seed, (int, keras.random.SeedGenerator)) else None)},
    "seeds": {"__call__": lambda self, shape, dtype=None: ki.Uniform(1.0, seed=4)(shape, dtype)},
    "law": {"law": lambda self, shape: laws.Uniform(-1.1, 1.1)},
    "threads": _calling(_otherwise_in_a_thread),
    "global_state": _calling(lambda right, *a: (np.random.rand(), right(*a))[1]),
}  # fmt: skip
if backend.name() == "jax":
    FAULTS["layouts"] = _calling(lambda right, *a: -right(*a) if a[-1] is not None else right(*a))
if backend.name() != "torch":
    FAULTS["compiled"] = _calling(_otherwise_compiled)


def _refuse() -> Any:
    raise ValueError("no shape is right")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    with pytest.raises(AssertionError, match=rf"(?m)^{fault}: "):
        check_initializer(_faulty(fault.title(), **FAULTS[fault]), shapes=[(20, 30)])


def test_a_moved_generator_of_keras_is_found() -> None:
    moves = _calling(lambda right, *a: (keras.random.uniform((1,)), right(*a))[1])
    with pytest.raises(AssertionError, match="moves Keras's global generator"):
        check_initializer(_faulty("Moving", **moves), shapes=[(20, 30)])


def test_every_check_has_a_planted_fault() -> None:
    assert initializer_checks(_faulty()).keys() - FAULTS.keys() <= {"layouts", "compiled"}


def test_a_fault_is_told_three_times_at_most() -> None:
    with pytest.raises(AssertionError) as caught:
        check_initializer(_faulty("Empty", **FAULTS["empty"]))
    lines = str(caught.value).splitlines()
    assert lines[0] == "Empty fails 1 check:"
    assert len(lines) == 5
    assert lines[4].startswith("empty: and ")


def test_the_right_one_passes() -> None:
    check_initializer(_faulty()(seed=1))
    with pytest.raises(AssertionError, match="law: entries"):
        check_initializer(_faulty(), law=laws.Normal(0.0, 1.0))


@parametrize_with_checks([ki.HeNormal, ki.Sparse(0.5), _faulty("Listed")], shapes=[(12, 8)])
def test_each_check_is_a_test(check: Callable[[], None], request: Any) -> None:
    check()
    assert re.search(r"\[(HeNormal|Sparse|Listed)-[a-z_]+\]$", request.node.name)


@pytest.mark.large
@pytest.mark.once
def test_new_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "import keras, keras_inits\n"
        "from keras_inits import laws\n"
        "@keras_inits.register(law='U', source='', package='mine')\n"
        "class Fine(keras_inits.Scheme):\n"
        "    def __init__(self, seed=None):\n"
        "        self.seed = seed\n"
        "    def law(self, shape):\n"
        "        return laws.Uniform(-1.0, 1.0)\n"
        "@keras_inits.register(law='U', source='', package='mine')\n"
        "class Fickle(Fine):\n"
        "    def get_config(self):\n"
        "        return {'seed': self.seed, 'backend': keras.backend.backend()}\n"
        "    @classmethod\n"
        "    def from_config(cls, config):\n"
        "        return cls(config['seed'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("mine")
    check = initializer_checks(mine.Fine, shapes=[(6, 4), (2, 3, 2, 2)], new_processes=True)
    check["new_processes"]()
    check = initializer_checks(mine.Fickle, shapes=[(6, 4)], new_processes=True)
    with pytest.raises(AssertionError, match="on (tensorflow|jax|torch): the config comes back as"):
        check["new_processes"]()
    monkeypatch.setattr(mine.Fine, "__module__", "__main__")
    with pytest.raises(AssertionError, match="in __main__, which no other process can import"):
        initializer_checks(mine.Fine, shapes=[(6, 4)], new_processes=True)["new_processes"]()


def test_what_is_no_initializer() -> None:
    with pytest.raises(TypeError, match="check_initializer: subject must be an initializer"):
        check_initializer(json)
    with pytest.raises(TypeError, match="check_initializer: law must be None or a keras_inits.law"):
        check_initializer(ki.HeNormal, law=3)
    with pytest.raises(TypeError, match="or a class that can be made without arguments: Chrono"):
        check_initializer(ki.Chrono)


def test_entries_that_are_copies_of_others() -> None:
    def repeated(self: Any, shape: Any, dtype: Any = None) -> Any:
        if shape[1] == 0:
            return _Faulty.__call__(self, shape, dtype)
        one = _Faulty.__call__(self, (shape[0], shape[1] // 16), dtype)
        return keras.ops.concatenate([one] * 16, axis=1)

    def half(self: Any, shape: Any, dtype: Any = None) -> Any:
        one = _Faulty.__call__(self, (shape[0], shape[1] // 2), dtype)
        return keras.ops.concatenate([one, keras.ops.zeros_like(one)], axis=1)

    for seed in range(3):  # the mean of copies strays four times as far
        check_initializer(_faulty("Repeated", __call__=repeated)(seed=seed), shapes=[(32, 64)])
    with pytest.raises(AssertionError, match="law: entries"):
        check_initializer(_faulty("Half", __call__=half)(), shapes=[(32, 64)])
