"""Shared helpers: the other backends, a clean process, values as NumPy arrays."""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run; `pytest --hypothesis-profile long` for more of them, new ones each time.
settings.register_profile("usual", max_examples=500, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=10_000, deadline=None)
settings.load_profile("usual")

ROOT = Path(__file__).parent.parent


def without_the_clone(path: list[str], asked_for: str = "") -> list[str]:
    """The search path on which the installed library is found, where it is installed.

    `python -m pytest` puts the folder that it runs in first. In a clone that is the sources, where no
    C kernels were built. Left as it is where PYTHONPATH asks for it, or only the clone has the library.
    """
    others = [folder for folder in path if Path(folder or ".").resolve() != ROOT]
    asked = ROOT in (Path(folder).resolve() for folder in asked_for.split(os.pathsep) if folder)
    elsewhere = importlib.machinery.PathFinder.find_spec("keras_inits", others) is not None
    return others if elsewhere and not asked else path


sys.path[:] = without_the_clone(sys.path, os.environ.get("PYTHONPATH", ""))

BACKENDS = ("tensorflow", "jax", "torch")

if keras.backend.backend() == "jax":
    import jax

    # Most of what a test compiles it runs once. New processes, as those that compare bits, leave it on.
    jax.config.update("jax_disable_most_optimizations", True)


def pytest_collection_finish() -> None:
    """What was imported stays: a full collection that walks it takes a quarter of a second each time."""
    gc.freeze()


def pytest_runtest_setup() -> None:
    """What a test draws without a seed is the same in every run."""
    keras.utils.set_random_seed(0)


def require(module: str) -> None:
    """Skip where a package is not installed; in CI, where all are, fail instead."""
    if importlib.util.find_spec(module) is None:
        skip_but_in_ci(f"{module} is not installed")


def skip_but_in_ci(message: str) -> None:
    """CI has everything that a test may need."""
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@pytest.fixture
def compiled() -> Any:
    """The C kernels, where there are any."""
    import keras_inits
    from keras_inits.streams.default import tiles

    if tiles.compiled is None:
        pytest.skip(f"no C kernels were built in {Path(keras_inits.__file__).parent}")
    return tiles.compiled


def to_numpy(tensor: Any) -> np.ndarray:
    """The tensor in float64 (or as it is where not a float)."""
    if "float" in keras.backend.standardize_dtype(tensor.dtype):
        tensor = keras.ops.cast(tensor, "float32") if "16" in str(tensor.dtype) else tensor
        return keras.ops.convert_to_numpy(tensor).astype("float64")
    return keras.ops.convert_to_numpy(tensor)


EACH = """
import json, sys, types
for name, code in json.loads(sys.argv[1]).items():
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    exec(compile(code, name, "exec"), vars(module))
"""


def run_each(codes: dict[str, str], folder: Path, **environment: str) -> None:
    """Run each code as a program of its own, but all in one process: starting one takes seconds."""
    python(EACH, json.dumps(codes), folder=folder, MPLBACKEND="Agg", **environment)


def python(code: str, *arguments: str, folder: Path = ROOT / "tests", **environment: str) -> str:
    """Run code in a new process and return what it printed; its stderr becomes the error."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
