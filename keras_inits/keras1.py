"""Keras 1.2.2's initializations, with its fans, defaults and laws, and rules from its models."""

from typing import TYPE_CHECKING, Any

from keras_inits.legacy.keras1 import layers as _layers  # noqa: F401 (saved ports name them)
from keras_inits.legacy.keras1.fans import fans
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

if TYPE_CHECKING:
    from keras_inits.legacy.keras1.rules import rules

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


def __getattr__(name: str) -> Any:
    if name != "rules":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_inits.legacy.keras1.rules import rules  # it reads JSON: for those who use it alone

    return rules
