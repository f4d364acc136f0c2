"""Fans, gates and axes of a weight by the layer that uses it, where its shape alone misleads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.fans import compute_fans

_L = keras.layers
_CONV = (_L.Conv1D, _L.Conv2D, _L.Conv3D)
TRANSPOSED = (_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose)
_DEPTHWISE = (_L.DepthwiseConv1D, _L.DepthwiseConv2D)
_SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)


@dataclass(frozen=True)
class Structure:
    """How a layer uses a weight.

    `fan_in` inputs add up in one output, and one input reaches `fan_out` outputs, through one gate.
    `gates` blocks lie side by side along the last axis. `axes` are the (input, output) axes where
    these are not just the last two; axes in neither repeat the map.
    """

    fan_in: float
    fan_out: float
    gates: int = 1
    axes: tuple[tuple[int, ...], tuple[int, ...]] | None = None


def structure_of(
    layer: keras.Layer, role: str, shape: tuple[int, ...], *, strides: bool = False
) -> Structure | None:
    """The structure of the weight that plays `role` in `layer`, or None where it has no fans.

    Biases take the fans of the weight that they are added to. An embedding looks one row up, as a
    one-hot vector does: fan_in 1. With `strides=True` a strided convolution's fan_out, and a
    strided transposed one's fan_in, are divided by the stride: the mean over positions, of which
    only so many meet. Without, as the papers count.

    None for scales, statistics, states and the weights of layers that are not known.
    """
    if role == "bias":
        kernel = next(
            (r for r in ("kernel", "pointwise_kernel") if getattr(layer, r, None) is not None), None
        )
        if kernel is None:
            return None
        role, shape = kernel, tuple(getattr(layer, kernel).shape)
    for classes, roles, read in _READERS:
        if role in roles and (classes is None or isinstance(layer, classes)):
            found = read(layer, role, shape, strides)
            if found is not None:
                return found
    return None


def _dense(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    return Structure(*compute_fans(shape))


def _embedding(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    return Structure(1, shape[-1])


def _conv(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    fan_in, fan_out = compute_fans(shape)
    return Structure(fan_in, fan_out // layer.groups / _stride(layer, strides))


def _transposed(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    fan_out, fan_in = compute_fans(shape)  # its kernel is (field..., outputs, inputs)
    rank = len(shape)
    return Structure(
        fan_in / _stride(layer, strides),
        fan_out,
        axes=((*range(rank - 2), rank - 1), (rank - 2,)),
    )


def _depthwise(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    field = math.prod(shape[:-2])
    return Structure(field, field * shape[-1] / _stride(layer, strides))


def _einsum(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    operands, output = layer.equation.replace(" ", "").split("->")
    data, kernel = operands.split(",")
    inputs = tuple(i for i, letter in enumerate(kernel) if letter not in output)
    outputs = tuple(i for i, letter in enumerate(kernel) if letter in output and letter not in data)
    fan_in, fan_out = (math.prod(shape[i] for i in axes) for axes in (inputs, outputs))
    return Structure(fan_in, fan_out, axes=(inputs, outputs))


def _recurrent(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure | None:
    # Any cell: its kernels hold one block of `units` (or `filters`) outputs for each gate.
    if getattr(layer, "recurrent_kernel", None) is None:
        return None
    units = getattr(layer, "units", None) or getattr(layer, "filters", None)
    if not isinstance(units, int) or shape[-1] % units:
        return None
    gates = shape[-1] // units
    return Structure(*compute_fans((*shape[:-1], units)), gates=gates)


def _scores(layer: Any, role: str, shape: tuple[int, ...], strides: bool) -> Structure:
    return Structure(shape[0], 1)


def _stride(layer: Any, strides: bool) -> int:
    return math.prod(layer.strides) if strides else 1


Reader = Callable[[Any, str, tuple[int, ...], bool], Structure | None]
_KERNEL = ("kernel",)
_READERS: list[tuple[tuple[type, ...] | None, tuple[str, ...], Reader]] = [
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
