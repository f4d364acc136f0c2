"""Weights as they lie in a file, read one after another, each under its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits.models.variables.walk import Slot
from keras_inits.streams.narrow import numpy_dtype

_MODELS = (".keras", ".h5", ".hdf5")
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class Stored:
    """In the place of a variable: its shape and dtype, and its entries when they are asked for."""

    trainable = True

    def __init__(self, name: str, shape: Any, dtype: str, read: Any) -> None:
        self.name, self.shape, self.dtype, self._read = name, tuple(shape), dtype, read

    @property
    def value(self) -> np.ndarray:
        return self._read()


def is_weights(path: Path) -> bool:
    """Whether the file holds arrays alone, and no model."""
    return path.name.endswith((".safetensors", ".weights.h5"))


def load(path: Path) -> Any:
    """The model of a file, in safe mode."""
    if not path.name.endswith(_MODELS):
        raise ValueError(
            f"audit: {path} must end with .keras, .h5, .weights.h5 or .safetensors, and does not"
        )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"audit: {path} cannot be loaded: {text[:300]}; load it and give the model"
        ) from error


@contextmanager
def slots(path: Path) -> Iterator[tuple[list[Slot], list[tuple[str, str]]]]:
    """The file's floats as slots of one bare layer, and (name, reason) of what cannot be read."""
    opened = _safetensors if path.suffix == ".safetensors" else _hdf5
    with opened(path) as (stored, problems):
        layer = keras.layers.Layer(name="file")
        yield (
            [
                Slot(
                    one, one.name, one.name.split("/")[-1].split(".")[-1], (layer,), reason=_NO_RULE
                )
                for one in stored
            ],
            problems,
        )


_NO_RULE = "no rule names it"


@contextmanager
def _safetensors(path: Path) -> Iterator[tuple[list[Stored], list[tuple[str, str]]]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        message = 'audit: .safetensors files need safetensors: pip install "keras_inits[files]"'
        raise ModuleNotFoundError(message) from error
    try:
        opened = safe_open(path, "np")
    except SafetensorError as error:
        raise ValueError(f"audit: {path} is no whole .safetensors file: {error}") from error
    with opened as file:
        found, problems = [], []
        for name in file.keys():  # noqa: SIM118 - not a dict
            part = file.get_slice(name)
            kind = part.get_dtype()
            if kind in _DTYPES:
                read = lambda name=name: file.get_tensor(name)  # noqa: E731
                found.append(Stored(name, part.get_shape(), _DTYPES[kind], read))
            elif kind.startswith(("F", "C")):
                problems.append((name, f"not audited: its dtype is {kind}"))
        yield found, problems


@contextmanager
def _hdf5(path: Path) -> Iterator[tuple[list[Stored], list[tuple[str, str]]]]:
    import h5py

    try:
        opened = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"audit: {path} is no whole HDF5 file: {error}") from error
    with opened as file:
        found: list[Stored] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
                dtype = str(item.attrs.get("dtype", item.dtype))
                if "float" in dtype:
                    read = lambda: _entries(item, dtype)  # noqa: E731
                    found.append(Stored(name, item.shape, dtype, read))

        try:
            file.visititems(visit)
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"audit: {path} is no whole HDF5 file: {error}") from error
        yield found, []


def _entries(item: Any, dtype: str) -> np.ndarray:
    values = np.asarray(item)
    target = numpy_dtype(dtype)
    return values.view(target) if values.dtype.kind == "V" else values.astype(target, copy=False)
