"""Run in a new process: load every frozen file of an archive, print what came of each as JSON.

For each of NAME.keras, .h5 and .json: null, or what is wrong. The weights of both files must equal
a fresh draw of the loaded initializer: the law's numbers for a seed never change. With the argument
`initializers` only their configs are read out of the files: between releases of Keras other parts of
a layer's config change as well.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

import keras_inits  # noqa: F401  (registers the schemes)
from keras_inits.base import Scheme


def check(name: str, scheme: Any, weights: list[np.ndarray]) -> str | None:
    registered = keras.saving.get_registered_name(type(scheme))
    expected = name.replace(".", ">") if "." in name else f"keras_inits>{name}"
    if registered != expected:
        return f"came back as {registered}"
    if scheme.get_config().get("seed", 3) != 3:
        return f"came back with the config {scheme.get_config()}"
    if not weights or name == "FromArray":  # which gives its array back through the weights alone
        return None
    for weight in weights:
        try:
            again = keras.ops.convert_to_numpy(scheme(weight.shape))
        except ValueError:
            continue
        if np.allclose(weight, again, rtol=0, atol=1e-6):
            return None
    return "no weight equals a fresh draw"


def of_model(path: Path) -> tuple[Any, list[np.ndarray]]:
    """(scheme, weights) by Keras's own loaders."""
    if path.suffix == ".json":
        model, weights = keras.models.model_from_json(path.read_text()), []
    else:
        model = keras.models.load_model(path, compile=False)
        weights = model.get_weights()
    layer = model.layers[0]
    found = [getattr(layer, f"{part}_initializer", None) for part in ("kernel", "bias")]
    (scheme,) = (one for one in found if isinstance(one, Scheme))
    return scheme, weights


def of_config(path: Path) -> tuple[Any, list[np.ndarray]]:
    """(scheme, weights) by `keras.initializers.get` and h5py."""
    if path.suffix == ".json":
        text, weights = path.read_text(), []
    elif path.suffix == ".h5":
        with h5py.File(path) as file:
            text, weights = file.attrs["model_config"], arrays(file)
    else:
        with zipfile.ZipFile(path) as parts:
            text = parts.read("config.json")
            with h5py.File(io.BytesIO(parts.read("model.weights.h5"))) as file:
                weights = arrays(file)
    layers = json.loads(text)["config"]["layers"]
    config = next(layer["config"] for layer in layers if layer["class_name"] != "InputLayer")
    both = [config.get(f"{part}_initializer") for part in ("kernel", "bias")]
    (node,) = (n for n in both if n and (">" in (n.get("registered_name") or n["class_name"])))
    return keras.initializers.get(node), weights


def arrays(file: h5py.File) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    file.visititems(lambda _, node: found.append(node[()]) if hasattr(node, "dtype") else None)
    return found


def load(path: Path, read: Any) -> str | None:
    try:
        return check(path.stem, *read(path))
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[-300:]}"


def main(archive: str, *mode: str) -> dict[str, Any]:
    read = of_config if mode == ("initializers",) else of_model
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as files:
        files.extractall(folder)
        return {name: load(Path(folder, name), read) for name in files.namelist()}


if __name__ == "__main__":
    print(json.dumps({"keras": keras.__version__, "files": main(*sys.argv[1:])}))
