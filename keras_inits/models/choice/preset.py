"""A preset with arguments: rules that are made for one model, from its variables and its structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from keras_inits.host import is_keras
from keras_inits.models.choice.computation import Computation
from keras_inits.models.choice.rules import Rule
from keras_inits.models.residual.branches import Branches
from keras_inits.models.residual.rows import Branch
from keras_inits.models.residual.trace import is_matrix
from keras_inits.models.variables.walk import STATE_ROLES, Slot
from keras_inits.models.weights.layers import is_norm
from keras_inits.reports.report import Problem
from keras_inits.schemes.constant import One, Zero

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


@dataclass(frozen=True, repr=False)
class Preset:
    """What a function of `keras_inits.presets` gives, for `initialize(model, preset)`.

    `make` gives the rules for a `Structure`; `x` are inputs of the model, where it needs them.
    """

    name: str
    arguments: Mapping[str, Any]
    make: Callable[[Structure], list[Rule]]
    x: Any = None

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({given})"

    def rules(self, computation: Computation) -> tuple[list[Rule], list[Problem]]:
        """The rules for a model, and what of the preset does not hold there."""
        structure = Structure(repr(self), computation)
        return self.make(structure), structure.problems


@dataclass
class Structure:
    """A model's variables and residual branches, as a preset asks for them."""

    preset: str
    computation: Computation
    problems: list[Problem] = field(default_factory=list)

    @property
    def model(self) -> Any:
        return self.computation.model

    @property
    def slots(self) -> list[Slot]:
        return self.computation.slots

    def problem(self, reason: str, why: str = "") -> None:
        """Say what does not hold for the whole model."""
        self.problems.append(Problem(self.model.name, f"{self.preset} {reason}", why))

    @cached_property
    def branches(self) -> Branches:
        """The residual branches; that there are none is a problem."""
        try:
            found = self.computation.branches
        except ValueError as error:
            self.problem(f"cannot see the model's residual branches: {error}")
            return Branches([])
        self.problems += found.problems
        if not found.rows:
            self.problem(
                "expects residual branches and finds none", "What it does to these is not done."
            )
        return found

    def by_path(self, names: Callable[[Branch], tuple[str, ...]]) -> dict[str, Branch]:
        """For the weights that `names` gives of each branch the (last) branch that has them."""
        return {path: row for row in self.branches.rows for path in names(row)}

    @cached_property
    def heads(self) -> set[str]:
        """The weights that give the outputs; a table that also reads the inputs is a problem, and none of them."""
        tables = {s.path for s in self.slots if "embedding" in self.computation.use(s)}
        heads = set(self.branches.heads)
        for path in sorted(heads & tables):
            reason = (
                f"{self.preset} starts the head at 0, which is a table of the inputs here: not at 0"
            )
            self.problems.append(Problem(path, reason, "A table of zeros gives no signal."))
        return heads - tables

    @property
    def ends(self) -> dict[str, Branch]:
        """The last weights of branches."""
        return self.by_path(lambda row: row.ends)


def is_weight(slot: Slot) -> bool:
    """Whether the variable is a trained kernel or table; of layers not of Keras, any trained matrix."""
    if is_keras(slot.layer):
        return slot.role in (*KERNELS, "embeddings", "reverse_embeddings")
    trained = slot.variable.trainable or not slot.layer.trainable
    other = slot.role in STATE_ROLES or "lora" in slot.role or is_bias(slot) or is_norm(slot.layer)
    return trained and not other and "float" in slot.dtype and is_matrix(slot.variable)


def is_bias(slot: Slot) -> bool:
    """Whether the variable is added: by its name, of any layer."""
    named = slot.role in ("bias", "beta") or slot.role.endswith("_bias")
    return named and "float" in slot.dtype


def is_norm_scale(slot: Slot) -> bool:
    """Whether the variable is the scale of a normalization."""
    return slot.role in ("gamma", "scale") and is_norm(slot.layer)


#: What most presets do with the rest.
REST = [Rule(is_norm_scale, One(), exact=True), Rule(is_bias, Zero(), exact=True)]
