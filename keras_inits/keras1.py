"""Keras 1.2.2's initializations, with its fans, defaults and laws, and rules from its models."""

from keras_inits.legacy.keras1 import layers as _layers  # noqa: F401 (saved ports name them)
from keras_inits.legacy.keras1.fans import fans
from keras_inits.legacy.keras1.rules import rules
from keras_inits.legacy.keras1.schemes import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunUniform,
    Normal,
    One,
    Orthogonal,
    Uniform,
    Zero,
)

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "LecunUniform",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Zero",
    "fans",
    "rules",
]
