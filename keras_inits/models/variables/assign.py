"""New values for the variables of a model, all of them or none, and a fresh start of its optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_inits import host
from keras_inits.backend import memory, spread
from keras_inits.models.variables.walk import Slot


def assign(values: list[tuple[Any, np.ndarray]]) -> None:
    """Assign all of the values, or none: on an error the variables get their old ones back.

    The list is emptied meanwhile, so that the old values come in the place of the new ones.
    """
    done: list[tuple[Any, Any]] = []
    try:
        while values:
            variable, array = values.pop()
            done.append((variable, memory.snapshot(variable)))
            variable.assign(memory.assignable(spread.placed(variable, array)))
    except BaseException:
        for variable, old in done:
            variable.assign(old)
        raise


def give(variable: Any, array: np.ndarray, own: bool) -> None:
    """Assign an array; one that is nobody else's `own` becomes the variable's memory where it can."""
    value = spread.placed(variable, array)
    own = own and isinstance(value, np.ndarray)
    variable.assign(memory.to_tensor(value) if own else value)


def follow_seeds(slots: Iterable[Slot]) -> None:
    """Seed generators take the seeds in their states for those that they were made with."""
    for slot in slots:
        if slot.role == "seed_state":
            host.give_seed(
                slot.layer, slot.variable, int(keras.ops.convert_to_numpy(slot.variable.value)[0])
            )


def fresh_slots(model: Any) -> list[tuple[Any, np.ndarray]]:
    """The variables of the compiled optimizer, each with its value in a new one of the same config.

    Raises ValueError for a model without an optimizer and for one that cannot be made anew.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(
            "initialize: model must be compiled for reset_optimizer=True, got one without an optimizer"
        )
    if not optimizer.built:
        return []
    try:
        fresh = type(optimizer).from_config(optimizer.get_config())
        fresh.build(model.trainable_variables)
        if [v.shape for v in fresh.variables] != [v.shape for v in optimizer.variables]:
            raise ValueError("it was built for other variables than the model's trainable ones")
    except Exception as error:
        raise ValueError(
            f"initialize: optimizer {type(optimizer).__name__} cannot be reset: {error}"
        ) from error
    new = [
        keras.ops.convert_to_numpy(v) if spread.is_readable(v) else v.value for v in fresh.variables
    ]
    return list(zip(optimizer.variables, new, strict=True))
