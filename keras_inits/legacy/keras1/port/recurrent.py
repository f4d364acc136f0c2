"""Recurrent layers of Keras 1, and the wrappers around layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.legacy.keras1 import layers as own
from keras_inits.legacy.keras1.port.common import Arrays, Node, Pairs, Port, keras_name
from keras_inits.legacy.keras1.port.convolution import spatial_kernel

L = keras.layers

# The gates in the order of Keras 1's weights, and in that of Keras 3's one matrix.
_WRITTEN = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
_FUSED = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}
_CELLS = {"SimpleRNN": L.SimpleRNN, "GRU": L.GRU, "LSTM": L.LSTM}


def _keys(node: Node) -> list[str]:
    gates = _WRITTEN.get(node.kind)
    fused = node.kind != "ConvLSTM2D" and node.get("consume_less") == "gpu"
    if gates is None or fused:
        return ["W", "U", "b"]
    return [f"{matrix}_{gate}" for gate in gates for matrix in "WUb"]


def _values(node: Node, layer: Any) -> Callable[[Arrays], Pairs]:
    def ready(array: np.ndarray) -> np.ndarray:
        if node.kind != "ConvLSTM2D" or array.ndim == 1:
            return array
        return spatial_kernel(array, 2, th=node.th, flip=node.origin.theano)

    def values(arrays: Arrays) -> Pairs:
        gates = _FUSED.get(node.kind, "")
        whole = (
            [arrays[matrix] for matrix in "WUb"]
            if "W" in arrays
            else [
                np.concatenate([ready(arrays[f"{matrix}_{gate}"]) for gate in gates], axis=-1)
                for matrix in "WUb"
            ]
        )
        cell = layer.cell
        return list(zip((cell.kernel, cell.recurrent_kernel, cell.bias), whole, strict=True))

    return values


def _options(node: Node) -> dict[str, Any]:
    options = {
        **node.base(),
        "activation": node.activation(),
        "kernel_initializer": node.scheme("kernel"),
        "recurrent_initializer": node.scheme("recurrent_kernel"),
        "kernel_regularizer": node.regularizer("W_regularizer"),
        "recurrent_regularizer": node.regularizer("U_regularizer"),
        "bias_regularizer": node.regularizer("b_regularizer"),
        "dropout": node.get("dropout_W", 0.0),
        "recurrent_dropout": node.get("dropout_U", 0.0),
        **{key: bool(node[key]) for key in ("return_sequences", "go_backwards", "stateful")},
    }
    if node.kind != "SimpleRNN":
        options["recurrent_activation"] = node.activation("inner_activation")
    if node.kind in ("LSTM", "ConvLSTM2D"):
        # Keras's own flag would ask for the bias piece by piece.
        options |= {"unit_forget_bias": False, "bias_initializer": node.scheme("bias")}
    if node.kind == "GRU":
        options["reset_after"] = False
    return options


def _layer(node: Node) -> keras.Layer:
    if node.kind != "ConvLSTM2D":
        unroll = bool(node.get("unroll", False))
        return _CELLS[node.kind](node["output_dim"], unroll=unroll, **_options(node))
    field = (int(node["nb_row"]), int(node["nb_col"]))
    if node.origin.theano and not all(size % 2 for size in field):
        raise ValueError(
            f"kernels must have odd sizes where Theano computed the layer, got {field}"
        )
    return L.ConvLSTM2D(
        *(node["nb_filter"], field, tuple(node.get("subsample", (1, 1)))),
        padding=node["border_mode"],
        data_format="channels_last",
        **_options(node),
    )


def _recurrent(node: Node) -> Port:
    layer = _layer(node)
    layers = [layer]
    if node.kind == "ConvLSTM2D" and node.th:
        # TensorFlow convolves channels that come first on a GPU alone.
        back = (1, 4, 2, 3) if node["return_sequences"] else (3, 1, 2)
        layers = [
            L.Permute((1, 3, 4, 2), name=f"{layer.name}_channels_last"),
            layer,
            L.Permute(back, name=f"{layer.name}_channels_first"),
        ]
    return node.port(layers, _keys(node), values=_values(node, layer))


def time_distributed(node: Node, inner: Port) -> Port:
    """The layer at each step."""
    *before, last = inner.layers
    layers = [
        L.TimeDistributed(layer, name=f"{node.base()['name']}_{layer.name}") for layer in before
    ]
    return Port(
        node.name, node.kind, [*layers, L.TimeDistributed(last, **node.base())], parts=[inner]
    )


def bidirectional(node: Node, inner: Node) -> Port:
    """The layer in both directions."""
    if inner.kind not in _CELLS:
        raise ValueError(f"layer must be a recurrent one of Keras 1, got {inner.kind!r}")
    forward = _layer(inner)
    turned = Node(
        inner.kind, {**inner.config, "go_backwards": not inner["go_backwards"]}, inner.origin
    )
    turned.config["name"] = f"backward_{keras_name(inner.name)}"
    cls = own.Bidirectional if node.origin.masked else L.Bidirectional
    layer = cls(
        forward, merge_mode=node["merge_mode"], backward_layer=_layer(turned), **node.base()
    )
    both = [
        inner.port([], _keys(inner), values=_values(inner, direction))
        for direction in (layer.forward_layer, layer.backward_layer)
    ]
    return Port(node.name, node.kind, [layer], parts=both)


PORTS: dict[str, Callable[[Node], Port]] = dict.fromkeys((*_CELLS, "ConvLSTM2D"), _recurrent)
