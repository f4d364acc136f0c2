"""The figure of residual streams and their branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_inits.reports.style import BLUE, GREEN, MUTED, VERMILLION, new_figure, subtitle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 60  # more branches than this are numbered


def streams(report: Any) -> Figure:
    """Every stream a line from top to bottom, every branch an arc beside it."""
    rows = sorted(report.rows, key=lambda row: (row.stream, row.depth))
    named = len(rows) <= _NAMED
    at = {id(row): i + row.stream - 1 for i, row in enumerate(rows)}  # a gap between streams

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(report.summary().partition(",")[0], pad=20)
        subtitle(axes, "● last weight   ▮ normalization (pre, end, post)   ◆ scale or gate")
        for number in dict.fromkeys(row.stream for row in rows):
            own = [at[id(row)] for row in rows if row.stream == number]
            axes.plot([0, 0], [own[0] - 0.7, own[-1] + 0.7], color=MUTED, linewidth=2.5, zorder=1)
        for row in rows:
            _branch(axes, row, at[id(row)])
        axes.set_xlim(-0.25, 1.25)
        axes.set_ylim(max(at.values()) + 1, -1)
        axes.set_xticks([])
        if named:
            labels = [_short(row.path) for row in rows]
            axes.set_yticks([at[id(row)] for row in rows], labels, fontsize=8, parse_math=False)
        else:
            axes.set_yticks([])
            axes.set_ylabel(f"{len(rows)} branches, in the order of their streams")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return new_figure(draw, 7.0 if named else 5.0, max(2.4, 1.2 + (0.26 if named else 0.1) * (max(at.values()) + 1)))  # fmt: skip


def _branch(axes: Axes, row: Any, y: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch((0, y - 0.36), 1, 0.72, boxstyle="round,pad=0,rounding_size=0.3",
                         fill=False, edgecolor=BLUE, linewidth=0.9, zorder=0)  # fmt: skip
    axes.add_patch(box)
    axes.plot(0.85, y + 0.36, "o", color=BLUE, markersize=5)
    bars = {"pre": (0.12, y - 0.36), "end": (0.55, y + 0.36), "post": (0, y + 0.5)}
    for name in row.norm.split(", "):
        if name in bars:
            axes.plot(*bars[name], "s", color=GREEN, markersize=4.5, zorder=3)
    if row.gates or row.factor != 1 or (row.scales and "end" not in row.norm):
        axes.plot(0.3, y + 0.36, "D", color=VERMILLION, markersize=4, zorder=3)


def _short(path: str) -> str:
    return path if len(path) <= 48 else f"…{path[-47:]}"
