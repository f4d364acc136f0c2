"""The geometry of the weights of Keras's layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_inits.host import is_keras
from keras_inits.models.weights.geometry import Geometry, registered_geometry

_L = keras.layers
_CONV = (_L.Conv1D, _L.Conv2D, _L.Conv3D)
ATTENTION = (_L.MultiHeadAttention, _L.GroupQueryAttention)
TRANSPOSED = (_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose)
_DEPTHWISE = (_L.DepthwiseConv1D, _L.DepthwiseConv2D)
_SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)
Shape = tuple[int, ...]


def geometry_of(layer: Any, role: str, shape: Shape, *, strides: bool = False) -> Geometry | None:
    """How `layer` uses the weight that plays `role` in it, or None where it has no fans.

    Biases take the geometry, and so the fans, of the weight that they are added to. With
    `strides=True` a strided convolution's fan_out, and a strided transposed one's fan_in, are divided
    by the stride: the mean over positions, of which only so many meet. Without, as the papers count.

    A layer of another package with `num_experts` holds its experts' kernels side by side. None for scales,
    statistics, states and the weights of layers that are not known.
    """
    if role == "bias":
        names = ("kernel", "pointwise_kernel")
        kernel = next((n for n in names if getattr(layer, n, None) is not None), None)
        if kernel is None:
            return None
        role, shape = kernel, tuple(getattr(layer, kernel).shape)
    if (own := registered_geometry(layer, role, shape)) is not None:
        return own
    stride = math.prod(layer.strides) if strides and hasattr(layer, "strides") else 1
    for classes, roles, read in _READERS:
        if role in roles and (classes is None or isinstance(layer, classes)):
            found = read(layer, shape, stride)
            if found is not None:
                return found
    return _experts(layer, shape)


def _experts(layer: Any, shape: Shape) -> Geometry | None:
    """The kernels (experts, inputs, outputs) of a mixture that says how many experts it has."""
    if is_keras(layer) or len(shape) != 3 or getattr(layer, "num_experts", None) != shape[0]:
        return None
    return Geometry(shape, (1,), (2,), (0,))


def _dense(layer: Any, shape: Shape, stride: int) -> Geometry:
    *field, inputs, outputs = range(len(shape))
    return Geometry(shape, (*field, inputs), (outputs,), field=tuple(field))


def _embedding(layer: Any, shape: Shape, stride: int) -> Geometry:
    # It looks one row up, as a one-hot vector does.
    return Geometry(shape, (0,), (1,), active=1)


def _conv(layer: Any, shape: Shape, stride: int) -> Geometry:
    *field, inputs, _ = range(len(shape))
    return Geometry(
        shape,
        (*field, inputs),
        (-1,),
        repeats=(-2,) if layer.groups > 1 else (),
        field=tuple(field),
        split=(*shape[:-1], layer.groups, shape[-1] // layer.groups) if layer.groups > 1 else shape,
        strides=(1, stride),
    )


def _transposed(layer: Any, shape: Shape, stride: int) -> Geometry:
    field = tuple(range(1, len(shape) - 1))  # its kernel is (field..., outputs, inputs)
    return Geometry(
        shape, (*field, -1), (-2,), (0,), field=field, split=(1, *shape), strides=(stride, 1)
    )


def _depthwise(layer: Any, shape: Shape, stride: int) -> Geometry:
    field = tuple(range(len(shape) - 2))
    return Geometry(shape, field, (-1,), (-2,), field=field, strides=(1, stride))


def einsum_units(equation: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of an EinsumDense the kernel's axes that the output has, in its order; those that the data have
    too; and the output's axes that number them."""
    operands, output = equation.replace(" ", "").replace("...", ".").split("->")
    data, kernel = operands.split(",")
    letters = [letter for letter in output if letter in kernel and letter != "."]
    dots = output.find(".")
    places = (output.index(letter) for letter in letters)
    return (
        tuple(kernel.index(letter) for letter in letters),
        tuple(kernel.index(letter) for letter in letters if letter in data),
        tuple(axis if dots < 0 or axis < dots else axis - len(output) for axis in places),
    )


def _einsum(layer: Any, shape: Shape, stride: int) -> Geometry:
    units, repeats, _ = ([axis + 1 for axis in axes] for axes in einsum_units(layer.equation))
    inputs = [axis for axis in range(1, len(shape) + 1) if axis not in units]
    outputs = [axis for axis in sorted(units) if axis not in repeats]
    return Geometry(
        shape,
        tuple(inputs),
        tuple(outputs),
        (0, *sorted(repeats)),
        split=(1, *shape),
        units=(0, *units),
    )


def _recurrent(layer: Any, shape: Shape, stride: int) -> Geometry | None:
    # Any cell: its kernels hold one block of `units` (or `filters`) outputs for each gate.
    if getattr(layer, "recurrent_kernel", None) is None:
        return None
    units = getattr(layer, "units", None) or getattr(layer, "filters", None)
    if not isinstance(units, int) or shape[-1] % units:
        return None
    *field, inputs, _ = range(len(shape))
    return Geometry(
        shape,
        (*field, inputs),
        (-1,),
        gates=(-2,),
        field=tuple(field),
        split=(*shape[:-1], shape[-1] // units, units),
    )


def _scores(layer: Any, shape: Shape, stride: int) -> Geometry:
    return Geometry(shape, (0,), ())


_KERNEL = ("kernel",)
_READERS: list[
    tuple[tuple[type, ...] | None, tuple[str, ...], Callable[[Any, Shape, int], Geometry | None]]
] = [
    (TRANSPOSED, _KERNEL, _transposed),
    (_DEPTHWISE, _KERNEL, _depthwise),
    (_SEPARABLE, ("depthwise_kernel",), _depthwise),
    (_SEPARABLE, ("pointwise_kernel",), _dense),
    (_CONV, _KERNEL, _conv),
    ((_L.EinsumDense,), _KERNEL, _einsum),
    ((_L.Dense,), _KERNEL, _dense),
    ((_L.Embedding,), ("embeddings",), _embedding),
    ((_L.Embedding,), ("reverse_embeddings",), _dense),
    ((_L.AdditiveAttention,), ("scale",), _scores),
    (None, ("kernel", "recurrent_kernel"), _recurrent),
]


def is_norm(layer: Any) -> bool:
    """Whether the layer normalizes, by its class's name."""
    return "norm" in type(layer).__name__.lower()
