"""What Keras computes otherwise on one of its backends: layers of old models that it changes are named."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_inits as ki


def _file(folder: Path, filters: int, data_format: str) -> Path:
    layer: dict[str, Any] = {"name": "separable", "filters": filters, "kernel_size": [1, 1]}
    layer |= {"data_format": data_format, "use_bias": True}
    layer["batch_input_shape"] = [None, 3, 5, 4]
    return _sequential(folder, "SeparableConv2D", layer)


def _sequential(folder: Path, cls: str, inner: dict[str, Any]) -> Path:
    config = {"name": "model", "layers": [{"class_name": cls, "config": inner}]}
    path = folder / "model.json"
    whole = {"class_name": "Sequential", "config": config}
    path.write_text(json.dumps(whole | {"keras_version": "2.4.0", "backend": "tensorflow"}))
    return path


def _is_wrong(model: keras.Model) -> bool:
    """Whether the bias reaches other entries than those of its channel."""
    layer = model.layers[-1]
    bias = np.arange(1.0, layer.bias.shape[0] + 1)
    layer.bias.assign(bias)
    y = keras.ops.convert_to_numpy(model(np.zeros((1, 3, 5, 4), "float32")))
    axis = 1 if layer.data_format == "channels_first" else -1
    return not (np.moveaxis(y, axis, -1) == bias).all()


@pytest.mark.parametrize(
    ("filters", "data_format"), [(4, "channels_first"), (6, "channels_first"), (4, "channels_last")]
)
def test_what_keras_adds_wrongly_is_said(tmp_path: Path, filters: int, data_format: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ki.legacy_load_model(_file(tmp_path, filters, data_format))
    said = [str(w.message) for w in caught if "adds the bias of separable" in str(w.message)]
    assert bool(said) == _is_wrong(model)


@pytest.mark.parametrize("kind", ["bilinear", "nearest", "bicubic", "lanczos3", "area", "gaussian"])
@pytest.mark.parametrize("cls", ["Resizing", "UpSampling2D"])
def test_interpolations_are_exact_or_told(tmp_path: Path, cls: str, kind: str) -> None:
    size = {"height": 3, "width": 4} if cls == "Resizing" else {"size": 2}
    inner = {"name": "resized", "interpolation": kind, "batch_input_shape": [None, 2, 2, 1], **size}
    path = _sequential(tmp_path, cls, inner)
    backend = keras.backend.backend()
    lanczos = ["lanczos3"] if backend == "jax" or keras.__version__ >= "3.16" else []
    known = {"torch": ["bicubic", *lanczos], "jax": ["bicubic", *lanczos]}
    if kind not in ["bilinear", "nearest", *known.get(backend, ["bicubic", "lanczos3", "area"])]:
        with pytest.raises(ValueError, match=f"layer 'resized' must have .* has on {backend}, got"):
            ki.legacy_load_model(path)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ki.legacy_load_model(path)
    assert model(np.zeros((1, 2, 2, 1), "float32")).shape[0] == 1
    is_told = any("bicubic interpolation, in resized, is another" in str(w.message) for w in caught)
    assert is_told == (kind == "bicubic" and backend != "tensorflow")
