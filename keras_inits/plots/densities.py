"""What schemes draw, against the law that they state."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_inits.registry import CATALOGUE, get
from keras_inits.reports.style import BLUE, SKY, VERMILLION, new_figure, subtitle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW = 8


def histograms(
    schemes: Sequence[Any], shape: Sequence[int] = (256, 256), columns: int = 4
) -> Figure:
    """One draw of each scheme (an object or a string) as a histogram, with the exact density.

    A scheme with a handful of values, such as the identity, shows the share of entries at each.
    """
    drawn = [get(scheme) for scheme in schemes]
    laws = [textwrap.fill(_law(scheme), 44) for scheme in drawn]
    pad = 9 + 11 * max(law.count("\n") + 1 for law in laws)
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)

    def draw(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, scheme, law in zip(grid, drawn, laws, strict=False):
            axes.set_title(type(scheme).__name__, fontsize=9.5, pad=pad)
            subtitle(axes, law)
            _histogram(axes, scheme, tuple(shape))
        for axes in grid[len(drawn) :]:
            axes.set_visible(False)
        figure.get_layout_engine().set(h_pad=0.1)

    return new_figure(draw, 3.0 * columns, 2.1 * rows)


def _law(scheme: Any) -> str:
    return next((entry.law for entry in CATALOGUE.values() if entry.cls is type(scheme)), "")


def _histogram(axes: Axes, scheme: Any, shape: tuple[int, ...]) -> None:
    values = np.asarray(keras.ops.convert_to_numpy(scheme(shape)), "float64").ravel()
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.locator_params("x", nbins=4)
    axes.tick_params(labelsize=8)
    places, counts = np.unique(values, return_counts=True)
    pad = 0.12 * (places[-1] - places[0]) or 1.0
    limits = places[0] - pad, places[-1] + pad
    axes.set_xlim(limits)
    if len(places) <= _FEW:
        axes.vlines(places, 0, counts / values.size, color=BLUE, linewidth=4)
        for place, share in zip(places, counts / values.size, strict=True):
            axes.text(place, share + 0.03, f"{share:.1%}", ha="center", fontsize=8)
        axes.set_ylim(0, 1.2)
        return
    axes.hist(values, 60, density=True, histtype="stepfilled", color=SKY, alpha=0.55)
    density = exact_density(scheme, shape)
    if density is not None:
        z = np.linspace(*limits, 801)
        axes.plot(z, density(z), color=VERMILLION, linewidth=1.5)


def exact_density(scheme: Any, shape: Sequence[int]) -> Callable[[Any], Any] | None:
    """The density of an entry taken at random from a tensor of this shape, or None without one."""
    law = scheme.law(tuple(shape))
    return law.pdf if law is not None and law.continuous else None
