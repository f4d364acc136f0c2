"""Whether a layer that Keras does not have multiplies its input with its weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.models.flow.guards import assign_in_call, read
from keras_inits.models.weights.scalable import ScalableWeights

ops = keras.ops
_NOTHING = 1e-4  # of the output's size: beyond rounding, also in half precision


def multiplies_its_input(
    scalable: ScalableWeights, call: Callable[..., Any], args: Any, kwargs: Any
) -> bool:
    """Whether the output vanishes with the weight and depends on the input, both seen by running.

    So a table that is added to the input, or that stands for positions whatever the input, is no
    kernel; one whose rows the input looks up is. The weights are as before afterwards.
    """
    variables = [weight.variable for weight in scalable.weights]
    variables += [] if scalable.bias is None else [scalable.bias]
    before = [(variable, read(variable)) for variable in variables]
    try:
        if scalable.bias is not None:
            assign_in_call(scalable.bias, np.zeros(scalable.bias.shape))
        last = scalable.weight.variable
        if not before[len(scalable.weights) - 1][1].any():
            assign_in_call(last, np.full(last.shape, 0.1))  # zeros would tell nothing
        full = _numbers(call(*args, **kwargs))
        if full is None:
            return True  # the visit will say what is wrong with the output
        at_zero_input = _numbers(call(*_zeros(args), **_zeros(kwargs)))
        assign_in_call(last, np.zeros(last.shape))
        at_zero_weight = _numbers(call(*args, **kwargs))
    finally:
        for variable, value in before:
            assign_in_call(variable, value)
    if at_zero_weight is None or at_zero_input is None:
        return False
    size = _NOTHING * np.abs(full).max(initial=0.0)
    vanishes = np.abs(at_zero_weight).max(initial=0.0) <= size
    return bool(vanishes and np.abs(full - at_zero_input).max(initial=0.0) > size)


def _numbers(y: Any) -> np.ndarray | None:
    if not ops.is_tensor(y) or "float" not in keras.backend.standardize_dtype(y.dtype):
        return None
    return np.asarray(ops.convert_to_numpy(ops.cast(y, "float32")))


def _zeros(inputs: Any) -> Any:
    return keras.tree.map_structure(
        lambda leaf: ops.zeros_like(leaf) if ops.is_tensor(leaf) else leaf, inputs
    )
