"""A Keras object made once more from what a file would say of it."""

from __future__ import annotations

import json
import types
from typing import Any

import keras
import numpy as np

from keras_inits.configs import is_object, nodes

#: Characters of JSON beyond which a config holds data that belongs with the weights.
LARGEST_CONFIG = 50_000

_LAMBDA = "a lambda: safe loading refuses it; write a registered class or function"
_UNREGISTERED = "is not registered: decorate it with @keras.saving.register_keras_serializable()"


class NotSavedError(Exception):
    """The reason, in one line, for which an object does not come back from a file."""


def serialized(thing: Any) -> dict[str, Any]:
    """What a file would say of the object, as JSON gives it back, without how it was compiled.

    Raises NotSavedError.
    """
    _config(thing)
    return _tree(thing)


def saved_config(thing: Any) -> dict[str, Any]:
    """The config in what a file would say of the object; it may be a model not compiled yet.

    Raises NotSavedError.
    """
    return _tree(_config(thing))


def _config(thing: Any) -> Any:
    try:
        return thing.get_config() if hasattr(thing, "get_config") else None
    except Exception as error:
        raise NotSavedError(f"its get_config fails: {first_line(error)}") from error


def _tree(thing: Any) -> Any:
    try:
        tree = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    except Exception as error:
        raise NotSavedError(f"its config is not JSON: {first_line(error)}") from error
    for node in nodes(tree):
        if is_object(node):
            node.pop("compile_config", None)
    return tree


def rebuilt(thing: Any) -> Any:
    """The object that Keras makes of what a file would say of this one.

    Raises NotSavedError.
    """
    try:
        return from_config(serialized(thing))
    except NotSavedError:
        if isinstance(thing, types.FunctionType) and (reason := _closure_problem(thing)):
            raise NotSavedError(reason) from None
        raise


def from_config(node: Any) -> Any:
    """What Keras makes of the config of an object or function.

    Raises NotSavedError.
    """
    try:
        return keras.saving.deserialize_keras_object(node)
    except Exception as error:
        raise NotSavedError(_reason(node, error)) from error


def size_problem(thing: Any) -> str:
    """Why a config that does come back is none, or ""."""
    try:
        size = len(json.dumps(serialized(thing)))
    except NotSavedError:
        return ""
    if size <= LARGEST_CONFIG:
        return ""
    return f"its config has {size} characters: arrays belong with the weights (FromArray)"


def first_line(error: Exception) -> str:
    """The error's message, short; of Keras's that quote a whole config, what was encountered."""
    message = str(error).strip().split("Exception encountered: ")[-1]
    message = message.split(" Full object config:")[0].split("\n")[0]
    return message[:300] or type(error).__name__


def _reason(node: dict[str, Any], error: Exception) -> str:
    if node["class_name"] == "__lambda__":
        return _LAMBDA
    # The words of Keras for what is neither registered nor in a package that it imports.
    if node["class_name"] == "function" and "Could not locate function" in str(error):
        return f"function {node['config']} {_UNREGISTERED}"
    if f"Could not locate class '{node['class_name']}'" in str(error):
        name = node["class_name"]
        return f"class {name} {_UNREGISTERED}, or pass it in custom_objects when loading"
    return f"it does not come back from its config: {first_line(error)}"


def _closure_problem(function: types.FunctionType) -> str:
    for cell in function.__closure__ or ():
        value = cell.cell_contents
        if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
            shape = tuple(value.shape)
            return f"a closure over an array of shape {shape}: use keras_inits.FromArray"
    return ""
