"""Files that hold an initializer, loaded in a new process on each backend."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.testing.drawing import draw, fixed
from keras_inits.testing.objects import layer_with

_BACKENDS = ("tensorflow", "jax", "torch")


def new_processes(initializer: Any, shapes: Any) -> Iterator[str]:
    """Its config, and layers that hold it, come back from `.keras`, `.h5` and JSON elsewhere."""
    one, module = fixed(initializer), type(initializer).__module__
    if module == "__main__":
        yield "the class stands in __main__, which no other process can import"
        return
    with tempfile.TemporaryDirectory() as folder:
        _write(one, shapes, Path(folder))
        for name in filter(importlib.util.find_spec, _BACKENDS):
            code = (
                f"import {module}; from keras_inits.testing import processes; "
                f"processes.report({folder!r}, {name == backend.name()})"
            )
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ
                | {"KERAS_BACKEND": name, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                yield f"on {name}: {(done.stderr.strip() or 'the process died').splitlines()[-1]}"
            else:
                yield from (
                    f"on {name}: {text}" for text in json.loads(done.stdout.split("\n")[-2])
                )


def _write(initializer: Any, shapes: Any, folder: Path) -> None:
    config = json.dumps(keras.saving.serialize_keras_object(initializer))
    (folder / "initializer.json").write_text(config)
    (folder / "shapes.json").write_text(json.dumps(shapes))
    np.savez(folder / "values.npz", *(draw(initializer, shape) for shape in shapes))
    for i, shape in enumerate(shapes):
        model = layer_with(initializer, shape)
        if model is not None:
            (folder / f"{i}.json").write_text(model.to_json())
            for kind in ("keras", "h5"):
                model.save(folder / f"{i}.{kind}")


def report(folder: str, same_backend: bool) -> None:
    """Print, as one line of JSON, what does not come back from the files; run in the new process."""
    place = Path(folder)
    config = json.loads((place / "initializer.json").read_text())
    initializer = keras.saving.deserialize_keras_object(config)
    expected = initializer.get_config()
    failures = []
    if expected != config["config"]:
        failures.append(f"the config comes back as {expected!r} from {config['config']!r}")
    values = list(np.load(place / "values.npz").values())
    for i, shape in enumerate(json.loads((place / "shapes.json").read_text())):
        drawn = draw(initializer, shape)
        # Another backend may have other numbers for the seed.
        if drawn.shape != tuple(shape) or (same_backend and not np.array_equal(drawn, values[i])):
            failures.append(f"it draws other values of shape {shape}")
        for path in sorted(place.glob(f"{i}.*")):
            if path.suffix == ".json":
                model = keras.models.model_from_json(path.read_text())
            else:
                model = keras.models.load_model(path, compile=False)
                if not np.array_equal(model.get_weights()[0], values[i]):
                    failures.append(f"{path.suffix} gives other weights of shape {shape}")
            if model.layers[-1].kernel_initializer.get_config() != expected:
                failures.append(f"{path.suffix} gives another initializer")
    print(f"\n{json.dumps(failures)}")
