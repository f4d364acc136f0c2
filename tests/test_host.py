"""What leans on a release of Keras: that it is right, and that it is still needed."""

from __future__ import annotations

import inspect
import os
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from conftest import python

import keras_inits as ki
from keras_inits import host

L = keras.layers


def test_is_keras() -> None:
    class Mine(L.Dense):
        pass

    for thing in (L.Dense, L.Dense(1), keras.activations.relu, keras.initializers.Zeros()):
        assert host.is_keras(thing)
    for thing in (Mine, Mine(1), ki.HeNormal, ki.HeNormal(), np.zeros, lambda x: x, 3, None):
        assert not host.is_keras(thing)


def test_einsum_axes_reach_our_schemes_and_nothing_else() -> None:
    """A kernel (inputs, heads, size) has `inputs` as its fan_in."""
    for initializer in (ki.HeNormal(seed=1), ki.LecunUniform(seed=1)):
        layer = L.EinsumDense("abc,cde->abde", (None, 4, 8), kernel_initializer=initializer)
        layer.build((None, 5, 16))
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        exact = type(initializer)(seed=1, input_axes=[0], output_axes=[1, 2])((16, 4, 8))
        np.testing.assert_array_equal(kernel, keras.ops.convert_to_numpy(exact))
        assert layer.kernel_initializer is initializer


def test_the_table_of_keras_knows_registered_initializers() -> None:
    """Keras 3.16 looks for strings in a table of its own alone; before it is left as it was."""
    table = vars(inspect.getmodule(keras.initializers.get))["ALL_OBJECTS_DICT"]
    known = host._Registered(table)
    assert isinstance(known.get("xavier_normal"), ki.XavierNormal)
    with keras.saving.custom_object_scope({"zeros": ki.One, "relu_like": keras.layers.ReLU}):
        assert isinstance(known.get("zeros"), ki.One)
        assert known.get("relu_like") is None
    assert known.get("zeros") is keras.initializers.Zeros
    assert known.get("xavier_norma") is None
    if keras.__version__ < "3.16":
        assert type(table) is dict, "Keras finds registered strings by itself"


@pytest.mark.slow
@pytest.mark.once
def test_the_patch_of_einsum_dense_is_for_keras_before_3_15() -> None:
    """Not needed any more once the oldest supported Keras hands the axes over itself."""
    native = "input_axes" in inspect.signature(keras.initializers.VarianceScaling).parameters
    assert native != hasattr(L.EinsumDense.build, "__wrapped__")
    oldest = os.environ.get("KERAS_OLDEST")
    if oldest:
        code = (
            "import inspect, keras\n"
            "print('input_axes' in inspect.signature(keras.initializers.VarianceScaling).parameters)"
        )
        here = os.environ.get("PYTHONPATH", "")
        answer = python(code, PYTHONPATH=os.pathsep.join([oldest, here]), KERAS_BACKEND="torch")
        assert answer.splitlines()[-1] == "False", "the patch of EinsumDense.build can go"


def test_a_scope_of_custom_objects_is_not_to_be_read_otherwise() -> None:
    """Not needed any more once Keras tells the objects of a scope."""
    with keras.saving.custom_object_scope({"mine": np.zeros}):
        assert host.objects_in_scope()["mine"] is np.zeros
        assert "mine" not in keras.saving.get_custom_objects()
    assert "mine" not in host.objects_in_scope()


def test_a_built_variable_does_not_know_its_initializer() -> None:
    """Or else layers need not be built once more with an `add_weight` that takes notes."""
    layer = L.Dense(2)
    layer.build((None, 3))
    assert not hasattr(layer.kernel, "initializer")


def test_keras_asks_for_pieces_of_a_bias() -> None:
    """Not needed any more once a bias initializer sees the whole shape under unit_forget_bias."""
    asked = []

    def initializer(shape, dtype=None):
        asked.append(tuple(shape))
        return keras.ops.zeros(shape, dtype)

    for cell, shape in ((L.LSTMCell(3, bias_initializer=initializer), (None, 2)),):
        cell.build(shape)
    assert asked == [(3,), (6,)]


def test_names_are_counted_per_thread() -> None:
    """What `in_fresh_state` makes leaves this thread's names alone."""
    first = L.Dense(1).name
    assert host.in_fresh_state(lambda: L.Dense(1).name) == "dense"
    number = int(first.partition("_")[2] or 0)
    assert L.Dense(1).name == f"dense_{number + 1}"


def test_values_of_this_process_alone_and_back() -> None:
    """Also on an interrupt. In a `StatelessScope`, which is public, another thread has the old values."""
    if keras.backend.backend() != "jax":
        pytest.skip("its variables have layouts")
    distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:1])

    def interrupted(variables: list[keras.Variable]) -> None:
        with host.held_alone(variables, lambda variable: np.ones(2)):
            assert keras.distribution.distribution() is None
            assert [v._layout for v in variables] == [None, None]
            variables[0].assign([2.0, 3.0])
            with ThreadPoolExecutor(1) as thread:
                seen = thread.submit(lambda: [v.value for v in variables]).result()
            np.testing.assert_array_equal(seen, [[2, 3], [1, 1]])
            raise KeyboardInterrupt

    with distribution.scope():
        variables = [keras.Variable(np.zeros(2, "float32")) for _ in range(2)]
        before = [(v.value, v._layout) for v in variables]
        with pytest.raises(KeyboardInterrupt):
            interrupted(variables)
        assert keras.distribution.distribution() is distribution
        for variable, (value, layout) in zip(variables, before, strict=True):
            assert variable.value is value
            assert variable._layout is layout is not None
    scope = keras.StatelessScope([(variables[0], np.ones(2, "float32"))])
    with scope, ThreadPoolExecutor(1) as thread:
        assert not thread.submit(lambda: variables[0].value.any()).result(), "a scope would do"
