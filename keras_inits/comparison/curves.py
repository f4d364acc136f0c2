"""Learning curves of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_inits.comparison.result import TARGET, Comparison, Row
from keras_inits.reports.style import MUTED, line_style, new_figure, subtitle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
_TOP = 0.995


def learning_curves(comparison: Comparison) -> Figure:
    """Validation accuracy before and after every epoch, networks side by side, every curve named."""
    networks = list(dict.fromkeys(row.network for row in comparison.rows))
    tallest = max(len(comparison.of(network)) for network in networks)

    def draw(figure: Any) -> None:
        grid = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
        for axes, network in zip(grid, networks, strict=True):
            rows = comparison.of(network)
            reached = sum(row.final_accuracy >= TARGET for row in rows)
            axes.set_title(f"{network}: {reached} of {len(rows)} reach {TARGET:.0%}", pad=20)
            subtitle(axes, comparison.networks[network])
            _curves(axes, rows)
        grid[0].set_ylabel("validation accuracy (axis logarithmic in the error)")
        figure.get_layout_engine().set(rect=(0, 0.04, 1, 0.96), w_pad=0.15)
        count = len(comparison.seeds)
        over = "one seed" if count == 1 else f"median and range of {count} seeds"
        about = f"{comparison.data}, {over}, {comparison.backend}."
        figure.text(0.008, 0.015, f"{about} Dashed: normal laws.", color=MUTED, fontsize=8.5)

    return new_figure(draw, 5.6 * len(networks), max(4.8, 0.2 * tallest))


def _curves(axes: Axes, rows: Sequence[Row]) -> None:
    # Equal factors in the error are equal heights: from 90 to 95 % is as far as from 80 to 90 %.
    axes.set_yscale(
        "function", functions=(lambda a: -np.log(1.02 - a), lambda v: 1.02 - np.exp(-v))
    )
    axes.set_ylim(0.0, _TOP)
    axes.set_yticks(_TICKS, [f"{tick:.0%}" for tick in _TICKS])
    axes.axhline(TARGET, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    last = len(rows[0].accuracy[0]) - 1
    axes.set_xlim(0, last)
    axes.locator_params("x", integer=True)
    axes.set_xlabel("epoch")
    ends = [(last, min(row.final_accuracy, _TOP)) for row in rows]
    heights = (axes.transData + axes.transAxes.inverted()).transform(ends)[:, 1]
    numbers_at = 52 + 5.2 * max(len(row.scheme) for row in rows)
    # Labels keep their distance in points whatever the width, and their height within the axes.
    beside: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": ("offset points", "axes fraction"),
        "va": "center_baseline",
        "fontsize": 8.5,
    }
    for row, end, at in zip(rows, heights, spread(heights, 0.046), strict=True):
        look = line_style(row.scheme)
        accuracy = np.minimum(row.accuracy, _TOP)
        axes.plot(np.minimum(row.median_accuracy, _TOP), linewidth=1.8, **look)
        low, high = accuracy.min(axis=0), accuracy.max(axis=0)
        axes.fill_between(range(last + 1), low, high, color=look["color"], alpha=0.1, linewidth=0)
        leader = {"arrowstyle": "-", "color": look["color"], "linewidth": 0.8}
        leader |= {"shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (1, end), (16, at), arrowprops=leader, **beside)
        axes.annotate(row.scheme, (1, end), (19, at), **beside)
        axes.annotate(f"{row.final_accuracy:.1%}", (1, end), (numbers_at, at), ha="right", **beside)


def spread(positions: Sequence[float] | np.ndarray, gap: float) -> np.ndarray:
    """The nearest positions (least squares) in [0, 1] that are in the same order, `gap` apart."""
    order = np.argsort(positions, kind="stable")
    count = len(order)
    gap = min(gap, 1 / max(count - 1, 1))
    offsets = gap * np.arange(count)
    wanted = np.asarray(positions, "float64")[order] - offsets
    # Isotonic regression by its max-min formula; there are few labels, so its cost is no matter.
    level = [
        max(min(wanted[i : k + 1].mean() for k in range(j, count)) for i in range(j + 1))
        for j in range(count)
    ]
    placed = np.empty(count)
    placed[order] = np.clip(level, 0, 1 - gap * (count - 1)) + offsets
    return placed
