"""The one place that knows Keras from other packages, and its releases apart.

What must lean on more of Keras than its documentation promises stands here, each with the reason and
the release in which it was needed; tests/test_host.py tells when it is not needed any more.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import keras
import numpy as np

from keras_inits import backend

T = TypeVar("T")


def is_keras(thing: Any) -> bool:
    """Whether a class, function or object is of Keras itself: also where it is not public."""
    cls = thing if hasattr(thing, "__name__") else type(thing)
    return _package(cls) == "keras"


def is_of_keras_packages(thing: Any) -> bool:
    """Whether it is of Keras or one of the packages that Keras imports by itself for a file."""
    cls = thing if hasattr(thing, "__name__") else type(thing)
    return _package(cls) in ("keras", "keras_hub", "keras_cv", "keras_nlp")


def _package(cls: Any) -> str:
    return (getattr(cls, "__module__", None) or "").split(".")[0]


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


def find_registered_strings() -> None:
    """Have `keras.initializers.get`, and so layers, look for a string among the registered initializers first.

    Keras does up to 3.15. Later (3.16.0.dev2026102704) it looks in a table of its own alone, as it always
    did for activations, so that no string names a registered class.
    """
    known = keras.saving.custom_object_scope({"keras_inits>known": keras.initializers.Zeros})
    with suppress(ValueError), known:
        keras.initializers.get("keras_inits>known")
        return
    names = vars(inspect.getmodule(keras.initializers.get))
    names["ALL_OBJECTS_DICT"] = _Registered(names["ALL_OBJECTS_DICT"])


class _Registered(dict[str, Any]):
    """Keras's initializers by name, among which registered ones are found, too."""

    def get(self, name: str, default: Any = None) -> Any:
        found = keras.saving.get_registered_object(name)
        is_one = isinstance(found, type) and issubclass(found, keras.initializers.Initializer)
        return found.from_config({}) if is_one else super().get(name, default)


def objects_in_scope() -> dict[str, Any]:
    """The custom objects of the scopes around.

    There is no public way to read them (3.10 to 3.15), but a scope keeps in `backup` what it found.
    """
    scope = keras.saving.custom_object_scope({})
    with scope:
        return dict(scope.backup)


def excludes_from_decay(optimizer: Any) -> bool:
    """Whether variables were excluded from an optimizer's weight decay.

    `exclude_from_weight_decay` is public, but what it keeps is not (3.10 to 3.15), nor in the config:
    a copy of the optimizer would decay what it should not.
    """
    kept = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    return any(getattr(optimizer, name, None) for name in kept)


def give_seed(layer: Any, state: Any, seed: int) -> None:
    """Have the layer's generator with this state take the seed for the one that it was made with.

    PyTorch's dropout looks at nothing else: without such a seed it draws from PyTorch's own generator,
    whatever the state says (3.10 to 3.15).
    """

    def is_it(value: Any) -> bool:
        return isinstance(value, keras.random.SeedGenerator) and value.state is state

    values = list(vars(layer).values())
    # In an attribute of its own, or in a container of which PyTorch has many to look through.
    for generator in [*filter(is_it, values)] or [*filter(is_it, keras.tree.flatten(values))]:
        generator._initial_seed = seed


@contextmanager
def held_alone(variables: list[Any], whole: Callable[[Any], Any]) -> Iterator[None]:
    """Variables that processes hold together on JAX have values of this one alone, `whole(variable)`.

    Nothing is distributed meanwhile, and all is put back at the end. A variable spreads what it is
    assigned as its layout says, which no public way takes off (3.10 to 3.15). A `keras.StatelessScope`
    gives other values too, but in one thread alone, not within scopes inside of it, as recurrent layers
    and gradients open, and no variable can be made there.
    """
    held = [(variable, variable._layout, variable.value) for variable in variables]
    distribution = keras.distribution.distribution()

    def assign(variable: Any, value: Any) -> None:
        type(variable).assign(variable, value)  # one that waits for its first values still does

    def put_back() -> None:
        keras.distribution.set_distribution(distribution)
        for variable, layout, value in held:
            assign(variable, value)  # as it is, while there is no layout
            variable._layout = layout

    try:
        keras.distribution.set_distribution(None)
        for variable in variables:
            value = whole(variable)
            variable._layout = None
            assign(variable, value)
        yield
    finally:
        try:
            put_back()
        except BaseException:  # an interrupt at just this time
            put_back()
            raise


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
def unchanged_python_random() -> Iterator[None]:
    """Put back Python's generator, from which Keras takes a seed for all that it makes without one."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _unchanged_random() -> Iterator[None]:
    """Put back Python's, NumPy's and PyTorch's generators."""
    state = np.random.get_state()
    try:
        with backend.unchanged_generator(), unchanged_python_random():
            yield
    finally:
        np.random.set_state(state)


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
