"""What Keras computes otherwise on one of its backends, and so changes what old models predict."""

from __future__ import annotations

import warnings

import keras

from keras_inits import backend
from keras_inits.legacy.keras2.reading.weights import all_layers


def warn_of_inexact(owner: str, model: keras.Model) -> None:
    """Say which layers of a loaded model predict otherwise than they did, on this backend.

    Raises ValueError, which names the layer, for one that would not predict at all.
    """
    _warn_of_biases(owner, model)
    _warn_of_resizing(owner, model)


def _warn_of_biases(owner: str, model: keras.Model) -> None:
    """Which convolutions of a loaded model add their bias along the wrong axis.

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
            stacklevel=4,
        )


def _warn_of_resizing(owner: str, model: keras.Model) -> None:
    """Which layers resize images otherwise than they did: "bicubic", but on TensorFlow."""
    names = []
    for layer in all_layers(model):
        kind = getattr(layer, "interpolation", "bilinear")
        is_one = isinstance(layer, (keras.layers.Resizing, keras.layers.UpSampling2D))
        if not is_one or kind in ("bilinear", "nearest"):
            continue
        try:
            image = keras.ops.zeros((1, 2, 2, 1))
            keras.ops.image.resize(image, (3, 3), kind, data_format="channels_last")
        except ValueError as error:
            raise ValueError(
                f"{owner}: layer {layer.name!r} must have an interpolation that Keras "
                f"{keras.__version__} has on {backend.name()}, got {kind!r}"
            ) from error
        if kind == "bicubic" and backend.name() != "tensorflow":
            names.append(layer.name)
    if names:
        warnings.warn(
            f"{owner}: on {backend.name()} Keras's bicubic interpolation, in {', '.join(names)}, is "
            "another than that of TensorFlow: this model predicts otherwise than it did; "
            "KERAS_BACKEND=tensorflow runs it right",
            stacklevel=4,
        )


def _last_axis(layer: keras.Layer) -> int | None:
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):  # called more than once, or never by itself
        return None
    return shape[-1]
