"""Models from the files of Keras 1, Keras 2 and tf.keras."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from keras_inits import checks
from keras_inits.backend import name as backend_name
from keras_inits.configs import DEEPEST, is_too_deep, nodes, registered
from keras_inits.legacy.keras2 import activations
from keras_inits.legacy.keras2.initializers import era_of
from keras_inits.legacy.keras2.layers import class_of, upgrade_model
from keras_inits.legacy.keras2.masks import has_masks, replaced, with_masks
from keras_inits.legacy.keras2.mending.graph import FUNCTIONS, new_name, new_names
from keras_inits.legacy.keras2.mending.lambdas import with_functions
from keras_inits.legacy.keras2.mending.on_torch import ON_TORCH
from keras_inits.legacy.keras2.reading.inexact import warn_of_inexact
from keras_inits.legacy.keras2.reading.source import OWNER, Source, read, readable
from keras_inits.legacy.keras2.reading.weights import load_weights

_TRIES = 200  # layers made singly to find the one that fails
_SHOWN = 5  # renamed layers that the warning lists


def legacy_load_model(
    path: str | PathLike[str],
    weights: str | PathLike[str] | None = None,
    *,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    backend: str | None = None,
) -> keras.Model:
    """The model in a file of Keras 1, Keras 2 or tf.keras, with its weights.

    Reads what Keras 1.0 to 2.3 and tf.keras 1.x and 2.x saved: initializers get the law that they
    had then (see `legacy_scope`), the first layer's `batch_input_shape` becomes an InputLayer, and
    what else changed its meaning (`hard_sigmoid`, a GRU's `reset_after`) keeps the old one. Layers
    that Keras 3 has under another name become those (`CuDNNLSTM`, `ThresholdedReLU`, functions of
    TensorFlow); a "/" or "." in a layer's name becomes "_", which a warning says. docs/files.md lists what
    loads. The model comes back uncompiled.

    Args:
        path: a `.h5` or `.keras` file, or a `.json` or `.yaml` file with the architecture alone.
        weights: the file of the weights, where `path` has none; without it they are drawn.
        custom_objects: classes and functions by name, as in `keras.models.load_model`; also the
            names that the code of a Lambda layer uses.
        safe_mode: True: nothing in the file runs, and a Lambda layer is an error. False: the code
            in Lambda layers is loaded; only for files that you trust.
        backend: "theano" or "tensorflow": what wrote the file, where it does not say so itself.

    Returns:
        The model.

    Raises:
        ValueError: the file is damaged or holds what Keras 3 has no counterpart for, named in the
            message: a custom class that is not in `custom_objects`, a layer, an argument or a
            function that is gone; or it is one of Keras 3.
        ImportError: a YAML file, and PyYAML is not installed.

    Example:
        >>> legacy_load_model("old.h5")  # doctest: +SKIP
    """
    if backend is not None:
        checks.one_of(OWNER, "backend", backend, ("theano", "tensorflow"))
    path = Path(path)
    source = read(path)
    source = replace(source, backend=backend or source.backend)
    era = era_of(source.version)
    if era == "keras3":
        raise ValueError(
            f"{OWNER}: path must be a file of Keras 1, Keras 2 or tf.keras, got {path.name}, which "
            f"Keras {source.version} wrote; {_reader(source)} reads it"
        )
    if is_too_deep(source.config):
        raise ValueError(f"{OWNER}: {path.name} must hold a config at most {DEEPEST} deep")
    objects = custom_objects or {}
    if era == "keras1":
        model = _load_keras1(path, source, weights, objects, safe_mode)
        warn_of_inexact(OWNER, model)
        return model
    if safe_mode:
        _refuse_code(path, source.config)
    try:
        config = upgrade_model(source.config, era)
        renamed = _renamed(source.config)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{OWNER}: {path.name} must hold a model's config, got {error!r}"
        ) from error
    config, functions = with_functions(config, objects)
    objects = {**activations.FUNCTIONS, **objects, **functions}
    _check_classes(config, objects)
    if has_masks(source.config) or any(_makes_masks(x, objects) for x in _layers(config)):
        config = with_masks(config)
    if backend_name() == "torch":
        config = replaced(config, ON_TORCH)
    model = _build(path, config, objects, safe_mode)
    _load(model, source, path if weights is None else Path(weights), weights is not None)
    if renamed:
        _warn(path, renamed)
    warn_of_inexact(OWNER, model)
    return model


def _load_keras1(
    path: Path,
    source: Source,
    weights: str | PathLike[str] | None,
    custom_objects: dict[str, Any],
    safe_mode: bool,
) -> keras.Model:
    """A file of Keras 1 goes on to its own loader."""
    from keras_inits.legacy.keras1.files import load_keras1  # which few need

    held = source.weights if isinstance(source.weights, Path) else None
    return load_keras1(
        path,
        source.config,
        source.version,
        source.backend,
        held if weights is None else Path(weights),
        custom_objects,
        safe_mode,
    )


def _reader(source: Source) -> str:
    """The function of Keras 3 for such a file."""
    whole = source.weights is not None
    return "keras.models.load_model" if whole else "keras.models.model_from_json"


def _load(model: keras.Model, source: Source, path: Path, is_apart: bool) -> None:
    """The weights of the file, or of the one given beside it."""
    file = path if is_apart else source.weights
    if file is None:
        return
    import h5py

    with readable(path.name, "the model's weights"), h5py.File(file, "r") as opened:
        load_weights(model, source.config, opened, source.backend)


def _renamed(config: dict[str, Any]) -> dict[str, str]:
    """The layers of all models in a config whose names change, with the new ones."""
    found: dict[str, str] = {}
    for node in nodes(config):
        inner = node.get("config")
        name = inner.get("name") if isinstance(inner, dict) and "class_name" in node else None
        if isinstance(name, str) and node["class_name"] not in FUNCTIONS:
            found.setdefault(name, new_name(name))
        layers = inner.get("layers") if isinstance(inner, dict) else inner
        if isinstance(node.get("class_name"), str) and isinstance(layers, list):
            found |= new_names(layers)
    return {old: new for old, new in found.items() if old != new}


def _warn(path: Path, renamed: dict[str, str]) -> None:
    shown = ", ".join(f"{old!r} -> {new!r}" for old, new in list(renamed.items())[:_SHOWN])
    more = f" and {len(renamed) - _SHOWN} more" if len(renamed) > _SHOWN else ""
    warnings.warn(
        f"{OWNER}: Keras 3 takes no '/' or '.' in layers' names; in {path.name} these are renamed: "
        f"{shown}{more}",
        stacklevel=3,
    )


def _refuse_code(path: Path, config: Any) -> None:
    for node in nodes(config):
        name = class_of(node) if isinstance(node.get("class_name"), str) else ""
        code = any(key.endswith("activation") and _is_code(value) for key, value in node.items())
        if code or name in ("Lambda", "__lambda__"):
            raise ValueError(
                f"{OWNER}: {path.name} must hold no code, got a {name or '__lambda__'}; pass "
                "safe_mode=False if you trust the file"
            )


def _is_code(value: Any) -> bool:
    """Whether an activation is the code that tf.keras wrote for a lambda."""
    return isinstance(value, dict) and isinstance(value.get("value"), list)


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
                f"{OWNER}: custom_objects must have the class {layer['class_name']!r} of layer "
                f"{name!r}, which Keras 3 does not have"
            )
        for node in nodes(layer):
            for key, value in node.items():
                if key.endswith("_initializer") and not _known(value, custom_objects):
                    raise ValueError(
                        f"{OWNER}: custom_objects must have the class {value['class_name']!r}, "
                        f"the {key} of layer {name!r}"
                    )


def _makes_masks(layer: dict[str, Any], custom_objects: dict[str, Any]) -> bool:
    """Whether a layer is of a class of the user's that may make masks."""
    default = keras.layers.Layer.compute_mask
    is_own = layer["module"] is None and layer["registered_name"] != "keras2>Operation"
    found = getattr(registered(layer, custom_objects), "compute_mask", default)
    return is_own and found is not default


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
                    f"{OWNER}: layer {layer['config'].get('name')!r} ({layer['class_name']}) of "
                    f"{path.name} cannot be made by Keras {keras.__version__}: {reason}"
                ) from cause
        raise ValueError(
            f"{OWNER}: {path.name} holds no model that Keras builds: {error}"
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"{OWNER}: path must be a model's file, got a {config['class_name']!r}")
    return model
