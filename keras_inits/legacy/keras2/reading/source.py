"""What a file holds: the config of a model, who wrote it, and where its weights are."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_inits.legacy.keras2.reading.yaml import parse_yaml

OWNER = "legacy_load_model"


@dataclass(frozen=True)
class Source:
    """A model's `config`, the Keras `version` and `backend` that wrote it, and its `weights`.

    `weights` is None where the file holds none; in an archive they are a file in memory.
    """

    config: dict[str, Any]
    version: str
    backend: str
    weights: Path | io.BytesIO | None


@contextmanager
def readable(name: str, kind: str) -> Iterator[None]:
    """Whatever reading a damaged file raises, as a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError, ImportError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ValueError(
            f"{OWNER}: file {name} cannot be read as {kind}: {reason[:200]}"
        ) from error


def read(path: Path) -> Source:
    """What is in a `.h5`, `.keras`, `.json` or `.yaml` file, told apart by its first bytes."""
    if (path / "saved_model.pb").exists():
        raise ValueError(
            f"{OWNER}: path must be a file, got {path.name}, a SavedModel folder; load it with the "
            "tf_keras package and save it as .h5"
        )
    with path.open("rb") as file:
        start = file.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        found, attributes, weights = _hdf5(path)
    elif start.startswith(b"PK"):
        found, attributes, weights = _archive(path)
    else:
        found = _text(path)
        attributes, weights = found if isinstance(found, dict) else {}, None
    if not isinstance(found, dict) or not {"class_name", "config"} <= found.keys():
        raise ValueError(f"{OWNER}: {path.name} must hold a model's config, got none in it")
    # Keras 3 writes no version into JSON, but the module of every class.
    default = "3" if "module" in found else "1"
    version = str(attributes.get("keras_version", default))[:40]
    return Source(found, version, str(attributes.get("backend", "")), weights)


def _hdf5(path: Path) -> tuple[Any, dict[str, Any], Path | io.BytesIO | None]:
    import h5py

    with readable(path.name, "HDF5"), h5py.File(path, "r") as file:
        attributes = {key: _decoded(value) for key, value in file.attrs.items()}
    if "model_config" not in attributes:
        raise ValueError(
            f"{OWNER}: path must be a file with a model's config, got {path.name}, which holds "
            f"weights alone; give the model's .json as path and this file as weights"
        )
    with readable(path.name, "a model's config"):
        return json.loads(attributes["model_config"]), attributes, path


def _archive(path: Path) -> tuple[Any, dict[str, Any], io.BytesIO]:
    """A `.keras` file, which tf.keras has written since 2.12."""
    with readable(path.name, "a .keras file"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "config.json" not in names or "metadata.json" not in names:
            raise ValueError("the archive holds no config.json; unpack it and give what is inside")
        attributes = {
            **json.loads(archive.read("metadata.json")),
            "backend": "tensorflow",
        }
        config = json.loads(archive.read("config.json"))
        stored = archive.read("model.weights.h5") if "model.weights.h5" in names else b""
    return config, attributes, io.BytesIO(stored)


def _text(path: Path) -> Any:
    with readable(path.name, "a model's .h5, .keras, .json or .yaml file"):
        text = path.read_text(encoding="utf-8")
        try:
            return json.loads(text)
        except ValueError:
            if not re.search(r"^(backend|class_name|config|keras_version): ?", text, re.MULTILINE):
                raise
        return parse_yaml(text)


def _decoded(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value
