"""Models from the files of Keras 2 and tf.keras."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from keras_inits.configs import DEEPEST, is_too_deep, nodes, registered
from keras_inits.legacy.keras2.initializers import era_of
from keras_inits.legacy.keras2.layers import upgrade_model

_OWNER = "legacy_load_model"
_PAGE = "docs/migration.md"
_TRIES = 200  # layers made singly to find the one that fails
_FLIPPED = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.Conv2DTranspose, keras.layers.ConvLSTM2D),
)


def legacy_load_model(
    path: str | PathLike[str],
    weights: str | PathLike[str] | None = None,
    *,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
) -> keras.Model:
    """The model in a `.h5` file, or in a `.json` file and `weights`, of Keras 2 or tf.keras.

    Reads what Keras 2.0 to 2.3 and tf.keras 1.x and 2.x saved: initializers get the law that they
    had then (see `legacy_scope`), the first layer's `batch_input_shape` becomes an InputLayer, and
    what else changed its meaning (`hard_sigmoid`, a GRU's `reset_after`) keeps the old one. The
    model comes back uncompiled. Without `weights` a `.json` file gives freshly drawn ones.

    `custom_objects` are as in `keras.models.load_model`, and so is `safe_mode`: while it is True
    nothing in the file runs, and a Lambda layer is an error.

    Raises ValueError where the file is damaged or holds what Keras 3 has no counterpart for, named
    in the message: a custom class that is not in `custom_objects`, a layer or an argument that is
    gone; and for the files of Keras 1, whose models have to be ported.
    """
    path = Path(path)
    config, version, backend = _read(path)
    era = era_of(version)
    if era == "keras1":
        raise ValueError(
            f"{_OWNER}: path must be a file of Keras 2 or tf.keras, got {path.name}, which Keras "
            f"{version} wrote; {_PAGE} says how to port its model and weights"
        )
    if era == "keras3":
        raise ValueError(
            f"{_OWNER}: path must be a file of Keras 2 or tf.keras, got {path.name}, which Keras "
            f"{version} wrote; keras.models.load_model reads it"
        )
    if is_too_deep(config):
        raise ValueError(f"{_OWNER}: {path.name} must hold a config at most {DEEPEST} deep")
    if safe_mode:
        _refuse_code(path, config)
    custom_objects = custom_objects or {}
    try:
        config = upgrade_model(config, era)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{_OWNER}: {path.name} must hold a model's config, got {error!r}"
        ) from error
    _check_classes(config, custom_objects)
    model = _build(path, config, custom_objects, safe_mode)
    source = weights or (path if _is_hdf5(path) else None)
    if source is not None:
        with _readable(Path(source), "the model's weights"):
            _load_weights(model, Path(source))
        if backend == "theano":
            _flip_kernels(model)
    return model


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Whatever reading a damaged file raises, as a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ValueError(
            f"{_OWNER}: file {path.name} cannot be read as {kind}: {reason[:200]}"
        ) from error


def _read(path: Path) -> tuple[dict[str, Any], str, str]:
    """(model config, version and backend that wrote it) of a .h5 or .json file."""
    if not _is_hdf5(path):
        with _readable(path, "a model's .h5 or .json file"):
            found = json.loads(path.read_text(encoding="utf-8"))
        attributes = found if isinstance(found, dict) else {}
    else:
        import h5py

        with _readable(path, "HDF5"), h5py.File(path, "r") as file:
            attributes = {key: _text(value) for key, value in file.attrs.items()}
        if "model_config" not in attributes:
            raise ValueError(
                f"{_OWNER}: path must be a file with a model's config, got {path.name}, which holds "
                f"weights alone; give the model's .json as path and this file as weights"
            )
        with _readable(path, "a model's config"):
            found = json.loads(attributes["model_config"])
    if not isinstance(found, dict) or not {"class_name", "config"} <= found.keys():
        raise ValueError(f"{_OWNER}: {path.name} must hold a model's config, got none in it")
    version = str(attributes.get("keras_version", "1"))[:40]
    return found, version, str(attributes.get("backend", ""))


def _text(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _refuse_code(path: Path, config: Any) -> None:
    for node in nodes(config):
        if node.get("class_name") in ("Lambda", "__lambda__"):
            raise ValueError(
                f"{_OWNER}: {path.name} must hold no code, got a {node['class_name']}; pass "
                "safe_mode=False if you trust the file"
            )


def _layers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of all layers that are not models, of all models inside too."""
    if config["class_name"] not in ("Model", "Sequential"):
        yield config
        return
    for node in config["config"]["layers"]:
        yield from _layers(node)


def _check_classes(config: dict[str, Any], custom_objects: dict[str, Any]) -> None:
    """All custom classes are at hand, or an error that names the layer."""
    for layer in _layers(config):
        name = layer["config"].get("name")
        if not _known(layer, custom_objects):
            raise ValueError(
                f"{_OWNER}: custom_objects must have the class {layer['class_name']!r} of layer "
                f"{name!r}, which Keras 3 does not have"
            )
        for node in nodes(layer):
            for key, value in node.items():
                if key.endswith("_initializer") and not _known(value, custom_objects):
                    raise ValueError(
                        f"{_OWNER}: custom_objects must have the class {value['class_name']!r}, "
                        f"the {key} of layer {name!r}"
                    )


def _known(node: Any, custom_objects: dict[str, Any]) -> bool:
    """Whether a config is Keras's or ours, or its class is registered."""
    if not isinstance(node, dict) or "class_name" not in node or node.get("module") is not None:
        return True
    return registered(node, custom_objects) is not None


def _build(
    path: Path, config: dict[str, Any], custom_objects: dict[str, Any], safe_mode: bool
) -> keras.Model:
    def make(node: dict[str, Any]) -> Any:
        return keras.saving.deserialize_keras_object(
            json.loads(json.dumps(node)), custom_objects=custom_objects, safe_mode=safe_mode
        )

    try:
        model = make(config)
    except Exception as error:
        for layer in islice(_layers(config), _TRIES):
            try:
                make(layer)
            except Exception as cause:
                reason = str(cause).strip().splitlines()[-1]
                raise ValueError(
                    f"{_OWNER}: layer {layer['config'].get('name')!r} ({layer['class_name']}) of "
                    f"{path.name} cannot be made by Keras {keras.__version__}: {reason}"
                ) from cause
        raise ValueError(
            f"{_OWNER}: {path.name} holds no model that Keras builds: {error}"
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"{_OWNER}: path must be a model's file, got a {config['class_name']!r}")
    return model


def _load_weights(model: keras.Model, path: Path) -> None:
    name = path.name.lower()
    if name.endswith((".h5", ".hdf5")) and not name.endswith(".weights.h5"):
        model.load_weights(path)
        return
    # Keras tells the format by the name alone.
    with tempfile.TemporaryDirectory() as folder:
        model.load_weights(shutil.copyfile(path, Path(folder, "weights.h5")))


def _flip_kernels(model: keras.Model) -> None:
    """Theano convolved where all others correlate: reverse the spatial axes, as Keras 2 did."""
    flipped: set[int] = set()
    for layer in _all_layers(model):
        if not isinstance(layer, _FLIPPED):
            continue
        for kernel in (layer.kernel, getattr(layer, "recurrent_kernel", None)):
            if kernel is not None and id(kernel) not in flipped:
                flipped.add(id(kernel))
                kernel.assign(
                    keras.ops.flip(kernel.value, axis=tuple(range(len(kernel.shape) - 2)))
                )


def _all_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    yield layer
    inside = [*getattr(layer, "layers", ()), getattr(layer, "layer", None)]
    both = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
    for child in (*inside, *both):
        if isinstance(child, keras.Layer):
            yield from _all_layers(child)
