"""Pooling over positions: the largest and the mean of a window's entries."""

from __future__ import annotations

import math
from functools import partial

import keras
import numpy as np

from keras_inits.models.moments import signal as signals
from keras_inits.models.moments.arithmetic import Unfollowed, says
from keras_inits.models.moments.signal import Signal
from keras_inits.models.moments.weighted import as_array, as_tensor
from keras_inits.models.residual.trace import Step

ops = keras.ops

# Whether it takes the largest, by the step's kind.
POOLS = {
    name: largest
    for kind, largest in (("Max", True), ("Average", False))
    for name in (
        f"{kind}Pool",
        *(f"{place}{kind}Pooling{rank}D" for place in ("", "Global") for rank in (1, 2, 3)),
    )
} | {"Max": True, "Amax": True, "Mean": False}


def pooled(step: Step, signal: Signal) -> Signal:
    """What a pooling step makes of the signal; raises Unfollowed."""
    if not signal.alike:
        raise Unfollowed(says(step, "pools positions that do not all relate alike"))
    if getattr(step.operation, "pool_size", None) is None:
        profile, counts = _of_all(step, signal)
    else:
        profile, counts = _of_windows(step, signal)
    pool = signals.largest if POOLS[step.kind] else signals.averaged
    return signals.spread_over(partial(pool, signal), counts, profile)


def _of_windows(step: Step, signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    """(the mean profile of each window, how many entries it has: fewer at a border)."""
    operation, before, made = step.operation, step.inputs[0].shape, step.outputs[0].shape
    first = operation.data_format == "channels_first"
    places = range(2, len(before)) if first else range(1, len(before) - 1)
    sizes, strides = (
        (one,) * len(places) if isinstance(one, int) else tuple(one)
        for one in (operation.pool_size, operation.strides or operation.pool_size)
    )
    profile = ops.average_pool(
        as_tensor(signal.profile, step.inputs[0]),
        sizes,
        strides,
        operation.padding,
        operation.data_format,
    )
    counts = np.ones(made)
    for axis, size, stride in zip(places, sizes, strides, strict=True):
        length, windows = before[axis], made[axis]
        missing = max((windows - 1) * stride + size - length, 0)  # what "same" padding adds
        start = np.arange(windows) * stride - missing // 2
        inside = np.minimum(start + size, length) - np.maximum(start, 0)
        counts *= inside.reshape([-1 if i == axis else 1 for i in range(len(made))])
    return as_array(profile), counts


def _of_all(step: Step, signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    """Likewise where all positions are pooled."""
    operation, before, made = step.operation, step.inputs[0], step.outputs[0]
    axis = getattr(operation, "axis", None)
    first = getattr(operation, "data_format", keras.config.image_data_format())
    channel = 1 if first == "channels_first" else len(before.shape) - 1
    places = [i for i in range(1, len(before.shape)) if i != channel]
    if axis is not None:
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        if sorted(i % len(before.shape) for i in axes) != places:
            raise Unfollowed(says(step, "does not pool over positions alone"))
    elif "Global" not in step.kind:
        raise Unfollowed(says(step, "does not pool over positions alone"))
    count = math.prod(before.shape) / math.prod(made.shape)
    profile = ops.reshape(ops.mean(as_tensor(signal.profile, before), axis=places), made.shape)
    return as_array(profile), np.full(made.shape, count)
