"""What a model does to a signal: one forward and one backward pass, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from keras_inits import backend, checks
from keras_inits.models.flow.batch import batch_of, failure
from keras_inits.models.flow.culprit import culprit
from keras_inits.models.flow.guards import saved, states
from keras_inits.models.flow.record import record
from keras_inits.models.signal import figures
from keras_inits.models.signal.flow_faults import flow_faults
from keras_inits.models.signal.growth import Growth
from keras_inits.models.signal.objective import objective
from keras_inits.models.signal.rows import (
    SignalRow,
    WeightRow,
    growths,
    look,
    rows,
    seen,
    weight_rows,
)
from keras_inits.models.signal.target_faults import target_faults
from keras_inits.models.signal.weight_faults import is_kernel, unused, weight_faults
from keras_inits.models.variables.together import in_one_process
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.reports.plain import plain
from keras_inits.reports.report import Problem, Report, count
from keras_inits.streams import Stream
from keras_inits.streams.seeds import as_stream, check_seed


class SignalReport(Report):
    """What `inspect` saw: `rows` in the order of execution, `weights`, `forward` and `backward`.

    `forward` and `backward` are `Growth` objects: the factor of the signal's, or the gradient's,
    second moment from one weighted layer to the next (`chi`), and the total over the network.
    """

    title: ClassVar[str] = "signal"
    columns: ClassVar = {
        "path": "path",
        "layer": "layer",
        "mean": "mean",
        "std": "std",
        "zeros": "zeros",
        "saturated": "saturated",
        "dead": "dead",
        "rank": "rank",
        "width": "width",
        "correlation": "corr.",
        "gradient_std": "gradient",
        "chi": "chi",
    }
    drop: ClassVar = ("correlation", "mean", "layer", "width", "zeros", "saturated", "rank")

    def __init__(
        self,
        rows: Iterable[SignalRow],
        problems: Iterable[Problem | tuple[str, str]] = (),
        weights: Iterable[WeightRow] = (),
        forward: Growth | None = None,
        backward: Growth | None = None,
        loss: float | None = None,
        histograms: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(rows, problems)
        self.weights = list(weights)
        self.forward, self.backward, self.loss = forward, backward, loss
        self.histograms = dict(histograms or {})

    def to_dict(self) -> dict[str, Any]:
        more = ("weights", "forward", "backward", "loss")
        return super().to_dict() | {name: plain(getattr(self, name)) for name in more}

    def plot(self, kind: str = "depth") -> Any:
        """Draw the report.

        Args:
            kind: "depth", the standard deviations layer after layer; "activations", the values of
                each layer's output; "rank", how many directions they have.

        Returns:
            A matplotlib figure.
        """
        kinds = {
            "depth": figures.by_depth,
            "activations": figures.activations,
            "rank": figures.rank_by_depth,
        }
        if not self.rows:
            raise ValueError("SignalReport: rows must have numbers to plot, got none")
        return kinds[checks.one_of("SignalReport.plot", "kind", kind, tuple(kinds))](self)

    def row_figures(self) -> Iterator[Any]:
        """The values of each layer's output."""
        return figures.values(self)

    def summary(self) -> str:
        """One line: how many layers, what becomes of the signal and the gradient, how many problems."""
        parts = [count(len(self.rows), "layer")]
        parts += [str(g) for g in (self.forward, self.backward) if g is not None]
        return "; ".join([*parts, count(len(self.problems), "problem")])

    def assert_healthy(
        self,
        *,
        max_growth: float = 1.5,
        max_total: float = 1e3,
        max_dead: float = 0.5,
        max_saturated: float = 0.5,
        problems: bool = True,
    ) -> None:
        """Raise AssertionError unless the figures are within these bounds.

        Args:
            max_growth: By what factor the signal's or the gradient's second moment may grow or
                shrink from one weighted layer to the next, on the geometric mean, > 1.
            max_total: The same over the whole network.
            max_dead: The largest share of dead units in a layer.
            max_saturated: The largest share of saturated entries in a layer.
            problems: Whether a listed problem is a failure, too.
        """
        failures = [f"{p.path}: {p.reason}" for p in self.problems] if problems else []
        for found in filter(None, (self.forward, self.backward)):
            if not 1 / max_growth <= found.chi <= max_growth:
                failures.append(f"{found}: more than a factor of {max_growth:g} a layer")
            if not 1 / max_total <= found.total <= max_total:
                failures.append(f"{found}: more than a factor of {max_total:g} in all")
        for row in self.rows:
            for share, most, word in (
                (row.dead, max_dead, "dead"),
                (row.saturated, max_saturated, "saturated"),
            ):
                if share is not None and share > most:
                    failures.append(f"{row.path}: {share:.0%} {word}, more than {most:.0%}")
        if failures:
            raise AssertionError("the network is not healthy:\n" + "\n".join(failures))


def inspect(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Any = None,
    seed: Any = None,
    training: bool = True,
    progress: bool = True,
) -> SignalReport:
    """Look at what a model does to its signal, forward and backward, before it is trained.

    One forward and one backward pass on the batch `x`, in the model's own dtype policy. The model is
    the same afterwards: weights, states, seeds, moving statistics, optimizer.

    Args:
        model: A built Keras model.
        x: As for `lsuv`: an array, a list or dict of arrays, or a dataset, whose first batch is taken.
        y: The targets of that batch, if the loss needs them.
        loss: A Keras loss, its name or a function of (y, output). By default the loss that the model
            was compiled with where `y` is given, else half of the mean square of the outputs.
        seed: Of dropout and other random layers; by default the state that their seeds are in.
        training: Whether layers behave as in training: batch normalization takes the batch's
            statistics, as it will in the first step.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report: `.rows` of layers, `.weights`, `.forward`, `.backward`, and `.problems` in words.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: The model, the data or the loss do not fit; nothing has changed.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu")])
        >>> report = inspect(model, keras.random.normal((32, 8), seed=0), seed=0)
        >>> report.rows[0].path, report.rows[0].width
        ('dense', 4)
    """
    return examine("inspect", model, x, y, loss, seed, training, progress)


def examine(
    owner: str,
    model: Any,
    x: Any,
    y: Any = None,
    loss: Any = None,
    seed: Any = None,
    training: bool = True,
    progress: bool = False,
    weights: bool = True,
) -> SignalReport:
    """What `inspect` does, in the name of its owner; without the gradients at `weights` it is faster."""
    training = checks.boolean(owner, "training", training)
    progress = checks.boolean(owner, "progress", progress)
    check_seed(owner, seed)
    slots = walk(model, owner).slots
    x = batch_of(owner, model, x)
    scalar = objective(owner, model, y, loss)
    stream = None if seed is None else as_stream(owner, seed)
    with in_one_process(owner, model, slots):

        def run() -> tuple[Any, Any]:
            output = model(x, training=training)
            return scalar(x, output), output

        start = None if stream is None else int(stream.child("torch").integers((), 2**31 - 1))
        changing = states(model, [slot.variable for slot in slots])
        with saved(changing, set()), backend.unchanged_generator(start):
            if stream is not None:
                _seed(slots, stream)
            variables = list(model.trainable_variables) if weights else []
            try:
                recorded = record(model, run, look, variables, owner if progress else "")
            except Exception as error:
                if str(error).startswith(f"{owner}: "):
                    raise
                where, runs = culprit(model, run, variables)
                what = "cannot be differentiated" if runs else "fails"
                raise failure(owner, model, x, error, what, where) from error
        calls = seen(recorded, {id(slot.layer) for slot in slots if is_kernel(slot)})
        forward, backward = growths(calls)
        return SignalReport(
            rows(calls),
            [  # causes before what follows from them
                *weight_faults(slots),
                *flow_faults(calls, forward, backward),
                *unused(slots, {id(model), *recorded.ran()}, recorded.weights),
                *target_faults(calls, y, recorded.output),
                *(Problem(at.path, f"{reason}; not looked at") for at, reason in recorded.missed),
            ],
            weight_rows(recorded, {id(slot.variable): slot for slot in slots}),
            forward,
            backward,
            recorded.loss,
            {c.path: c.statistics.histogram for c in calls if c.statistics.histogram is not None},
        )


def _seed(slots: list[Slot], stream: Stream) -> None:
    for slot in slots:
        if slot.role == "seed_state":
            slot.variable.assign([int(stream.child(slot.path).integers((), 2**31 - 1)), 0])
