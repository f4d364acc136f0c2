"""Functions of Keras 2 whose names mean others now, and those of TensorFlow as activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_inits.legacy.keras2.operations.functions import SINGLE


@keras.saving.register_keras_serializable("keras2")
def hard_sigmoid(x: Any) -> Any:
    """min(max(0.2 x + 0.5, 0), 1): Keras 1 and 2; Keras 3 has the slope 1/6 instead of 0.2."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def _activation(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function under its name in TensorFlow."""

    def activation(x: Any) -> Any:
        return function(x)

    activation.__name__ = name
    return keras.saving.register_keras_serializable("keras2", name)(activation)


#: Functions of TensorFlow that a layer of tf.keras had for its activation, by the name in the file.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: _activation(name, function)
    for name, function in {
        **{key.split(".")[-1]: function for key, function in SINGLE.items()},
        "log_softmax_v2": keras.ops.log_softmax,
    }.items()
    if not hasattr(keras.activations, name)
}
