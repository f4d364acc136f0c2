"""Figures of a signal report: by depth, and the values of each layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_inits.reports.style import (
    BLUE,
    GREEN,
    MUTED,
    SKY,
    VERMILLION,
    name_beside,
    new_figure,
    outliers,
    subtitle,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 40  # layers; more are numbered
_RIDGES = 60


def by_depth(report: Any) -> Figure:
    """The standard deviation of outputs and gradients, layer after layer; problems are marked."""
    panels = [("output", [row.std for row in report.rows], BLUE, report.forward)]
    if any(row.gradient_std for row in report.rows):
        gradients = [row.gradient_std for row in report.rows]
        panels.append(("gradient at the output", gradients, GREEN, report.backward))
    marked = _marked(report)
    names = [row.path for row in report.rows]

    def draw(figure: Any) -> None:
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (what, values, colour, growth) in zip(grid, panels, strict=True):
            axes.set_title(_finding(growth) or f"Standard deviation of the {what}", pad=20)
            zero = "   ○ zero" if 0 in values else ""
            subtitle(axes, f"standard deviation of the {what}, layer after layer   ▼ problem{zero}")
            _line(axes, values, colour, marked, names)
        _layers(grid[-1], names)

    width = max(6.4, min(0.22 * len(names) + 2.0, 12.0))
    return new_figure(draw, width, 2.6 * len(panels) + (1.0 if len(names) <= _NAMED else 0.3))


def rank_by_depth(report: Any) -> Figure:
    """The participation ratio over the width, and the largest correlation of two units."""
    rows = [row for row in report.rows if row.rank is not None]
    if not rows:
        raise ValueError("SignalReport: rows must have ranks to plot, got none")
    shares = [row.rank / row.width for row in rows]
    names = [row.path for row in rows]
    least = min(range(len(rows)), key=shares.__getitem__)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(
            f"Least of its width used: {shares[least]:.0%}, by {_short(names[least])}",
            pad=20, parse_math=False,
        )  # fmt: skip
        subtitle(axes, "● participation ratio / width    ▲ largest correlation of two units")
        size = 3.5 if len(rows) <= _NAMED else 1.8
        axes.plot(range(len(rows)), shares, "o-", color=BLUE, markersize=size, linewidth=1)
        correlations = [math.nan if r.correlation is None else r.correlation for r in rows]
        axes.plot(
            range(len(rows)), correlations, "^-", color=VERMILLION, markersize=size, linewidth=1
        )
        axes.set_ylim(-0.03, 1.03)
        _layers(axes, names)

    return new_figure(draw, max(6.4, min(0.22 * len(rows) + 2.0, 12.0)), 3.6)


def activations(report: Any) -> Figure:
    """The values of every layer's output as a histogram, one above the other, the first on top."""
    rows = [row for row in report.rows if row.path in report.histograms]
    if not rows:
        raise ValueError("SignalReport: rows must have values to plot, got none")
    if len(rows) > _RIDGES:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, _RIDGES).astype(int)]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        few = "" if len(rows) == len(report.rows) else f", {len(rows)} of {len(report.rows)} layers"
        most = max(rows, key=lambda row: row.zeros or 0.0)
        zeros = f": {most.zeros:.0%} zeros in {_short(most.path)}" if most.zeros else ""
        axes.set_title(f"Values of each layer's output{zeros}", pad=20, parse_math=False)
        subtitle(axes, f"in units of the layer's root mean square; one high bar is cut{few}")
        for i, row in enumerate(rows):
            low, high, counts = report.histograms[row.path]
            size = math.sqrt(row.second_moment or 0.0) or 1.0
            edges = np.linspace(low, high, len(counts) + 1) / size
            second = sorted(counts)[-2]  # the highest bar of a ReLU layer is its zeros
            heights = 1.6 * np.minimum(np.asarray(counts) / max(second, 1), 1.2)
            axes.fill_between(
                edges, i, i - np.append(heights, heights[-1]), step="post", color=SKY,
                edgecolor=BLUE, linewidth=0.6, alpha=0.8, zorder=i,
            )  # fmt: skip
        axes.set_xlim(-5, 5)
        axes.set_ylim(len(rows), -2)
        axes.set_yticks(
            range(len(rows)), [_short(r.path) for r in rows], fontsize=7, parse_math=False
        )
        axes.grid(axis="y", visible=False)

    return new_figure(draw, 6.4, 1.6 + 0.2 * len(rows))


def values(report: Any) -> Iterator[Figure | None]:
    """Each layer's output as a histogram.

    One figure that is filled anew for each: a page has hundreds, and making one takes longer than
    writing it.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title("", fontsize=9.5, parse_math=False, y=1.0)  # no search for room
        axes.locator_params("x", nbins=4)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.stairs([1.0], [0.0, 1.0], fill=True, color=SKY)

    figure = new_figure(draw, 5.0, 2.2, layout=None)
    axes = figure.axes[0]
    stairs: Any = axes.patches[0]
    for row in report.rows:
        if row.path not in report.histograms:
            yield None
            continue
        low, high, counts = report.histograms[row.path]
        pad = 0.02 * (high - low) or 1.0
        axes.set_title(f"{row.path}: values of the output")
        stairs.set_data(counts, np.linspace(low, high, len(counts) + 1))
        axes.set_xlim(low - pad, high + pad)
        axes.set_ylim(0, 1.05 * max(counts))
        yield figure


def _finding(growth: Any) -> str:
    """What a title says."""
    if growth is None:
        return ""
    holds = 0.8 <= growth.chi <= 1.25 and 1e-3 <= growth.total <= 1e3
    verb = "holds" if holds else "grows" if growth.chi > 1 else "shrinks"
    return (
        f"The {growth.direction} {verb}: second moment x {growth.chi:.3g} a layer, "
        f"x {growth.total:.2g} over {growth.layers}"
    )


def _marked(report: Any) -> dict[int, str]:
    """The rows that problems are about: theirs, or of the layer whose weight it is."""
    found = {}
    for problem in report.problems:
        for i, row in enumerate(report.rows):
            if problem.path == row.path or problem.path.rpartition("/")[0] == row.path:
                found[i] = row.path
                break
    return found


def _line(
    axes: Axes,
    values: Sequence[float | None],
    colour: str,
    marked: dict[int, str],
    names: Sequence[str],
) -> None:
    from matplotlib import ticker

    known = [(i, v) for i, v in enumerate(values) if v is not None and v > 0]
    _zeros(axes, [i for i, v in enumerate(values) if v == 0], colour, marked, len(names))
    if not known:
        axes.set_yticks([])
        return
    x, y = zip(*known, strict=True)
    axes.plot(x, y, "-", color=MUTED, linewidth=0.8)
    axes.plot(x, y, "o", color=colour, markersize=4 if len(names) <= _NAMED else 2)
    axes.set_yscale("log")
    if max(y) < 100 * min(y):
        axes.set_ylim(min(y) / 3, max(y) * 3)
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    wrong = [(i, v) for i, v in known if i in marked]
    if wrong:
        at, heights = zip(*wrong, strict=True)
        axes.plot(at, heights, "v", color=VERMILLION, markersize=8, label="problem")
        for i, v in wrong[:6]:
            name_beside(axes, marked[i], i, v, VERMILLION)
    if len(names) > _NAMED:
        for j in outliers(np.diff(np.log(y)), 3):  # where it jumps
            if x[j + 1] not in marked:
                name_beside(axes, _short(names[x[j + 1]]), x[j + 1], y[j + 1])


def _zeros(axes: Axes, at: list[int], colour: str, marked: dict[int, str], count: int) -> None:
    """Layers whose figure is 0, which no logarithmic axis has: circles at its foot."""
    if not at:
        return
    foot: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False, "linestyle": "none"}
    size = 4.5 if count <= _NAMED else 2.5
    axes.plot(at, [0.0] * len(at), marker="o", mfc="none", color=colour, markersize=size, **foot)
    wrong = [i for i in at if i in marked]
    axes.plot(wrong, [0.03] * len(wrong), marker="v", color=VERMILLION, markersize=8, **foot)
    for i in wrong[:3]:
        name_beside(axes, marked[i], i, 0.03, VERMILLION, transform=axes.get_xaxis_transform())


def _layers(axes: Axes, names: Sequence[str]) -> None:
    if len(names) <= _NAMED:
        axes.set_xticks(range(len(names)), [_short(n) for n in names], rotation=90, fontsize=7.5,
                        parse_math=False)  # fmt: skip
    else:
        axes.set_xlabel(f"{len(names)} layers, in the order in which they run")


def _short(path: str) -> str:
    return path if len(path) <= 28 else f"…{path[-27:]}"
