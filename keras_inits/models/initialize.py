"""Every weight of a built model drawn again: by the layers' own initializers, rules or a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.choice.choose import Action, choose
from keras_inits.models.choice.keras1 import in_order
from keras_inits.models.variables.assign import assign, fresh_slots
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.models.weights.adapt import draw, label, law_of, law_text
from keras_inits.reports.progress import progress as steps_of
from keras_inits.reports.report import Panel, Problem, Report
from keras_inits.schemes.variance_scaling import VarianceScaling
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
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
    law: str
    fans: tuple[float, float] | None
    expected_std: float | None
    measured_std: float | None
    source: str

    @property
    def scheme_and_law(self) -> str:
        """Both, as the table shows them."""
        return f"{self.scheme}: {self.law}" if self.law else self.scheme


class Initialization(Report):
    """What `initialize` drew, variable by variable, and in `problems` what it could not."""

    title: ClassVar = "Initialization"
    columns: ClassVar = {
        "path": "path",
        "shape": "shape",
        "scheme_and_law": "scheme",
        "fans": "fans",
        "expected_std": "expected std",
        "measured_std": "measured std",
    }
    drop: ClassVar = ("fans", "shape")
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
    frozen: bool = False,
    only: Any = None,
    progress: bool = True,
) -> Initialization:
    """Draw every weight of a built model again; return what was drawn.

    Each variable's own seed comes from `seed` and its path: two variables never share a draw, and a
    named layer added elsewhere changes nothing here. Statistics and states (batch normalization,
    dropout seeds, stateful RNNs) return to their start; what `keras.layers.Normalization` learned
    from data stays, and so do the weights of frozen layers.

    Args:
        model: A built Keras model.
        rules: None draws from each layer's own initializer (really: a seed that it holds plays no
            part); a preset's name takes a framework's defaults; (pattern, initializer) pairs, or a
            dict, name initializers. A pattern is a regular expression found in the variable's path,
            a Layer class (its weights, not its biases, statistics or LoRA's factors), (Layer class,
            role), or a function of a slot (`.path`, `.role`, `.shape`, `.layer`). The first match
            wins, None leaves the variable as it is, and what no rule matches is drawn from its
            layer's own initializer.
        seed: An int; None for a fresh one; a SeedGenerator; or a stream. One that replays another
            framework is drawn from in the order of the layers.
        structure: Whether fans, gates and axes follow the layer that uses the weight. By default
            they do where rules or a preset name the scheme and do not where the layer's own
            initializer is drawn. "strides" also counts a convolution's stride.
        dry_run: Change nothing and return the same report.
        reset_optimizer: Rebuild the slots of the compiled optimizer.
        frozen: Draw frozen layers (`layer.trainable = False`) too. By default they stay, unless a
            rule names them.
        only: A pattern, a layer or a list of these: all other variables stay.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report with a row for each variable: scheme, law, fans, expected and measured standard
        deviation; `.problems` lists what could not be done.

    Raises:
        ValueError, TypeError: The model is not built, a rule matches nothing, a scheme cannot take a
            variable's shape, a value is not finite in its dtype, or the optimizer cannot be reset.
            The model is then as it was.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> initialize(model, {"kernel": "keras_inits>he_normal"}, seed=0).rows[0].expected_std
        0.5
    """
    if not any(structure is known for known in STRUCTURES) and structure != "strides":
        expected = "None, True, False or 'strides'"
        raise checks.value_error("initialize", "structure", expected, structure)
    checks.boolean("initialize", "frozen", frozen)
    checks.boolean("initialize", "progress", progress)
    found = walk(model, "initialize")
    slots = fresh_slots(model) if reset_optimizer else []
    stream = (preview if dry_run else as_stream)("initialize", seed)
    actions = choose(found, rules, structure, frozen=frozen, only=only)
    problems = [Problem(*p) for p in found.problems if not _answered(p[0], actions)]
    problems += [Problem(a.slot.path, a.problem) for a in actions if a.problem]

    def new_value(action: Action) -> np.ndarray | None:
        advance()
        if action.kind != "draw":
            return _start(action.slot) if action.kind == "restart" else None
        values, problem = _draw(action, stream)
        if problem:
            problems.append(Problem(action.slot.path, problem))
        return values

    with steps_of("initialize", len(actions), progress) as advance:
        values = in_order(actions, stream, new_value)
    rows = [_row(action, values[action]) for action in actions]
    if not dry_run:
        assign([*((a.slot.variable, v) for a, v in values.items() if v is not None), *slots])
    return Initialization(rows, problems)


def _answered(path: str, actions: list[Action]) -> bool:
    """Whether a rule takes care of a variable whose own initializer is not known."""
    return any(action.named and action.slot.path == path for action in actions)


def _draw(action: Action, stream: Stream) -> tuple[np.ndarray, str]:
    slot = action.slot
    # A seed in a rule's initializer fixes its draws; one in the layer's own would repeat them.
    seed = getattr(action.initializer, "seed", None) if action.named else None
    if not stream.sequential and _is_seed(action.initializer, seed):
        stream = as_stream("initialize", seed)
    stream = stream.for_weight(slot.layer, slot.path)
    try:
        drawn = draw(action.scheme, slot.shape, slot.dtype, stream, action.geometry)
        return _checked(slot, drawn.values), drawn.problem
    except (ValueError, TypeError) as error:
        raise (ValueError if isinstance(error, ValueError) else TypeError)(
            f"initialize: {slot.path} of shape {slot.shape} cannot take "
            f"{label(action.initializer)} ({action.source}): {error}"
        ) from error


def _is_seed(initializer: Any, seed: Any) -> bool:
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return False
    # Keras's initializers hold a random int as `seed` where none was given.
    config_seed = (
        initializer.get_config().get("seed") if hasattr(initializer, "get_config") else None
    )
    return config_seed is not None


def _checked(slot: Slot, values: np.ndarray) -> np.ndarray:
    """The values in the variable's dtype, which must be able to hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = values.astype(numpy_dtype(slot.dtype), copy=False)
    real = values if values.dtype.kind in "fiub" else values.astype("float32")
    if real.dtype.kind == "f" and not np.isfinite(real).all():
        raise ValueError(f"its values are not all finite in {slot.dtype}")
    if slot.role == "moving_variance" and real.size and real.min() < 0:
        raise ValueError("a variance cannot be negative")
    return values


def _start(slot: Slot) -> np.ndarray:
    """The value that a state starts from: (seed, 0) of a seed generator, zeros of an RNN."""
    value = keras.ops.convert_to_numpy(slot.variable)
    start = np.zeros_like(value)
    if slot.role == "seed_state":
        start[0] = value[0]
    return start


def _row(action: Action, array: np.ndarray | None) -> Drawn:
    slot, geometry, used = action.slot, action.geometry, action.scheme
    fans = expected = measured = None
    scheme, law = "start" if action.kind == "restart" else "kept", ""
    if action.kind == "draw" and array is not None:
        scheme = label(action.initializer)
        if geometry is not None:
            fans = (geometry.fan_in, geometry.fan_out)
        elif isinstance(used, VarianceScaling):
            fans = used.fans(slot.shape)
        known = law_of(used, slot.shape, geometry)
        law = law_text(used, slot.shape, geometry)
        expected = None if known is None else known.std
        # In float64 it would take a copy: too much for a large kernel, exact for a constant bias.
        wide = array.dtype == "float64" or array.size < 2**16
        measured = float(array.std(dtype="float64" if wide else "float32")) if array.size else None
    return Drawn(
        path=slot.path,
        shape=slot.shape,
        role=slot.role,
        layer=type(slot.layer).__name__,
        scheme=scheme,
        law=law,
        fans=fans,
        expected_std=expected,
        measured_std=measured,
        source=action.source,
    )
