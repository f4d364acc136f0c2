"""Layers of Keras 1 that Keras 3 does not have, with the same arithmetic; here all are registered."""

from keras_inits.legacy.keras1.layers.dense import Highway, MaxoutDense
from keras_inits.legacy.keras1.layers.elementwise import ParametricSoftplus, SReLU
from keras_inits.legacy.keras1.layers.joining import Bidirectional, Merge
from keras_inits.legacy.keras1.layers.spatial import (
    Convolution2D,
    Convolution3D,
    Deconvolution2D,
    SamePooling,
    SeparableConvolution2D,
)
from keras_inits.legacy.keras1.layers.statistics import BatchNormalization, Embedding

__all__ = [
    "BatchNormalization",
    "Bidirectional",
    "Convolution2D",
    "Convolution3D",
    "Deconvolution2D",
    "Embedding",
    "Highway",
    "MaxoutDense",
    "Merge",
    "ParametricSoftplus",
    "SReLU",
    "SamePooling",
    "SeparableConvolution2D",
]
