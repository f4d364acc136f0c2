"""Shared helpers: the other backends, a clean process, values as NumPy arrays."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

BACKENDS = ("tensorflow", "jax", "torch")


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


def to_numpy(tensor: Any) -> np.ndarray:
    """The tensor in float64 (or as it is where not a float)."""
    if "float" in keras.backend.standardize_dtype(tensor.dtype):
        tensor = keras.ops.cast(tensor, "float32") if "16" in str(tensor.dtype) else tensor
        return keras.ops.convert_to_numpy(tensor).astype("float64")
    return keras.ops.convert_to_numpy(tensor)


def python(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a new process and return what it printed; its stderr becomes the error."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
