"""Models that several processes hold together: which functions take them, and what must be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from keras_inits.backend import spread, together
from keras_inits.models.variables.walk import Slot, Walk
from keras_inits.streams import Stream


def refuse_unreadable(owner: str, found: Iterable[Slot], gives: bool = True) -> None:
    """A ValueError where this process cannot read all of the weights, as on JAX.

    It says what to do, also with the weights that a function `gives`.
    """
    if not all(spread.is_readable(slot.variable) for slot in found):
        then = ", then model.set_weights(that_one.get_weights())" if gives else ""
        raise ValueError(
            f"{owner}: model must be held by one process, got one that several hold together; run it on "
            f"the model built without a distribution{then}"
        )


def agree(owner: str, stream: Stream, found: Walk) -> None:
    """A ValueError where processes hold other models together, or would draw from other streams."""
    if all(len(spread.processes(slot.variable)) == 1 for slot in found):
        return
    variables = [(slot.path, tuple(slot.shape), slot.dtype) for slot in found]
    own = np.array([_word(variables), _word(stream)], np.uint64)
    differ = together.gathered(owner, own) != own
    for what, column, got in zip(
        ("the variables of the model", "seed"),
        differ.T,
        (f"{len(variables)}", f"{stream!r}"),
        strict=True,
    ):
        if column.any():
            raise ValueError(
                f"{owner}: {what} must be the same in all processes, got {got} in process "
                f"{together.process()} and another in {', '.join(map(str, np.flatnonzero(column)))}"
            )


def _word(thing: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(thing).encode()).digest()[:8], "little")
