"""A fault of Keras on TensorFlow that changes what some old models predict."""

from __future__ import annotations

import warnings

import keras

from keras_inits import backend
from keras_inits.legacy.keras2.reading.weights import all_layers


def warn_of_biases(owner: str, model: keras.Model) -> None:
    """Say which convolutions of a loaded model add their bias along the wrong axis.

    On TensorFlow Keras's `ops.add` takes the last axis for the channels wherever it is as long as the
    bias (seen in 3.10 to 3.15), also where the channels come first.
    """
    if backend.name() != "tensorflow":
        return
    names = [
        layer.name
        for layer in all_layers(model)
        if getattr(layer, "data_format", None) == "channels_first"
        and getattr(layer, "bias", None) is not None
        and _last_axis(layer) == layer.bias.shape[-1]
    ]
    if names:
        warnings.warn(
            f"{owner}: on TensorFlow Keras adds the bias of {', '.join(names)} along the last axis, "
            "which is as long as the channels that come first: this model predicts otherwise than it "
            "did; KERAS_BACKEND=torch or jax runs it right",
            stacklevel=3,
        )


def _last_axis(layer: keras.Layer) -> int | None:
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):  # called more than once, or never by itself
        return None
    return shape[-1]
