"""Entry by entry: activations, and sums and products of signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.models.moments import signal as signals
from keras_inits.models.moments.signal import Signal, gaussian
from keras_inits.models.moments.together import product, total
from keras_inits.models.moments.weighted import as_array
from keras_inits.models.residual.trace import Step

ops = keras.ops


class Unfollowed(Exception):
    """The reason why what a step gives is not known."""


def call(step: Step, tensors: list[Any], constants: Callable[[Any], Any] | None = None) -> Any:
    """The step's operation on tensors in the place of its symbolic ones, in their order."""
    left = iter(tensors)

    def put(leaf: Any) -> Any:
        if isinstance(leaf, keras.KerasTensor):
            return next(left)
        return leaf if constants is None else constants(leaf)

    args, kwargs = keras.tree.map_structure(put, step.given)
    return step.operation(*args, **kwargs)


def through(signal: Signal, function: Callable[[np.ndarray], np.ndarray]) -> Signal:
    """`function`, which acts entry by entry, of the signal."""
    new = signal.of(function(signal.table))
    profile, along = (
        signal.profile.ravel(),
        np.broadcast_to(signal.with_channel, signal.profile.shape).ravel(),
    )
    least, most = float(profile.min()), float(profile.max())
    if most - least < 1e-6 or not new.second > 0:
        return new
    sizes = np.linspace(least, most, 9)
    order = np.argsort(profile, kind="stable")
    with_channel = np.interp(sizes, profile[order], along[order])
    placed = [signal.of(function(signal.at(*one))) for one in zip(sizes, with_channel, strict=True)]
    return signals.placed(new, placed, sizes, signal.profile)


def entrywise(function: Callable[..., Any], name: str) -> Callable[..., np.ndarray]:
    """`function` of tensors as one of arrays; raises Unfollowed where it mixes entries."""

    def on(*tables: np.ndarray) -> np.ndarray:
        flat = [ops.convert_to_tensor(table.reshape(1, -1).astype("float32")) for table in tables]
        values = ops.convert_to_numpy(function(*flat))
        if values.shape != (1, tables[0].size):
            raise Unfollowed(f"{name} does not act entry by entry")
        return values.astype("float64").reshape(tables[0].shape)

    def checked(*tables: np.ndarray) -> np.ndarray:
        probes = [np.linspace(-2.0, 2.0 + i, 8) for i in range(len(tables))]
        whole = on(*probes)
        first, turned = on(*(p[:3] for p in probes)), on(*(p[::-1] for p in probes))
        if not (_are_equal(first, whole[:3]) and _are_equal(turned, whole[::-1])):
            raise Unfollowed(f"{name} does not act entry by entry")
        return on(*tables)

    return checked


def _are_equal(values: np.ndarray, others: np.ndarray) -> bool:
    return np.allclose(values, others, rtol=1e-3, atol=1e-3, equal_nan=True)


def combined(step: Step, inputs: list[Signal], zeroed: set[int]) -> Signal:
    """Activations and arithmetic: of one latent entry by entry, of independent ones by their moments."""
    first = inputs[0]
    operands = [_operand(leaf, inputs, zeroed, step) for leaf in _operands(step, inputs)]
    constant = [one for one in operands if isinstance(one, float)]
    same = all(isinstance(one, float) or one.latent is first.latent for one in operands)
    if same and all(np.array_equal(s.profile, first.profile) for s in inputs):
        return _entry_by_entry(step, inputs, zeroed)
    shape = tuple(step.outputs[0].shape)
    parts = [_spread(one, shape) for one in operands if isinstance(one, Signal)]
    profiles = [np.broadcast_to(part.profile, shape) for part in parts]
    count = sum(len(part.origins) for part in parts)
    if len(frozenset().union(*(part.origins for part in parts))) < count:
        raise Unfollowed(says(step, "has operands that depend on each other"))
    if step.kind in ("Add", "Subtract", "Average"):
        factors = [1.0] * len(parts)
        if step.kind == "Subtract" and len(parts) > 1:
            factors[1] = -1.0
        if step.kind == "Average":
            factors = [1 / len(parts)] * len(parts)
        if not any(constant):
            return total(parts, factors, profiles)
    elif step.kind == "Multiply" and not constant:
        return product(parts, profiles)
    raise Unfollowed(says(step, "cannot be followed"))


def _operands(step: Step, inputs: list[Signal]) -> list[Any]:
    """The signals and the other numbers that a step is given, in their order."""
    left = iter(inputs)
    leaves = keras.tree.flatten(step.given)
    found: list[Any] = []
    for leaf in leaves:
        if isinstance(leaf, keras.KerasTensor):
            found.append(next(left))
        elif _is_array(leaf) and step.kind in ("Add", "Subtract", "Multiply"):
            found.append(leaf)
    return found


def _operand(leaf: Any, inputs: list[Signal], zeroed: set[int], step: Step) -> Signal | float:
    if isinstance(leaf, Signal):
        return leaf
    if id(leaf) in zeroed:
        return 0.0
    array = np.asarray(as_array(leaf), "float64")
    if array.size and (array == array.flat[0]).all():
        return float(array.flat[0])
    second = float((array**2).mean())
    profile = np.broadcast_to(array**2 / second, step.outputs[0].shape)
    mean = float(array.mean())
    over_positions = array.size > array.shape[-1]
    shared = mean**2 if over_positions else second
    return gaussian(mean, second, shared, profile, frozenset({id(leaf)}))


def _entry_by_entry(step: Step, inputs: list[Signal], zeroed: set[int]) -> Signal:
    def constants(leaf: Any) -> Any:
        if id(leaf) in zeroed:
            return 0.0
        if not _is_array(leaf) or not np.ndim(leaf):
            return leaf
        array = as_array(leaf)
        return float(array.flat[0]) if (array == array.flat[0]).all() else leaf

    function = entrywise(lambda *x: call(step, list(x), constants), _name(step))
    if len(inputs) == 1:
        return through(inputs[0], function)
    return inputs[0].of(function(*(one.table for one in inputs)))


def _spread(signal: Signal, shape: tuple[int, ...]) -> Signal:
    """A signal that is repeated over positions has there the same entry."""
    own = signal.profile.shape
    padded = (1,) * (len(shape) - len(own)) + own
    if all(n == m for n, m in zip(padded, shape, strict=True)):
        return signal
    return gaussian(signal.mean, signal.second, signal.second, signal.profile, signal.origins, signal.alike)  # fmt: skip


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, (bool, keras.KerasTensor)):
        return False
    return isinstance(leaf, (int, float, np.ndarray, keras.Variable)) or ops.is_tensor(leaf)


def _name(step: Step) -> str:
    name = getattr(step.operation, "name", "") if isinstance(step.operation, keras.Layer) else ""
    return f"{step.kind} {name!r}" if name else step.kind


def says(step: Step, what: str) -> str:
    """What is to be said of a step, by its name."""
    return f"{_name(step)} {what}"
