"""Data-dependent initialization: every unit's pre-activation with zero mean and unit variance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from keras_inits import checks
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.flow.guards import assign_in_call, read, saved
from keras_inits.models.flow.visit import visit
from keras_inits.models.flow.visitor import Planned, Run, Visited
from keras_inits.models.rates import Rates, equalize
from keras_inits.models.variables.together import Data, in_one_process
from keras_inits.models.variables.walk import walk
from keras_inits.models.weights.scalable import alive, unit_moments
from keras_inits.reports.report import Panel, Report
from keras_inits.streams.seeds import as_stream, check_seed


@dataclass(frozen=True)
class DataDependentRow:
    """A layer: of its units' means the one farthest from 0, of their deviations from 1.

    Its rates of change, sqrt(mean(g^2)/mean(w^2)), where they were made equal.
    """

    path: str
    layer: str
    mean_before: float | None = None
    mean_after: float | None = None
    std_before: float | None = None
    std_after: float | None = None
    rate_before: float | None = None
    rate_after: float | None = None
    note: str = ""


class DataDependentReport(Report):
    """What `data_dependent` did: the layers in the order in which they ran, then the others."""

    title: ClassVar[str] = "data_dependent"
    panels: ClassVar = (
        Panel("mean farthest from 0", "mean_before", "mean_after", log=False),
        Panel("standard deviation farthest from 1", "std_before", "std_after"),
    )
    drop: ClassVar = ("layer", "mean_before", "std_before")


def data_dependent(
    model: Any, x: Any, *, equal_rates: bool = False, seed: Any = None, progress: bool = True
) -> DataDependentReport:
    """Scale and shift every unit so that its pre-activation has mean 0 and variance 1 on `x`.

    Layer by layer in the order of execution, for each unit j (a convolution's filter, over all its
    positions): w_j <- w_j / sigma_j and b_j <- -mu_j / sigma_j, where mu_j and sigma_j are the mean
    and the standard deviation of w_j . x. The weights keep their directions, so draw them first, by
    `initialize` or as the model was built; nothing random happens here.

    Weights alone are scaled where a layer has no bias that shifts its units one by one, and in
    recurrent layers, whose input kernel is scaled while their biases and recurrent kernels stay. A
    unit whose w_j . x does not vary stays as it was.

    With `equal_rates` layers are then scaled against each other until a step of gradient descent changes
    all weights by one share: their rates sqrt(mean(g^2)/mean(w^2)), g the gradient of the outputs' product
    with numbers of N(0, 1), come within 1 % of their geometric mean, in at most 10 rounds of
    w <- w sqrt(rate/mean). Biases follow what comes to them, so behind relu and linear layers the
    outputs stay as they are; pre-activations have other scales than 1 then.

    Args:
        model: A built Keras model.
        x: As for `lsuv`.
        equal_rates: Whether all layers' rates of change are made equal, too.
        seed: Of the numbers of N(0, 1) that `equal_rates` takes; as in every scheme.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report with a row for each layer and `.problems`, as for `lsuv`.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: The model or the data do not fit; then nothing has changed.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> report = data_dependent(model, np.random.default_rng(0).normal(size=(64, 4)))
        >>> abs(report.rows[0].mean_after) < 1e-5
        True

    Source: Salimans & Kingma 2016 (arXiv 1602.07868), section 3, equations 5 and 6. `equal_rates`:
    Kraehenbuehl et al. 2016 (arXiv 1511.06856), and the authors' `magic_init.py`, whose scale for outputs
    that are not homogeneous is left out.
    """
    owner = "data_dependent"
    checks.boolean(owner, "equal_rates", equal_rates)
    checks.boolean(owner, "progress", progress)
    check_seed(owner, seed)
    x = batch_of(owner, model, x)
    found = walk(model, owner)
    visitor = _DataDependent()
    stream = as_stream(owner, seed) if equal_rates else None
    same = {"x": Data(x), "equal_rates": equal_rates, "seed": stream}
    touched = {id(variable) for variable in model.variables}
    with in_one_process(owner, model, found, **same):
        if stream is None:
            visits = visit(owner, model, x, visitor, progress)
            return DataDependentReport(visits.rows, visits.problems)
        with saved(model.variables, touched):  # all of it or nothing
            visits = visit(owner, model, x, visitor, progress)
            rates = equalize(owner, model, x, visitor.scaled, stream)
    rows = [_with_rates(row, rates) for row in visits.rows]
    return DataDependentReport(rows, [*visits.problems, *rates.problems])


def _with_rates(row: DataDependentRow, rates: Rates) -> DataDependentRow:
    if row.path not in rates.moments:
        return row
    mean, std = rates.moments[row.path]
    return replace(
        row,
        mean_after=_farthest(mean, 0),
        std_after=_farthest(std, 1),
        rate_before=rates.before[row.path],
        rate_after=rates.after[row.path],
    )


@dataclass
class _DataDependent:
    scaled: list[Planned] = field(default_factory=list)

    def prepare(self, planned: Planned) -> None:
        """Nothing is drawn."""

    def visit(self, planned: Planned, run: Run) -> Visited:
        scalable, weight = planned.scalable, planned.scalable.weight
        bias, channels = scalable.bias, scalable.channels
        count = weight.geometry.unit_count
        values = read(weight.variable)
        offsets = None if bias is None else read(bias)
        if bias is not None:
            assign_in_call(bias, np.zeros(bias.shape))
        mean, std = unit_moments(run(), channels, count)
        good = alive(mean, std)
        factors = 1 / np.where(good, std, 1)
        scaled = values * weight.geometry.per_unit(factors.astype(values.dtype))
        assign_in_call(weight.variable, scaled)
        shifts = bias is not None and bias.trainable and np.prod(bias.shape) == count
        if bias is not None:
            shifted = np.where(good, -mean * factors, 0).reshape(bias.shape) if shifts else offsets
            assign_in_call(bias, shifted)
        after = unit_moments(run(), channels, count)
        if shifts and not _is_normal(*after, good):  # it is added along other axes than the units'
            shifts = False
            assign_in_call(bias, offsets)
            after = unit_moments(run(), channels, count)
        self.scaled.append(planned)
        dead = "" if good.all() else f"dead: {(~good).sum()} of {good.size} units do not vary"
        note = "" if shifts else "no bias to shift: means stay"
        row = DataDependentRow(
            planned.path,
            type(scalable.layer).__name__,
            *(_farthest(mean, 0), _farthest(after[0], 0)),
            *(_farthest(std, 1), _farthest(after[1], 1)),
            note="; ".join(filter(None, (dead, note))),
        )
        return Visited(row, dead, current=True)

    def left(self, path: str, layer: str, reason: str) -> DataDependentRow:
        return DataDependentRow(path, layer, note=reason)


def _is_normal(mean: np.ndarray, std: np.ndarray, good: np.ndarray) -> bool:
    """Whether the units that vary have mean 0 and deviation 1, up to rounding in half precision."""
    apart = np.maximum(np.abs(mean), np.abs(std - 1))[good]
    return bool((apart < 0.1).all())


def _farthest(values: np.ndarray, aim: float) -> float | None:
    """The value farthest from `aim`; None where one is not finite."""
    value = float(values[np.argmax(np.abs(values - aim))])
    return value if math.isfinite(value) else None
