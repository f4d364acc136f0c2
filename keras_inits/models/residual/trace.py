"""The operations that a model computes, followed through the `call` of its layers.

The model is called on symbolic tensors, as if its layers' `call` methods stood in a functional model:
no weight is read, no value computed, on every backend alike. A layer of `keras.layers` is one step, and
so is an operation of `keras.ops`; any other layer is opened. One whose `call` leaves these (it
uses the backend's own functions, or asks for values) stays closed and is named in `closed`.
"""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_inits import host
from keras_inits.host.hooks import symbolic_calls
from keras_inits.models.flow.batch import one_line
from keras_inits.models.flow.places import places
from keras_inits.models.variables.origin import is_unbuilt
from keras_inits.models.weights.layers import ATTENTION

_L = keras.layers
# Layers of `keras.layers` that are made of others, or call what a user wrote.
_OPENED = (*ATTENTION, _L.EinsumDense, _L.Lambda, keras.Model)

SUMS = frozenset({"Add", "Subtract"})
PRODUCTS = frozenset({"Multiply", "Divide", "TrueDivide"})


@dataclass(eq=False)
class Step:
    """One operation: `inputs` and `outputs` are symbolic tensors, `weights` the variables that it uses.

    `constants` are the other numbers that it was given; `layers` are the opened layers that it runs
    in, outermost first; `given` are the arguments (args, kwargs) that it was called with.
    """

    operation: Any
    inputs: list[Any]
    weights: list[Any]
    constants: list[Any]
    outputs: list[Any]
    layers: tuple[Any, ...]
    given: Any

    @property
    def kind(self) -> str:
        """The name of its class: "Dense", "Add", "Einsum"."""
        return type(self.operation).__name__

    @property
    def matrices(self) -> list[Any]:
        """Those of its weights that are matrices: not what it adds or multiplies entry by entry."""
        entrywise = self.kind in SUMS | PRODUCTS
        return [] if entrywise else [weight for weight in self.weights if is_matrix(weight)]


@dataclass
class Trace:
    """The steps of a model in their order, what it takes and gives, and the layers that stayed closed and why."""

    inputs: list[Any] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    closed: list[tuple[Any, str]] = field(default_factory=list)
    #: The ids of all layers that were called, and of those that were followed inside.
    called: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)

    def knows(self, layer: Any) -> bool:
        """Whether all that a layer calls is known: it was followed, or nothing calls it."""
        return id(layer) in self.opened or id(layer) not in self.called


def is_matrix(weight: Any) -> bool:
    """Whether a weight has two axes or more along which it differs."""
    return sum(size != 1 for size in weight.shape) > 1


def trace(model: Any, inputs: Any, training: bool = False) -> Trace:
    """Follow `model` on symbolic `inputs`: KerasTensors in the structure that it takes.

    With `training` as a training step calls it; then all layers must open.
    """
    found = _Follower(model, training)

    def run() -> None:
        with (
            warnings.catch_warnings(),
            keras.StatelessScope(),  # what calls assign to the model's states is dropped
            symbolic_calls(found.call, found.operation),
        ):
            warnings.simplefilter("ignore")  # of masks, which are not followed
            outputs = keras.tree.flatten(model(inputs))
            found.trace.inputs = keras.tree.flatten(inputs)
            found.trace.outputs = [t for t in outputs if isinstance(t, keras.KerasTensor)]

    host.in_fresh_state(run)
    return found.trace


class _Follower:
    def __init__(self, model: Any, training: bool) -> None:
        self.model = model
        self.trace = Trace()
        self.layers: list[Any] = []
        self.given = {"training": True} if training else {}

    def call(self, original: Any, layer: Any, args: Any, kwargs: Any) -> Any:
        """What a layer gives: opened, or as one step."""
        made_here = is_unbuilt(layer)
        if made_here and id(layer) in self.held:
            raise ValueError(f"layer {layer.name!r} is not built")
        self.trace.called.add(id(layer))
        if not made_here and _is_opened(layer):
            try:
                return self._open(layer, args, kwargs)
            except Exception as error:
                if self.given:
                    raise
                self.trace.opened.discard(id(layer))
                self.trace.closed.append((layer, told(error)))
        outputs = original(*args, **kwargs)
        if _has_unknown(outputs) and not _has_unknown((args, kwargs)):
            return self._open(layer, args, kwargs)  # shapes of its build, not of these inputs
        self._add(layer, (args, kwargs), outputs, [v for v in layer.variables if _is_float(v)])
        return outputs

    @cached_property
    def held(self) -> set[int]:
        """The layers of the model; others were made by the call that calls them."""
        return {id(place.layer) for place in places(self.model)}

    def operation(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        """Take down an operation of `keras.ops`."""
        if not isinstance(operation, _L.Layer):
            self._add(operation, (args, kwargs), outputs, [])

    def _open(self, layer: Any, args: Any, kwargs: Any) -> Any:
        steps, closed = len(self.trace.steps), len(self.trace.closed)
        self.layers.append(layer)
        try:
            outputs = layer.call(*args, **_accepted(layer.call, kwargs | self.given))
            self.trace.opened.add(id(layer))
            return outputs
        except Exception:
            del self.trace.steps[steps:], self.trace.closed[closed:]
            raise
        finally:
            self.layers.pop()

    def _add(self, operation: Any, given: Any, outputs: Any, weights: list[Any]) -> None:
        leaves = keras.tree.flatten(given)
        inputs = [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]
        weights, constants = [*weights], []
        for leaf in leaves:
            if isinstance(leaf, keras.Variable):
                weights.append(leaf)
            elif keras.ops.is_tensor(leaf) or isinstance(leaf, (np.ndarray, float, int)):
                weight = self._weight_of(leaf)
                constants += [leaf] if weight is None else []
                weights += [] if weight is None else [weight]
        made = [leaf for leaf in keras.tree.flatten(outputs) if isinstance(leaf, keras.KerasTensor)]
        step = Step(operation, inputs, weights, constants, made, tuple(self.layers), given)
        self.trace.steps.append(step)

    def _weight_of(self, tensor: Any) -> Any:
        """The matrix that a tensor was made of: cast, transposed, reshaped, or cut out of it."""
        if not (
            self.layers and hasattr(tensor, "dtype") and is_matrix(tensor) and _is_float(tensor)
        ):
            return None
        inside = [v for v in self.layers[-1].variables if len(v.shape) > 1 and _is_float(v)]
        # The smallest that has such entries: zeros may be a part of any other zeros.
        found = min(
            (v for v in inside if _holds(v, tensor)), key=lambda v: math.prod(v.shape), default=None
        )
        return found if found is not None and is_matrix(found) else None


def _is_opened(layer: Any) -> bool:
    return isinstance(layer, _OPENED) or getattr(_L, type(layer).__name__, None) is not type(layer)


def _accepted(call: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Without what Keras takes off the arguments before it calls a layer that has no use for them."""
    parameters = inspect.signature(call).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return kwargs
    names = {p.name for p in parameters}
    return {k: v for k, v in kwargs.items() if k in names or k not in ("training", "mask")}


def _has_unknown(tensors: Any) -> bool:
    leaves = keras.tree.flatten(tensors)
    return any(None in leaf.shape for leaf in leaves if isinstance(leaf, keras.KerasTensor))


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _holds(variable: Any, tensor: Any) -> bool:
    """Whether the tensor's entries are some of the variable's, once or for every sample."""
    size, whole = math.prod(tensor.shape), math.prod(variable.shape)
    if size > whole:
        of_samples = len(tensor.shape) >= len(variable.shape)
        return of_samples and math.prod(tensor.shape[1:]) >= whole and _holds(variable, tensor[0])
    of_rows = tuple(tensor.shape[-1:]) == tuple(variable.shape[-1:])
    if not size or (whole % size and not of_rows):
        return False
    entries = keras.ops.cast(variable.value, tensor.dtype)
    values, entries = (
        keras.ops.convert_to_numpy(keras.ops.cast(t, "float32")) for t in (tensor, entries)
    )
    return bool(np.isin(values.ravel()[:: max(1, size // 64)], entries).all())


def told(error: Exception) -> str:
    """The error's class and what it says, short."""
    return f"{type(error).__name__}: {one_line(error)}"[:200]
