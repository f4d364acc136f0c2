"""Saved models, loaded by a new process that knows of them only what the files say."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_inits import backend

# Besides the imports that the user names, this process does nothing to help.
PROGRAM = """\
import pickle, sys
folder = sys.argv[1]
with open(folder + "/job", "rb") as file:
    job = pickle.load(file)
sys.path[:] = job["sys.path"]
try:
    doing = "importing keras_inits"
    import keras_inits, keras
    for module in job["imports"]:
        doing = f"importing {module}"
        __import__(module)
    predictions = []
    for path in job["paths"]:
        doing = "loading"
        model = keras.saving.load_model(path)
        doing = "predicting"
        outputs = keras.tree.flatten(model(job["x"]))
        predictions.append([keras.ops.convert_to_numpy(output) for output in outputs])
except Exception as error:
    message = str(error).split(" Full object config:")[0].split("Exception encountered: ")[-1]
    sys.exit(f"{doing} failed: " + (" ".join(message.split())[:300] or type(error).__name__))
with open(folder + "/predictions", "wb") as file:
    pickle.dump(predictions, file)
"""


def predictions(
    paths: Sequence[Path],
    x: Any,
    imports: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> list[list[np.ndarray]]:
    """Each file's outputs for `x`, flat, computed in one new process of the same backend.

    Raises RuntimeError, with what failed there in one line.
    """
    job = {"sys.path": sys.path, "imports": list(imports), "paths": list(map(str, paths)), "x": x}
    # A device that this process holds has room left for small models only.
    frugal = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    own = {"KERAS_BACKEND": backend.name(), **(environment or {})}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job").write_bytes(pickle.dumps(job))
        child = subprocess.run(
            [sys.executable, "-c", PROGRAM, folder],
            env=frugal | os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode:
            last = (child.stderr.strip() or f"exit code {child.returncode}").splitlines()[-1]
            raise RuntimeError(last)
        found: list[list[np.ndarray]] = pickle.loads(Path(folder, "predictions").read_bytes())
        return found
