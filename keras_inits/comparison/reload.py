"""Saved models, loaded by a process that knows of them only what the files say."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

# The import is all that makes the files loadable, so this process does nothing else to help.
_PROGRAM = """\
import sys
import keras_inits
import keras
import numpy as np

inputs, outputs, *paths = sys.argv[1:]
x = np.load(inputs)
np.savez(outputs, *(keras.ops.convert_to_numpy(keras.saving.load_model(p)(x)) for p in paths))
"""


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """What the other process computes too, by the same operations."""
    return keras.ops.convert_to_numpy(model(x))


def predict_elsewhere(paths: Sequence[Path], x: np.ndarray) -> list[np.ndarray]:
    """The predictions of these model files in one new process; RuntimeError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "x.npy"), Path(folder, "predictions.npz")
        np.save(inputs, x)
        child = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(inputs), str(outputs), *map(str, paths)],
            # One thread for PyTorch, as in `single_threaded`: a sum's order is part of its bits.
            env=os.environ | {"KERAS_BACKEND": keras.backend.backend(), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode:
            last = (child.stderr.strip() or "it printed nothing").splitlines()[-1]
            raise RuntimeError(f"reloading in another process failed: {last}")
        with np.load(outputs) as archive:
            return [archive[key] for key in archive.files]
