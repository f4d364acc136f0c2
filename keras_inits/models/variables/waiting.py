"""Variables that were built without a draw and have no values yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras_inits.backend import spread


class _Depth(threading.local):
    """How many contexts this thread is in, within which variables are built without a draw."""

    count = 0


_DEPTH = _Depth()


@contextmanager
def deferring() -> Iterator[None]:
    """A context in which `refuse_deferring` raises, in this thread."""
    _DEPTH.count += 1
    try:
        yield
    finally:
        _DEPTH.count -= 1


def refuse_deferring(owner: str) -> None:
    """A ValueError where a function that gives a model its values runs before the build is over."""
    if _DEPTH.count:
        raise ValueError(
            f"{owner}: must be called after `with keras_inits.deferred():` has ended, got a call inside "
            "of it, where weights that are still made are not drawn"
        )


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
