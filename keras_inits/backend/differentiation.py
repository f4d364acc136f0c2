"""Gradients at tensors in the middle of a computation and at variables, by the backend's own means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_inits.backend import is_symbolic, name

Mark = Callable[[Any], Any]
Run = Callable[[Mark], tuple[Any, Any]]


class Gradients(NamedTuple):
    """Of a scalar: what else the run gave, the marked tensors, gradients at them and at variables.

    A gradient may be None where the scalar does not depend on the tensor.
    """

    scalar: Any
    other: Any
    tensors: list[Any]
    at_tensors: list[Any]
    at_variables: list[Any]


def gradients(run: Run, variables: list[Any]) -> Gradients:
    """The gradients of a scalar.

    `run(mark)` gives the scalar and other tensors to hand on; `mark(tensor)` gives the tensor to go
    on with. On JAX its tensors are those of a differentiation, and have no use outside of it.
    """
    function = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[name()]
    return function(run, variables)


def _tensorflow(run: Run, variables: list[Any]) -> Gradients:
    import tensorflow as tf

    marked: list[Any] = []
    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def watch(tensor: Any) -> Any:
            tape.watch(tensor)
            marked.append(tensor)
            return tensor

        tape.watch(values)
        scalar, other = run(watch)
    found = tape.gradient(scalar, [*marked, *values])
    found = [None if g is None else tf.convert_to_tensor(g) for g in found]
    return Gradients(scalar, other, marked, found[: len(marked)], found[len(marked) :])


def _torch(run: Run, variables: list[Any]) -> Gradients:
    import torch

    marked: list[Any] = []
    values = [variable.value for variable in variables]

    def require(tensor: Any) -> Any:
        tensor = tensor if tensor.requires_grad else tensor.detach().requires_grad_(True)
        marked.append(tensor.view_as(tensor))  # what comes later may change the tensor in place
        return marked[-1]

    scalar, other = run(require)
    wanted = [*marked, *values]
    asked = [tensor for tensor in wanted if tensor.requires_grad] if scalar.requires_grad else []
    answers = iter(torch.autograd.grad(scalar, asked, allow_unused=True) if asked else ())
    found = [next(answers, None) if tensor.requires_grad else None for tensor in wanted]
    return Gradients(scalar, other, marked, found[: len(marked)], found[len(marked) :])


def _jax(run: Run, variables: list[Any]) -> Gradients:
    import jax

    tensors: list[Any] = []
    found: list[Any] = []

    def function(values: list[Any], source: Any) -> tuple[Any, Any]:
        def mark(tensor: Any) -> Any:
            index = len(found)
            found.append(None)
            tensors.append(tensor)

            @jax.custom_vjp
            def same(tensor: Any, source: Any) -> Any:  # the source makes it part of the derivative
                return tensor

            def forward(tensor: Any, source: Any) -> tuple[Any, None]:
                tensors[index] = tensor
                return tensor, None

            def backward(_: None, gradient: Any) -> tuple[Any, Any]:
                # A layer that differentiates within its call has gradients of its own.
                if not is_symbolic(gradient):
                    found[index] = gradient
                return gradient, jax.numpy.zeros(())

            same.defvjp(forward, backward)
            return same(tensor, source)

        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return run(mark)

    differentiated = jax.value_and_grad(function, (0, 1), has_aux=True)
    values = [variable.value for variable in variables]
    (scalar, other), (at_variables, _) = differentiated(values, jax.numpy.zeros(()))
    return Gradients(scalar, other, tensors, found, at_variables)
