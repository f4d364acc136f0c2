"""Every weight of a built model drawn again: by the layers' own initializers, rules or a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.choice.choose import START, Choice, choose
from keras_inits.models.choice.keras1 import in_order
from keras_inits.models.variables.assign import assign, fresh_slots
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.models.weights.adapt import as_scheme, draw, fitted, label, law_of
from keras_inits.reports.report import Panel, Problem, Report
from keras_inits.schemes.variance_scaling import VarianceScaling
from keras_inits.streams import Stream
from keras_inits.streams.seeds import as_stream, preview

STRUCTURES = (None, True, False, "strides")


@dataclass(frozen=True)
class Drawn:
    """One variable of the report; `source` says what chose the scheme.

    `fans` are those that the scheme used, else the layer's; `expected_std` is the law's standard
    deviation and `measured_std` that of the values, both None where there is none.
    """

    path: str
    shape: tuple[int, ...]
    role: str
    layer: str
    scheme: str
    fans: tuple[float, float] | None
    expected_std: float | None
    measured_std: float | None
    source: str


class Initialization(Report):
    """What `initialize` drew, variable by variable, and in `problems` what it could not."""

    title: ClassVar = "Initialization"
    columns: ClassVar = {
        "path": "path",
        "shape": "shape",
        "scheme": "scheme",
        "fans": "fans",
        "expected_std": "expected std",
        "measured_std": "measured std",
    }
    panels: ClassVar = (
        Panel("standard deviation", "expected_std", "measured_std", "expected", "measured"),
    )


def initialize(
    model: keras.Model,
    rules: Any = None,
    *,
    seed: Any = None,
    structure: bool | str | None = None,
    dry_run: bool = False,
    reset_optimizer: bool = False,
) -> Initialization:
    """Draw every weight of a built model again; return what was drawn.

    `rules`: None draws from each layer's own initializer (really: a seed that the initializer holds
    plays no part). A preset's name takes a framework's defaults. Pairs (pattern, initializer), or a
    dict, name initializers: a pattern is a regular expression found in the variable's path, a Layer
    class (its weights, not its biases or statistics) or (Layer class, role); the first match wins,
    an initializer of None leaves the variable as it is, and what no rule matches is drawn from its
    layer's own initializer.

    `seed`: an int; None for a fresh one; or a stream. Each variable's own seed comes from it and
    the path, so two variables never share a draw and a named layer added elsewhere changes nothing
    here. A stream that replays another framework is drawn from in the order of the layers.

    `structure`: whether fans, gates and axes follow the layer that uses the weight. By default they
    do where rules or a preset name the scheme and do not where the layer's own initializer is
    drawn. "strides" also counts a convolution's stride.

    Statistics and states (batch normalization, dropout seeds, stateful RNNs) return to their start;
    the adapted statistics of `keras.layers.Normalization` stay. `reset_optimizer` rebuilds the
    slots of the compiled optimizer. `dry_run` changes nothing and returns the same report.

    Raises ValueError or TypeError, with the model as it was, for a model that is not built, a rule
    that matches nothing, a scheme that cannot take a variable's shape, values that are not finite,
    or an optimizer that cannot be reset.

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> initialize(model, {"kernel": "keras_inits>he_normal"}, seed=0).rows[0].expected_std
    0.5
    """
    if not any(structure is known for known in STRUCTURES) and structure != "strides":
        expected = "None, True, False or 'strides'"
        raise checks.value_error("initialize", "structure", expected, structure)
    found = walk(model, "initialize")
    slots = fresh_slots(model) if reset_optimizer else []
    stream = (preview if dry_run else as_stream)("initialize", seed)
    choices = choose(found, rules, structure)
    problems = [Problem(*p) for p in found.problems if not _answered(p[0], choices)]
    drawn = _draw_all(choices, stream, problems)
    rows = [_row(choice, drawn[id(choice.slot.variable)]) for choice in choices]
    if not dry_run:
        pairs = ((c.slot.variable, drawn[id(c.slot.variable)]) for c in choices)
        assign([*((v, values) for v, values in pairs if values is not None), *slots])
    return Initialization(rows, problems)


def _answered(path: str, choices: list[Choice]) -> bool:
    """Whether a rule takes care of a variable whose own initializer is not known."""
    return any(choice.named and choice.slot.path == path for choice in choices)


def _draw_all(
    choices: list[Choice], stream: Stream, problems: list[Problem]
) -> dict[int, np.ndarray | None]:
    """The new values by variable, None for what stays."""

    def one(choice: Choice) -> np.ndarray | None:
        if choice.source == START:
            return _start(choice.slot)
        if choice.initializer is None:
            return None
        values, problem = _draw(choice, stream)
        if problem:
            problems.append(Problem(choice.slot.path, problem))
        return values

    return in_order(choices, stream, one)


def _draw(choice: Choice, stream: Stream) -> tuple[np.ndarray, str]:
    slot = choice.slot
    scheme = _scheme(choice)
    # A seed in a rule's initializer fixes its draws; one in the layer's own would repeat them.
    seed = getattr(choice.initializer, "seed", None) if choice.named else None
    if not stream.sequential and _is_seed(choice.initializer, seed):
        stream = as_stream("initialize", seed)
    stream = stream.for_weight(slot.layer, slot.path)
    try:
        drawn = draw(scheme, slot.shape, slot.dtype, stream, choice.structure)
        _check(slot, drawn.values)
    except (ValueError, TypeError) as error:
        raise (ValueError if isinstance(error, ValueError) else TypeError)(
            f"initialize: {slot.path} of shape {slot.shape} cannot take {label(choice.initializer)} "
            f"({choice.source}): {error}"
        ) from error
    return drawn.values, drawn.problem


def _is_seed(initializer: Any, seed: Any) -> bool:
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return False
    # Keras's initializers hold a random int as `seed` where none was given.
    config_seed = (
        initializer.get_config().get("seed") if hasattr(initializer, "get_config") else None
    )
    return config_seed is not None


def _scheme(choice: Choice) -> Any:
    return fitted(as_scheme(choice.initializer), choice.structure, choice.slot.role)


def _check(slot: Slot, values: np.ndarray) -> None:
    real = values if values.dtype.kind in "fiub" else values.astype("float32")
    if real.dtype.kind == "f" and not np.isfinite(real).all():
        raise ValueError("its values are not all finite")
    if slot.role == "moving_variance" and real.size and real.min() < 0:
        raise ValueError("a variance cannot be negative")


def _start(slot: Slot) -> np.ndarray:
    """The value that a state starts from: (seed, 0) of a seed generator, zeros of an RNN."""
    value = keras.ops.convert_to_numpy(slot.variable)
    start = np.zeros_like(value)
    if slot.role == "seed_state":
        start[0] = value[0]
    return start


def _row(choice: Choice, array: np.ndarray | None) -> Drawn:
    slot, structure = choice.slot, choice.structure
    fans = expected = measured = None
    scheme = "kept" if array is None else START
    if choice.initializer is not None and array is not None:
        used = _scheme(choice)
        scheme = label(choice.initializer)
        if structure is not None:
            fans = (structure.fan_in, structure.fan_out)
        elif isinstance(used, VarianceScaling):
            fans = used.fans(slot.shape)
        law = law_of(used, slot.shape, structure)
        expected = None if law is None else law.std
        # In float64 it would take a copy: too much for a large kernel, exact for a constant bias.
        wide = array.dtype == "float64" or array.size < 2**16
        measured = float(array.std(dtype="float64" if wide else "float32")) if array.size else None
    return Drawn(
        slot.path,
        slot.shape,
        slot.role,
        type(slot.layer).__name__,
        scheme,
        fans,
        expected,
        measured,
        choice.source,
    )
