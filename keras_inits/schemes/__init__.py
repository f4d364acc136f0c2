"""The schemes, one family a module; importing this package registers them, in this order."""

# ruff: noqa: I001 - the order of the catalogue, from plain to special
from keras_inits.schemes import constant
from keras_inits.schemes import uniform_normal
from keras_inits.schemes import variance_scaling
from keras_inits.schemes import orthogonal
from keras_inits.schemes import identity
from keras_inits.schemes import data
from keras_inits.schemes import recurrent
from keras_inits.schemes import state_space
from keras_inits.schemes import prior
from keras_inits.schemes import depth
from keras_inits.schemes import sparse
from keras_inits.schemes import frequency
from keras_inits.schemes import resampling

__all__ = [
    "constant",
    "data",
    "depth",
    "frequency",
    "identity",
    "orthogonal",
    "prior",
    "recurrent",
    "resampling",
    "sparse",
    "state_space",
    "uniform_normal",
    "variance_scaling",
]
