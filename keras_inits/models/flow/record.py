"""One forward and one backward pass, and what every layer gave and got in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_inits import backend
from keras_inits.models.flow.hooks import first_floating, hooked
from keras_inits.models.flow.places import Place, places
from keras_inits.reports.progress import progress

ops = keras.ops
Look = Callable[["Place", Any], Any]


@dataclass(eq=False)
class Called:
    """A call of a layer: what `look` saw of its output, and the gradient there."""

    place: Place
    seen: Any
    gradient: Any = None


@dataclass
class Recorded:
    """The calls in the order in which they ended, and the gradients at the variables.

    `missed` are places whose layers ran in compiled code or gave no floating-point tensor.
    """

    calls: list[Called] = field(default_factory=list)
    weights: list[tuple[Any, Any]] = field(default_factory=list)
    missed: list[tuple[Place, str]] = field(default_factory=list)
    loss: float | None = None

    def ran(self) -> set[int]:
        """The ids of the layers that were called."""
        return {
            id(at.layer) for at in (*(c.place for c in self.calls), *(p for p, _ in self.missed))
        }


def record(
    model: Any,
    run: Callable[[], Any],
    look: Look,
    variables: list[Any],
    owner: str = "",
) -> Recorded:
    """Run a model and record its layers' outputs, and the gradients of what `run` returns.

    `run` calls the model and returns a scalar. `look` is given the place and the output of every
    call that gives a floating-point tensor, the first one where it gives several. Assignments that
    the run makes to variables are the caller's to undo. An `owner` says how far it is.
    """
    recorder = _Recorder([place for place in places(model) if place.layer is not model])
    shown = bool(owner)

    def marked(mark: Callable[[Any], Any]) -> Any:
        with recorder.hooked(mark):
            return run()

    steps = progress(f"{owner}, the run", len(recorder.inside), shown)
    with backend.eager(gradients=True), steps as recorder.advance:
        loss, at_outputs, at_variables = backend.gradients(marked, variables)
    found = recorder.found
    for call, gradient in zip(found.calls, at_outputs, strict=False):
        call.gradient = gradient
    # Not between the layers: NumPy's threads and the backend's, in turns, would wait for each other.
    with progress(f"{owner}, the figures", len(found.calls), shown) as advance:
        for call in found.calls:
            call.seen = look(call.place, call.seen)
            advance()
    found.weights = list(zip(variables, at_variables, strict=True))
    found.loss = None if loss is None else float(ops.convert_to_numpy(loss))
    return found


class _Recorder:
    def __init__(self, inside: list[Place]) -> None:
        self.inside = inside
        self.found = Recorded()
        self.thread = threading.get_ident()
        # JAX traces the run once more for its gradients: then the same calls are marked.
        self.script: list[bool] = []
        self.replayed = 0
        self.runs = 0
        self.advance: Callable[[], None] = lambda: None

    @contextmanager
    def hooked(self, mark: Callable[[Any], Any]) -> Iterator[None]:
        """The layers' calls go through this object."""
        self.runs += 1
        with hooked(self.inside, self.call, mark):
            yield

    def call(self, place: Place, original: Any, mark: Any, *args: Any, **kwargs: Any) -> Any:
        """What a hooked layer does when it is called."""
        output = original(*args, **kwargs)
        self.advance()
        if threading.get_ident() != self.thread:
            return output
        leaves = keras.tree.flatten(output)
        first = first_floating(leaves)
        if not self._wanted(place, leaves, first):
            return output
        if self.runs == 1:
            self.found.calls.append(Called(place, leaves[first]))
        leaves[first] = mark(leaves[first])
        return keras.tree.pack_sequence_as(output, leaves)

    def _wanted(self, place: Place, leaves: list[Any], first: int | None) -> bool:
        if self.runs > 1:
            self.replayed += 1
            return self.script[self.replayed - 1] if self.replayed <= len(self.script) else False
        reason = ""
        if any(map(backend.is_symbolic, leaves)):
            reason = "runs only in compiled code"
        elif first is None:
            reason = "gives no floating-point tensor"
        self.script.append(not reason)
        if reason and not any(place is other for other, _ in self.found.missed):
            self.found.missed.append((place, reason))
        return not reason
