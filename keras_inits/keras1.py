"""Keras 1.2.2's initializations, with its fans, defaults and laws, and rules from its models."""

from keras_inits.legacy.keras1 import (
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
from keras_inits.legacy.keras1_fans import fans
from keras_inits.legacy.rules import rules

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
