"""The one place that knows Keras from other packages, and its releases apart.

What must lean on more of Keras than its documentation promises stands here, each with the reason and
the release in which it was needed; tests/test_host.py tells when it is not needed any more.
"""

from __future__ import annotations

import functools
import inspect
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import keras
import numpy as np

from keras_inits import backend

T = TypeVar("T")
_PATCHING = threading.RLock()  # two threads must not put each other's patches back


def is_keras(thing: Any) -> bool:
    """Whether a class, function or object is of Keras itself: also where it is not public."""
    cls = thing if hasattr(thing, "__name__") else type(thing)
    return (getattr(cls, "__module__", None) or "").split(".")[0] == "keras"


def give_einsum_axes(
    family: Any, einsum_axes: Callable[[str], tuple[list[int], list[int]]]
) -> None:
    """Have EinsumDense tell schemes of `family` its kernel's axes, where Keras does not.

    Keras does since 3.15. Before, its EinsumDense (and so MultiHeadAttention, which is made of
    them) takes a kernel (inputs, heads, size) for a convolution's, whose fans are wrong. Layers
    with any other initializer are left as they are.
    """
    if "input_axes" in inspect.signature(keras.initializers.VarianceScaling).parameters:
        return
    original = keras.layers.EinsumDense.build
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def build(self: Any, *args: Any, **kwargs: Any) -> Any:
        scheme = self.kernel_initializer
        if not isinstance(scheme, family) or scheme.input_axes is not None:
            return original(self, *args, **kwargs)
        inputs, outputs = einsum_axes(self.equation)
        config = scheme.get_config() | {"input_axes": inputs, "output_axes": outputs}
        # The live seed, not its config: a generator or a replay goes on where it is.
        self.kernel_initializer = type(scheme).from_config(config | {"seed": scheme.seed})
        try:
            return original(self, *args, **kwargs)
        finally:
            self.kernel_initializer = scheme

    keras.layers.EinsumDense.build = build


def give_whole_biases() -> None:
    """Have LSTM and ConvLSTM cells ask a scheme of gate biases for all gates at once.

    With `unit_forget_bias=True`, their default, Keras (to 3.15 at least) asks the bias initializer
    for two pieces and puts ones between them: a scheme that knows the gates cannot tell which ones it
    is asked for, and its values would land at the wrong gates. Cells with other initializers are left
    as they are.
    """
    convolutional: Any = inspect.getmodule(keras.layers.ConvLSTM1D.__mro__[1])
    for cell in (keras.layers.LSTMCell, convolutional.ConvLSTMCell):
        if not hasattr(cell.build, "gate_biases"):
            cell.build = _with_whole_bias(cell.build)


def objects_in_scope() -> dict[str, Any]:
    """The custom objects of the scopes around.

    There is no public way to read them (3.10 to 3.15), but a scope keeps in `backup` what it found.
    """
    scope = keras.saving.custom_object_scope({})
    with scope:
        return dict(scope.backup)


@contextmanager
def weights_made_by(add_weight: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A context in which the layers of this thread make their weights by `add_weight(layer, ...)`.

    A built variable does not know its initializer (3.10 to 3.15), so a layer is built once more with
    an `add_weight` that takes notes. Keras documents what layers call it with, and not that it can
    be replaced. Yields Keras's own.
    """
    layer_class: Any = keras.layers.Layer
    original = layer_class.add_weight
    here = threading.get_ident()

    @functools.wraps(original)
    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = add_weight if threading.get_ident() == here else original
        return chosen(self, *args, **kwargs)

    with _PATCHING:
        layer_class.add_weight = replaced
        try:
            yield original
        finally:
            layer_class.add_weight = original


#: What a variable, or a tensor, on the left of a symbolic tensor must leave to `keras.ops`.
_OPERATORS = {
    "__add__": "add",
    "__sub__": "subtract",
    "__mul__": "multiply",
    "__truediv__": "divide",
    "__matmul__": "matmul",
}


@contextmanager
def symbolic_calls(call: Callable[..., Any], operation: Callable[..., None]) -> Iterator[None]:
    """A context in which this thread's symbolic calls of layers and operations are answered here.

    `call(original, layer, args, kwargs)` gives what a layer gives; `operation(op, args, kwargs,
    outputs)` is told of every other operation. Keras (3.10 to 3.15) infers a layer's shapes with the
    backend's own tensors, so its symbolic graph ends at each layer: nothing public looks inside a
    `call`. Two faults of Keras are mended meanwhile: a variable on the left of an operator does not
    take a symbolic tensor on its right, nor does an array of JAX.
    """
    layer_class, operation_class = keras.layers.Layer, keras.Operation
    variable_class, tensor_class = keras.Variable, keras.KerasTensor
    here = threading.get_ident()

    def is_symbolic(*values: Any) -> bool:
        leaves = keras.tree.flatten(values)
        return threading.get_ident() == here and any(isinstance(x, tensor_class) for x in leaves)

    def layer_call(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_symbolic(args, kwargs):
            return original(self, *args, **kwargs)
        return call(functools.partial(original, self), self, args, kwargs)

    def symbolic_call(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = original(self, *args, **kwargs)
        if threading.get_ident() == here:
            operation(self, args, kwargs, outputs)
        return outputs

    def operator(name: str, original: Any, self: Any, other: Any) -> Any:
        if not is_symbolic(other):
            return original(self, other)
        return getattr(keras.ops, _OPERATORS[name])(self, other)

    new: list[tuple[Any, str, Any]] = [
        (layer_class, "__call__", layer_call),
        (operation_class, "symbolic_call", symbolic_call),
        *((variable_class, name, functools.partial(operator, name)) for name in _OPERATORS),
    ]
    with _PATCHING:
        owned = [(cls, name, vars(cls).get(name)) for cls, name, _ in new]
        converter = tensor_class.__jax_array__
        del tensor_class.__jax_array__
        try:
            for cls, name, function in new:
                original = getattr(cls, name)
                setattr(cls, name, functools.partialmethod(_answered, function, original))
            yield
        finally:
            tensor_class.__jax_array__ = converter
            for cls, name, own in owned:
                delattr(cls, name) if own is None else setattr(cls, name, own)


def _answered(self: Any, function: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
    return function(original, self, *args, **kwargs)


def _with_whole_bias(original: Any) -> Any:
    @functools.wraps(original)
    def build(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self.bias_initializer, "gate_bias", False):
            return original(self, *args, **kwargs)
        unit_forget_bias, self.unit_forget_bias = self.unit_forget_bias, False
        try:
            return original(self, *args, **kwargs)
        finally:
            self.unit_forget_bias = unit_forget_bias

    build.gate_biases = True  # type: ignore[attr-defined]
    return build


@contextmanager
def _unchanged_random() -> Iterator[None]:
    """Put back Python's, NumPy's and PyTorch's generators; Keras takes its seeds from Python's."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with backend.unchanged_generator():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def in_fresh_state(function: Callable[[], T]) -> T:
    """What the function returns, of which no trace is left in Keras's global state.

    Keras counts the names that it gives, and draws from a global seed generator. Both are kept per
    thread (3.10 to 3.15, undocumented), so the function runs in a thread of its own, with the
    custom objects, dtype policy and distribution of the caller's.
    """
    custom_objects = objects_in_scope()
    policy, distribution = keras.config.dtype_policy(), keras.distribution.distribution()

    def run() -> T:
        keras.config.set_dtype_policy(policy)
        if distribution is not None:
            keras.distribution.set_distribution(distribution)
        with keras.saving.custom_object_scope(custom_objects), _unchanged_random():
            return function()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()
