"""Between which values activations are bounded."""

from __future__ import annotations

from typing import Any

import keras

_BOUNDS = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "sparse_sigmoid": (0.0, 1.0),
}


def name_of(layer: Any) -> str:
    """The name of the activation that a layer applies last, or "" for none."""
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.RNN) or not callable(activation):
        return ""  # a recurrent layer multiplies what it activates
    name = getattr(activation, "__name__", type(activation).__name__)
    return "" if name == "linear" else str(name)


def bounds(layer: Any) -> tuple[float, float] | None:
    """The least and the greatest value of the layer's activation, where it has both."""
    return _BOUNDS.get(name_of(layer))
