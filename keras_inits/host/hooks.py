"""Keras asks here before it makes a weight or uses a model. It offers no way to be told (3.10 to 3.15)."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

_PATCHING = threading.RLock()  # two threads must not put each other's patches back


@contextmanager
def weights_made_by(add_weight: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A context in which the layers of this thread make their weights by `add_weight(layer, ...)`.

    A built variable does not know its initializer (3.10 to 3.15), so a layer is built once more with
    an `add_weight` that takes notes; and Keras draws what is loaded afterwards. Keras documents what
    layers call it with, and not that it can be replaced. Yields Keras's own, which stays wrapped.
    """
    with _PATCHING:
        original = _wrapped_add_weight()
    _HERE.makers.append(add_weight)
    try:
        yield original
    finally:
        _HERE.makers.pop()


class _Here(threading.local):
    """This thread's makers of weights, of which the last one counts, and whether `keras.ops` answers."""

    def __init__(self) -> None:
        self.makers: list[Callable[..., Any]] = []
        self.answering = False


_HERE = _Here()


@functools.cache
def _wrapped_add_weight() -> Callable[..., Any]:
    layer_class: Any = keras.layers.Layer
    original = layer_class.add_weight

    @functools.wraps(original)
    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = _HERE.makers[-1] if _HERE.makers else original
        return chosen(self, *args, **kwargs)

    layer_class.add_weight = add_weight
    return original


_RUNS = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")
_USES = (*_RUNS, "save", "save_weights", "export")


def before_use(check: Callable[[Any, str], None]) -> None:
    """Have `check(model, name of the method)` called before a model is trained, run or saved.

    Keras calls nobody then (3.10 to 3.15). From the first call on, these methods are wrapped.
    """
    model_class: Any = keras.Model
    with _PATCHING:
        if hasattr(model_class.fit, "checks_use"):
            return
        for name in _USES:
            setattr(model_class, name, _checked_use(getattr(model_class, name), check))


def _checked_use(original: Any, check: Callable[[Any, str], None]) -> Any:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self, original.__name__)
        return original(self, *args, **kwargs)

    method.checks_use = True  # type: ignore[attr-defined]
    return method


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
    take a symbolic tensor on its right, nor does an array of JAX. Keras's own layers call `keras.ops`
    up to 3.15, and later (3.16.0.dev2026102704) the backend's functions, for which `keras.ops` answers here.
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
    backend: Any = vars(inspect.getmodule(keras.layers.MultiHeadAttention)).get("backend")
    with _PATCHING:
        owned = [(cls, name, vars(cls).get(name)) for cls, name, _ in new]
        converter = vars(tensor_class).get("__jax_array__")
        if converter is not None:
            del tensor_class.__jax_array__
        functions = getattr(backend, "ops", None)
        try:
            if functions is not None:
                backend.ops = _Functions(functions, is_symbolic)
            for cls, name, function in new:
                original = getattr(cls, name)
                setattr(cls, name, functools.partialmethod(_answered, function, original))
            yield
        finally:
            if functions is not None:
                backend.ops = functions
            if converter is not None:
                tensor_class.__jax_array__ = converter
            for cls, name, own in owned:
                delattr(cls, name) if own is None else setattr(cls, name, own)


def _answered(self: Any, function: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
    return function(original, self, *args, **kwargs)


class _Functions:
    """The backend's module of functions: of symbolic tensors those of `keras.ops` with the same names."""

    def __init__(self, module: Any, is_symbolic: Callable[..., bool]) -> None:
        self._module, self._is_symbolic = module, is_symbolic

    def __getattr__(self, name: str) -> Any:
        own, other = getattr(self._module, name), getattr(keras.ops, name, None)
        if inspect.ismodule(own):
            return _Functions(own, self._is_symbolic)
        if other is None:
            return own

        def function(*args: Any, **kwargs: Any) -> Any:
            if _HERE.answering or not self._is_symbolic(args, kwargs):
                return own(*args, **kwargs)
            _HERE.answering = True  # `keras.ops` may ask for the backend's own
            try:
                return other(*args, **kwargs)
            finally:
                _HERE.answering = False

        return function
