"""Every weight of a built model drawn again: by the layers' own initializers, rules or a preset."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.base import Scheme
from keras_inits.models.choice.choose import Action, choose
from keras_inits.models.choice.keras1 import in_order
from keras_inits.models.choice.values import new_value, row, try_out
from keras_inits.models.memory.digest import Digest
from keras_inits.models.variables.assign import assign, follow_seeds, fresh_slots, give
from keras_inits.models.variables.together import agree
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import walk
from keras_inits.reports.progress import progress as steps_of
from keras_inits.reports.report import Panel, Problem, Report
from keras_inits.streams.seeds import as_stream, preview

STRUCTURES = (None, True, False, "strides")


class Initialization(Report):
    """What `initialize` drew, variable by variable, and in `problems` what it could not."""

    title: ClassVar = "Initialization"
    columns: ClassVar = {
        "path": "path",
        "shape": "shape",
        "use": "use",
        "scheme_and_law": "scheme",
        "fans": "fans",
        "expected_std": "expected std",
        "measured_std": "measured std",
    }
    drop: ClassVar = ("use", "fans", "shape")
    panels: ClassVar = (
        Panel(
            "standard deviation of the weights",
            "expected_std",
            "measured_std",
            "expected",
            "measured",
        ),
    )
    #: `keras_inits.digest` of the model as it was left, or would have been by a dry run.
    digest: str = ""


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
    only_missing: bool = False,
    memory: str = "safe",
    progress: bool = True,
) -> Initialization:
    """Draw every weight of a built model again; return what was drawn.

    Each variable's own seed comes from `seed` and its path: two variables never share a draw, and a
    named layer added elsewhere changes nothing here. Statistics and states (batch normalization,
    stateful RNNs) return to their start; what `keras.layers.Normalization` learned from data stays,
    and so do the weights of frozen layers. The generators of dropout and the like get their seeds in
    the same way, also in frozen layers; without a seed, or by a replay, they return to their own.

    Args:
        model: A built Keras model.
        rules: None draws from each layer's own initializer (really: a seed that it holds plays no
            part); a preset's name, or what a function of `keras_inits.presets` gives, takes a
            framework's or a paper's laws; (pattern, initializer) pairs, or a
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
        only_missing: Draw what was built under `deferred` and neither drawn nor loaded since; all
            other variables stay.
        memory: "safe" holds all draws beside the old weights and assigns them when all have come: the
            peak is twice the weights and two tensors. "low" assigns each as it is drawn, so that the
            peak is the weights and the largest tensor, and what a structured scheme works with. What a shape, a dtype or a law does not allow is found before, by a draw of one
            entry; what can still fail is a structured scheme, another library's initializer, a
            replay, or memory itself, and then the variables before it have been drawn, as the
            error notes.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report with a row for each variable: scheme, law, fans, expected and measured standard
        deviation; `.problems` lists what could not be done.

    Raises:
        RuntimeError: A process that holds a part of the model has ended, or does not come within
            ten minutes (KERAS_INITS_TIMEOUT in the environment sets the seconds).
        ValueError, TypeError: The model is not built, `deferred` has not ended, a rule matches
            nothing, a scheme cannot take a variable's shape, a value is not finite in its dtype, or
            the optimizer cannot be reset. The model is then as it was, but for what `memory="low"`
            says.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> initialize(model, {"kernel": "keras_inits>he_normal"}, seed=0).rows[0].expected_std
        0.5
    """
    if not any(structure is known for known in STRUCTURES) and structure != "strides":
        expected = "None, True, False or 'strides'"
        raise checks.value_error("initialize", "structure", expected, structure)
    checks.boolean("initialize", "frozen", frozen)
    checks.boolean("initialize", "only_missing", only_missing)
    checks.boolean("initialize", "progress", progress)
    checks.one_of("initialize", "memory", memory, ("safe", "low"))
    refuse_deferring("initialize")
    found = walk(model, "initialize")
    slots = fresh_slots(model) if reset_optimizer else []
    stream = (preview if dry_run else as_stream)("initialize", seed)
    agree("initialize", found, seed=stream)
    actions, problems = choose(
        found, rules, structure, frozen=frozen, only=only, only_missing=only_missing
    )
    problems += [Problem(*p) for p in found.problems if not _answered(p[0], actions)]
    problems += [Problem(a.slot.path, a.problem) for a in actions if a.problem]

    seeded = seed is not None and not stream.sequential

    def value(action: Action) -> np.ndarray | None:
        advance()
        values, problem = new_value(action, stream, seeded)
        if problem:
            problems.append(Problem(action.slot.path, problem))
        return values

    rows, digest = {}, Digest("initialize")
    new: list[tuple[Any, np.ndarray]] = []

    def take(action: Action, array: np.ndarray | None) -> None:
        slot, told = action.slot, row(action, array)
        if array is not None and memory == "safe":
            new.append((slot.variable, array))
        elif array is not None and not dry_run:
            give(slot.variable, array, isinstance(action.scheme, Scheme))
        rows[action] = told
        digest.add(slot, slot.variable.value if array is None else array)

    if memory == "low":
        for action in actions:
            try_out(action, stream)
    try:
        with steps_of("initialize", len(actions), progress) as advance:
            in_order(actions, stream, value, take)
        total = digest.hexdigest()
    except BaseException as error:
        if memory == "low" and not dry_run:
            error.add_note(
                f"initialize: memory='low' has drawn {len(rows)} of {len(actions)} variables before; "
                "these keep their new values, the others their old ones"
            )
        raise
    report = Initialization((rows[action] for action in actions), problems)
    report.digest = total
    if not dry_run:
        new += slots
        assign(new)
        if seeded:
            follow_seeds(a.slot for a in actions if a.kind == "restart")
    return report


def _answered(path: str, actions: list[Action]) -> bool:
    """Whether a rule takes care of a variable whose own initializer is not known."""
    return any(action.named and action.slot.path == path for action in actions)
