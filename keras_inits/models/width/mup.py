"""muP: starts and learning rates with which the best settings at one size are those at another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_inits import checks
from keras_inits.models.initialize import initialize
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.models.width.depth import Depth, depths
from keras_inits.models.width.optimizer import MupOptimizer, check_optimizer
from keras_inits.models.width.plan import planned
from keras_inits.models.width.roles import weights
from keras_inits.reports.report import Panel, Problem, Report

_O = keras.optimizers
# Whose update does not change where all gradients are scaled; and those whose update scales with them.
# Nadam is none of them: a part of its state moves on outside of its `update_step`.
_ADAM_LIKE = (_O.Adam, _O.Adamax, _O.RMSprop, _O.Adagrad, _O.Lion)
_SGD_LIKE = (_O.SGD,)


class Mup(Report):
    """What `mup` found and drew: a row for each variable; `optimizer` gives the learning rates."""

    title: ClassVar[str] = "mup"
    columns: ClassVar = {
        "path": "path",
        "role": "role",
        "width": "width",
        "depth": "depth",
        "multiplier": "multiplier",
        "std_before": "own std",
        "std": "std",
        "adam": "rate (Adam)",
        "sgd": "rate (SGD)",
        "note": "note",
    }
    drop: ClassVar = ("note", "std_before", "width", "depth", "multiplier")
    panels: ClassVar = (Panel("standard deviation", "std_before", "std", "own initializer", "muP"),)

    def __init__(self, rows: Any, problems: Any, model: Any) -> None:
        super().__init__(rows, problems)
        self._model = model

    def optimizer(self, optimizer: Any) -> MupOptimizer:
        """The optimizer with each variable's own rate, to compile the model with.

        `learning_rate` stays that of the base width: tune it there. Weight decay acts at
        learning_rate times weight_decay for every variable, so that it transfers as well.

        Args:
            optimizer: A new SGD, Adam, AdamW, Adamax, RMSprop, Adagrad or Lion.

        Raises:
            TypeError: Another optimizer, for which no rule is known.
            ValueError: The optimizer was built, or the model's variables are not those that `mup` saw.

        Example:
            >>> def build(width):
            ...     return keras.Sequential(
            ...         [keras.Input((4,)), keras.layers.Dense(width), keras.layers.Dense(2)]
            ...     )
            >>> model = build(64)
            >>> mup(model, build(16), seed=0).optimizer(keras.optimizers.Adam(0.1)).factors
            (1.0, 1.0, 0.25, 1.0)
        """
        check_optimizer("Mup.optimizer", optimizer)
        if isinstance(optimizer, _ADAM_LIKE):
            rates = {row.path: (row.adam, row.gradient) for row in self.rows}
        elif isinstance(optimizer, _SGD_LIKE):
            rates = {row.path: (row.sgd, 1.0) for row in self.rows}
        else:
            expected = "an optimizer with a rule for width: SGD or one like Adam"
            raise checks.type_error("Mup.optimizer", "optimizer", expected, optimizer)
        by_id = {id(slot.variable): slot.path for slot in walk(self._model, "Mup.optimizer")}
        trained = self._model.trainable_variables
        missing = [v.path for v in trained if by_id.get(id(v)) not in rates]
        if missing:
            raise ValueError(
                f"Mup.optimizer: the model must be as mup saw it, got a new variable {missing[0]}; "
                "call mup again"
            )
        factors, gradients = zip(*(rates[by_id[id(v)]] for v in trained), strict=True)
        return MupOptimizer(optimizer, factors, gradients, [tuple(v.shape) for v in trained])


def mup(
    model: Any,
    base: Any,
    *,
    delta: Any = None,
    depth_base: Any = None,
    x: Any = None,
    seed: Any = None,
) -> Mup:
    """Draw a model's weights for the maximal update parametrization, relative to a narrower one.

    Every weight is drawn from its own initializer at the base's fans. With r the ratio of the
    inputs' width to the base's: hidden kernels take the standard deviation r^(-1/2) times the
    base's, kernels of the output 1/r, all else the base's. Learning rates: see `Mup.optimizer`. At
    the base's width nothing differs from `initialize(model)`.

    Args:
        model: A built Keras model.
        base: The same model in the width at which hyperparameters are tuned, built.
        delta: The same model in a third width, where not every dimension in which model and base
            differ is a width: only those in which base and delta differ are.
        depth_base: The same model in the depth at which hyperparameters are tuned, in any width, built: with m
            times its number of residual branches, each branch is multiplied by 1/m (CompleteP). The
            model computes what it did: the last weights and biases of a branch take the factor
            on, but for what the model multiplies itself (compared with `depth_base`).
        x: Inputs of the model, where `residual_branches` needs them for `depth_base`.
        seed: As in every scheme; each variable's draw depends on it and on its path.

    Returns:
        A report with a row for each variable and `.optimizer(...)`; `.problems` lists what the
        model itself would have to change.

    Raises:
        ValueError, TypeError: A model is not built, or the base (delta) has other layers than the
            model: the first that differs is named; or model or `depth_base` has no residual
            branches, or they have not the same number of streams. The model is then as it was.

    Example:
        >>> def build(width):
        ...     return keras.Sequential(
        ...         [keras.Input((4,)), keras.layers.Dense(width), keras.layers.Dense(2)]
        ...     )
        >>> [row.role for row in mup(build(64), build(16), seed=0).rows]
        ['input', 'vector', 'output', 'fixed']

    Source: Yang et al. 2022 (arXiv 2203.03466), tables 3 and 8; depth: Dey et al. 2025 (arXiv
    2505.01618), table 1 with alpha = 1; what it says of Adam gives SGD's rates.
    """
    refuse_deferring("mup")
    slots = weights(walk(model, "mup"))
    bases = _matching("base", slots, base)
    others = slots if delta is None else _matching("delta", slots, delta)
    deep, problems = ({}, []) if depth_base is None else depths(model, depth_base, x)
    chosen = {
        slot.path: planned(slot, b, other, deep.get(slot.path, Depth()))
        for slot, b, other in zip(slots, bases, others, strict=True)
    }
    rules = [
        (_named(path), plan.scheme) for path, plan in chosen.items() if plan.scheme is not None
    ]
    drawn = initialize(model, rules or None, seed=seed, structure=False)
    problems += drawn.problems
    problems += [Problem(path, p) for path, plan in chosen.items() if (p := plan.problem)]
    return Mup([plan.row for plan in chosen.values()], problems, model)


def _named(path: str) -> Callable[[Slot], bool]:
    def is_it(slot: Slot) -> bool:
        return slot.path == path

    return is_it


def _matching(name: str, slots: list[Slot], model: Any) -> list[Slot]:
    """The variables of a model of the same layers, or an error that names the first difference."""
    if not isinstance(model, keras.layers.Layer):
        raise checks.type_error("mup", name, "a built Keras model", model)
    found = weights(walk(model, f"mup: {name}"))
    for slot, match in zip(slots, found, strict=False):
        if (_kind(slot), len(slot.shape)) != (_kind(match), len(match.shape)):
            raise ValueError(
                f"mup: {name} must have the model's layers, got {_kind(match)} of shape {match.shape} "
                f"({match.path}) for {_kind(slot)} of shape {slot.shape} ({slot.path}); a model of another "
                "depth is given as depth_base"
            )
    if len(found) != len(slots):
        first = max(slots, found, key=len)[min(len(slots), len(found))]
        raise ValueError(
            f"mup: {name} must have the model's {len(slots)} variables, got {len(found)}; the first "
            f"without a match is {first.path}; a model of another depth is given as depth_base"
        )
    return found


def _kind(slot: Slot) -> str:
    return f"{type(slot.layer).__name__} {slot.role}"
