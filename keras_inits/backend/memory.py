"""Tensors and NumPy arrays: whose memory holds the entries, and who copies it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike

from keras_inits.backend import dtensor, name

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_FLOATS = {_BFLOAT16, *map(np.dtype, (np.float16, np.float32, np.float64))}
ALIGNMENT = 64  # bytes; what TensorFlow and JAX ask of an array that they take without a copy


def snapshot(variable: Any) -> Any:
    """The variable's value, which a later assignment does not change: a copy where need be."""
    if name() == "torch":
        return variable.value.detach().clone()
    return variable.value if name() == "jax" else keras.ops.copy(variable.value)


def assignable(array: np.ndarray) -> Any:
    """The array as a variable takes it fastest; its memory is copied then, and stays the caller's."""
    if array.dtype not in _FLOATS:
        return array
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.constant(array)
    return _of_torch(array) if name() == "torch" and array.flags.writeable else array


def float32(tensor: Any) -> np.ndarray:
    """A tensor's values, to be read only: on PyTorch in its own memory where that holds float32."""
    plain = not isinstance(tensor, np.ndarray) and not dtensor.is_dtensor(tensor)
    if name() == "torch" and plain:
        return tensor.detach().float().cpu().numpy()
    array = keras.ops.convert_to_numpy(tensor)
    return array if array.dtype == np.float32 else array.astype(np.float32)


def is_deleted(value: Any) -> bool:
    """Whether the memory of a tensor is gone: JAX gives that of donated arguments away."""
    return name() == "jax" and bool(value.is_deleted())


def address(array: np.ndarray) -> int:
    """Where the array's memory starts."""
    return int(array.__array_interface__["data"][0])


def aligned(
    shape: Sequence[int], dtype: DTypeLike, allocate: Callable[..., np.ndarray] = np.empty
) -> np.ndarray:
    """An array that starts at a multiple of ALIGNMENT bytes, uninitialised.

    With `np.zeros` it is zero, in memory that the system hands out when it is first written to.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = allocate(size + ALIGNMENT, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % ALIGNMENT)


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor of the backend, in the array's own memory if it can stay there.

    So the array must be the caller's alone. What `DefaultStream` draws starts where TensorFlow and
    JAX want it to; other arrays they copy.
    """
    backend = name()
    if backend == "jax":
        import jax

        # asarray copies, which takes less time for a small array than device_put's preparations.
        return (jax.numpy.asarray if array.nbytes < 2**18 else jax.device_put)(array)
    known = array.dtype in _FLOATS
    if known and backend == "torch":
        return keras.ops.convert_to_tensor(_of_torch(array))
    if known and address(array) % ALIGNMENT == 0:
        import tensorflow as tf

        if tf.executing_eagerly() and not tf.config.list_logical_devices("GPU"):
            narrow = array.dtype == _BFLOAT16
            bits = array.view(np.int16) if narrow else array
            tensor = tf.experimental.dlpack.from_dlpack(bits.__dlpack__())
            return tf.bitcast(tensor, tf.bfloat16) if narrow else tensor
    return keras.ops.convert_to_tensor(array, dtype=keras.backend.standardize_dtype(array.dtype))


def _of_torch(array: np.ndarray) -> Any:
    import torch

    if array.dtype == _BFLOAT16:  # neither it nor TensorFlow takes NumPy's: its bits go as integers
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
