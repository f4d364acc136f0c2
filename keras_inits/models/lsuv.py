"""Layer-sequential unit-variance initialization."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.flow.guards import assign
from keras_inits.models.flow.visit import Planned, Run, sweep, worth_telling
from keras_inits.models.weights.scalable import alive, pre_activation
from keras_inits.reports.report import Panel, Report
from keras_inits.streams.seeds import as_stream, check_seed

ops = keras.ops
SMALL = 2**20  # entries; below, a backend's operations cost more than a copy to NumPy
Moments = tuple[float, float]


@dataclass(frozen=True)
class LsuvRow:
    """A layer: the standard deviation of its pre-activation with orthonormal weights, and at last."""

    path: str
    layer: str
    std_before: float | None = None
    std_after: float | None = None
    iterations: int | None = None
    note: str = ""


class LsuvReport(Report):
    """What `lsuv` did: the layers in the order in which they ran, then those without data."""

    title: ClassVar[str] = "lsuv"
    panels: ClassVar = (
        Panel("standard deviation", "std_before", "std_after", "orthonormal weights", "at last"),
    )


def lsuv(
    model: Any,
    x: Any,
    *,
    target_std: float = 1.0,
    tolerance: float = 0.05,
    max_iterations: int = 10,
    seed: Any = None,
    progress: bool = True,
) -> LsuvReport:
    """Draw orthonormal weights, then scale them layer by layer until the data has unit variance.

    Each weighted layer of the built `model`, in the order of execution on the batch `x`: kernel
    drawn orthonormal, bias zero, then W <- W target_std / std(y) until
    |std(y) / target_std - 1| <= tolerance, at most `max_iterations` times. y is the pre-activation,
    over all samples, positions and units. A layer's input is computed once, so that all costs a few
    runs of the model whatever its depth.

    `x` is an array, a list or dict of arrays, or a dataset, whose first batch is taken; some hundred
    samples do. `seed` is as in every scheme; each weight's draw depends on it and on its path.

    Returns a report with one row a layer. Dead layers keep orthonormal weights, frozen and unknown
    ones and those that did not run are left as they were; `.problems` says why. Raises ValueError
    or TypeError for a model or data that do not fit, and then nothing has changed.

    Source: Mishkin & Matas 2015 (arXiv 1511.06422), algorithm 1.
    """
    target = checks.number("lsuv", "target_std", target_std, above=0.0)
    tolerance = checks.number("lsuv", "tolerance", tolerance, above=0.0)
    most = checks.integer("lsuv", "max_iterations", max_iterations, low=1)
    progress = checks.boolean("lsuv", "progress", progress)
    check_seed("lsuv", seed)
    x = batch_of("lsuv", model, x)
    stream = as_stream("lsuv", seed)

    drawn: dict[Planned, list[np.ndarray]] = {}

    def draw(planned: Planned) -> None:
        # All before the run: NumPy's threads and the backend's, in turns, would wait for each other.
        kernels = zip(planned.unit.kernels, planned.paths, strict=True)
        drawn[planned] = [kernel.orthonormal(stream.child(path)) for kernel, path in kernels]

    def visit(planned: Planned, run: Run) -> tuple[LsuvRow, str, bool]:
        unit = planned.unit
        values = drawn.pop(planned)
        for kernel, value in zip(unit.kernels, values, strict=True):
            if kernel.variable.trainable:
                assign(kernel.variable, value)
        if unit.bias is not None and unit.bias.trainable:
            assign(unit.bias, np.zeros(unit.bias.shape))
        variable = unit.kernel.variable
        first, last, iterations, current = _scale(
            variable, values[-1], run, target, tolerance, most
        )
        note = ""
        if not alive(*last):
            note = f"dead: its pre-activation has standard deviation {last[1]:g}; left orthonormal"
        elif abs(last[1] / target - 1) > tolerance:
            note = f"not within the tolerance after {iterations} iterations"
        name = type(unit.layer).__name__
        return LsuvRow(planned.path, name, first[1], last[1], iterations, note), note, current

    stops = sweep("lsuv", model, x, visit, progress, draw)
    rows = [s.result or LsuvRow(s.path, s.layer, note=s.reason) for s in stops]
    return LsuvReport(rows, worth_telling(stops))


def _scale(
    variable: Any, value: np.ndarray, run: Run, target: float, tolerance: float, most: int
) -> tuple[Moments, Moments, int, bool]:
    """(moments at first, at last, iterations, whether they are of the weights left behind).

    A dead layer keeps `value`.
    """
    first = last = moments(run())
    factor, iterations = 1.0, 0
    while alive(*last) and abs(last[1] / target - 1) > tolerance and iterations < most:
        factor *= target / last[1]
        assign(variable, value * factor)
        iterations += 1
        last = moments(run())
    reverted = iterations > 0 and not alive(*last)
    if reverted:
        assign(variable, value)
    return first, last, iterations, not reverted


def moments(y: Any) -> Moments:
    """(mean, standard deviation) over all entries."""
    y = pre_activation(y)
    if math.prod(y.shape) > SMALL:
        return float(ops.mean(y)), float(ops.std(y))
    flat = ops.convert_to_numpy(y).ravel()
    with np.errstate(all="ignore"):
        mean = flat.mean()
        apart = flat - mean
        std = math.sqrt(np.square(apart, out=apart).mean())
        if not 1e-18 < std < 1e18:  # the squares leave the range of float32
            std = float(flat.std(dtype=np.float64))
    return float(mean), std
