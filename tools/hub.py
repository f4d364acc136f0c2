"""Draw every small backbone of keras-hub's own tests again, and see that no variable is passed over.

    git clone https://github.com/keras-team/keras-hub
    KERAS_BACKEND=torch python tools/hub.py keras-hub         # or part of a name: ... keras-hub bert

keras-hub itself is the installed one; of the clone, at its release, only the tests are read, for the arguments and the
inputs that each gives its backbone. The backbone is built, called once, and drawn by `initialize` with its own
initializers. Exits with 1 where a variable is neither drawn nor listed among the problems or has another spread
than the report says, or the same seed gives other weights.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import types
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import keras_hub
from absl.testing import parameterized

import keras_inits as ki


class Asked(Exception):
    """What a test asks keras-hub to run: a class, its arguments, an input."""


class TestCase(parameterized.TestCase):
    """Stands for keras-hub's own, and only says what it is asked to run."""

    def run_backbone_test(
        self, cls: type, init_kwargs: Any, input_data: Any, *_: Any, **__: Any
    ) -> None:
        """Tell."""
        raise Asked(cls, init_kwargs, input_data)

    run_vision_backbone_test = run_backbone_test


def asked(path: Path) -> list[tuple[type, dict[str, Any], Any]]:
    """The backbones that a test file builds, each class once, with the arguments and the input of a test."""

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[type, tuple[type, dict[str, Any], Any]] = {}
    for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
        for case in suite:  # type: ignore[union-attr]
            if "basics" in case.id():
                try:
                    case.setUp()
                    getattr(case, case.id().rpartition(".")[2])()
                except Asked as told:
                    found.setdefault(told.args[0], told.args)
    return list(found.values())


def build(cls: type, arguments: dict[str, Any], data: Any) -> keras.Model:
    """The model, called once: some make layers only then."""
    model = cls(**arguments)
    model(data)
    return model


def faults(model: keras.Model, report: Any) -> list[str]:
    """What the report passes over, or says and is not so."""
    listed = {problem.path for problem in report.problems}
    found = []
    if len({row.path for row in report.rows}) < len(model.variables):
        found.append(f"{len(report.rows)} rows for {len(model.variables)} variables")
    for row in report.rows:
        if row.scheme == "kept" and row.path not in listed:
            found.append(f"{row.path}: neither drawn nor listed")
        bound = 8 / math.sqrt(2 * max(math.prod(row.shape), 1))  # kurtosis of 3 at most
        if row.expected_std and abs(row.measured_std / row.expected_std - 1) > bound:
            found.append(f"{row.path}: std {row.measured_std}, not {row.expected_std}")
    return found


def main() -> int:
    """Print a line for each backbone, its problems below, and the counts."""
    sys.modules["keras_hub.src.tests.test_case"] = stand_in = types.ModuleType("test_case")
    stand_in.TestCase = TestCase  # type: ignore[attr-defined]
    clone, part = Path(sys.argv[1]), "".join(sys.argv[2:])
    total, wrong = Counter[str](), []
    for path in sorted(clone.glob("keras_hub/src/models/**/*_backbone_test.py")):
        if part not in path.stem:
            continue
        try:
            backbones = asked(path)
        except ImportError as error:
            print(f"{path.stem}: {error}", flush=True)  # newer than the installed keras-hub
            continue
        for cls, arguments, data in backbones:
            keras.backend.clear_session()
            try:
                model = build(cls, arguments, data)
            except Exception as error:
                total["not built"] += 1
                print(
                    f"{cls.__name__}: keras-hub does not build it: {type(error).__name__}: {str(error)[:120]}"
                )
                continue
            try:
                report = ki.initialize(model, seed=1, frozen=True, progress=False)
            except (TypeError, ValueError) as error:
                wrong.append(f"{cls.__name__}: {error}")
                print(f"  WRONG {wrong[-1]}", flush=True)
                continue
            found = faults(model, report)
            if ki.initialize(model, seed=1, frozen=True, progress=False).digest != report.digest:
                found.append("the same seed gives other weights")
            wrong += [f"{cls.__name__}: {text}" for text in found]
            drawn = sum(row.scheme != "kept" for row in report.rows)
            total += Counter(backbones=1, variables=len(model.variables), drawn=drawn)
            total += Counter(problems=len(report.problems), without=not report.problems)
            print(f"{cls.__name__}: {len(model.variables)} variables, {drawn} drawn")
            told = [f"    {problem.path}: {problem.reason}" for problem in report.problems]
            for text in told + [f"  WRONG {text}" for text in found]:
                print(text, flush=True)
    print(
        f"keras-hub {keras_hub.__version__}, {keras.backend.backend()}: {dict(total)}, {len(wrong)} wrong"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
