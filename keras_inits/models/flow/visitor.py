"""What a visit of layers is told and gives back, and its progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def bar(owner: str, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    """What to call after each of `total` steps; a terminal shows them where they are to be shown."""
    if not (shown and total and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown_bar:
        task = shown_bar.add_task(owner, total=total)
        yield lambda: shown_bar.advance(task)
