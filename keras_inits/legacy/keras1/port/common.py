"""What every ported layer shares: its config as Keras 3's arguments, and its weights' places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_inits.legacy.keras1.rules import schemes
from keras_inits.legacy.keras1.schemes import NAMES
from keras_inits.legacy.keras2.activations import hard_sigmoid

OWNER = "legacy_load_model"

Arrays = dict[str, np.ndarray]
Pairs = list[tuple[Any, np.ndarray]]
Keys = tuple[list[str], list[str]]
Slot = tuple["Port", str]


@dataclass(frozen=True)
class Origin:
    """What holds for the whole file: who wrote it, and what the user gave along."""

    version: tuple[int, ...]
    backend: str = "tensorflow"
    ordering: str = "tf"  # of the layers whose config does not say theirs
    masked: bool = False  # whether a layer makes a mask
    custom_objects: dict[str, Any] = field(default_factory=dict)
    safe_mode: bool = True
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # recorded, by weight name

    @property
    def theano(self) -> bool:
        """Whether kernels were convolved with, and `same` was padded as Theano did."""
        return self.backend == "theano"


def _nothing(arrays: Arrays) -> Pairs:
    return []


@dataclass(eq=False)
class Port:
    """A layer or model of Keras 1 in Keras 3.

    `layers` are called one after the other. `keys` are the weights that Keras 1 wrote for the
    layer, in its order: those that train and those that do not; `values` says which variable each
    becomes. A model or wrapper has `parts` instead.
    """

    name: str
    kind: str
    layers: list[keras.Layer]
    keys: Callable[[], Keys] = lambda: ([], [])
    values: Callable[[Arrays], Pairs] = _nothing
    parts: list[Port] = field(default_factory=list)
    trainable: bool = True

    def slots(self) -> tuple[list[Slot], list[Slot]]:
        """The weights in Keras 1's order: all that train, then all others."""
        if self.parts:
            inside = [part.slots() for part in self.parts]
            return [s for t, _ in inside for s in t], [s for _, f in inside for s in f]
        trained, fixed = ([(self, key) for key in keys] for keys in self.keys())
        return (trained, fixed) if self.trainable else ([], trained + fixed)

    def __call__(self, inputs: Any) -> Any:
        """The outputs for symbolic inputs, one or a list."""
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs


class Node:
    """A layer's class and config in a file of Keras 1."""

    def __init__(self, kind: str, config: dict[str, Any], origin: Origin) -> None:
        self.kind, self.config, self.origin = kind, config, origin

    def __getitem__(self, key: str) -> Any:
        return self.config[key]

    def get(self, key: str, default: Any = None) -> Any:
        """An argument, or the default of the releases that did not have it."""
        return self.config.get(key, default)

    @property
    def name(self) -> str:
        """The layer's name in the file."""
        return str(self.config["name"])

    @property
    def th(self) -> bool:
        """Whether the channels stand before the spatial axes."""
        ordering = self.get("dim_ordering", self.origin.ordering)
        if ordering not in ("th", "tf"):
            raise ValueError(f"dim_ordering must be 'th' or 'tf', got {ordering!r}")
        return bool(ordering == "th")

    @property
    def data_format(self) -> str:
        """`dim_ordering` by Keras 3's name."""
        return "channels_first" if self.th else "channels_last"

    def base(self) -> dict[str, Any]:
        """The arguments of every layer."""
        return {"name": keras_name(self.name), "trainable": bool(self.get("trainable", True))}

    def activation(self, key: str = "activation") -> Any:
        """The function of that name, with Keras 1's law."""
        name = self.get(key) or "linear"
        if name == "hard_sigmoid":
            return hard_sigmoid
        return name if name in _ACTIVATIONS else self._custom(name, key)

    def scheme(self, role: str) -> Any:
        """The initializer of a weight, by its role in Keras 3."""
        return self._scheme(schemes(self.kind, self.config, self.origin.version)[role], "init")

    def named_scheme(self, key: str) -> Any:
        """The initializer that an argument names."""
        return self._scheme(NAMES[self[key]]() if self[key] in NAMES else self[key], key)

    def _scheme(self, found: Any, key: str) -> Any:
        return found if callable(found) else self._custom(found, key)

    def _custom(self, name: Any, key: str) -> Any:
        found = self.origin.custom_objects.get(name) if isinstance(name, str) else None
        if found is None:
            raise ValueError(f"custom_objects must have the {key} {name!r}")
        return found

    def regularizer(self, key: str) -> Any:
        """A penalty of Keras 1 as Keras 3's."""
        found = self.get(key)
        if not found:
            return None
        if not {found["name"]} <= _REGULARIZERS:
            raise ValueError(f"{key} must be one that Keras 3 has, got {found['name']!r}")
        return keras.regularizers.L1L2(float(found.get("l1", 0.0)), float(found.get("l2", 0.0)))

    def constraint(self, key: str, order: Sequence[int] | None = None) -> Any:
        """A constraint of Keras 1; `order` are the axes of its weight that Keras 3's weight has."""
        found = self.get(key)
        if not found:
            return None
        name, axis = found["name"], found.get("axis", 0)
        if name == "NonNeg":
            return keras.constraints.NonNeg()
        axes = [int(a) for a in (axis if isinstance(axis, list) else [axis])]
        if order is not None:
            axes = [list(order).index(a) for a in axes if a in order]
        if not axes:
            raise ValueError(f"{key} must be over an axis that Keras 3's weight has, got {axis!r}")
        if name == "MaxNorm":
            return keras.constraints.MaxNorm(found["m"], axes)
        if name == "UnitNorm":
            return keras.constraints.UnitNorm(axes)
        if name == "MinMaxNorm":
            bounds = (found["low"], found["high"], found["rate"])
            return keras.constraints.MinMaxNorm(*bounds, axis=axes)
        raise ValueError(f"{key} must be one that Keras 3 has, got {name!r}")

    def affine(self, kernel: str = "kernel", order: Sequence[int] | None = None) -> dict[str, Any]:
        """The arguments that all layers with a kernel and a bias share."""
        return {
            **self.base(),
            "activation": self.activation(),
            "use_bias": self.bias,
            f"{kernel}_initializer": self.scheme(kernel),
            f"{kernel}_regularizer": self.regularizer("W_regularizer"),
            f"{kernel}_constraint": self.constraint("W_constraint", order),
            "bias_regularizer": self.regularizer("b_regularizer"),
            "bias_constraint": self.constraint("b_constraint"),
            "activity_regularizer": self.regularizer("activity_regularizer"),
        }

    @property
    def bias(self) -> bool:
        """Whether the layer has one; early releases always had."""
        return bool(self.get("bias", True))

    def port(
        self,
        layers: list[keras.Layer],
        trained: Sequence[str] = (),
        fixed: Sequence[str] = (),
        values: Callable[[Arrays], Pairs] = _nothing,
    ) -> Port:
        """These layers for this node."""
        keys = (list(trained), list(fixed))
        return Port(
            *(self.name, self.kind, layers, lambda: keys, values),
            # Until 1.0.6 a layer's weights kept their place when it was frozen.
            trainable=bool(self.get("trainable", True)) or self.origin.version < (1, 0, 7),
        )

    def recorded_shape(self, weight: str) -> tuple[int, ...] | None:
        """The shape of a weight of this layer in the file, None where there is none."""
        shapes = self.origin.shapes
        name = f"{self.name}_{weight}"
        return shapes.get(name, shapes.get(f"{name}:0"))


def keras_name(name: str) -> str:
    """A name that Keras 3 takes; it forbids the slash."""
    return name.replace("/", "_")


_ACTIVATIONS = frozenset(
    {"linear", "softmax", "elu", "softplus", "softsign", "relu", "tanh", "sigmoid"}
)
_REGULARIZERS = {"L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer"}
