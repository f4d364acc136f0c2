"""The figure of a report: what was, or was expected, against what is, row by row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_inits.reports.report import Counts, Panel, Report
from keras_inits.reports.style import (
    BLUE,
    MUTED,
    VERMILLION,
    name_beside,
    new_figure,
    outliers,
    subtitle,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 60  # more rows than this are numbered


def report_figure(report: Report) -> Figure:
    """The two values that each of the report's panels compares, a line a row, the first on top.

    Rows without values, or with zeros alone where the scale is logarithmic, are left out. A report
    of `Counts` shows how many of its rows fail, kind by kind.

    Raises ValueError for a report in which nothing can be drawn.
    """
    panels = report.panels
    if isinstance(panels, Counts):
        return _counts(report, panels)
    if not panels:
        raise ValueError(f"{type(report).__name__}: panels must say what to plot, got none")
    rows = [row for row in report.rows if any(_values(row, panel) for panel in panels)]
    if not rows:
        raise ValueError(f"{type(report).__name__}: rows must have numbers to plot, got none")
    named = len(rows) <= _NAMED

    def draw(figure: Any) -> None:
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(grid, panels, strict=True):
            axes.set_title(panel.title, pad=20)
            subtitle(axes, f"○ {panel.before}   ● {panel.after}")
            _dumbbells(axes, panel, rows)
            if not named:
                _name_outliers(axes, panel, rows)
        grid[0].set_ylim(len(rows) - 0.5, -0.5)
        if named:
            paths = [_short(row.path) for row in rows]
            grid[0].set_yticks(range(len(rows)), paths, fontsize=8, parse_math=False)
        else:
            grid[0].set_ylabel(f"{len(rows)} rows, in the report's order")

    height = 1.2 + (0.2 * len(rows) if named else 6.8)
    return new_figure(draw, (2.4 if named else 1.0) + 4.2 * len(panels), max(2.4, height))


def _values(row: Any, panel: Panel) -> dict[str, float]:
    """Those of the panel's fields that the row has and the scale can show."""
    values = {name: getattr(row, name) for name in (panel.first, panel.second)}
    return {
        name: value
        for name, value in values.items()
        if value is not None and math.isfinite(value) and (value > 0 or not panel.log)
    }


def _dumbbells(axes: Axes, panel: Panel, rows: Sequence[Any]) -> None:
    from matplotlib import ticker

    values = [_values(row, panel) for row in rows]
    shown = [value for row in values for value in row.values()]
    if panel.log and shown and max(shown) > 5 * min(shown):
        axes.set_xscale("log")
        few = max(shown) < 1e3 * min(shown)
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    both = [(y, *row.values()) for y, row in enumerate(values) if len(row) == 2]
    if both:
        axes.hlines(*zip(*both, strict=True), color=MUTED, linewidth=1, zorder=1)
    rings: dict[str, Any] = {"color": VERMILLION, "markersize": 6.5, "fillstyle": "none"}
    dots: dict[str, Any] = {"color": BLUE, "markersize": 3.5}
    for name, look in ((panel.first, rings), (panel.second, dots)):
        marked = [(row[name], y) for y, row in enumerate(values) if name in row]
        if marked:
            axes.plot(*zip(*marked, strict=True), "o", **look)


def _name_outliers(axes: Axes, panel: Panel, rows: Sequence[Any]) -> None:
    """Those whose last value, or whose change, is unlike the others'."""
    scale = math.log if panel.log else float
    shown = [{name: scale(v) for name, v in _values(row, panel).items()} for row in rows]
    last = [row.get(panel.second, math.nan) for row in shown]
    change = [at - row.get(panel.first, math.nan) for at, row in zip(last, shown, strict=True)]
    for i in dict.fromkeys([*outliers(last, 3), *outliers(change, 3)]):
        name_beside(axes, _short(rows[i].path), getattr(rows[i], panel.second), i)


def _short(path: str) -> str:
    return path if len(path) <= 40 else f"…{path[-39:]}"


def _counts(report: Report, counts: Counts) -> Figure:
    """Rows by kind, failing ones apart."""
    if not report.rows:
        raise ValueError(f"{type(report).__name__}: rows must not be empty to be plotted")
    total = Counter(getattr(row, counts.kind) for row in report.rows)
    failing = Counter(
        getattr(row, counts.kind) for row in report.rows if getattr(row, counts.failing)
    )
    kinds = sorted(total, key=lambda kind: (-total[kind], kind))
    good = [total[kind] - failing[kind] for kind in kinds]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(report.title, pad=20)
        words = f"{sum(good)} {counts.good}, {failing.total()} {counts.bad}"
        subtitle(axes, words)
        places = range(len(kinds))
        axes.barh(places, good, color=BLUE)
        axes.barh(places, [failing[kind] for kind in kinds], left=good, color=VERMILLION,
                  hatch="//", edgecolor="white")  # fmt: skip
        axes.set_yticks(places, kinds, parse_math=False)
        axes.invert_yaxis()
        axes.locator_params("x", integer=True)
        axes.grid(axis="y", visible=False)

    return new_figure(draw, 6.4, 1.4 + 0.28 * len(kinds))
