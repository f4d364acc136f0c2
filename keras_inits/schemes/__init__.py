"""The schemes, one family a module; importing this package registers them all."""

from keras_inits.schemes import (
    constant,
    data,
    identity,
    orthogonal,
    uniform_normal,
    variance_scaling,
)

__all__ = ["constant", "data", "identity", "orthogonal", "uniform_normal", "variance_scaling"]
