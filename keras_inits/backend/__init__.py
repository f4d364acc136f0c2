"""The one place that tells TensorFlow, JAX and PyTorch apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import keras
import numpy as np


@cache
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
    # None of a function that ignores its input.
    return np.zeros_like(z) if slope is None else keras.ops.convert_to_numpy(slope)


def double_precision() -> AbstractContextManager[Any]:
    """A context in which the backend computes in float64 where it is asked to."""
    if name() == "jax":
        import jax

        # Under this name since JAX 0.8.
        place = jax if hasattr(jax, "enable_x64") else jax.experimental
        return place.enable_x64(True)
    return nullcontext()


@contextmanager
def unchanged_generator(seed: int | None = None) -> Iterator[None]:
    """The backend's own global generator is put back afterwards: PyTorch has one.

    Keras's dropout draws from it there, whatever its seed. Inside it starts from `seed`, if given.
    """
    if name() != "torch":
        yield
        return
    import torch

    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        yield


@contextmanager
def eager(gradients: bool = False) -> Iterator[None]:
    """Values at hand while the model runs, also in calls that are decorated to be compiled.

    PyTorch keeps what gradients need only where they are asked for.
    """
    if name() == "torch":
        import torch

        with torch.set_grad_enabled(gradients):
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
        import jax.extend

        # Under this name since JAX 0.10. What is differentiated without a compiler has a value.
        place = jax.extend.core if hasattr(jax.extend.core, "concrete_or_error") else jax.core
        try:
            place.concrete_or_error(None, leaf)
        except jax.errors.ConcretizationTypeError:
            return True
        return False
    if name() == "tensorflow":
        import tensorflow as tf

        return bool(tf.is_symbolic_tensor(leaf))
    return bool(leaf.device.type == "meta")
