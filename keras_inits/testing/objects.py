"""An initializer as an object: its config, its copies, its place in a file, its docstring."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits.testing.drawing import Check, draw, fixed


def config(initializer: Any, shapes: Any) -> Iterator[str]:
    """Its config is JSON and makes an equal object."""
    given = initializer.get_config()
    if json.loads(json.dumps(given)) != given:
        yield f"not JSON: {given!r}"
    back = type(initializer).from_config(copy.deepcopy(given))
    if back.get_config() != given:
        yield f"comes back as {back.get_config()!r} from {given!r}"
    again = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(initializer)))
    )
    if type(again) is not type(initializer):
        yield f"Keras's serialization gives {type(again).__name__}: is the class registered?"
    elif again.get_config() != given:
        yield f"Keras's serialization gives {again.get_config()!r} from {given!r}"


def copies(initializer: Any, shapes: Any) -> Iterator[str]:
    """Clones, copies and pickles draw the same."""
    one = fixed(initializer)
    others = {
        "copy": copy.copy(one),
        "deepcopy": copy.deepcopy(one),
        "pickle": pickle.loads(pickle.dumps(one)),
    }
    if hasattr(one, "clone"):
        others["clone"] = one.clone()
    for shape in shapes:
        expected = draw(one, shape)
        for how, other in others.items():
            if not np.array_equal(expected, draw(other, shape)):
                yield f"{how} draws other values of shape {shape}"


def layer_with(initializer: Any, shape: tuple[int, ...]) -> keras.Model | None:
    """A model with one kernel of this shape; None where no usual layer has such a kernel."""
    if len(shape) == 2:
        layer = keras.layers.Dense(shape[1], kernel_initializer=initializer)
        return keras.Sequential([keras.Input((shape[0],)), layer])
    if len(shape) == 4:
        layer = keras.layers.Conv2D(shape[3], shape[:2], kernel_initializer=initializer)
        return keras.Sequential([keras.Input((*shape[:2], shape[2])), layer])
    return None


def files(initializer: Any, shapes: Any) -> Iterator[str]:
    """A layer that holds it survives saving and loading."""
    one = fixed(initializer)
    for shape in shapes:
        model = layer_with(one, shape)
        if model is None:
            continue
        name = type(model.layers[0]).__name__
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            model.save(path)
            back = keras.models.load_model(path)
        if not np.array_equal(model.get_weights()[0], back.get_weights()[0]):
            yield f"a saved {name} comes back with other weights"
        if back.layers[0].kernel_initializer.get_config() != one.get_config():
            yield f"a saved {name} comes back with another initializer"


def documentation(initializer: Any, shapes: Any) -> Iterator[str]:
    """Its docstring, or a base's, names every argument."""
    cls = type(initializer)
    if not cls.__doc__:
        yield "the class has no docstring"
    texts = " ".join(base.__doc__ or "" for base in cls.__mro__)
    for name in inspect.signature(cls).parameters:
        if not re.search(rf"\b{name}\b", texts):
            yield f"no docstring says what {name} means"


CHECKS: tuple[Check, ...] = (config, copies, files, documentation)
