"""What becomes of one variable of a model that is wider or deeper than its base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.adapt import as_scheme, law_of
from keras_inits.models.width.depth import Depth
from keras_inits.models.width.roles import Width, head_size, is_known, width_of
from keras_inits.schemes.depth import Scaled


@dataclass(frozen=True)
class MupRow:
    """A variable: its role, its width over the base's, and what follows from them.

    `depth` is how many times deeper its residual stream is than the depth base's, 1 outside of branches.
    `multiplier` is the factor in the forward pass that muP asks for; it is contained in `std`,
    `adam` and `sgd`, so that the model computes what it did. `std_before` is that of its own
    initializer, `std` that of muP, `adam` and `sgd` are factors of the learning rate. Gradients are
    `gradient` times smaller than at the base.
    """

    path: str
    shape: tuple[int, ...]
    role: str
    width: float
    depth: float
    multiplier: float
    std_before: float | None
    std: float | None
    adam: float
    sgd: float
    gradient: float
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What becomes of a variable: a scheme where its own initializer does not do."""

    row: MupRow
    scheme: Any = None
    problem: str = ""


def planned(slot: Slot, base: Slot, other: Slot, depth: Depth) -> Plan:
    """The plan for a variable, its like in the base, and in the model that tells the widths."""
    width = width_of(slot, base, other)
    heads, base_heads = head_size(slot), head_size(base)
    # Logits in q.k / d and not q.k / sqrt(d), the same at the base.
    attention = (base_heads / heads) ** 0.5 if heads and base_heads else 1.0
    multiplier = width.multiplier * attention * depth.multiplier
    own = as_scheme(slot.initializer)
    before = _std(own, slot)
    at_base = _std(as_scheme(base.initializer), base)
    std = None if at_base is None else at_base * width.std * multiplier
    problem = _problem(slot, width, depth, std)
    # What has no deviation is a constant.
    factor = std / before if before and std else multiplier
    scheme = Scaled(own, factor) if std is not None and abs(factor - 1) > 1e-9 else None
    row = MupRow(
        slot.path,
        slot.shape,
        width.role,
        width.inputs if width.inputs != 1 else width.outputs,
        depth.ratio,
        multiplier,
        before,
        std,
        width.adam * multiplier,
        width.sgd * depth.ratio * multiplier**2,
        width.gradient * depth.gradient,
        "; ".join(filter(None, (_read_by_shape(slot, width), depth.note))),
    )
    return Plan(row, scheme, problem)


def _read_by_shape(slot: Slot, width: Width) -> str:
    known = is_known(slot) or width.role == "fixed"
    return "" if known else "by its shape alone: (..., inputs, outputs)"


def _problem(slot: Slot, width: Width, depth: Depth, std: float | None) -> str:
    if getattr(slot.layer, "tie_weights", False) and width.role != "fixed":
        return (
            f"also the output's kernel: the model must divide its logits by {width.outputs:g}, the "
            "width over the base's"
        )
    if std is None and depth.multiplier != 1:
        return f"its initializer's law is not known: multiply its values by {depth.multiplier:g}"
    if std is None and slot.initializer is not None and width.role in ("hidden", "output"):
        return "the law of its initializer is not known: drawn as it is"
    return ""


def _std(scheme: Any, slot: Slot) -> float | None:
    law = None if scheme is None else law_of(scheme, slot.shape)
    return None if law is None else law.std
