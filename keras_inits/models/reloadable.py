"""Before saving: what of a model will not come back from its file."""

from __future__ import annotations

import json
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.base import signature_names
from keras_inits.configs import outermost
from keras_inits.models.variables.origin import sublayers
from keras_inits.reports.report import Counts, Problem, Report

#: Characters of JSON beyond which a config holds data that belongs with the weights.
LARGEST_CONFIG = 50_000
LAMBDA = "a lambda: safe loading refuses it; write a registered class or function"
UNREGISTERED = "is not registered: decorate it with @keras.saving.register_keras_serializable()"


@dataclass(frozen=True)
class Saved:
    """One object that a file holds a config of; `problem` is empty where it comes back."""

    path: str
    argument: str
    kind: str
    problem: str


class Reloadability(Report):
    """What a file of the model would hold, and in `problems` what of it would not come back."""

    title = "Reloadability"
    panels = Counts("kind", "problem", "come back", "do not")

    @property
    def ok(self) -> bool:
        """Whether all comes back."""
        return not self.problems


def check_reloadable(model: keras.Model) -> Reloadability:
    """Which layers, initializers, activations and the like will not come back after saving.

    Found are classes that are not registered, plain functions and lambdas, closures over arrays,
    configs that are not JSON, fail in `from_config` or come back different, and configs of more
    than 50 000 characters, which hold arrays; of a compiled model also its optimizer, loss and
    metrics. Nothing is written and the model stays as it is.

    Raises TypeError for what is not a Keras model or layer.

    >>> check_reloadable(keras.Sequential([keras.layers.Dense(2)])).ok
    True
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            f"check_reloadable: model must be a Keras model, got {type(model).__name__}"
        )
    rows = list(_visit(model, model.name, set(), whole=True))
    if getattr(model, "compiled", False):
        rows += _compiled(model)
    problems = [Problem(_where(row), row.problem) for row in rows if row.problem]
    return Reloadability(rows, problems)


def _where(row: Saved) -> str:
    return f"{row.path}/{row.argument}" if row.argument else row.path


def _visit(layer: keras.Layer, path: str, seen: set[int], whole: bool = False) -> Iterator[Saved]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    # A Sequential's own functional model has the same layers once more.
    hidden = getattr(layer, "_functional", None)
    inside = [x for x in [*getattr(layer, "layers", ()), *sublayers(layer)] if x is not hidden]
    try:
        # That of Keras's model or wrapper is made of what is inside, which says it itself.
        inner = inside and not whole and _is_keras(type(layer))
        config = dict.fromkeys(signature_names(type(layer))) if inner else layer.get_config()
    except Exception as error:
        config = dict.fromkeys(signature_names(type(layer)))
        failure = f"its get_config fails: {first_line(error)}"
    else:
        failure = _layer_problem(layer, config, inside)
    rows = list(_arguments(layer, config, path, seen))
    for child in inside:
        rows += _visit(child, f"{path}/{child.name}", seen)
    if any(row.problem for row in rows):
        failure = ""  # what it is made of says why
    yield Saved(path, "", type(layer).__name__, _class_problem(layer) or failure)
    yield from rows


def _compiled(model: keras.Model) -> Iterator[Saved]:
    """The optimizer, loss and metrics, judged by what the file would say of them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = model.get_compile_config()
    except Exception as error:
        yield Saved(model.name, "compile", "", f"its config cannot be saved: {first_line(error)}")
        return
    for argument in ("optimizer", "loss", "metrics", "weighted_metrics"):
        for node in outermost(config.get(argument)):
            inner = node["config"]
            name = inner if isinstance(inner, str) else node["class_name"]
            yield Saved(model.name, argument, name, node_problem(node))


def _arguments(
    layer: keras.Layer, config: dict[str, Any], path: str, seen: set[int]
) -> Iterator[Saved]:
    for argument in config:
        value = getattr(layer, argument, None)
        plain = value is None or isinstance(value, (str, keras.layers.Layer, keras.DTypePolicy))
        if not plain and id(value) not in seen and _is_saved_by_config(value):
            seen.add(id(value))
            yield Saved(path, argument, _name(value), _problem(value))


def _is_saved_by_config(value: Any) -> bool:
    return callable(value) and (hasattr(value, "get_config") or hasattr(value, "__name__"))


def _name(value: Any) -> str:
    return getattr(value, "__name__", type(value).__name__)


def _problem(value: Any) -> str:
    if isinstance(value, types.FunctionType):
        return _function_problem(value)
    if not hasattr(value, "get_config"):
        return "" if _is_keras(value) else f"{_name(value)} has no get_config"
    return _class_problem(value) or _config_problem(value)


def _class_problem(thing: Any) -> str:
    cls = type(thing)
    if _is_keras(cls) or _is_registered(cls):
        return ""
    return f"class {cls.__name__} {UNREGISTERED}, or pass it in custom_objects when loading"


def _is_keras(thing: Any) -> bool:
    return getattr(thing, "__module__", "").split(".")[0] == "keras"


def _is_registered(thing: Any) -> bool:
    name = keras.saving.get_registered_name(thing)
    return keras.saving.get_registered_object(name) is thing


def _function_problem(function: types.FunctionType) -> str:
    arrays = [
        cell.cell_contents
        for cell in function.__closure__ or ()
        if isinstance(cell.cell_contents, np.ndarray) or keras.ops.is_tensor(cell.cell_contents)
    ]
    if arrays:
        shape = tuple(arrays[0].shape)
        return f"a closure over an array of shape {shape}: use keras_inits.FromArray"
    if function.__name__ == "<lambda>":
        return LAMBDA
    if _is_registered(function) or _is_keras(function):
        return ""
    return f"function {function.__name__} {UNREGISTERED}"


def _config_problem(thing: Any) -> str:
    try:
        text = json.dumps(keras.saving.serialize_keras_object(thing))
    except Exception as error:
        return f"its config is not JSON: {first_line(error)}"
    if len(text) > LARGEST_CONFIG:
        return f"its config has {len(text)} characters: arrays belong with the weights (FromArray)"
    try:
        back = keras.saving.deserialize_keras_object(json.loads(text))
    except Exception as error:
        return f"it does not come back from its config: {first_line(error)}"
    if type(back) is not type(thing):
        return f"it comes back as {type(back).__name__}"
    try:
        again = json.dumps(keras.saving.serialize_keras_object(back))
    except Exception as error:
        return f"what comes back cannot be saved again: {first_line(error)}"
    lost = _lost_arguments(thing, back)
    if again != text or lost:
        return f"it comes back different{': ' + lost if lost else ''}"
    return ""


def _lost_arguments(thing: Any, back: Any) -> str:
    """Numbers that the object keeps and that its config forgets."""
    changed = [
        f"{name}={value!r} becomes {getattr(back, name, None)!r}"
        for name, value in vars(thing).items()
        if not name.startswith("_")
        and name != "seed"  # Keras draws one for an object that was given none
        and isinstance(value, (bool, int, float, str))
        and getattr(back, name, None) != value
    ]
    return ", ".join(changed)


def _layer_problem(layer: keras.Layer, config: dict[str, Any], inside: list[Any]) -> str:
    """A layer of one's own, without layers inside, is made once more from its config."""
    if inside or _is_keras(type(layer)):
        return ""
    try:
        saved = json.dumps(keras.saving.serialize_keras_object(layer)["config"])
    except Exception as error:
        return f"its config is not JSON: {first_line(error)}"
    try:
        back = type(layer).from_config(json.loads(saved))
    except Exception as error:
        return f"it does not come back from its config: {first_line(error)}"
    return "" if back.get_config().keys() == config.keys() else "it comes back different"


def node_problem(node: dict[str, Any]) -> str:
    """Why an object would not come back from its config, or ""."""
    inner = node["config"]
    if node["class_name"] == "__lambda__":
        return LAMBDA
    is_function = node["class_name"] == "function"
    name = inner if is_function else node.get("registered_name")
    is_keras = (node.get("module") or "").split(".")[0] == "keras" or (
        is_function and any(hasattr(place, str(name)) for place in (keras.losses, keras.metrics))
    )
    if not is_keras and keras.saving.get_registered_object(name) is None:
        return f"{'function' if is_function else 'class'} {name} {UNREGISTERED}"
    if is_function:
        return ""
    for part in outermost(list(inner.values()) if isinstance(inner, dict) else None):
        if problem := node_problem(part):
            return problem
    try:
        keras.saving.deserialize_keras_object(json.loads(json.dumps(node)))
    except Exception as error:
        return f"it does not come back from its config: {first_line(error)}"
    return ""


def first_line(error: Exception) -> str:
    """The error's message, short."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
