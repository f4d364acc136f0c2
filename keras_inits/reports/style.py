"""The look that all figures share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#222222", "#6b6b6b", "#e6e6e6"
# Okabe & Ito's and Paul Tol's colours: told apart with any colour vision, and never the only mark.
BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)
WINE, OLIVE, INDIGO, TEAL = "#882255", "#999933", "#332288", "#44aa99"

# Schemes that differ by their law alone share a colour; the normal law is dashed.
_FAMILIES = {
    "zero": "#a0a0a0",
    "one": MUTED,
    "": ORANGE,
    "lecun": SKY,
    "glorot": BLUE,
    "he": VERMILLION,
    "orthogonal": GREEN,
    "identity": PINK,
    "data": WINE,
    "fan_in": OLIVE,
}
_OTHERS = (INDIGO, TEAL)

_STYLE: Any = {
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


def new_figure(
    draw: Callable[[Any], None], width: float, height: float, layout: Any = "constrained"
) -> Figure:
    """A figure of this size in inches, filled by `draw` in the shared look."""
    try:
        from matplotlib import style
    except ModuleNotFoundError as error:
        message = 'figures need matplotlib: pip install "keras_inits[plots]"'
        raise ModuleNotFoundError(message) from error
    from keras_inits.reports.shown import ShownFigure

    # The defaults first, or the user's own settings would mix with ours.
    with style.context(["default", _STYLE]):
        figure = ShownFigure(figsize=(width, height), dpi=100, layout=layout)
        draw(figure)
    return figure


def line_style(scheme: str) -> dict[str, Any]:
    """Colour and dashes of a scheme's line, the same in every figure."""
    family = scheme.removesuffix("normal").removesuffix("uniform").removesuffix("_")
    other = _OTHERS[sum(map(ord, family)) % len(_OTHERS)]
    dashes = (0, (4, 1.5)) if "normal" in scheme else "-"
    return {"color": _FAMILIES.get(family, other), "linestyle": dashes}


def outliers(values: Any, most: int = 5) -> list[int]:
    """Where the values are that lie far from the others: beyond six standard deviations of the rest,
    as their median distance tells it; the farthest first."""
    known = np.asarray(values, "float64")
    apart = np.abs(known - np.nanmedian(known))
    far = apart > 6 * 1.4826 * np.nanmedian(apart) + 1e-9
    order = np.argsort(-np.nan_to_num(apart), kind="stable")
    return [int(i) for i in order if far[i]][:most]


def name_beside(
    axes: Axes, text: str, x: float, y: float, color: str = INK, transform: Any = None
) -> None:
    """A point's name, beside it and on the side that has room."""
    coordinates = transform or axes.transData
    right = axes.transAxes.inverted().transform(coordinates.transform((x, y)))[0] > 0.6
    axes.annotate(
        text, (x, y), (-6 if right else 6, 6), coordinates, "offset points", va="center",
        ha="right" if right else "left", fontsize=7.5, color=color, parse_math=False,
    )  # fmt: skip


def subtitle(axes: Axes, text: str) -> None:
    """Small print under the title, which must leave it room: `pad=20` for one line."""
    axes.annotate(
        text,
        (0, 1),
        (0, 7),
        xycoords="axes fraction",
        textcoords="offset points",
        color=MUTED,
        fontsize=8.5,
    )
