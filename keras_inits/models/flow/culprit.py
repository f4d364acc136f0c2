"""Which layer it is at which a model fails, or has no derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_inits import backend
from keras_inits.backend import differentiation
from keras_inits.models.flow.hooks import first_floating, hooked
from keras_inits.models.flow.places import Place, places


def culprit(model: Any, run: Callable[[], Any], variables: list[Any]) -> tuple[str, bool]:
    """(words for the place, whether the model runs, and the gradients alone fail).

    A few runs, none of which may change the model for good. The words are "" where no place fails.
    """
    search = _Search([place for place in places(model) if place.layer is not model], run)
    try:
        with backend.eager(), search.watched(lambda tensor: tensor, 0):
            run()
    except Exception:
        return _layer(search.failed), False
    calls = list(search.calls)
    if not search.fails(0, variables):
        return "", True
    if search.failed:  # within a layer's call, as where a layer leaves the backend
        return _layer(search.failed), True
    if not calls or not search.fails(0):
        return _weight(search, len(calls), variables), True
    low, high = 0, len(calls)  # inputs from `low` on fail, from `high` on do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if search.fails(middle) else (low, middle)
    after = search.fails(low, output=True)
    return f"an operation after {_layer(calls[low])}" if after else _layer(calls[low]), True


def _layer(place: Place | None) -> str:
    return f"layer {place.path!r}" if place else ""


def _weight(search: _Search, end: int, variables: list[Any]) -> str:
    """The one variable to which there is no gradient."""
    while len(variables) > 1:
        half = variables[: len(variables) // 2]
        variables = half if search.fails(end, half) else variables[len(half) :]
    return f"the weight {variables[0].path!r}" if variables else ""


class _Search:
    """Runs of a model in which the gradients at some layers' inputs are asked for."""

    def __init__(self, inside: list[Place], run: Callable[[], Any]) -> None:
        self.inside, self.run = inside, run
        self.calls: list[Place] = []  # in the order in which they began
        self.failed: Place | None = None
        self.first, self.output = 0, False

    def fails(self, first: int, variables: list[Any] | None = None, output: bool = False) -> bool:
        """Whether the gradients fail at the inputs of the calls from `first` on, or at its output."""

        def marked(mark: Any) -> Any:
            with self.watched(mark, first, output):
                return self.run()

        try:
            with backend.eager(gradients=True):
                differentiation.gradients(marked, variables or [])
        except Exception:
            return True
        return False

    @contextmanager
    def watched(self, mark: Any, first: int, output: bool = False) -> Iterator[None]:
        """The layers' calls go through this object."""
        self.calls, self.failed, self.first, self.output = [], None, first, output
        with hooked(self.inside, self.call, mark):
            yield

    def call(self, place: Place, original: Any, mark: Any, *args: Any, **kwargs: Any) -> Any:
        """What a hooked layer does when it is called."""
        index = len(self.calls)
        self.calls.append(place)
        if index >= self.first and not self.output:
            args, kwargs = _marked((args, kwargs), mark)
        try:
            result = original(*args, **kwargs)
        except Exception:
            self.failed = self.failed or place  # the innermost comes first
            raise
        return _marked(result, mark) if self.output and index == self.first else result


def _marked(structure: Any, mark: Any) -> Any:
    leaves = keras.tree.flatten(structure)
    at = first_floating(leaves)
    if at is None:
        return structure
    leaves[at] = mark(leaves[at])
    return keras.tree.pack_sequence_as(structure, leaves)
