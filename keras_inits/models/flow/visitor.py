"""What a visit of layers is told and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from keras_inits.models.weights.scalable import ScalableWeights

Run = Callable[[], Any]


@dataclass(frozen=True)
class Planned:
    """Scalable weights that wait for their layer to run, with their paths in the model."""

    scalable: ScalableWeights
    path: str
    paths: tuple[str, ...]
    around: frozenset[int]


@dataclass(frozen=True)
class Visited:
    """What a visit gives: the report's row, what went wrong, and whether the weights are those of the
    last run, whose output then flows on to the next layers."""

    row: Any
    problem: str = ""
    current: bool = False


class Visitor(Protocol):
    """What is done at each layer."""

    def prepare(self, planned: Planned) -> None:
        """Called for all scalable weights before the run, and before anything is changed."""

    def visit(self, planned: Planned, run: Run) -> Visited:
        """May change the weights; `run()` gives the pre-activation on the layer's present input."""

    def left(self, path: str, layer: str, reason: str) -> Any:
        """The report's row of a layer that is left as it was."""


@dataclass
class Visits:
    """The rows of a report, visited layers as they ran and then the others, and its problems."""

    rows: list[Any] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
