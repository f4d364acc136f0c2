"""What a model was compiled with, judged by what its file would say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import keras

from keras_inits.configs import outermost
from keras_inits.host import is_keras
from keras_inits.models.saving.copies import NotSavedError, first_line, from_config
from keras_inits.models.saving.differences import config_differences, object_differences
from keras_inits.models.saving.trees import different


def compiled_faults(model: Any) -> Iterator[tuple[str, str, str]]:
    """(argument, name, reason or "") of the optimizer, loss and metrics of a compiled model."""
    try:
        config = model.get_compile_config() or {}
    except Exception as error:
        yield "compile", "", f"its config cannot be saved: {first_line(error)}"
        return
    for argument in ("optimizer", "loss", "metrics", "weighted_metrics"):
        for node in outermost(config.get(argument)):
            inner = node["config"]
            name = inner if isinstance(inner, str) else node["class_name"]
            given = getattr(model, argument, None) if argument in ("optimizer", "loss") else None
            yield argument, name, _node_fault(node, given, model)


def _node_fault(node: dict[str, Any], given: Any, model: Any) -> str:
    """Why an object would not come back from its config, or different from the one given."""
    try:
        back = from_config(json.loads(json.dumps(node)))
    except NotSavedError as error:
        return str(error)
    except Exception as error:
        return f"its config is not JSON: {first_line(error)}"
    # Keras may have wrapped what the model was given: only a like object can be compared.
    if type(given) is not type(back):
        return ""
    if isinstance(back, keras.optimizers.Optimizer) and is_keras(type(back)):
        # Its config is complete, and what training made is in the file.
        changes = config_differences(given, back)
    else:
        if isinstance(back, keras.optimizers.Optimizer) and given.built:
            back.build(model.trainable_variables)
        changes = object_differences(given, back)
    return different(changes) if changes else ""
