"""How a layer uses the axes of a weight: from it come fans, matrices to draw and units to scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits import checks

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """How a layer uses one weight: as maps from inputs to outputs, side by side.

    Args:
        shape: The weight's shape.
        inputs: The axes that are summed over.
        outputs: The axes that number the outputs of one map.
        repeats: The axes that number maps: the groups of a convolution, the channels of a depthwise one.
        gates: The axes that number the gates of a recurrent cell, each a map of its own.
        field: Those of `inputs` that are a receptive field; they count in both fans.
        split: The shape, of as many entries, in which axes are counted; by default `shape`.
        units: The axes that are not inputs, in the order in which the layer's output has them; by
            default in the weight's.
        active: How many inputs are not zero at a time, if not all: 1 of an embedding's.
        strides: What fan_in and fan_out are divided by.
        parts: Of a weight that holds several maps side by side, how many outputs each has, in turn: (n, n, n) of
            queries, keys and values of n features, or of each head's n features.

    Raises:
        ValueError: The axes are not all named once, `split` has another number of entries, or the outputs are no
            multiple of the parts.

    Example:
        >>> Geometry((3, 3, 8, 16), (0, 1, 2), (3,), field=(0, 1)).fan_out
        144
    """

    shape: tuple[int, ...]
    inputs: Axes
    outputs: Axes
    repeats: Axes = ()
    gates: Axes = ()
    field: Axes = ()
    split: tuple[int, ...] = ()
    units: Axes = ()
    active: int | None = None
    strides: tuple[int, int] = (1, 1)
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        own = {"shape": tuple(self.shape), "split": tuple(self.split or self.shape)}
        if math.prod(own["split"]) != math.prod(own["shape"]):
            expected = f"of as many entries as shape {own['shape']}"
            raise checks.value_error("Geometry", "split", expected, own["split"])
        rank = len(own["split"])
        for name in ("inputs", "outputs", "repeats", "gates", "field", "units"):
            own[name] = tuple(axis % rank if rank else axis for axis in getattr(self, name))
        named = [*own["inputs"], *own["outputs"], *own["repeats"], *own["gates"]]
        if sorted(named) != list(range(rank)) or not {*own["field"]} <= {*own["inputs"]}:
            expected = f"each axis of {own['split']} in one of inputs, outputs, repeats and gates"
            raise checks.value_error("Geometry", "axes", expected, self)
        rest = tuple(axis for axis in range(rank) if axis not in own["inputs"])
        if not own["units"]:
            own["units"] = rest
        elif sorted(own["units"]) != list(rest):
            raise checks.value_error("Geometry", "units", f"the axes {rest} in some order", self)
        for name, value in own.items():
            object.__setattr__(self, name, value)
        if self.parts:
            self._check_parts()

    def _check_parts(self) -> None:
        count, parts = self._count(self.outputs), self.parts
        whole = isinstance(parts, (tuple, list)) and all(type(n) is int and n > 0 for n in parts)
        if not whole or count % sum(parts):
            expected = f"a tuple of ints > 0, of whose sum the {count} outputs are a multiple"
            raise checks.value_error("Geometry", "parts", expected, parts)
        object.__setattr__(self, "parts", tuple(parts))
        if self.gates:
            raise checks.value_error("Geometry", "parts", "empty beside gates", self.parts)

    @property
    def fan_in(self) -> float:
        """How many inputs add up in one output."""
        fan = self._count(self.inputs) if self.active is None else self.active
        return fan if self.strides[0] == 1 else fan / self.strides[0]

    @property
    def fan_out(self) -> float:
        """How many outputs one input reaches, through one gate or the largest part."""
        fan = self._count(self.outputs) * self._count(self.field)
        if self.parts:
            fan = fan // sum(self.parts) * max(self.parts)
        return fan if self.strides[1] == 1 else fan / self.strides[1]

    @property
    def fans(self) -> tuple[float, ...]:
        """(fan_in, fan_out), with a fan_out for each part where these differ."""
        outs = [part.fan_out for part in self.by_part] if len({*self.parts}) > 1 else [self.fan_out]
        return (self.fan_in, *outs)

    @property
    def gate_count(self) -> int:
        """How many gates there are; 1 without any."""
        return self._count(self.gates)

    @property
    def unit_count(self) -> int:
        """How many units there are: outputs of all maps and gates."""
        return self._count(self.units)

    @property
    def map_shape(self) -> tuple[int, ...]:
        """The shape of one map as a kernel: (field..., inputs, outputs)."""
        others = [axis for axis in self.inputs if axis not in self.field]
        field = [self.split[axis] for axis in self.field]
        return (*field, self._count(others), self._count(self.outputs))

    @property
    def by_part(self) -> list[Geometry]:
        """Each part as a weight of its own, its outputs on the last axis."""
        others = [axis for axis in range(len(self.split)) if axis not in self.outputs]
        number = {axis: i for i, axis in enumerate(others)}
        turns = self._count(self.outputs) // sum(self.parts)
        return [
            Geometry(
                (*(self.split[axis] for axis in others), turns * size),
                tuple(number[axis] for axis in self.inputs),
                (-1,),
                tuple(number[axis] for axis in self.repeats),
                field=tuple(number[axis] for axis in self.field),
                active=self.active,
                strides=self.strides,
            )
            for size in self.parts
        ]

    def joined(self, drawn: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """The weight, or its bias, of this shape, from its parts as `by_part` has them."""
        turns = self._count(self.outputs) // sum(self.parts)
        blocks = [part.reshape(*part.shape[:-1], turns, -1) for part in drawn]
        whole = np.concatenate(blocks, axis=-1)
        if shape == self.shape:
            outputs = sorted(self.outputs)
            others = [axis for axis in range(len(self.split)) if axis not in outputs]
            order = [*others, *outputs]
            whole = whole.reshape([self.split[axis] for axis in order]).transpose(np.argsort(order))
        return np.ascontiguousarray(whole).reshape(shape)

    def assembled(self, maps: np.ndarray) -> np.ndarray:
        """The weight, from maps of `map_shape` one after another: repeats first, then gates."""
        order = [*self.repeats, *self.gates, *self._input_order(), *self.outputs]
        whole = maps.reshape([self.split[axis] for axis in order]).transpose(np.argsort(order))
        return np.ascontiguousarray(whole).reshape(self.shape)

    def per_unit(self, factors: np.ndarray) -> np.ndarray:
        """One factor a unit, in the output's order, shaped to multiply the weight."""
        factors = factors.reshape([self.split[axis] for axis in self.units])
        factors = factors.transpose(np.argsort(self.units))
        spread = [size if axis in self.units else 1 for axis, size in enumerate(self.split)]
        return np.broadcast_to(factors.reshape(spread), self.split).reshape(self.shape)

    def _input_order(self) -> list[int]:
        return [*self.field, *(axis for axis in self.inputs if axis not in self.field)]

    def _count(self, axes: Any) -> int:
        return math.prod(self.split[axis] for axis in axes)


#: What a user says of the weights of layers: (class, role) -> function of (layer, shape).
GeometryFunction = Callable[[Any, tuple[int, ...]], "Geometry | None"]
_REGISTERED: dict[tuple[type, str], GeometryFunction] = {}


def register_geometry(layer_class: type, role: str, function: GeometryFunction) -> None:
    """Say how layers of a class of your own use a weight.

    `initialize` then gives schemes its fans and draws orthogonal ones map by map, and `lsuv` and
    `data_dependent` scale it.

    Args:
        layer_class: A subclass of `keras.layers.Layer`; its own subclasses are meant too.
        role: The variable's name, as in `self.add_weight(name="kernel")`.
        function: Takes the layer and the weight's shape, gives a `Geometry`, or None where it has
            nothing to say.

    Raises:
        TypeError: What is given is not a Layer class, a string and a function.

    Example:
        >>> class Mix(keras.layers.Layer): ...
        >>> register_geometry(Mix, "kernel", lambda layer, shape: Geometry(shape, (1,), (0,)))
    """
    owner = "register_geometry"
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
        raise checks.type_error(owner, "layer_class", "a subclass of Layer", layer_class)
    if not isinstance(role, str):
        raise checks.type_error(owner, "role", "the name of a variable", role)
    if not callable(function):
        raise checks.type_error(owner, "function", "a function of (layer, shape)", function)
    _REGISTERED[layer_class, role] = function


def registered_geometry(layer: Any, role: str, shape: tuple[int, ...]) -> Geometry | None:
    """What was registered for the layer's class or the nearest of its bases, or None."""
    for cls in type(layer).__mro__:
        if reader := _REGISTERED.get((cls, role)):
            found = reader(layer, tuple(shape))
            if found is not None and not isinstance(found, Geometry):
                expected = f"a Geometry from the function for {cls.__name__} {role!r}"
                raise checks.type_error("register_geometry", "what is given", expected, found)
            return found
    return None
