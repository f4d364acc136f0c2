"""The schemes, one family a module; importing this package registers them, in this order."""

# ruff: noqa: I001 - the order of the catalogue, from plain to special
from keras_inits.schemes import constant
from keras_inits.schemes import uniform_normal
from keras_inits.schemes import variance_scaling
from keras_inits.schemes import orthogonal
from keras_inits.schemes import identity
from keras_inits.schemes import data
from keras_inits.schemes import recurrent

__all__ = [
    "constant",
    "data",
    "identity",
    "orthogonal",
    "recurrent",
    "uniform_normal",
    "variance_scaling",
]
