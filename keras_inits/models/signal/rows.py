"""The rows of a signal report, from what was recorded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.models.flow.places import Place
from keras_inits.models.flow.record import Recorded
from keras_inits.models.signal.activations import bounds, name_of
from keras_inits.models.signal.growth import Growth, growth
from keras_inits.models.signal.statistics import (
    Statistics,
    deviation_and_size,
    share_saturated,
    statistics,
)
from keras_inits.models.variables.walk import Slot


@dataclass(frozen=True)
class SignalRow:
    """A call of a layer: figures of its output, over samples, positions and units.

    Shares are from 0 to 1. `rank` is the participation ratio of the units' covariance, at most
    `width`; `correlation` the largest absolute one between two units; `saturated` the share within
    a hundredth of a bounded activation's bounds; `dead` the share of units with one value on the
    whole batch. `gradient_std` is of the loss's gradient at the output. `chi` is the ratio of the
    second moment to that of the weighted layer before, `chi_backward` that of the gradient's squared
    norm to that of the weighted layer after; both of layers with a kernel alone.
    """

    path: str
    layer: str
    shape: tuple[int, ...]
    mean: float | None
    std: float | None
    second_moment: float | None
    zeros: float | None
    saturated: float | None
    dead: float | None
    rank: float | None
    width: int
    correlation: float | None
    gradient_std: float | None = None
    chi: float | None = None
    chi_backward: float | None = None


@dataclass(frozen=True)
class WeightRow:
    """A weight: its standard deviation, its gradient's, and the ratio of gradient to weight, in norm."""

    path: str
    shape: tuple[int, ...]
    std: float
    gradient_std: float | None
    ratio: float | None


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of one call: its place, whether the layer has a kernel, and the figures."""

    place: Place
    kernel: bool
    shape: tuple[int, ...]
    statistics: Statistics
    saturated: float | None
    gradient_std: float | None
    gradient_norm2: float | None
    path: str


def look(place: Place, output: Any) -> tuple[tuple[int, ...], Statistics, float | None]:
    """What is kept of an output: shape, statistics, share of saturated entries."""
    channels_first = getattr(place.layer, "data_format", None) == "channels_first"
    axis = 1 if channels_first and len(output.shape) > 2 else -1
    limits = bounds(place.layer)
    saturated = None if limits is None else share_saturated(output, *limits)
    shape = tuple(output.shape)
    if (axes := _unit_axes(place.layer)) > 1:
        output = keras.ops.reshape(output, (*shape[:-axes], math.prod(shape[-axes:])))
    return shape, statistics(output, axis), saturated


def _unit_axes(layer: Any) -> int:
    """How many last axes number the units: heads and their channels in attention."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return 1
    taken, _, given = layer.equation.replace(" ", "").partition("->")
    new = [letter not in taken.partition(",")[0] for letter in given]
    return next((i for i, is_new in enumerate(reversed(new)) if not is_new), len(new))


def seen(recorded: Recorded, kernels: set[int]) -> list[Seen]:
    """The calls, those of one layer numbered; of the steps of a recurrent layer the last alone."""
    times: dict[int, int] = {}
    found = []
    steps = {id(call.place.layer): call for call in recorded.calls if _is_step(call.place)}
    for call in recorded.calls:
        key = id(call.place.layer)
        if key in steps and steps[key] is not call:
            continue
        times[key] = times.get(key, 0) + 1
        path = call.place.path + (f"#{times[key]}" if times[key] > 1 else "")
        shape, figures, saturated = call.seen
        std = norm2 = None
        if call.gradient is not None:
            std, size = deviation_and_size(call.gradient)
            norm2 = size**2 * math.prod(shape)
        found.append(Seen(call.place, key in kernels, shape, figures, saturated, std, norm2, path))
    return found


def _is_step(place: Place) -> bool:
    return any(isinstance(layer, keras.layers.RNN) for layer in place.around)


def rows(calls: Sequence[Seen]) -> list[SignalRow]:
    """A row for each call."""
    weighted = [i for i, call in enumerate(calls) if call.kernel]
    before = dict(zip(weighted[1:], weighted, strict=False))
    after = dict(itertools.pairwise(weighted))

    def ratio(values: Sequence[float | None], i: int, j: int | None) -> float | None:
        over, under = values[i], None if j is None else values[j]
        return None if over is None or not under else _finite(over / under)

    moments = [call.statistics.second_moment for call in calls]
    norms = [call.gradient_norm2 for call in calls]
    return [
        SignalRow(
            path=call.path,
            layer=type(call.place.layer).__name__,
            shape=call.shape,
            **{
                name: _finite(getattr(call.statistics, name))
                for name in ("mean", "std", "second_moment", "zeros", "dead", "rank", "correlation")
            },
            saturated=call.saturated,
            width=call.statistics.width,
            gradient_std=_finite(call.gradient_std),
            chi=ratio(moments, i, before.get(i)),
            chi_backward=ratio(norms, i, after.get(i)),
        )
        for i, call in enumerate(calls)
    ]


def along_depth(calls: Sequence[Seen]) -> list[Seen]:
    """The weighted layers, without a last one that squashes the output, which tells nothing of depth."""
    weighted = [call for call in calls if call.kernel]
    if weighted and name_of(weighted[-1].place.layer) in ("softmax", "sigmoid"):
        weighted.pop()
    return weighted


def growths(calls: Sequence[Seen]) -> tuple[Growth | None, Growth | None]:
    """Of the signal and of the gradient."""
    weighted = along_depth(calls)
    forward = growth("signal", [call.statistics.second_moment for call in weighted])
    backward = growth("gradient", [call.gradient_norm2 for call in reversed(weighted)])
    return forward, backward


def weight_rows(recorded: Recorded, slots: dict[int, Slot]) -> list[WeightRow]:
    """A row for each trainable variable, in the model's order."""
    found = []
    for variable, gradient in recorded.weights:
        std, size = deviation_and_size(variable.value)
        at = ratio = None
        if gradient is not None:
            at, step = deviation_and_size(gradient)
            ratio = step / size if size > 0 else None
        slot = slots.get(id(variable))
        path = variable.path if slot is None else slot.path
        found.append(WeightRow(path, tuple(variable.shape), std, _finite(at), _finite(ratio)))
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
