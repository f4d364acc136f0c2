"""What is known of the activations of layers: their names, their bounds, a scheme for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from keras_inits.gains import gain
from keras_inits.schemes.variance_scaling import VarianceScaling

ORTHOGONAL = "keras_inits>orthogonal"
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


def scheme_for(layers: Iterable[Any]) -> tuple[str, Any] | None:
    """(as code, as what a rule takes): kernels for the activation that most of the layers have.

    Normal ones with its gain; orthogonal ones where it is bounded, for there the gain that keeps the
    signal makes the gradient grow: by 1.16 a layer for tanh. None where no activation is known.
    """
    names = [name for name in map(_hidden, layers) if name]
    if not names:
        return None
    name = max(sorted(set(names)), key=names.count)
    known = {"relu": "keras_inits>he_normal", "selu": "keras_inits>lecun_normal"}
    known |= dict.fromkeys(_BOUNDS, ORTHOGONAL)
    if name in known:
        return f'"{known[name]}"', known[name]
    try:
        scale = float(f"{gain(name) ** 2:.4g}")
    except (ValueError, TypeError):
        return None
    law = "fan_in", "untruncated_normal"
    text = f'keras_inits.VarianceScaling({scale:g}, "{law[0]}", "{law[1]}")'
    return text, VarianceScaling(scale, *law)


def _hidden(layer: Any) -> str:
    if isinstance(layer, keras.layers.ReLU):
        return "relu"
    return name_of(layer) if name_of(layer) not in ("softmax", "sigmoid") else ""
