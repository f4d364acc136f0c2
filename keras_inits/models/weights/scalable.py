"""Which weight of a layer data can scale, and what is measured to do so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import numpy as np

from keras_inits.fans import einsum_axes
from keras_inits.models.variables.origin import quantization
from keras_inits.models.weights.kernel import Kernel

ops = keras.ops


class Skip(Exception):
    """The reason why a unit is left as it was."""


@dataclass(frozen=True, eq=False)
class Unit:
    """What a sweep scales at once: the last of `kernels`, until the pre-activation fits.

    `off` are the layer's attributes to take off while the pre-activation is measured, `channels`
    the axes of the pre-activation that number the units.
    """

    layer: keras.layers.Layer
    kernels: tuple[Kernel, ...]
    bias: keras.Variable | None = None
    channels: tuple[int, ...] = (-1,)
    off: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kernel(self) -> Kernel:
        """The one that takes the factor."""
        return self.kernels[-1]

    def activates_last(self, call: Any) -> bool:
        """Whether `call` is that of one of Keras's layers, which activate what they would return."""
        cls: Any = type(self.layer)
        return cls in units.registry and getattr(call, "__func__", None) is cls.call


@singledispatch
def units(layer: keras.layers.Layer, own: list[keras.Variable]) -> Unit | str | None:
    """The layer's unit, the reason why it has none, or None where it owns no weight matrix.

    `own` are the variables of the layer itself, without its sublayers'. A layer that Keras does not
    have is a unit where it owns just one matrix.
    """
    matrices = weight_matrices(layer, own)
    if not matrices:
        return None
    if len(matrices) > 1:
        names = ", ".join(v.name for v in matrices)
        return f"owns several weight matrices ({names}); left as they were"
    bias: Any = getattr(layer, "bias", None)
    bias = bias if any(bias is v and len(v.shape) == 1 for v in own) else None
    return Unit(layer, (Kernel(matrices[0]),), bias, off=_activation(layer))


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


@units.register(keras.layers.BatchNormalization)
@units.register(keras.layers.GroupNormalization)
@units.register(keras.layers.LayerNormalization)
@units.register(keras.layers.Normalization)
@units.register(keras.layers.RMSNormalization)
@units.register(keras.layers.PReLU)
@units.register(keras.layers.SpectralNormalization)
def _none(layer: keras.layers.Layer, own: list[keras.Variable]) -> None:
    return None


@units.register
def _dense(layer: keras.layers.Dense, own: list[keras.Variable]) -> Unit | str:
    return _unit(layer, own, lambda kernel: Kernel(kernel))


@units.register(keras.layers.Conv1D)
@units.register(keras.layers.Conv2D)
@units.register(keras.layers.Conv3D)
def _conv(layer: Any, own: list[keras.Variable]) -> Unit | str:
    def view(kernel: keras.Variable) -> Kernel:
        *field, filters = kernel.shape
        split = (*field, layer.groups, filters // layer.groups)
        return Kernel(kernel, units=(-2, -1), groups=(-2,), split=split)

    return _unit(layer, own, view)


@units.register(keras.layers.Conv1DTranspose)
@units.register(keras.layers.Conv2DTranspose)
@units.register(keras.layers.Conv3DTranspose)
def _transposed(layer: Any, own: list[keras.Variable]) -> Unit | str:
    return _unit(layer, own, lambda kernel: Kernel(kernel, units=(-2,)))


@units.register(keras.layers.DepthwiseConv1D)
@units.register(keras.layers.DepthwiseConv2D)
def _depthwise(layer: Any, own: list[keras.Variable]) -> Unit | str:
    return _unit(layer, own, _per_channel)


@units.register(keras.layers.SeparableConv1D)
@units.register(keras.layers.SeparableConv2D)
def _separable(layer: Any, own: list[keras.Variable]) -> Unit | str:
    """The depthwise filters keep norm one, the pointwise kernel takes the factor."""
    if not _is_one_of(layer.pointwise_kernel, own):
        return _no_kernel(layer)
    kernels = (_per_channel(layer.depthwise_kernel), Kernel(layer.pointwise_kernel))
    return Unit(layer, kernels, layer.bias, _channels(layer), _activation(layer))


@units.register
def _einsum(layer: keras.layers.EinsumDense, own: list[keras.Variable]) -> Unit | str:
    operands, output = layer.equation.replace(" ", "").replace("...", ".").split("->")
    data, kernel = operands.split(",")
    letters = [letter for letter in output if letter in kernel and letter != "."]
    dots = output.find(".")
    channels = tuple(
        axis if dots < 0 or axis < dots else axis - len(output)
        for axis in (output.index(letter) for letter in letters)
    )
    axes = tuple(kernel.index(letter) for letter in letters)
    assert sorted(axes) == einsum_axes(layer.equation)[1]
    groups = tuple(kernel.index(letter) for letter in letters if letter in data)
    return _unit(layer, own, lambda variable: Kernel(variable, axes, groups), channels)


@units.register
def _embedding(layer: keras.layers.Embedding, own: list[keras.Variable]) -> Unit | str:
    embeddings = layer.embeddings
    if not _is_one_of(embeddings, own):
        return _no_kernel(layer)
    return Unit(layer, (Kernel(embeddings),))


def cell_unit(cell: keras.layers.Layer, own: list[keras.Variable]) -> Unit | str | None:
    """A cell of Keras: every gate of both kernels drawn alone, the input kernel takes the factor."""
    kernel: Any = getattr(cell, "kernel", None)
    recurrent: Any = getattr(cell, "recurrent_kernel", None)
    if not (_is_one_of(kernel, own) and _is_one_of(recurrent, own)):
        return unknown(cell, own)

    def view(variable: keras.Variable) -> Kernel:
        *field, width = variable.shape
        features = recurrent.shape[-2]
        split = (*field, width // features, features)
        return Kernel(variable, units=(-2, -1), groups=(-2,), split=split)

    return Unit(cell, (view(recurrent), view(kernel)), channels=_channels(cell))


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


def _unit(
    layer: Any, own: list[keras.Variable], view: Any, channels: tuple[int, ...] | None = None
) -> Unit | str:
    if not _is_one_of(layer.kernel, own):
        return _no_kernel(layer)
    channels = _channels(layer) if channels is None else channels
    return Unit(layer, (view(layer.kernel),), layer.bias, channels, _activation(layer))


def _per_channel(kernel: keras.Variable) -> Kernel:
    return Kernel(kernel, units=(-2, -1), groups=(-2,))


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _is_one_of(kernel: Any, own: list[keras.Variable]) -> bool:
    return any(kernel is variable and _is_float(variable) for variable in own)


def _no_kernel(layer: keras.layers.Layer) -> str:
    mode = quantization(layer)
    reason = f"quantized to {mode}" if mode else "its kernel is another layer's or computed"
    return f"{reason}; left as it was"


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


def alive(mean: Any, std: Any) -> Any:
    """Whether values of this mean and standard deviation are finite and vary beyond rounding."""
    return np.isfinite(std) & (std > 4 * np.finfo("float32").eps * np.abs(mean))
