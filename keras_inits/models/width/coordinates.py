"""Whether what training changes in a network keeps its size when the network gets wider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from keras_inits import backend, checks
from keras_inits.models.flow.batch import batch_of, failure
from keras_inits.models.flow.places import Place
from keras_inits.models.flow.record import record
from keras_inits.models.initialize import initialize
from keras_inits.models.signal.objective import objective
from keras_inits.models.width.mup import mup
from keras_inits.models.width.optimizer import check_optimizer
from keras_inits.reports.report import Panel, Problem, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWNER = "coordinate_check"
Sizes = dict[str, float]


@dataclass(frozen=True)
class CoordinateRow:
    """A layer: how the mean size of its outputs' change grows with width, as width^slope.

    `slope` is that under muP, `standard` that of the layers' own initializers and one rate for all;
    None where nothing changed. `sizes` and `standard_sizes` are the changes width by width.
    """

    path: str
    layer: str
    slope: float | None
    standard: float | None
    sizes: tuple[float, ...]
    standard_sizes: tuple[float, ...]


class CoordinateCheck(Report):
    """What `coordinate_check` measured, layer by layer in their order; `widths` are the widths."""

    title: ClassVar[str] = "coordinate_check"
    columns: ClassVar = {
        "path": "path",
        "layer": "layer",
        "slope": "slope (muP)",
        "standard": "slope (standard)",
    }
    panels: ClassVar = (Panel("slope", "standard", "slope", "standard", "muP", log=False),)

    def __init__(self, rows: Any, problems: Any, widths: Sequence[int], steps: int) -> None:
        super().__init__(rows, problems)
        self.widths, self.steps = tuple(widths), steps

    def plot(self) -> Figure:
        """Draw the sizes of each layer's change against the width, both parametrizations.

        Returns:
            A matplotlib figure; `plot().savefig(path)` writes it.
        """
        from keras_inits.models.width.curves import coordinate_curves

        return coordinate_curves(self)


def coordinate_check(
    build: Callable[[int], Any],
    widths: Sequence[int],
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    steps: int = 3,
    seeds: int = 3,
    tolerance: float = 0.05,
) -> CoordinateCheck:
    """Train models of several widths a few steps, and see how their activations' change scales.

    Under muP it neither grows nor vanishes with width: the slope of its logarithm against that of
    the width is near 0 in every layer. Otherwise a width has its own best learning rate.

    Args:
        build: Takes a width, gives a built model.
        widths: At least two, ascending; the first is the base.
        x: A batch, as for `lsuv`.
        y: Its targets; without them the loss is half of the mean square of every output.
        loss: A Keras loss or its name; by default the one that the model is compiled with.
        optimizer: As for `Mup.optimizer`; by default `keras.optimizers.Adam(0.001)`.
        steps: How many steps on the same batch, >= 1.
        seeds: Over how many draws sizes are averaged (geometric mean), >= 1.
        tolerance: From which slope on a layer is a problem, > 0.

    Returns:
        A report with a row for each layer, `.plot()`, and in `.problems` each layer whose change
        under muP does not keep its size.

    Raises:
        ValueError, TypeError: An argument does not fit, or the models differ in their layers.

    Example:
        >>> def build(width):
        ...     return keras.Sequential(
        ...         [keras.Input((4,)), keras.layers.Dense(width), keras.layers.Dense(2)]
        ...     )
        >>> x = np.random.default_rng(0).normal(size=(8, 4))
        >>> coordinate_check(build, [8, 16], x, np.zeros((8, 2)), loss="mse", seeds=1).widths
        (8, 16)

    Source: Yang et al. 2022 (arXiv 2203.03466), section D.1.
    """
    widths = _widths(widths)
    for name, count in (("steps", steps), ("seeds", seeds)):
        checks.integer(OWNER, name, count, low=1)
    tolerance = checks.number(OWNER, "tolerance", tolerance, above=0)
    if not callable(build):
        raise checks.type_error(OWNER, "build", "a function of the width", build)
    optimizer = keras.optimizers.Adam(0.001) if optimizer is None else optimizer
    check_optimizer(OWNER, optimizer)
    base = build(widths[0])
    layers: dict[str, str] = {}
    sizes: dict[bool, list[Sizes]] = {True: [], False: []}
    for width in widths:
        model = build(width)
        batch = batch_of(OWNER, model, x)
        cost = objective(OWNER, model, y, loss)
        for by_mup, found in sizes.items():
            each = []
            for seed in range(seeds):
                fresh = type(optimizer).from_config(optimizer.get_config())
                if by_mup:
                    fresh = mup(model, base, seed=seed).optimizer(fresh)
                else:
                    initialize(model, seed=seed)
                each.append(_changes(model, batch, cost, fresh, steps, layers))
            found.append(
                {path: _geometric([one.get(path, 0.0) for one in each]) for path in layers}
            )
    rows = [_row(path, name, widths, sizes) for path, name in layers.items()]
    rows = [row for row in rows if row.slope is not None or row.standard is not None]
    problems = [
        Problem(row.path, f"its change goes as width^{row.slope:.2f} under muP")
        for row in rows
        if row.slope is not None and not abs(row.slope) <= tolerance
    ]
    return CoordinateCheck(rows, problems, widths, steps)


def _widths(widths: Any) -> list[int]:
    expected = "at least two widths, ascending"
    if not isinstance(widths, Sequence) or isinstance(widths, str):
        raise checks.type_error(OWNER, "widths", expected, widths)
    listed = [checks.integer(OWNER, f"widths[{i}]", w, low=1) for i, w in enumerate(widths)]
    if len(listed) < 2 or sorted(set(listed)) != listed:
        raise checks.value_error(OWNER, "widths", expected, widths)
    return listed


def _changes(
    model: Any, x: Any, cost: Any, optimizer: Any, steps: int, layers: dict[str, str]
) -> Sizes:
    """The mean size of the change of each layer's output after the steps; notes the layers."""
    variables = list(model.trainable_variables)

    def look(place: Place, output: Any) -> np.ndarray:
        layers.setdefault(place.path, type(place.layer).__name__)
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")))

    def run() -> tuple[Any, Any]:
        output = model(x, training=False)
        return cost(x, output), output

    def outputs(step: bool) -> dict[str, np.ndarray]:
        try:
            found = record(model, run, look, variables)
        except Exception as error:
            if str(error).startswith(f"{OWNER}: "):
                raise
            raise failure(OWNER, model, x, error) from error
        if step:
            reached = [(g, v) for v, g in found.weights if g is not None]
            with backend.eager():
                optimizer.apply(*zip(*reached, strict=True))
        return {call.place.path: call.seen for call in reversed(found.calls)}

    optimizer.build(variables)
    first = outputs(step=True)
    for _ in range(steps - 1):
        outputs(step=True)
    last = outputs(step=False)
    return {path: float(np.abs(last[path] - seen).mean()) for path, seen in first.items()}


def _geometric(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else 0.0


def _row(path: str, name: str, widths: list[int], sizes: dict[bool, list[Sizes]]) -> CoordinateRow:
    by_mup, standard = (tuple(at.get(path, 0.0) for at in sizes[key]) for key in (True, False))
    return CoordinateRow(
        path, name, _slope(widths, by_mup), _slope(widths, standard), by_mup, standard
    )


def _slope(widths: list[int], sizes: tuple[float, ...]) -> float | None:
    if min(sizes) <= 0 or not np.isfinite(sizes).all():
        return None
    return float(np.polyfit(np.log(widths), np.log(sizes), 1)[0])
