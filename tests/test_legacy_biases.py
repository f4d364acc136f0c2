"""The bias that Keras adds along the wrong axis on TensorFlow: old models that it changes are named."""

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
    layers = [{"class_name": "SeparableConv2D", "config": layer}]
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    path = folder / "model.json"
    path.write_text(json.dumps(config | {"keras_version": "2.4.0", "backend": "tensorflow"}))
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
