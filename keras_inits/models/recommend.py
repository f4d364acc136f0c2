"""Which start suits a model: several are tried on it without training, and ranked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from keras_inits import checks
from keras_inits.models.choice.preset import Preset
from keras_inits.models.choice.presets import PRESETS
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.flow.guards import saved
from keras_inits.models.flow.places import places
from keras_inits.models.initialize import initialize
from keras_inits.models.inspect import SignalReport, inspect
from keras_inits.models.lsuv import lsuv
from keras_inits.models.memory.digest import digest
from keras_inits.models.signal.activations import ORTHOGONAL, scheme_for
from keras_inits.models.variables.together import in_one_process
from keras_inits.models.variables.walk import walk
from keras_inits.reports.progress import progress as steps_of
from keras_inits.reports.report import Problem, Report, count
from keras_inits.streams.seeds import check_seed

CLOSE = 0.25  # of the score: less is no reason to leave the layers' own start


@dataclass(frozen=True)
class Start:
    """A start that was tried, with the figures that it was ranked by.

    `forward` and `backward` are the factors of the signal's and the gradient's second moment from one
    weighted layer to the next, `dead` the largest share of dead units in an activated layer, `faults`
    how many problems `inspect` found, and `score` the sum of |log forward|, |log backward|, `dead` and
    `faults`: the less, the better. `same` names other starts that draw the same weights.
    """

    path: str
    score: float
    forward: float | None
    backward: float | None
    dead: float
    faults: int
    code: str
    same: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """This start and those that draw the same."""
        return ", ".join((self.path, *self.same))


class Recommendation(Report):
    """The starts that were tried, the best first; `code` draws the best one.

    The layers' own start is the first where no other has a score that is better by more than 0.25.
    """

    title: ClassVar[str] = "recommend"
    columns: ClassVar = {
        "names": "start",
        "score": "score",
        "forward": "forward",
        "backward": "backward",
        "dead": "dead",
        "faults": "problems",
    }

    @property
    def best(self) -> Start:
        """The first row."""
        found: Start = self.rows[0]
        return found

    @property
    def code(self) -> str:
        """The line that draws the best start."""
        return self.best.code

    def summary(self) -> str:
        best = self.best
        figures = [
            f"{what} x {chi:.3g} a layer"
            for what, chi in (("signal", best.forward), ("gradient", best.backward))
            if chi is not None
        ]
        figures.append(count(best.faults, "problem"))
        own = next((row for row in self.rows if row.path == "own"), best)
        why = f"the layers' own has a score of {own.score:.3g}, this one {best.score:.3g}"
        if best is own:
            why = f"no other start has a score that is better by more than {CLOSE:g}"
        return f"recommend: {best.path} ({', '.join(figures)}): {why}\n    {best.code}"


def recommend(
    model: Any, x: Any, y: Any = None, *, loss: Any = None, seed: int = 0, progress: bool = True
) -> Recommendation:
    """Try several starts on a model, without training, and rank them by what the signal does.

    Tried are the layers' own initializers drawn again, the general presets, orthogonal kernels, normal ones
    with the gain of the model's activation, and `lsuv`. The model is the same afterwards.

    Args:
        model: A built Keras model.
        x: As for `inspect`.
        y: The targets of the batch, if the loss needs them.
        loss: As for `inspect`.
        seed: Of every draw that is tried.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report, the best start first; `.code` is the line that draws it. Starts that draw the same are
        one row, and `same` names the others. What could not be tried is in `.problems`.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: The model, the data or the loss do not fit; nothing has changed.

    Example:
        >>> layers = [keras.layers.Dense(64, activation="relu") for _ in range(20)]
        >>> model = keras.Sequential([keras.Input((64,)), *layers])
        >>> found = recommend(model, keras.random.normal((64, 64), seed=0))
        >>> [row.path for row in found.rows].index("own") > 0
        True
    """
    check_seed("recommend", seed)
    checks.boolean("recommend", "progress", progress)
    slots = walk(model, "recommend")
    x = batch_of("recommend", model, x)
    variables = list({id(v): v for v in (*model.variables, *(s.variable for s in slots))}.values())
    rows: dict[str, Start] = {}  # by the weights, which are the same where a preset has no rule
    problems = []
    starts = _starts(model, x, seed)
    with (
        in_one_process("recommend", model, slots),
        steps_of("recommend", len(starts), progress) as advance,
    ):
        for name, code, draw in starts:
            try:
                with saved(variables, set()):
                    draw()
                    weights = digest(model)
                    if (row := rows.get(weights)) is not None:
                        rows[weights] = replace(row, same=(*row.same, name))
                    else:
                        report = inspect(model, x, y, loss=loss, seed=seed, progress=False)
                        rows[weights] = _row(name, code, report)
            except ValueError as error:
                if name == "own":
                    raise
                problems.append(Problem(name, f"was not tried: {error}"))
            advance(name)
    return Recommendation(_ranked(list(rows.values())), problems)


def _ranked(rows: list[Start]) -> list[Start]:
    """The best first, the layers' own before those that are hardly better."""
    best = min(row.score for row in rows)
    return sorted(rows, key=lambda row: (row.path != "own" or row.score > best + CLOSE, row.score))


def _starts(model: Any, x: Any, seed: int) -> list[tuple[str, str, Callable[[], object]]]:
    """(name, line of code, function) of each start."""
    found: list[tuple[str, str, Callable[[], object]]] = [
        ("own", f"keras_inits.initialize(model, seed={seed})", lambda: initialize(model, seed=seed))
    ]
    for name in filter(_is_tried, PRESETS):
        code = f'keras_inits.initialize(model, "{name}", seed={seed})'
        found.append((name, code, lambda name=name: initialize(model, name, seed=seed)))  # type: ignore[misc]
    kernels: dict[str, tuple[str, Any]] = {"orthogonal": (f'"{ORTHOGONAL}"', ORTHOGONAL)}
    scheme = scheme_for(place.layer for place in places(model))
    if scheme and scheme[1] != ORTHOGONAL:
        kernels["gain of the activation"] = scheme
    for name, (text, scheme) in kernels.items():
        code = f'keras_inits.initialize(model, {{"kernel$": {text}}}, seed={seed})'
        rules = {"kernel$": scheme}
        found.append((name, code, lambda rules=rules: initialize(model, rules, seed=seed)))  # type: ignore[misc]
    code = f"keras_inits.lsuv(model, x, seed={seed})"
    found.append(("lsuv", code, lambda: lsuv(model, x, seed=seed, progress=False)))
    return found


def _is_tried(name: str) -> bool:
    """Not the presets that a residual architecture must be made for, but the most common one."""
    return name == "gpt2" or not isinstance(PRESETS[name], Preset)


def _row(name: str, code: str, report: SignalReport) -> Start:
    forward, backward = (g.chi if g else None for g in (report.forward, report.backward))
    activated = [
        row for row in report.rows if row.dead is not None and row.width >= 4 and row.zeros
    ]
    dead = max((row.dead or 0.0 for row in activated), default=0.0)
    steady = sum(abs(math.log(chi)) for chi in (forward, backward) if chi)
    faults = len(report.problems)
    return Start(name, steady + dead + faults, forward, backward, dead, faults, code)
