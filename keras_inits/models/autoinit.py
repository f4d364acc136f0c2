"""Weights scaled by the moments of what comes to them, computed from the model's operations alone."""

from __future__ import annotations

from typing import Any

import keras

from keras_inits import checks
from keras_inits.models.choice.preset import Preset, Structure, is_weight
from keras_inits.models.choice.rules import Rule
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.flow.places import places
from keras_inits.models.initialize import Initialization, initialize
from keras_inits.models.moments.follow import Followed, follow
from keras_inits.models.residual.branches import traced
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.reports.report import Problem
from keras_inits.schemes.constant import Zero
from keras_inits.schemes.uniform_normal import Normal


def autoinit(
    model: Any, x: Any = None, *, seed: Any = None, dry_run: bool = False, progress: bool = True
) -> Initialization:
    """Draw every weight so that its layer's output has mean 0 and variance 1, without running the model.

    The mean and the second moment of what comes to a layer are computed through the model's operations:
    activations of any kind by quadrature, pooling, dropout, normalization, concatenation, sums and
    products. Then W ~ N(0, 1/(n E[x^2])), where n is how many inputs add up in an output, and what a
    border of zeros leaves out does not count; biases are 0. Everything else stays as it is.

    Dropout and normalization count as in training. Where layers pool over positions, the law and the
    correlation of what they pool are followed, too, which the paper leaves out. The figures are those
    of wide layers with independent inputs: each draw of a narrow deep network is off at random.

    Args:
        model: A built Keras model.
        x: Data, as for `lsuv`, of which mean, variance and correlation of positions are taken, and the
            shapes where the model does not declare its inputs. Without, inputs have mean 0 and
            variance 1 and are independent.
        seed: As for `initialize`.
        dry_run: Change nothing and return the same report.
        progress: Whether work that takes seconds says how far it is.

    Returns:
        A report as `initialize`'s. In `.problems` each weight that keeps its start, because what comes to
        it cannot be followed: behind attention, recurrent layers, frozen weights, a user's operations
        that are no public Keras operations.

    Raises:
        ValueError, TypeError: The model is not built, or its inputs are not known; then nothing has
            changed.

    Example:
        >>> inputs = keras.Input((8,))
        >>> hidden = keras.layers.Dense(16, "relu")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
        >>> [row.law for row in autoinit(model, seed=0).rows if row.role == "kernel"]
        ['N(0, 0.353553^2)', 'N(0, 0.353553^2)']

    Source: Bingham & Miikkulainen 2021 (arXiv 2109.08958).
    """
    owner = "autoinit"
    checks.boolean(owner, "dry_run", dry_run)
    checks.boolean(owner, "progress", progress)
    refuse_deferring(owner)
    slots = walk(model, owner).slots
    x = None if x is None else batch_of(owner, model, x)
    found = traced(owner, model, x)
    data = [None] * len(found.inputs) if x is None else keras.tree.flatten(x)
    followed = follow(found, data)

    used = {id(variable) for step in found.steps for variable in step.weights}
    names = {id(place.layer): place.path for place in places(model)}
    closed = {
        id(variable): f"the call of {names.get(id(layer), layer.name)} cannot be followed: {reason}"
        for layer, reason in found.closed
        for variable in layer.variables
    }

    def make(structure: Structure) -> list[Rule]:
        for slot in slots:
            reason = _reason(slot, followed, used, closed)
            if reason:
                structure.problems.append(Problem(slot.path, f"keeps its start: {reason}"))
        return [
            Rule(lambda slot: id(slot.variable) in followed.stds, each=scaled, exact=True),
            Rule(lambda slot: id(slot.variable) in followed.zeroed, Zero(), exact=True),
            Rule(lambda slot: True),
        ]

    def scaled(slot: Slot) -> Normal:
        return Normal(followed.stds[id(slot.variable)])

    preset = Preset(owner, {}, make, x)
    return initialize(model, preset, seed=seed, dry_run=dry_run, progress=progress)


def _reason(slot: Slot, followed: Followed, used: set[int], closed: dict[int, str]) -> str:
    """Why a weight is not drawn; empty for one that is, and for what is no weight."""
    key = id(slot.variable)
    if key in followed.stds or "float" not in slot.dtype or not is_weight(slot):
        return ""
    if key in followed.kept:
        return followed.kept[key]
    return "" if key in used else closed.get(key, "the model's call does not use it")
