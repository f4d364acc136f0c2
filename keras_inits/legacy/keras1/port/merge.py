"""The Merge layer of Keras 1."""

from __future__ import annotations

from typing import Any

import keras

from keras_inits.legacy.keras1 import layers as own
from keras_inits.legacy.keras1.layers.joining import MODES
from keras_inits.legacy.keras1.port.common import Node, Port
from keras_inits.legacy.keras1.port.core import function_of

L = keras.layers

_PLAIN = {"sum": L.Add, "mul": L.Multiply, "ave": L.Average, "max": L.Maximum}


def merge(node: Node) -> Port:
    """A Merge of tensors; the layers that it may join itself are the graph's part."""
    mode = node["mode"]
    if node.get("mode_type", "raw") != "raw":
        function = function_of(node, "mode", node["mode_type"])
        layer = L.Lambda(function, arguments=node.get("arguments") or {}, **node.base())
    elif mode == "dot":
        layer = L.Dot(_axes(node), **node.base())
    elif mode in _PLAIN and not node.origin.masked:
        layer = _PLAIN[mode](**node.base())
    elif mode == "concat" and not node.origin.masked:
        layer = L.Concatenate(int(node["concat_axis"]), **node.base())
    elif mode in MODES:
        axis = int(node.get("concat_axis", -1))
        layer = own.Merge(mode, axis, _axes(node) if mode == "cos" else (1, 1), **node.base())
    else:
        raise ValueError(f"mode must be one of {[*MODES, 'dot']}, got {mode!r}")
    return node.port([layer])


def _axes(node: Node) -> Any:
    axes = node["dot_axes"]
    return [axes, axes] if isinstance(axes, int) else [int(axis) for axis in axes]
