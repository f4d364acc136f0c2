"""The one place that tells TensorFlow, JAX and PyTorch apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
import numpy as np


def name() -> str:
    """The backend's name: "tensorflow", "jax" or "torch"."""
    return keras.backend.backend()


def without_autograph(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep TensorFlow's AutoGraph from rewriting the method, and all it calls, in a tf.function."""
    if name() != "tensorflow":
        return method
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(method)


def backend_dtype(dtype: str) -> str:
    """The dtype that the backend keeps: JAX, unless told otherwise, has float32 for float64."""
    if dtype == "float64" and name() == "jax":
        import jax

        return dtype if jax.config.jax_enable_x64 else "float32"
    return dtype


def derivatives(function: Callable[[Any], Any], z: np.ndarray) -> np.ndarray:
    """f'(z), entry by entry, by the backend's own automatic differentiation."""
    if name() == "tensorflow":
        import tensorflow as tf

        variable = tf.convert_to_tensor(z)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = function(variable)
        slope = tape.gradient(value, variable)
    elif name() == "jax":
        import jax

        slope = jax.grad(lambda variable: function(variable).sum())(jax.numpy.asarray(z))
    else:
        import torch

        variable = torch.tensor(z, requires_grad=True)
        (slope,) = torch.autograd.grad(function(variable).sum(), variable, allow_unused=True)
    # A function that ignores its input has no gradient at all.
    return np.zeros_like(z) if slope is None else keras.ops.convert_to_numpy(slope)


def double_precision() -> AbstractContextManager[Any]:
    """A context in which the backend computes in float64 where it is asked to."""
    if name() == "jax":
        import jax

        # Under this name since JAX 0.8.
        place = jax if hasattr(jax, "enable_x64") else jax.experimental
        return place.enable_x64(True)
    return nullcontext()


def snapshot(variable: Any) -> Any:
    """The variable's value, which a later assignment does not change: a copy where need be."""
    return variable.value if name() == "jax" else keras.ops.copy(variable.value)


def is_deleted(value: Any) -> bool:
    """Whether the memory of a tensor is gone: JAX gives that of donated arguments away."""
    return name() == "jax" and bool(value.is_deleted())


@contextmanager
def eager() -> Iterator[None]:
    """Values at hand while the model runs, also in calls that are decorated to be compiled."""
    if name() == "torch":
        import torch

        with torch.no_grad():
            yield
    elif name() == "tensorflow":
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)
    else:
        yield


def is_symbolic(leaf: Any) -> bool:
    """Whether a tensor has no value: Keras infers shapes with it, or a compiler traces it."""
    if isinstance(leaf, keras.KerasTensor):
        return True
    if not keras.ops.is_tensor(leaf):
        return False
    if name() == "jax":
        import jax

        return isinstance(leaf, jax.core.Tracer)
    if name() == "tensorflow":
        import tensorflow as tf

        return bool(tf.is_symbolic_tensor(leaf))
    return bool(leaf.device.type == "meta")
