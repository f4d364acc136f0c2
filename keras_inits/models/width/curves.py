"""The figure of a coordinate check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_inits.reports.style import BLUE, GREEN, INK, MUTED, new_figure, subtitle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 8


def coordinate_curves(check: Any) -> Figure:
    """Each layer's change against the width, standard and muP side by side on the same scales."""
    if not check.rows:
        raise ValueError("CoordinateCheck: rows must not be empty to be plotted")

    def draw(figure: Any) -> None:
        grid = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, title, sizes, slope in (
            (grid[0], "standard", "standard_sizes", "standard"),
            (grid[1], "muP", "sizes", "slope"),
        ):
            axes.set_title(title, pad=20)
            slopes = [s for row in check.rows if (s := getattr(row, slope)) is not None]
            range_ = f"slopes {min(slopes):+.2f} to {max(slopes):+.2f}" if slopes else "no change"
            subtitle(axes, f"mean change of an activation in {check.steps} steps; {range_}")
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(check.widths, [str(width) for width in check.widths])
            axes.set_xlabel("width")
            for i, row in enumerate(check.rows):
                values = getattr(row, sizes)
                if min(values) <= 0:
                    continue
                weighted = i / max(len(check.rows) - 1, 1)
                axes.plot(check.widths, values, "-o", markersize=3, linewidth=1.3,
                          color=_between(weighted))  # fmt: skip
                if len(check.rows) <= _FEW:
                    axes.annotate(row.path, (check.widths[-1], values[-1]), (6, 0), va="center",
                                  textcoords="offset points", fontsize=8, color=INK)  # fmt: skip
        if len(check.rows) > _FEW:
            figure.text(0.008, 0.01, f"{len(check.rows)} layers, from the first (blue) to the last (green)",
                        color=MUTED, fontsize=8.5)  # fmt: skip
            figure.get_layout_engine().set(rect=(0, 0.04, 1, 0.96))

    return new_figure(draw, 10.4, 4.4)


def _between(share: float) -> Any:
    from matplotlib.colors import to_rgb

    first, last = to_rgb(BLUE), to_rgb(GREEN)
    return tuple(a + (b - a) * share for a, b in zip(first, last, strict=True))
