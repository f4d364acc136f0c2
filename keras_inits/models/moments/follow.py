"""A model's steps in their order: the scale that each weight needs, from the moments of what comes to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from keras_inits.models.moments.arithmetic import Unfollowed, entrywise, through
from keras_inits.models.moments.signal import Signal, gaussian
from keras_inits.models.moments.steps import Unknown, after
from keras_inits.models.moments.weighted import Weighted, as_tensor, weighted
from keras_inits.models.residual.trace import Step, Trace, told


@dataclass
class Followed:
    """Standard deviations by weight, the biases to be 0, and why the other weights keep their start."""

    stds: dict[int, float] = field(default_factory=dict)
    zeroed: set[int] = field(default_factory=set)
    kept: dict[int, str] = field(default_factory=dict)


def input_signal(symbolic: Any, data: Any) -> Signal:
    """Of an input: of its data where there are some, else mean 0 and variance 1, all independent."""
    shape = tuple(symbolic.shape)
    origins = frozenset({id(symbolic)})
    if data is None:
        return gaussian(0.0, 1.0, 0.0, np.ones(shape, "float32"), origins)
    x = np.asarray(keras.ops.convert_to_numpy(data), "float64")
    squares = (x**2).mean(axis=0, keepdims=True)
    second = float(squares.mean())
    profile = np.broadcast_to(squares / second if second else squares + 1, shape)
    places = math.prod(x.shape[1:-1])
    shared = float(x.mean()) ** 2
    if places > 1:  # the mean product of two positions of a channel
        flat = x.reshape(len(x), places, -1)
        sums = (flat.sum(axis=1) ** 2).mean() - places * second
        shared = float(sums / (places * (places - 1)))
    return gaussian(float(x.mean()), second, shared, profile, origins)


def follow(found: Trace, data: Sequence[Any]) -> Followed:
    """Take the moments of the inputs through the steps; None among `data` is an input of mean 0 and variance 1."""
    result = Followed()
    signals: dict[int, Signal | Unknown] = {
        id(symbolic): input_signal(symbolic, values)
        for symbolic, values in zip(found.inputs, data, strict=True)
        if "float" in keras.backend.standardize_dtype(symbolic.dtype)
    }
    last = {id(t): i for i, step in enumerate(found.steps) for t in step.inputs}
    for i, step in enumerate(found.steps):
        known = [signals.get(id(t), _unseen(t)) for t in step.inputs]
        try:
            made = _after(step, known, result)
        except Exception as error:  # an operation may be anyone's
            reason = str(error) if isinstance(error, Unfollowed) else _failed(step, error)
            origins = frozenset().union(*(one.origins for one in known))
            made = [Unknown(reason, origins) for _ in step.outputs]
            for variable in step.matrices:
                if id(variable) not in result.stds:
                    result.kept.setdefault(id(variable), reason)
        signals.update(zip(map(id, step.outputs), made, strict=True))
        for tensor in step.inputs:
            if last[id(tensor)] == i:
                signals.pop(id(tensor), None)
    return result


def _unseen(tensor: Any) -> Unknown:
    return Unknown("an input of integers cannot be followed", frozenset({id(tensor)}))


def _failed(step: Step, error: Exception) -> str:
    return f"{step.kind} cannot be followed: {told(error)}"


def _after(step: Step, known: list[Any], result: Followed) -> list[Any]:
    multiplies = weighted(step)
    if multiplies is None:
        return list(after(step, known, result.zeroed))
    (given,) = known
    if step.kind == "Embedding":
        given = gaussian(0, 1, 0, np.ones((*step.inputs[0].shape, 1), "float32"), frozenset())
    if isinstance(given, Unknown):
        raise Unfollowed(given.reason)
    return [_weighted(step, multiplies, given, result)]


def _weighted(step: Step, multiplies: Weighted, given: Signal, result: Followed) -> Signal:
    variable, fan = multiplies.weights[-1]
    for one, _ in multiplies.weights:
        if not one.trainable:
            raise Unfollowed(f"{one.path} is frozen: what it gives is not known")
    if step.kind == "Embedding":
        profile = along = np.ones(step.outputs[0].shape, "float32")
    else:
        profile, along = (
            multiplies.spread(as_tensor(one, step.inputs[0]))
            for one in (given.profile, given.with_channel)
        )
    size, second = float(profile.mean()), given.second
    if not (size > 0 and math.isfinite(size) and second > 0 and math.isfinite(second)):
        raise Unfollowed("what comes to it has no finite second moment > 0")
    wanted = 1 / (fan * size * second)
    if id(variable) not in result.stds:
        for one, own_fan in multiplies.weights[:-1]:
            result.stds[id(one)] = own_fan**-0.5
        result.stds[id(variable)] = math.sqrt(wanted)
        result.kept.pop(id(variable), None)
        if multiplies.bias is not None and multiplies.bias.trainable:
            result.zeroed.add(id(multiplies.bias))
    reached = result.stds[id(variable)] ** 2 / wanted  # of a shared layer the first call decides
    # Of two positions, each without some inputs at the border, fewer inputs meet the same weights.
    both = float(along.mean())
    shared = reached * given.shared / second * min(both**2 / size, 1.0)
    origins = frozenset({id(variable)})
    made = gaussian(0.0, reached, shared, profile / size, origins, given.alike)
    made = replace(made, along=along / (both or 1.0))
    activation = getattr(step.operation, "activation", None)
    if activation is None or activation is keras.activations.linear:
        return made
    name = getattr(activation, "__name__", type(activation).__name__)
    return through(made, entrywise(activation, name))
