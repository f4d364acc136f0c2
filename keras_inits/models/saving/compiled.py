"""What a model was compiled with, judged by what its file would say of it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_inits.configs import is_object
from keras_inits.host import is_keras
from keras_inits.models.saving.copies import NotSavedError, first_line, from_config, rebuilt
from keras_inits.models.saving.differences import (
    change,
    config_differences,
    object_differences,
    same,
)
from keras_inits.models.saving.trees import different


def compiled_faults(model: Any) -> Iterator[tuple[str, str, str]]:
    """(argument, name, reason or "") of the optimizer, loss and metrics of a compiled model."""
    try:
        config = model.get_compile_config() or {}
    except Exception as error:
        yield "compile", "", f"its config cannot be saved: {first_line(error)}"
        return
    if type(model).compile is not keras.Model.compile:
        yield "compile", type(model).__name__, _own_compile_fault(model, config)
        if type(model).compile_from_config is keras.Model.compile_from_config:
            return
    given = {name: getattr(model, name, None) for name in ("optimizer", "loss")}
    given |= _given_metrics(model, config)
    for argument in ("optimizer", "loss", "metrics", "weighted_metrics"):
        for node, thing in _pairs(config.get(argument), given.get(argument)):
            inner = node["config"]
            name = inner if isinstance(inner, str) else node["class_name"]
            yield argument, name, _node_fault(node, thing, model)


def _own_compile_fault(model: Any, config: dict[str, Any]) -> str:
    """Why a model whose class has a `compile` of its own does not come back compiled alike."""
    cls = type(model)
    if cls.compile_from_config is keras.Model.compile_from_config:
        return (
            "its class has its own compile(), which loading does not call: give the class "
            "get_compile_config() and compile_from_config(), or compile after loading"
        )
    try:
        back = rebuilt(model)
    except NotSavedError:
        return ""  # told of the model itself
    try:
        back.compile_from_config(json.loads(json.dumps(config)))
    except Exception as error:
        return f"it does not come back from its config: {first_line(error)}"
    names = (
        inspect.signature(cls.compile).parameters.keys()
        - inspect.signature(keras.Model.compile).parameters.keys()
    )
    kept = [name for name in sorted(names) if name in vars(model)]
    changes = [
        change(name, getattr(model, name), getattr(back, name, None))
        for name in kept
        if not same(getattr(model, name), getattr(back, name, None))
    ]
    return different(changes) if changes else ""


def _given_metrics(model: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The metrics that the model was given, which Keras keeps within a metric of its own.

    Their place there is not public: it is what says of itself what the config says.
    """
    kept = [
        value
        for metric in model.metrics
        if is_keras(type(metric))
        for value in vars(metric).values()
        if isinstance(value, (list, tuple, dict)) and value
    ]
    found = {}
    for argument in ("metrics", "weighted_metrics"):
        for index, value in enumerate(kept):
            try:
                alike = keras.saving.serialize_keras_object(value) == config.get(argument)
            except Exception:
                alike = False  # states among them, which have no config
            if alike:
                found[argument] = kept.pop(index)
                break
    return found


def _pairs(config: Any, given: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """The outermost configs of objects in a config, each with the object in its place or None."""
    if is_object(config):
        yield config, given
    elif isinstance(config, dict):
        for key, value in config.items():
            yield from _pairs(value, given.get(key) if isinstance(given, Mapping) else None)
    elif isinstance(config, (list, tuple)):
        fits = isinstance(given, (list, tuple)) and len(given) == len(config)
        for index, value in enumerate(config):
            yield from _pairs(value, given[index] if fits else None)


def _node_fault(node: dict[str, Any], given: Any, model: Any) -> str:
    """Why an object would not come back from its config, or different from the one given."""
    try:
        back = from_config(json.loads(json.dumps(node)))
    except NotSavedError as error:
        return str(error)
    except Exception as error:
        return f"its config is not JSON: {first_line(error)}"
    scaled = keras.optimizers.LossScaleOptimizer
    if isinstance(given, scaled) and not isinstance(back, scaled):
        given = given.inner_optimizer  # `compile` has wrapped it
    # Keras may have wrapped what the model was given: only a like object can be compared.
    if type(given) is not type(back):
        return ""
    if is_keras(type(back)) and isinstance(back, (keras.optimizers.Optimizer, keras.Metric)):
        # Its config is complete, and what training made is in the file.
        changes = config_differences(given, back) or _schedule_differences(given, back)
    else:
        if isinstance(back, keras.optimizers.Optimizer) and given.built:
            back.build(model.trainable_variables)
        changes = object_differences(given, back)
    return different(changes) if changes else ""


def _schedule_differences(given: Any, back: Any) -> list[str]:
    """What of a learning rate's schedule is otherwise, which an optimizer's config holds."""
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return [
        text
        for name, value in vars(given).items()
        if isinstance(value, schedule)
        for text in object_differences(value, getattr(back, name, None))
    ]
