"""Which weights of a layer data can scale, and what is measured to do so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import numpy as np

from keras_inits.models.variables.origin import quantization
from keras_inits.models.weights.geometry import Geometry, registered_geometry
from keras_inits.models.weights.layers import einsum_units, geometry_of
from keras_inits.models.weights.weight import Weight

ops = keras.ops


class Skip(Exception):
    """The reason why weights are left as they were."""


@dataclass(frozen=True, eq=False)
class ScalableWeights:
    """What is scaled at once: the last of `weights`, until the pre-activation fits.

    `overrides` are attributes that the layer has while the pre-activation is measured, `channels`
    the axes of the pre-activation that number the units. `guessed`: that the layer multiplies its
    input with the weight is yet to be seen.
    """

    layer: keras.layers.Layer
    weights: tuple[Weight, ...]
    bias: keras.Variable | None = None
    channels: tuple[int, ...] = (-1,)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    guessed: bool = False

    @property
    def weight(self) -> Weight:
        """The one that takes the factor."""
        return self.weights[-1]

    @property
    def variables(self) -> list[keras.Variable]:
        """All that scaling may change."""
        bias = [] if self.bias is None else [self.bias]
        return [*(weight.variable for weight in self.weights), *bias]

    def activates_last(self, call: Any) -> bool:
        """Whether `call` is that of one of Keras's layers, which activate what they would return."""
        cls: Any = type(self.layer)
        return cls in by_class.registry and getattr(call, "__func__", None) is cls.call


Found = ScalableWeights | str | None


def scalable_weights(layer: keras.layers.Layer, own: list[keras.Variable]) -> Found:
    """The layer's scalable weights, the reason why it has none, or None where it owns no matrix.

    `own` are the variables of the layer itself, without its sublayers'. A layer that Keras does not
    have is guessed to be scaled by the one matrix that it owns, or by the one with a geometry.
    """
    mode = quantization(layer)
    if mode and own:
        return f"quantized to {mode}; left as it was"
    return by_class(layer, own)


@singledispatch
def by_class(layer: keras.layers.Layer, own: list[keras.Variable]) -> Found:
    """As `scalable_weights`, by the layer's class; here for those that Keras does not have."""
    matrices = weight_matrices(layer, own)
    if not matrices:
        return None
    known = [(v, registered_geometry(layer, v.name, tuple(v.shape))) for v in matrices]
    weights = [Weight(v, geometry) for v, geometry in known if geometry is not None]
    if not weights:
        if len(matrices) > 1:
            names = ", ".join(v.name for v in matrices)
            return f"owns several weight matrices ({names}); left as they were"
        weights = [_plain(matrices[0])]
    bias: Any = getattr(layer, "bias", None)
    bias = bias if any(bias is v and len(v.shape) == 1 for v in own) else None
    return ScalableWeights(layer, tuple(weights), bias, overrides=_activation(layer), guessed=True)


def _plain(variable: keras.Variable) -> Weight:
    """A weight of which only the shape is known: (..., outputs)."""
    shape = tuple(variable.shape)
    return Weight(variable, Geometry(shape, tuple(range(len(shape) - 1)), (-1,)))


def unknown(layer: keras.layers.Layer, own: list[keras.Variable]) -> str | None:
    """Why weights beside sublayers, or in a cell that Keras does not have, make no unit."""
    if not weight_matrices(layer, own):
        return None
    return "how its own weights act is not known; left as they were"


def weight_matrices(layer: keras.layers.Layer, own: list[keras.Variable]) -> list[keras.Variable]:
    """Of a layer's variables those that may be kernels; a constant beside weights is none."""
    return [
        v
        for v in own
        if len(v.shape) > 1
        and _is_float(v)
        and v.name != "bias"
        and (v.trainable or not layer.trainable)
    ]


@by_class.register(keras.layers.BatchNormalization)
@by_class.register(keras.layers.GroupNormalization)
@by_class.register(keras.layers.LayerNormalization)
@by_class.register(keras.layers.Normalization)
@by_class.register(keras.layers.RMSNormalization)
@by_class.register(keras.layers.PReLU)
@by_class.register(keras.layers.SpectralNormalization)
def _none(layer: keras.layers.Layer, own: list[keras.Variable]) -> None:
    return None


@by_class.register(keras.layers.Dense)
@by_class.register(keras.layers.Conv1D)
@by_class.register(keras.layers.Conv2D)
@by_class.register(keras.layers.Conv3D)
@by_class.register(keras.layers.Conv1DTranspose)
@by_class.register(keras.layers.Conv2DTranspose)
@by_class.register(keras.layers.Conv3DTranspose)
@by_class.register(keras.layers.DepthwiseConv1D)
@by_class.register(keras.layers.DepthwiseConv2D)
def _one_kernel(layer: Any, own: list[keras.Variable]) -> Found:
    return _of_kernels(layer, own, ("kernel",), _channels(layer))


@by_class.register(keras.layers.SeparableConv1D)
@by_class.register(keras.layers.SeparableConv2D)
def _separable(layer: Any, own: list[keras.Variable]) -> Found:
    """The depthwise filters keep norm one, the pointwise kernel takes the factor."""
    return _of_kernels(layer, own, ("depthwise_kernel", "pointwise_kernel"), _channels(layer))


@by_class.register
def _einsum(layer: keras.layers.EinsumDense, own: list[keras.Variable]) -> Found:
    return _of_kernels(layer, own, ("kernel",), einsum_units(layer.equation)[2])


@by_class.register
def _embedding(layer: keras.layers.Embedding, own: list[keras.Variable]) -> Found:
    if not _is_one_of(layer.embeddings, own):
        return _NO_KERNEL
    return ScalableWeights(layer, (_weight(layer, "embeddings"),))


def cell_weights(cell: keras.layers.Layer, own: list[keras.Variable]) -> Found:
    """Of a cell of Keras: every gate of both kernels drawn alone, the input kernel takes the factor."""
    kernels = [getattr(cell, name, None) for name in ("recurrent_kernel", "kernel")]
    if not all(_is_one_of(kernel, own) for kernel in kernels):
        return unknown(cell, own)
    weights = (_weight(cell, "recurrent_kernel"), _weight(cell, "kernel"))
    return ScalableWeights(cell, weights, channels=_channels(cell))


def cells(layer: Any) -> list[Any]:
    """The cells of a recurrent layer, in the order in which they run."""
    cell = layer.cell
    return list(cell.cells) if isinstance(cell, keras.layers.StackedRNNCells) else [cell]


def projection(cell: Any, sequence: Any) -> Any:
    """What a cell's gates receive from a whole sequence, before states and biases are added."""
    if len(cell.kernel.shape) == 2:
        return ops.matmul(sequence, cell.kernel)
    steps = ops.reshape(sequence, (-1, *sequence.shape[2:]))
    return ops.conv(
        steps,
        cell.kernel,
        strides=tuple(cell.strides),
        padding=cell.padding,
        data_format=cell.data_format,
        dilation_rate=tuple(cell.dilation_rate),
    )


def _of_kernels(
    layer: Any, own: list[keras.Variable], roles: tuple[str, ...], channels: tuple[int, ...]
) -> Found:
    if not _is_one_of(getattr(layer, roles[-1]), own):
        return _NO_KERNEL
    weights = tuple(_weight(layer, role) for role in roles)
    return ScalableWeights(layer, weights, layer.bias, channels, _activation(layer))


def _weight(layer: Any, role: str) -> Weight:
    variable = getattr(layer, role)
    geometry = geometry_of(layer, role, tuple(variable.shape))
    return _plain(variable) if geometry is None else Weight(variable, geometry)


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _is_one_of(kernel: Any, own: list[keras.Variable]) -> bool:
    return any(kernel is variable and _is_float(variable) for variable in own)


_NO_KERNEL = "its kernel is another layer's or computed; left as it was"


def _channels(layer: Any) -> tuple[int, ...]:
    return (1,) if getattr(layer, "data_format", None) == "channels_first" else (-1,)


def _activation(layer: Any) -> dict[str, Any]:
    activation = getattr(layer, "activation", None)
    if not callable(activation) or activation is keras.activations.linear:
        return {}
    return {"activation": keras.activations.linear}


def pre_activation(y: Any) -> Any:
    """What `run` gave, in at least float32."""
    dtype = keras.backend.standardize_dtype(y.dtype) if ops.is_tensor(y) else ""
    if "float" not in dtype:
        raise Skip("its output is not one tensor of floats; left as it was")
    return y if dtype in ("float32", "float64") else ops.cast(y, "float32")


def unit_moments(y: Any, channels: tuple[int, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """(means, standard deviations) of the units, over all other axes of the pre-activation."""
    y = pre_activation(y)
    kept = [axis % len(y.shape) for axis in channels]
    others = [axis for axis in range(len(y.shape)) if axis not in kept]
    if np.prod([y.shape[axis] for axis in kept]) != count:
        raise Skip("its output does not number its units; left as it was")
    moments = (ops.mean(y, axis=others), ops.std(y, axis=others))
    mean, std = (np.asarray(ops.convert_to_numpy(m), "float64").ravel() for m in moments)
    return mean, std


def alive(mean: Any, std: Any) -> Any:
    """Whether values of this mean and standard deviation are finite and vary beyond rounding."""
    return np.isfinite(std) & (std > 4 * np.finfo("float32").eps * np.abs(mean))
