"""Convolutions, pooling and padding of Keras 1."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.legacy.keras1 import layers as own
from keras_inits.legacy.keras1.port.common import OWNER, Arrays, Node, Pairs, Port
from keras_inits.legacy.keras1.port.core import with_bias

L = keras.layers

_PLAIN = (L.Conv1D, L.Conv2D, L.Conv3D)
_FIELDS = {
    1: ("filter_length",),
    2: ("nb_row", "nb_col"),
    3: ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
}
# The axes of Keras 1's kernels that Keras 3's have, in its order.
_TH = {1: (0, 2, 3), 2: (2, 3, 1, 0), 3: (2, 3, 4, 1, 0)}
_TF = {1: (0, 2, 3), 2: (0, 1, 2, 3), 3: (0, 1, 2, 3, 4)}


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return (int(value),) * rank if isinstance(value, int) else tuple(int(v) for v in value)


def spatial_kernel(array: np.ndarray, rank: int, *, th: bool, flip: bool) -> np.ndarray:
    """A kernel of Keras 1 as Keras 3 has it; Theano convolved, so that it is to be flipped."""
    array = array.transpose((_TH if th else _TF)[rank]) if rank > 1 else array[:, 0]
    return np.flip(array, tuple(range(rank))) if flip else array


def _padding(
    node: Node, field: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]] | str:
    """Keras 3's `padding`, or what to pad with on each axis where it has no such one."""
    mode = node["border_mode"]
    sizes = [(size - 1) * rate + 1 for size, rate in zip(field, dilation, strict=True)]
    if mode == "full":
        return [(size - 1, size - 1) for size in sizes]
    uneven = any(size % 2 == 0 or stride > 1 for size, stride in zip(sizes, strides, strict=True))
    if mode == "same" and node.origin.theano and uneven:
        if len(sizes) == 3 and node.origin.version < (1, 2, 0):
            return [((size - 1) // 2, size // 2) for size in sizes]
        if len(sizes) == 3:
            warnings.warn(
                f"{OWNER}: layer {node.name!r} (Convolution3D) is padded as by Theano 0.9 and "
                "later; earlier ones padded by one less before the volume",
                stacklevel=2,
            )
        return [(size // 2, size - 1 - size // 2) for size in sizes]
    if mode not in ("same", "valid"):
        raise ValueError(f"border_mode must be 'valid', 'same' or 'full', got {mode!r}")
    return str(mode)


def _zero_padding(node: Node, rank: int, pads: Any, name: str) -> keras.Layer:
    cls = (L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D)[rank - 1]
    data_format = node.data_format if rank > 1 else "channels_last"
    return cls(pads[0] if rank == 1 else tuple(pads), data_format=data_format, name=name)


def _convolution(rank: int) -> Callable[[Node], Port]:
    def port(node: Node) -> Port:
        th = rank > 1 and node.th
        field = tuple(int(node[key]) for key in _FIELDS[rank])
        strides = _tuple(node["subsample_length" if rank == 1 else "subsample"], rank)
        dilation = _tuple(node.get("atrous_rate", 1), rank)
        padding = _padding(node, field, strides, dilation)
        kinds = (L.Conv1D, own.Convolution2D, own.Convolution3D) if th else _PLAIN
        layer = kinds[rank - 1](
            *(node["nb_filter"], field, strides),
            padding=padding if isinstance(padding, str) else "valid",
            dilation_rate=dilation,
            data_format="channels_first" if th else "channels_last",
            **node.affine(order=(_TH if th else _TF)[rank]),
        )

        def values(arrays: Arrays) -> Pairs:
            kernel = arrays["W"]
            if rank == 1:
                kernel = _of_1d(kernel, field[0], node["nb_filter"])
            kernel = spatial_kernel(kernel, rank, th=th, flip=node.origin.theano)
            return with_bias([(layer.kernel, kernel)], layer, arrays)

        layers = [layer]
        if not isinstance(padding, str):
            layers = [_zero_padding(node, rank, padding, f"{layer.name}_padding"), layer]
        return node.port(layers, ["W", "b"] if node.bias else ["W"], values=values)

    return port


def _of_1d(kernel: np.ndarray, length: int, filters: int) -> np.ndarray:
    """(length, 1, inputs, filters); before 1.1.0 it was (filters, inputs, length, 1)."""
    early = kernel.ndim == 4 and (kernel.shape[:2] != (length, 1) or kernel.shape[3] != filters)
    if kernel.ndim != 4 or (early and kernel.shape[2:] != (length, 1)):
        raise ValueError(f"the kernel must be one of length {length}, got {kernel.shape}")
    return kernel.transpose(2, 3, 1, 0) if early else kernel


def _deconvolution(node: Node) -> Port:
    th, field = node.th, (int(node["nb_row"]), int(node["nb_col"]))
    mode, theano = node["border_mode"], node.origin.theano
    if theano and mode == "same" and not all(size % 2 for size in field):
        raise ValueError(
            "kernels must have odd sizes where Theano computed border_mode 'same', for it cut the "
            f"output of others, got {field}"
        )
    crops: dict[str, Any] = {"valid": "valid", "same": "centre"}
    if theano:
        crops = {
            **crops,
            "same": [size // 2 for size in field],
            "full": [size - 1 for size in field],
        }
    shape = node["output_shape"]
    order = (2, 3, 0, 1) if th else (0, 1, 3, 2)
    layer = own.Deconvolution2D(
        *(node["nb_filter"], field),
        size=shape[2:] if th else shape[1:3],
        crop=crops[mode],
        strides=_tuple(node["subsample"], 2),
        data_format=node.data_format,
        **node.affine(order=order),
    )

    def values(arrays: Arrays) -> Pairs:
        kernel = spatial_kernel(arrays["W"], 2, th=th, flip=theano).transpose(0, 1, 3, 2)
        return with_bias([(layer.kernel, kernel)], layer, arrays)

    return node.port([layer], ["W", "b"] if node.bias else ["W"], values=values)


def _separable(node: Node) -> Port:
    parts = ("depthwise", "pointwise")
    order = (_TH if node.th else _TF)[2]
    layer = (own.SeparableConvolution2D if node.th else L.SeparableConv2D)(
        *(node["nb_filter"], (node["nb_row"], node["nb_col"]), _tuple(node["subsample"], 2)),
        padding=node["border_mode"],
        data_format=node.data_format,
        depth_multiplier=node["depth_multiplier"],
        activation=node.activation(),
        use_bias=node.bias,
        **{f"{part}_initializer": node.scheme(f"{part}_kernel") for part in parts},
        **{f"{part}_regularizer": node.regularizer(f"{part}_regularizer") for part in parts},
        **{f"{part}_constraint": node.constraint(f"{part}_constraint", order) for part in parts},
        bias_regularizer=node.regularizer("b_regularizer"),
        bias_constraint=node.constraint("b_constraint"),
        activity_regularizer=node.regularizer("activity_regularizer"),
        **node.base(),
    )

    def values(arrays: Arrays) -> Pairs:
        kernels = (spatial_kernel(arrays[part], 2, th=node.th, flip=False) for part in parts)
        pairs = list(zip((layer.depthwise_kernel, layer.pointwise_kernel), kernels, strict=True))
        return with_bias(pairs, layer, arrays)

    return node.port([layer], [*parts, "b"] if node.bias else parts, values=values)


def _pooling(mode: str, rank: int) -> Callable[[Node], Port]:
    kind = f"{'Max' if mode == 'max' else 'Average'}Pooling{rank}D"

    def port(node: Node) -> Port:
        size = _tuple(node["pool_length" if rank == 1 else "pool_size"], rank)
        steps = node["stride" if rank == 1 else "strides"]
        strides = size if steps is None else _tuple(steps, rank)
        data_format = node.data_format if rank > 1 else "channels_last"
        theano = node.origin.theano
        if node["border_mode"] == "same" and (theano or mode == "average"):
            layer = own.SamePooling(mode, size, strides, data_format, theano, **node.base())
        else:
            padding = {"padding": node["border_mode"], "data_format": data_format}
            layer = getattr(L, kind)(size, strides, **padding, **node.base())
        return node.port([layer])

    return port


def _global_pooling(node: Node) -> Port:
    data_format = "channels_last" if node.kind.endswith("1D") else node.data_format
    return node.port([getattr(L, node.kind)(data_format=data_format, **node.base())])


def _zeros_around(node: Node) -> Port:
    rank, padding = int(node.kind[-2]), node["padding"]
    names = (("left_pad", "right_pad"),)
    if rank == 2:
        names = (("top_pad", "bottom_pad"), ("left_pad", "right_pad"))  # type: ignore[assignment]
    if isinstance(padding, dict):
        pads = [(padding.get(start, 0), padding.get(end, 0)) for start, end in names]
    elif isinstance(padding, int):
        pads = [(padding, padding)] * rank
    elif len(padding) == 2 * rank and rank < 3:
        pads = [(padding[2 * i], padding[2 * i + 1]) for i in range(rank)]
    else:
        pads = [(n, n) for n in padding]
    layer = _zero_padding(node, rank, pads, node.base()["name"])
    return node.port([layer])


def _cropping(node: Node) -> Port:
    cut = node["cropping"]
    if node.kind == "Cropping1D":
        return node.port([L.Cropping1D(tuple(cut), **node.base())])
    cuts = tuple(tuple(pair) for pair in cut)
    return node.port([getattr(L, node.kind)(cuts, data_format=node.data_format, **node.base())])


def _up_sampling(node: Node) -> Port:
    if node.kind == "UpSampling1D":
        return node.port([L.UpSampling1D(node["length"], **node.base())])
    size = tuple(node["size"])
    return node.port([getattr(L, node.kind)(size, data_format=node.data_format, **node.base())])


PORTS: dict[str, Callable[[Node], Port]] = {
    **{f"Convolution{rank}D": _convolution(rank) for rank in (1, 2, 3)},
    **{f"AtrousConvolution{rank}D": _convolution(rank) for rank in (1, 2)},
    "Deconvolution2D": _deconvolution,
    "SeparableConvolution2D": _separable,
    **{f"MaxPooling{rank}D": _pooling("max", rank) for rank in (1, 2, 3)},
    **{f"AveragePooling{rank}D": _pooling("average", rank) for rank in (1, 2, 3)},
    **{
        f"Global{mode}Pooling{rank}D": _global_pooling
        for mode in ("Max", "Average")
        for rank in (1, 2, 3)
    },
    **{f"ZeroPadding{rank}D": _zeros_around for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": _cropping for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": _up_sampling for rank in (1, 2, 3)},
}
