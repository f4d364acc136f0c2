"""The models of a comparison, loaded by a process that knows of them only what the files say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_inits.models.saving import process


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """What the other process computes too, by the same operations."""
    return keras.ops.convert_to_numpy(model(x))


def predict_elsewhere(paths: Sequence[Path], x: np.ndarray) -> list[np.ndarray]:
    """The predictions of these model files in one new process; RuntimeError where it fails."""
    # One thread for PyTorch, as in `single_threaded`: a sum's order is part of its bits.
    try:
        found = process.predictions(paths, x, environment={"OMP_NUM_THREADS": "1"})
    except RuntimeError as error:
        raise RuntimeError(f"reloading in another process failed: {error}") from error
    return [output for (output,) in found]
