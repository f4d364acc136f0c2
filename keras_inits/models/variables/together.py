"""Models that several processes hold together: each computes for itself, and what must be the same."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_inits import host
from keras_inits.backend import spread, together
from keras_inits.models.variables.assign import assign
from keras_inits.models.variables.walk import Slot, Walk

Slots = Walk | list[Slot]


@contextmanager
def in_one_process(owner: str, model: Any, found: Slots, **same: Any) -> Iterator[bool]:
    """A context in which this process can read and assign all of a model; whether others hold it, too.

    On JAX a process cannot read what others hold. So each of them gathers the whole here, and the model
    is its own as long as the context lasts. What is assigned stays where arguments are given that must
    be the `same` in all processes: they are compared before, and the values after, of which each takes
    its own part. If one process fails, the model is as it was in all of them.
    """
    own = [slot.path for slot in found if spread.is_readable(slot.variable)]
    several = len(own) < len(found)
    if several or same:
        agree(owner, found, **same)
    if not several:
        yield False
        return
    _refuse_own(owner, own)
    listed = (
        *model.variables,
        *getattr(model, "metrics_variables", ()),
        *(slot.variable for slot in found),
    )
    variables = list({id(variable): variable for variable in listed}.values())
    with host.held_alone(variables, partial(together.whole, owner)):
        starts = [weakref.ref(variable.value) for variable in variables]
        try:
            yield True
            known = set(map(id, variables))
            _refuse_own(owner, [v.path for v in model.variables if id(v) not in known])
            changed = {
                number: np.asarray(variable.value)
                for number, variable in enumerate(variables)
                if variable.value is not starts[number]()
            }
        except Exception:
            if same:
                with suppress(RuntimeError):  # the others wait for this
                    together.gathered(owner, np.array([1, 0, 0], np.uint64))
            raise
        if same:
            changed = _agreed(owner, changed)
    if same:
        assign([(variables[number], array) for number, array in changed.items()])


def _refuse_own(owner: str, paths: list[str]) -> None:
    """A ValueError for what a run has built while nothing was distributed."""
    if paths:
        raise ValueError(
            f"{owner}: model must be held by all processes, got {paths[0]!r} in this one alone: build it anew "
            "under its distribution, and call it on a batch before"
        )


def _agreed(owner: str, changed: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The values that all processes take: the first one's, where their machines round in other ways.

    A RuntimeError where another process has failed, or changed other variables.
    """
    which = _word(list(changed))
    values = _word([_word(array.tobytes()) for array in changed.values()])
    rows = together.gathered(owner, np.array([0, which, values], np.uint64))
    for column, expected, what in (
        (0, 0, "failed, see its output"),
        (1, which, "changed other variables"),
    ):
        numbers = np.flatnonzero(rows[:, column] != expected)
        if numbers.size:
            raise RuntimeError(
                f"{owner}: all processes must come to the same values, but process "
                f"{', '.join(map(str, numbers))} {what}; the model is as it was"
            )
    if (rows[:, 2] == values).all():
        return changed
    return {number: together.of_first(owner, array) for number, array in changed.items()}


def agree(owner: str, found: Slots, **same: Any) -> None:
    """A ValueError where processes hold other models together, or were given other arguments."""
    if all(len(spread.processes(slot.variable)) == 1 for slot in found):
        return
    variables = [(slot.path, tuple(slot.shape), slot.dtype) for slot in found]
    texts = {name: repr(thing) for name, thing in same.items()}
    own = np.array([_word(variables), *map(_word, texts.values())], np.uint64)
    differ = together.gathered(owner, own) != own
    told = {"the variables of the model": str(len(variables))} | texts
    for (what, text), column in zip(told.items(), differ.T, strict=True):
        if column.any():
            raise ValueError(
                f"{owner}: {what} must be the same in all processes, got {text} in process "
                f"{together.process()} and another in {', '.join(map(str, np.flatnonzero(column)))}"
            )


class Data:
    """Arrays that all processes must have; it prints as their shapes and a hash of their bits."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        if self.x is None:
            return "None"
        arrays = [keras.ops.convert_to_numpy(leaf) for leaf in keras.tree.flatten(self.x)]
        words = [
            (str(a.dtype), _word(a.tolist() if a.dtype.kind == "O" else a.tobytes()))
            for a in arrays
        ]
        return f"shape {', '.join(str(a.shape) for a in arrays)} and hash {_word(words):016x}"


def _word(thing: object) -> int:
    text = thing if isinstance(thing, bytes) else repr(thing).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
