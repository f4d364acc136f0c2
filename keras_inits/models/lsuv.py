"""Layer-sequential unit-variance initialization."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.flow.guards import assign_in_call
from keras_inits.models.flow.visit import visit
from keras_inits.models.flow.visitor import Planned, Run, Visited
from keras_inits.models.variables.together import Data, in_one_process
from keras_inits.models.variables.walk import walk
from keras_inits.models.weights.scalable import alive, pre_activation
from keras_inits.reports.report import Panel, Report
from keras_inits.streams import Stream
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
        Panel(
            "standard deviation of the output",
            "std_before",
            "std_after",
            "orthonormal weights",
            "at last",
        ),
    )


def lsuv(
    model: Any,
    x: Any,
    *,
    target_std: float = 1.0,
    tolerance: float = 0.05,
    max_iterations: int = 10,
    criterion: str = "std",
    seed: Any = None,
    progress: bool = True,
    memory: str = "safe",
) -> LsuvReport:
    """Draw orthonormal weights, then scale them layer by layer until the data has unit variance.

    Each layer with scalable weights, in the order of execution on the batch `x`: kernel drawn
    orthonormal, bias zero, then W <- W target_std / std(y) until |std(y) / target_std - 1| <=
    tolerance. y is the pre-activation, over all samples, positions and units. A layer's input is
    computed once, so that all costs a few runs of the model whatever its depth.

    Args:
        model: A built Keras model.
        x: An array, a list or dict of arrays, or a dataset, whose first batch is taken; some hundred
            samples do.
        target_std: The standard deviation to reach, > 0.
        tolerance: How far off 1 the ratio of both may stay, > 0.
        max_iterations: How often a weight is scaled at most, >= 1.
        criterion: What the ratio is of: "std", the standard deviations, or "variance", as in the paper's
            algorithm: |Var(y) / target_std^2 - 1| <= tolerance, which at a small tolerance is about half of
            it on the standard deviation. The authors' code takes the variance, 0.02 and 20 iterations.
        seed: As in every scheme; each weight's draw depends on it and on its path.
        progress: Whether work that takes seconds says how far it is.
        memory: "safe" keeps the old weights until the end, and holds all draws beside them. "low"
            draws each layer's when the batch reaches it: the peak is the weights, and
            about three times the largest layer's more.

    Returns:
        A report with a row for each layer. Dead layers keep orthonormal weights; frozen ones, those
        that did not run and weights that do not multiply the layer's input are left as they were,
        and `.problems` says why.

    Raises:
        RuntimeError: A process that holds a part of the model has failed or ended, or does not come
            within ten minutes (KERAS_INITS_TIMEOUT in the environment sets the seconds).
        ValueError, TypeError: The model or the data do not fit, or differ between processes; then nothing
            has changed, but with memory="low" in one process the layers that had run before keep their
            new weights.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> report = lsuv(model, np.random.default_rng(0).normal(size=(64, 4)), seed=0)
        >>> abs(report.rows[0].std_after - 1) < 0.05
        True

    Source: Mishkin & Matas 2015 (arXiv 1511.06422), algorithm 1.
    """
    target = checks.number("lsuv", "target_std", target_std, above=0.0)
    tolerance = checks.number("lsuv", "tolerance", tolerance, above=0.0)
    most = checks.integer("lsuv", "max_iterations", max_iterations, low=1)
    power = 1 + (checks.one_of("lsuv", "criterion", criterion, ("std", "variance")) == "variance")
    progress = checks.boolean("lsuv", "progress", progress)
    low = checks.one_of("lsuv", "memory", memory, ("safe", "low")) == "low"
    check_seed("lsuv", seed)
    x = batch_of("lsuv", model, x)
    found = walk(model, "lsuv")
    stream = as_stream("lsuv", seed)
    visitor = _Lsuv(target, tolerance, most, power, stream, low)
    settings = {"target_std": target, "tolerance": tolerance, "max_iterations": most}
    same = {"seed": stream, "x": Data(x), "criterion": criterion, "memory": memory, **settings}
    with in_one_process("lsuv", model, found, **same) as several:
        try:
            visits = visit("lsuv", model, x, visitor, progress, keep=not low)
        except BaseException as error:
            if low and not several:
                error.add_note(
                    f"lsuv: memory='low' has given new weights to {visitor.given} layers"
                )
            raise
    return LsuvReport(visits.rows, visits.problems)


@dataclass
class _Lsuv:
    target: float
    tolerance: float
    most: int
    power: int  # 1 compares standard deviations, 2 variances
    stream: Stream
    low: bool
    drawn: dict[Planned, list[np.ndarray]] = field(default_factory=dict)
    given: int = 0  # layers that were visited to the end

    def prepare(self, planned: Planned) -> None:
        # All before the run: NumPy's threads and the backend's, in turns, would wait for each other.
        if not self.low:
            self.drawn[planned] = self._draw(planned)

    def _draw(self, planned: Planned) -> list[np.ndarray]:
        weights = zip(planned.scalable.weights, planned.paths, strict=True)
        return [w.orthonormal(self.stream.child(path)) for w, path in weights]

    def visit(self, planned: Planned, run: Run) -> Visited:
        scalable = planned.scalable
        values = self._draw(planned) if self.low else self.drawn.pop(planned)
        for weight, value in zip(scalable.weights, values, strict=True):
            if weight.variable.trainable:
                assign_in_call(weight.variable, value)
        if scalable.bias is not None and scalable.bias.trainable:
            assign_in_call(scalable.bias, np.zeros(scalable.bias.shape))
        variable = scalable.weight.variable
        first, last, iterations, current = self._scale(variable, values[-1], run)
        note = ""
        if not alive(*last):
            spread = (
                f"standard deviation {last[1]:g}" if math.isfinite(last[1]) else "no finite values"
            )
            note = f"dead: its pre-activation has {spread}; left orthonormal"
        elif not self._fits(last[1]):
            note = f"not within the tolerance after {iterations} iterations"
        before, after = (std if math.isfinite(std) else None for _, std in (first, last))
        name = type(scalable.layer).__name__
        row = LsuvRow(planned.path, name, before, after, iterations, note)
        self.given += 1
        return Visited(row, note, current)

    def left(self, path: str, layer: str, reason: str) -> LsuvRow:
        return LsuvRow(path, layer, note=reason)

    def _fits(self, std: float) -> bool:
        return abs((std / self.target) ** self.power - 1) <= self.tolerance

    def _scale(
        self, variable: Any, value: np.ndarray, run: Run
    ) -> tuple[Moments, Moments, int, bool]:
        """(moments at first, at last, iterations, whether they are of the weights left behind).

        A dead layer keeps `value`.
        """
        first = last = moments(run())
        factor, iterations = 1.0, 0
        while alive(*last) and not self._fits(last[1]) and iterations < self.most:
            factor *= self.target / last[1]
            assign_in_call(variable, value * factor)
            iterations += 1
            last = moments(run())
        reverted = iterations > 0 and not alive(*last)
        if reverted:
            assign_in_call(variable, value)
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
