"""Variables that were built without a draw and have no values yet."""

from __future__ import annotations

from typing import Any

from keras_inits.backend import spread


class _Waiting:
    """In the place of a variable's `assign`, until the first values come."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __call__(self, value: Any) -> Any:
        vars(self.variable).pop("assign", None)
        return self.variable.assign(value)


def wait(variable: Any, initializer: Any) -> None:
    """Mark a variable, zeros until values come, that `initializer` was meant for."""
    variable.assign = _Waiting(variable)
    variable.deferred_initializer = initializer


def is_waiting(variable: Any) -> bool:
    """Whether it was built without a draw, nothing was assigned to it and all of it is zero still.

    Who writes to a tensor past Keras, as PyTorch's `load_state_dict` does, assigns nothing.
    """
    if not isinstance(vars(variable).get("assign"), _Waiting):
        return False
    values = [shard.values for shard in spread.shards(variable.value)]
    return not any(part is not None and part.any() for part in values)


def remembered(variable: Any) -> Any:
    """The initializer that a variable built without a draw was meant for, or None."""
    return vars(variable).get("deferred_initializer")
