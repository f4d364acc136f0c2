"""From a NumPy array to a tensor of the backend, without a copy where that takes less time."""

from __future__ import annotations

from typing import Any

import keras
import ml_dtypes
import numpy as np

from keras_inits.streams.default.tiles import ALIGNMENT, address


def to_tensor(array: np.ndarray) -> Any:
    """The array as a tensor of the backend, in the array's own memory if it can stay there.

    So the array must be the caller's alone, and is not to be used afterwards. What `DefaultStream`
    draws starts where TensorFlow and JAX want it to; other arrays they copy.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # asarray copies, which takes less time for a small array than device_put's preparations.
        return (jax.numpy.asarray if array.nbytes < 2**18 else jax.device_put)(array)
    # Neither backend takes NumPy's bfloat16: its bits go there as integers.
    narrow = array.dtype == ml_dtypes.bfloat16
    if narrow or array.dtype in (np.float16, np.float32, np.float64):
        bits = array.view(np.int16) if narrow else array
        if backend == "torch":
            import torch

            tensor = torch.from_numpy(bits)
            return keras.ops.convert_to_tensor(tensor.view(torch.bfloat16) if narrow else tensor)
        if backend == "tensorflow" and address(array) % ALIGNMENT == 0:
            import tensorflow as tf

            if tf.executing_eagerly() and not tf.config.list_logical_devices("GPU"):
                tensor = tf.experimental.dlpack.from_dlpack(bits.__dlpack__())
                return tf.bitcast(tensor, tf.bfloat16) if narrow else tensor
    return keras.ops.convert_to_tensor(array, dtype=keras.backend.standardize_dtype(array.dtype))
