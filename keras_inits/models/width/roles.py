"""What each variable of a model is to its width: the roles of the maximal update parametrization."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keras_inits.models.variables.walk import STATE_ROLES, Slot, Walk
from keras_inits.models.weights.geometry import Geometry
from keras_inits.models.weights.layers import ATTENTION, geometry_of


@dataclass(frozen=True)
class Width:
    """A variable's role and how many times wider it is than the base's: `inputs`, `outputs`.

    `role` is "hidden" (inputs and outputs grow), "output" (inputs grow), "input" (a kernel's outputs
    grow), "vector" (one entry a unit) or "fixed" (nothing grows).
    """

    role: str
    inputs: float = 1.0
    outputs: float = 1.0

    @property
    def std(self) -> float:
        """The standard deviation over that at the base's shape."""
        return 1 / math.sqrt(self.inputs) if self.role == "hidden" else 1.0

    @property
    def multiplier(self) -> float:
        """What the variable is to be multiplied by in the forward pass."""
        return 1 / self.inputs if self.role == "output" else 1.0

    @property
    def adam(self) -> float:
        """The learning rate's factor where the size of a gradient plays no part."""
        return 1 / self.inputs if self.role == "hidden" else 1.0

    @property
    def gradient(self) -> float:
        """How many times smaller a gradient is than at the base."""
        return self.outputs if self.role in ("hidden", "input", "vector") else 1.0

    @property
    def sgd(self) -> float:
        """The learning rate's factor of gradient descent."""
        return {
            "hidden": self.outputs / self.inputs,
            "output": self.inputs,
            "input": self.outputs,
            "vector": self.outputs,
        }.get(self.role, 1.0)


def weights(found: Walk) -> list[Slot]:
    """The variables that have a role."""
    return [s for s in found if s.role not in STATE_ROLES and "float" in s.dtype]


def width_of(slot: Slot, base: Slot, other: Slot) -> Width:
    """The role of a variable; those of its dimensions are widths in which `base` and `other` differ."""
    if base.shape == other.shape:
        return Width("fixed")
    grown = _size(slot) / _size(base)
    if slot.role == "bias" or len(slot.shape) < 2:
        return Width("vector", outputs=grown)
    now, then, elsewhere = (_geometry(each) for each in (slot, base, other))
    grows_in, grows_out = then.fan_in != elsewhere.fan_in, then.fan_out != elsewhere.fan_out
    inputs = now.fan_in / then.fan_in if grows_in else 1.0
    if grows_in:
        return Width("hidden" if grows_out else "output", inputs, grown / inputs)
    # Where neither grows there are more maps: the channels of a depthwise kernel.
    return Width("input" if grows_out else "vector", outputs=grown)


def head_size(slot: Slot) -> int | None:
    """Of the projection of queries in one of Keras's attention layers: the size of a head."""
    attention = next((a for a in slot.layers if isinstance(a, ATTENTION)), None)
    if attention is None or slot.layer.name != "query" or slot.layer is attention:
        return None
    size = getattr(attention, "key_dim", None) or getattr(attention, "head_dim", None)
    return size if isinstance(size, int) else None


def _size(slot: Slot) -> int:
    return math.prod(slot.shape)


def _geometry(slot: Slot) -> Geometry:
    known = geometry_of(slot.layer, slot.role, slot.shape)
    repeats = tuple(range(len(slot.shape) - 2))
    return known or Geometry(slot.shape, (-2,), (-1,), repeats)


def is_known(slot: Slot) -> bool:
    """Whether it is known how its layer uses a matrix, or the variable is none."""
    return len(slot.shape) < 2 or geometry_of(slot.layer, slot.role, slot.shape) is not None
