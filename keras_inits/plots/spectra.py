"""The singular values of a kernel, against the law of a matrix of independent entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.registry import get
from keras_inits.reports.style import BLUE, SKY, VERMILLION, new_figure, subtitle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def singular_values(kernels: Any, shape: Sequence[int] = (256, 256), columns: int = 4) -> Figure:
    """The singular values of each kernel as a histogram, with Marchenko and Pastur's density.

    That is the density for independent entries of the same size, in the limit of many. Values beyond
    its bounds are directions that the kernel has and chance has not, and an orthogonal kernel has
    one value alone.

    Args:
        kernels: A dict of kernels, or of schemes of which one draw is taken, by the name that is to
            stand over each; or a list of schemes. The last axis numbers the outputs.
        shape: Of a scheme's draw.
        columns: How many panels stand side by side.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: A kernel has fewer than two axes, or is constant zero, or there is none.

    Example:
        >>> figure = singular_values({"he": "keras_inits>he_normal", "mine": np.eye(8)}, (64, 64))
        >>> len(figure.axes)
        2

    Source: Marchenko & Pastur 1967, for the squares of the values.
    """
    named = kernels if isinstance(kernels, dict) else {_name(k): k for k in kernels}
    columns = min(checks.integer("singular_values", "columns", columns, low=1), len(named) or 1)
    matrices = {name: _matrix(name, kernel, tuple(shape)) for name, kernel in named.items()}
    if not matrices:
        raise checks.value_error("singular_values", "kernels", "one kernel or more", kernels)
    rows = math.ceil(len(matrices) / columns)

    def draw(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, matrix) in zip(grid, matrices.items(), strict=False):
            _panel(axes, name, matrix)
        for axes in grid[len(matrices) :]:
            axes.set_visible(False)

    return new_figure(draw, max(3.2 * columns, 4.6), 2.4 * rows + 0.4)


def marchenko_pastur(s: Any, rows: int, columns: int, std: float) -> Any:
    """The density of the singular values of a matrix of independent entries, in the limit of many.

    With n = max(rows, columns), q = min / max and b = std sqrt(n) (1 -+ sqrt(q)) the bounds:
    sqrt((b+^2 - s^2)(s^2 - b-^2)) / (pi q s n std^2) between them.
    """
    n, q = max(rows, columns), min(rows, columns) / max(rows, columns)
    low, high = ((std * math.sqrt(n) * (1 + sign * math.sqrt(q))) ** 2 for sign in (-1, 1))
    square = np.square(s)
    inside = np.clip((high - square) * (square - low), 0.0, None)
    return np.sqrt(inside) / (math.pi * q * np.maximum(s, 1e-12) * n * std**2)


def _name(kernel: Any) -> str:
    return kernel if isinstance(kernel, str) else type(kernel).__name__


def _matrix(name: str, kernel: Any, shape: tuple[int, ...]) -> np.ndarray:
    drawn = get(kernel)(shape) if isinstance(kernel, str) or callable(kernel) else kernel
    array = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(drawn, "float32")), "float64")
    if array.ndim < 2 or not array.any():
        expected = f"of two axes or more and not zero everywhere at {name!r}"
        raise checks.value_error("singular_values", "kernels", expected, array.shape)
    return array.reshape(-1, array.shape[-1])


def _panel(axes: Axes, name: str, matrix: np.ndarray) -> None:
    values = np.linalg.svd(matrix, compute_uv=False)
    std = math.sqrt(np.square(matrix).mean())
    sides = np.sqrt(matrix.shape)
    low, high = std * abs(sides[0] - sides[1]), std * sides.sum()
    # At the edge the largest value wanders by some n^(-2/3) of it (Tracy & Widom).
    beyond = int((values > high * (1 + 3 * min(matrix.shape) ** (-2 / 3))).sum())
    if values[0] - values[-1] < 1e-3 * values[0]:
        finding = f"all {values[0]:.3g}"
    elif beyond:
        finding = f"{beyond} beyond chance"
    else:
        finding = f"{values[-1]:.2g} to {values[0]:.3g}"
    axes.set_title(f"{name}: {finding}", fontsize=9.5, pad=20, parse_math=False)
    subtitle(axes, f"{len(values)} singular values; line: Marchenko-Pastur")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.locator_params("x", nbins=5)
    end = 1.05 * max(values[0], high)
    axes.hist(values, np.linspace(0, end, 41).tolist(), density=True, color=SKY, edgecolor=BLUE,
              linewidth=0.5, alpha=0.8, histtype="stepfilled")  # fmt: skip
    s = np.linspace(max(low, end / 2000), high, 400)
    axes.plot(
        s, marchenko_pastur(s, len(matrix), matrix.shape[1], std), color=VERMILLION, linewidth=1.5
    )
    axes.set_xlim(0, end)
