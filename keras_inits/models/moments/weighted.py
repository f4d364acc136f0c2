"""A step that multiplies by weights: which ones, and how many entries of its input add up in its output."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.models.flow.guards import shadow
from keras_inits.models.residual.trace import Step, is_matrix
from keras_inits.models.weights.scalable import ScalableWeights, scalable_weights

_CONTRACTIONS = frozenset({"Matmul", "Einsum", "Dot", "Tensordot", "Conv", "DepthwiseConv"})


@dataclass(frozen=True)
class Weighted:
    """The weights of a step, of which the last one takes the scale; the others have variance 1/fan_in.

    `spread` gives, of the second moments of the input's entries, those of the output's for weights
    whose last one has variance 1/fan_in.
    """

    weights: list[tuple[Any, float]]
    bias: Any
    spread: Callable[[Any], np.ndarray]


def weighted(step: Step) -> Weighted | None:
    """What a step multiplies by, or None where it does not or how is not known."""
    if isinstance(step.operation, keras.layers.Layer):
        found = scalable_weights(step.operation, step.operation.variables)
        if not isinstance(found, ScalableWeights) or found.guessed:
            return None
        return _of_layer(step.operation, found)
    matrices = step.matrices
    if step.kind not in _CONTRACTIONS or len(step.inputs) != 1 or len(matrices) != 1:
        return None
    return _of_operation(step, matrices[0])


def _of_layer(layer: Any, found: ScalableWeights) -> Weighted:
    weights = [(w.variable, float(w.geometry.fan_in)) for w in found.weights]

    def spread(profile: Any) -> np.ndarray:
        values = {id(v): np.full(v.shape, 1 / fan) for v, fan in weights}

        def given(variables: list[Any]) -> list[Any]:
            return [
                keras.ops.convert_to_tensor(values.get(id(v), np.zeros(v.shape)), v.dtype)
                for v in variables
            ]

        with ExitStack() as stack:
            if found.overrides:
                stack.enter_context(shadow(layer, **found.overrides))
            moved, _ = layer.stateless_call(
                given(layer.trainable_variables), given(layer.non_trainable_variables), profile
            )
        return as_array(moved)

    return Weighted(weights, found.bias, spread)


def _of_operation(step: Step, matrix: Any) -> Weighted | None:
    leaves = keras.tree.flatten(step.given)
    kernels = [leaf for leaf in leaves if _is_matrix(leaf)]
    if len(kernels) != 1:
        return None
    shape = tuple(kernels[0].shape)
    if np.prod(shape) != np.prod(matrix.shape):  # a part of it
        return None
    fan = float(np.prod(shape) / shape[-1])

    def spread(profile: Any) -> np.ndarray:
        kernel = keras.ops.full(shape, 1 / fan, dtype=profile.dtype)

        def put(leaf: Any) -> Any:
            if isinstance(leaf, keras.KerasTensor):
                return profile
            return kernel if leaf is kernels[0] else leaf

        args, kwargs = keras.tree.map_structure(put, step.given)
        return as_array(step.operation(*args, **kwargs))

    owner = step.layers[-1] if step.layers else None
    bias = getattr(owner, "bias", None)
    bias = bias if any(bias is v for v in getattr(owner, "variables", ())) else None
    return Weighted([(matrix, fan)], bias, spread)


def _is_matrix(leaf: Any) -> bool:
    tensor = isinstance(leaf, (keras.Variable, np.ndarray)) or keras.ops.is_tensor(leaf)
    return tensor and not isinstance(leaf, keras.KerasTensor) and is_matrix(leaf)


def as_array(tensor: Any) -> np.ndarray:
    """A tensor of the backend's as an array in float32."""
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def as_tensor(profile: np.ndarray, symbolic: Any) -> Any:
    """A profile as a tensor of a symbolic one's shape and dtype."""
    dtype = keras.backend.standardize_dtype(symbolic.dtype)
    full = np.ascontiguousarray(np.broadcast_to(profile, symbolic.shape), "float32")
    return keras.ops.cast(full, dtype) if "float" in dtype else keras.ops.convert_to_tensor(full)
