"""One forward and one backward pass, and what every layer gave and got in them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits import backend
from keras_inits.backend import differentiation
from keras_inits.models.flow.hooks import first_floating, hooked
from keras_inits.models.flow.places import Place, places
from keras_inits.reports.progress import progress

ops = keras.ops
Look = Callable[["Place", Any], Any]
Run = Callable[[], tuple[Any, Any]]


@dataclass(eq=False)
class Called:
    """A call of a layer: what `look` saw of its output, and the gradient there."""

    place: Place
    seen: Any
    gradient: Any


@dataclass
class Recorded:
    """The calls in the order in which they ended, and the gradients at the variables.

    `missed` are places whose layers ran in compiled code or gave no floating-point tensor.
    """

    calls: list[Called]
    weights: list[tuple[Any, Any]]
    missed: list[tuple[Place, str]]
    loss: float
    output: Any

    def ran(self) -> set[int]:
        """The ids of the layers that were called."""
        return {
            id(at.layer) for at in (*(c.place for c in self.calls), *(p for p, _ in self.missed))
        }


def record(model: Any, run: Run, look: Look, variables: list[Any], owner: str = "") -> Recorded:
    """Run a model and record its layers' outputs, and the gradients of what `run` returns.

    `run` calls the model and returns a scalar and the model's output. `look` is given the place and
    the output of every call that gives a floating-point tensor, the first one where it gives several.
    Assignments that the run makes to variables are the caller's to undo. An `owner` says how far it is.
    """
    recorder = _Recorder([place for place in places(model) if place.layer is not model])
    shown = bool(owner)

    def watched(mark: differentiation.Mark) -> tuple[Any, Any]:
        with hooked(recorder.inside, recorder.call, mark):
            return run()

    steps = progress(f"{owner}, the run", len(recorder.inside), shown)
    with backend.eager(gradients=True), steps as recorder.advance:
        found = differentiation.gradients(watched, variables)
    calls = []
    # Not between the layers: NumPy's threads and the backend's, in turns, would wait for each other.
    with progress(f"{owner}, the figures", len(recorder.seen), shown) as advance:
        for place, tensor, gradient in zip(
            recorder.seen, found.tensors, found.at_tensors, strict=True
        ):
            calls.append(Called(place, look(place, tensor), gradient))
            advance()
    weights = list(zip(variables, found.at_variables, strict=True))
    loss = float(ops.convert_to_numpy(found.scalar))
    return Recorded(calls, weights, recorder.missed, loss, found.other)


class _Recorder:
    def __init__(self, inside: list[Place]) -> None:
        self.inside = inside
        self.thread = threading.get_ident()
        self.advance: Callable[[], None] = lambda: None
        self.seen: list[Place] = []
        self.missed: list[tuple[Place, str]] = []

    def call(self, place: Place, original: Any, mark: Any, *args: Any, **kwargs: Any) -> Any:
        """What a hooked layer does when it is called."""
        output = original(*args, **kwargs)
        self.advance()
        if threading.get_ident() != self.thread:
            return output
        single = ops.is_tensor(output)  # as nearly all, and trees take time
        leaves = [output] if single else keras.tree.flatten(output)
        first = first_floating(leaves)
        if any(map(backend.is_symbolic, leaves)):
            self._miss(place, "runs only in compiled code")
        elif first is None:
            self._miss(place, "gives no floating-point tensor")
        else:
            self.seen.append(place)
            leaves[first] = mark(leaves[first])
            return leaves[0] if single else keras.tree.pack_sequence_as(output, leaves)
        return output

    def _miss(self, place: Place, reason: str) -> None:
        if not any(place is other for other, _ in self.missed):
            self.missed.append((place, reason))
