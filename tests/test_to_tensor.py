"""Arrays become tensors of the backend with the same values, drawn ones with the same memory."""

from __future__ import annotations

import gc

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_inits.backend.memory import to_tensor
from keras_inits.streams import DefaultStream

BACKEND = keras.backend.backend()


def read(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (300, 301)])
def test_values_and_dtype(shape, dtype):
    array = DefaultStream(0).normal(shape).astype(getattr(ml_dtypes, dtype, dtype))
    expected = array.astype("float32")
    tensor = to_tensor(array)
    assert keras.ops.is_tensor(tensor)
    if BACKEND != "jax" or dtype != "float64":  # where 64 bits are off, JAX has float32
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    np.testing.assert_array_equal(read(keras.ops.cast(tensor, "float32")), expected)


# On JAX small arrays are copied, which is faster there.
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(600, 601)] + [(2, 3)] * (BACKEND != "jax"))
def test_draws_are_not_copied(shape, dtype):
    if BACKEND == "jax" and dtype == "float64":
        return  # it becomes float32
    array = DefaultStream(0).normal(shape, dtype=dtype)
    tensor = to_tensor(array)
    array[0, 0] = 77.0
    assert read(keras.ops.cast(tensor, "float32"))[0, 0] == 77.0


def test_the_memory_lives_as_long_as_the_tensor():
    tensors = [to_tensor(DefaultStream(seed).normal((300, 301))) for seed in range(8)]
    gc.collect()
    for seed, tensor in enumerate(tensors):
        np.testing.assert_array_equal(read(tensor), DefaultStream(seed).normal((300, 301)))


def test_arrays_that_start_anywhere():
    whole = np.arange(2**17 + 1, dtype="float32")
    for start in (0, 1):
        part = whole[start : start + 2**17].copy()
        np.testing.assert_array_equal(read(to_tensor(part)), whole[start : start + 2**17])
        shifted = whole[start : start + 2**17]
        np.testing.assert_array_equal(read(to_tensor(shifted)), shifted)


def test_a_variable_on_the_memory_can_be_trained():
    variable = keras.Variable(to_tensor(DefaultStream(0).normal((300, 301))))
    before = read(variable)
    variable.assign_add(keras.ops.ones((300, 301)))
    np.testing.assert_array_equal(read(variable), before + np.float32(1))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a graph of TensorFlow")
def test_inside_a_graph():
    import tensorflow as tf

    graph = tf.function(lambda: to_tensor(DefaultStream(0).normal((300, 301))) * 1.0)
    np.testing.assert_array_equal(graph().numpy(), DefaultStream(0).normal((300, 301)))
