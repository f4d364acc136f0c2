"""New values for the variables of a model, all of them or none, and a fresh start of its optimizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def assign(values: list[tuple[Any, np.ndarray]]) -> None:
    """Assign all of the values, or none: on an error the variables get their old ones back."""
    done: list[tuple[Any, Any]] = []
    try:
        for variable, array in values:
            done.append((variable, keras.ops.copy(variable.value)))
            variable.assign(array)
    except Exception:
        for variable, old in done:
            variable.assign(old)
        raise


def optimizer_of(model: Any) -> Any:
    """The optimizer of a compiled model, or an error."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            "initialize: model must be compiled for reset_optimizer=True, got one without an optimizer"
        )
    return optimizer


def reset(model: Any, optimizer: Any) -> None:
    """Give the optimizer's variables the values of a new one with the same config."""
    if not optimizer.built:
        return
    fresh = type(optimizer).from_config(optimizer.get_config())
    fresh.build(model.trainable_variables)
    assign(
        [
            (old, keras.ops.convert_to_numpy(new))
            for old, new in zip(optimizer.variables, fresh.variables, strict=True)
        ]
    )
