"""Layers that Keras 3 computes otherwise on PyTorch than on TensorFlow, or not at all."""

from __future__ import annotations

from typing import Any

import keras

from keras_inits.legacy.keras2.masks.table import registered

_o = keras.ops
_L = keras.layers
#: What a layer becomes on PyTorch, by the name of its class.
ON_TORCH: dict[str, type] = {}


@registered(_L.AveragePooling1D, _L.AveragePooling2D, _L.AveragePooling3D, table=ON_TORCH)
class _Averaging:
    """The mean of what lies in the image; PyTorch counts the border, and has it on one side."""

    pool_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str

    def call(self, inputs: Any) -> Any:
        if self.padding != "same":
            return super().call(inputs)  # type: ignore[misc]
        first = 1 if self.data_format == "channels_last" else 2
        borders = [(0, 0)] * len(inputs.shape)
        for axis, (size, step) in enumerate(zip(self.pool_size, self.strides, strict=True), first):
            length = inputs.shape[axis]
            border = max((-(-length // step) - 1) * step + size - length, 0)
            borders[axis] = (border // 2, border - border // 2)
        means = [
            _o.average_pool(
                _o.pad(x, borders), self.pool_size, self.strides, "valid", self.data_format
            )
            for x in (inputs, _o.ones_like(inputs))
        ]
        return means[0] / means[1]


@registered(_L.LayerNormalization, table=ON_TORCH)
class _Normalizing:
    """PyTorch has it for the last axes alone."""

    axis: Any
    epsilon: float
    gamma: Any
    beta: Any
    compute_dtype: str

    def call(self, inputs: Any) -> Any:
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        axes = sorted(axis % len(inputs.shape) for axis in axes)
        if axes == list(range(axes[0], len(inputs.shape))):
            return super().call(inputs)  # type: ignore[misc]
        shape = [n if axis in axes else 1 for axis, n in enumerate(inputs.shape)]
        x = _o.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        mean, variance = _o.moments(x, axes, keepdims=True)
        x = (x - mean) * _o.rsqrt(variance + self.epsilon)
        x = x if self.gamma is None else x * _o.reshape(self.gamma, shape)
        x = x if self.beta is None else x + _o.reshape(self.beta, shape)
        return _o.cast(x, self.compute_dtype)
