"""A call as the backend's compiler runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_inits.backend import name


def compiled(function: Callable[[], Any]) -> Any:
    """What the function gives in `jax.jit` or `tf.function`; PyTorch's compiler is left out.

    That one needs a C++ compiler on the machine, and falls back to plain calls where it meets NumPy.
    """
    if name() == "jax":
        import jax

        return jax.jit(function)()
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)()
    return function()
