"""What a replication gives: figures by case, and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_inits.reports.report import Report
from keras_inits.reports.style import BLUE, GREEN, PINK, VERMILLION, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Measured:
    """One figure of one case."""

    case: str
    figure: str
    value: float


@dataclass(frozen=True)
class Curves:
    """One panel: (label, x, y) of each line."""

    title: str
    x: str
    y: str
    lines: Sequence[tuple[str, Any, Any]]
    log: bool = False


class Replication(Report):
    """Figures of a paper's claim as measured here; `claim` says what the paper says."""

    def __init__(
        self,
        name: str,
        claim: str,
        rows: Sequence[tuple[str, str, float]],
        curves: Sequence[Curves],
    ) -> None:
        super().__init__(Measured(case, figure, float(value)) for case, figure, value in rows)
        self.title, self.claim, self.curves = f"{name}: {claim}", claim, list(curves)  # type: ignore[misc]

    def value(self, case: str, figure: str) -> float:
        """The figure of a case."""
        return next(row.value for row in self.rows if (row.case, row.figure) == (case, figure))

    def plot(self) -> Figure:
        """The curves, one panel each."""

        def draw(figure: Any) -> None:
            grid = figure.subplots(1, len(self.curves), squeeze=False)[0]
            for axes, curves in zip(grid, self.curves, strict=True):
                looks = zip((BLUE, VERMILLION, GREEN, PINK), ("-", "--", "-.", ":"), strict=True)
                for (label, x, y), (color, dashes) in zip(curves.lines, looks, strict=False):
                    axes.plot(x, y, label=label, color=color, linestyle=dashes, linewidth=1.8,
                              marker="o" if np.isfinite(y).sum() == 1 else None)  # fmt: skip
                axes.set(title=curves.title, xlabel=curves.x, ylabel=curves.y)
                axes.set_yscale("log" if curves.log else "linear")
                axes.locator_params(axis="x", integer=True)
                axes.legend(frameon=False)

        return new_figure(draw, 5.0 * len(self.curves), 3.6)
