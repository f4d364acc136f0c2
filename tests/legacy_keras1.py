"""Configs and files as Keras 1 wrote them, made by hand; and how to load them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from conftest import to_numpy

from keras_inits.legacy.keras1.files import load_keras1

Weights = list[tuple[str, list[tuple[str, np.ndarray]]]]


def layer(kind: str, name: str = "", **config: Any) -> dict[str, Any]:
    """A layer's node."""
    return {
        "class_name": kind,
        "config": {"name": name or f"{kind.lower()}_1", "trainable": True, **config},
    }


def first(node: dict[str, Any], *shape: int | None, dtype: str = "float32") -> dict[str, Any]:
    """The node as the first layer of a Sequential, with the shape of a sample."""
    entry = {"batch_input_shape": [None, *shape], "input_dtype": dtype}
    return {**node, "config": {**entry, **node["config"]}}


_NONE = {
    **{f"{role}_{kind}": None for role in "Wb" for kind in ("regularizer", "constraint")},
    "activity_regularizer": None,
}


def dense(units: int, name: str = "dense_1", **config: Any) -> dict[str, Any]:
    """A Dense's node."""
    given = {"output_dim": units, "init": "glorot_uniform", "activation": "linear", "bias": True}
    return layer("Dense", name, **{**given, **_NONE, **config})


def convolution(filters: int, field: Sequence[int], **config: Any) -> dict[str, Any]:
    """A Convolution1D's, 2D's or 3D's node."""
    rank = len(field)
    names = {1: ("filter_length",), 2: ("nb_row", "nb_col")}
    keys = names.get(rank, ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
    strides = {"subsample_length": 1} if rank == 1 else {"subsample": [1] * rank}
    given = {
        **{"nb_filter": filters, **dict(zip(keys, field, strict=True)), **strides},
        **{"init": "glorot_uniform", "activation": "linear", "border_mode": "valid", "bias": True},
        **({} if rank == 1 else {"dim_ordering": "tf"}),
    }
    return layer(f"Convolution{rank}D", **{**given, **_NONE, **config})


def recurrent(kind: str, units: int, name: str = "", **config: Any) -> dict[str, Any]:
    """An LSTM's, GRU's or SimpleRNN's node."""
    given: dict[str, Any] = {
        **{"output_dim": units, "init": "glorot_uniform", "inner_init": "orthogonal"},
        **{"activation": "tanh", "consume_less": "cpu", "unroll": False},
        **{"return_sequences": False, "go_backwards": False, "stateful": False},
        **{"dropout_W": 0.0, "dropout_U": 0.0},
    }
    if kind != "SimpleRNN":
        given["inner_activation"] = "hard_sigmoid"
    if kind == "LSTM":
        given["forget_bias_init"] = "one"
    return layer(kind, name, **{**given, **config})


def merge(mode: str, layers: Any = None, **config: Any) -> dict[str, Any]:
    """A Merge's node."""
    given = {
        **{"mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "arguments": {}},
        **{"output_shape": None, "output_shape_type": "raw"},
    }
    return layer("Merge", **{**given, **({"layers": layers} if layers else {}), **config})


def sequential(*layers: Any) -> dict[str, Any]:
    """A Sequential's node, its config a list."""
    return {"class_name": "Sequential", "config": list(layers)}


def write(
    path: Path, config: Any, weights: Weights, version: str | None = "1.2.2", inside: bool = True
) -> Path:
    """A file with the model's config and weights, or with the weights alone."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        if version is not None:
            file.attrs["keras_version"] = version.encode()
        root = file.create_group("model_weights") if inside else file
        root.attrs["layer_names"] = np.array([name.encode() for name, _ in weights] or [], "S40")
        for name, arrays in weights:
            group = root.create_group(name)
            group.attrs["weight_names"] = np.array([w.encode() for w, _ in arrays], "S60")
            for weight, array in arrays:
                group.create_dataset(weight, data=array)
    return path


def load(
    path: Path,
    config: dict[str, Any],
    version: str = "1.2.2",
    backend: str = "",
    weights: Path | None = None,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
) -> keras.Model:
    """The model."""
    return load_keras1(path, config, version, backend, weights, custom_objects or {}, safe_mode)


def predict(model: keras.Model, *inputs: Any) -> list[np.ndarray]:
    """The outputs in test mode, as a list."""
    outputs = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [to_numpy(output) for output in outputs]


def fresh(tmp_path: Path, config: dict[str, Any], **options: Any) -> keras.Model:
    """The model of an architecture alone."""
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config))
    return load(path, config, **options)


def random(*shapes: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """An array of each shape, with entries of both signs, biases too."""
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype("float32") for shape in shapes]
