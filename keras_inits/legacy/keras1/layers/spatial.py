"""Convolutions and pooling that Keras 3 does not run everywhere or pads otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import register


def _channels_last(x: Any) -> Any:
    rank = len(x.shape)
    return ops.transpose(x, (0, *range(2, rank), 1))


def _channels_first(x: Any) -> Any:
    rank = len(x.shape)
    return ops.transpose(x, (0, rank - 1, *range(1, rank - 1)))


class _Convolution:
    """A convolution of "channels_first" that runs on every device and adds its bias rightly.

    TensorFlow convolves two axes so on a GPU alone, and Keras 3 adds the bias there over the last
    axis if that is as long as the bias.
    """

    def call(self: Any, inputs: Any) -> Any:
        if self.data_format == "channels_last":
            return super().call(inputs)  # type: ignore[misc]
        outputs = self._convolved(_channels_last(inputs))
        outputs = outputs + self.bias if self.use_bias else outputs
        outputs = self.activation(outputs) if self.activation is not None else outputs
        return _channels_first(outputs)

    def _convolved(self: Any, x: Any) -> Any:
        steps = (list(self.strides), self.padding, "channels_last", self.dilation_rate)
        return ops.conv(x, self.kernel, *steps)


@register
class Convolution2D(_Convolution, keras.layers.Conv2D):
    """A Conv2D of either data format on every device."""


@register
class Convolution3D(_Convolution, keras.layers.Conv3D):
    """A Conv3D of either data format on every device."""


@register
class SeparableConvolution2D(_Convolution, keras.layers.SeparableConv2D):
    """A SeparableConv2D of either data format on every device."""

    def _convolved(self, x: Any) -> Any:
        kernels = (self.depthwise_kernel, self.pointwise_kernel)
        return ops.separable_conv(x, *kernels, tuple(self.strides), self.padding, "channels_last")


@register
class Deconvolution2D(keras.layers.Conv2DTranspose):
    """A Conv2DTranspose whose output has `size` rows and columns, cut out of the whole one.

    `crop` is what is cut at the start: "valid" nothing, "centre" half of the surplus, or a number
    for each axis.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        size: Sequence[int] = (1, 1),
        crop: Any = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.size = tuple(int(n) for n in size)
        self.crop = crop if isinstance(crop, str) else tuple(crop)

    def call(self, inputs: Any) -> Any:
        first = self.data_format == "channels_first"
        whole = ops.conv_transpose(
            _channels_last(inputs) if first else inputs,
            self.kernel,
            strides=list(self.strides),
            padding="valid",
            data_format="channels_last",
        )
        cut: list[slice] = [slice(None)]
        for axis, size in enumerate(self.size):
            start = self._start(axis, whole.shape[1 + axis])
            cut.append(slice(start, start + size))
        outputs = whole[tuple(cut)]
        outputs = outputs + self.bias if self.use_bias else outputs
        outputs = self.activation(outputs) if self.activation is not None else outputs
        return _channels_first(outputs) if first else outputs

    def _start(self, axis: int, whole: int | None) -> int:
        surplus = None if whole is None else whole - self.size[axis]
        if self.crop == "centre" and surplus is not None:
            start = surplus // 2 if surplus > 0 else 0
        else:
            start = 0 if isinstance(self.crop, str) else int(self.crop[axis])
        if surplus is None or surplus < start:
            raise ValueError(
                f"output_shape must be one that the convolution fills, got {self.size} for a "
                f"whole of {whole} on axis {axis}"
            )
        return start

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        if self.data_format == "channels_first":
            return (input_shape[0], self.filters, *self.size)
        return (input_shape[0], *self.size, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "crop": self.crop}


@register
class SamePooling(keras.layers.Layer):
    """Max or average pooling of `border_mode="same"`; the padding itself takes no part.

    `theano` pads on both sides by the pool's size less one, or less two where the size is odd, and
    cuts the end of the output to the input's size over the stride, rounded up. Without it, as with
    TensorFlow, half of what is missing goes to either side; Keras 3's average on PyTorch counts it.
    """

    def __init__(
        self,
        mode: str,
        pool_size: Sequence[int],
        strides: Sequence[int],
        data_format: str = "channels_last",
        theano: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode, self.data_format, self.theano = mode, data_format, theano
        self.pool_size, self.strides = tuple(pool_size), tuple(strides)

    def call(self, inputs: Any) -> Any:
        first = self.data_format == "channels_first"
        x = _channels_last(inputs) if first else inputs
        ends = [-(-n // s) for n, s in zip(ops.shape(x)[1:-1], self.strides, strict=True)]
        pooled = self._maximum(x) if self.mode == "max" else self._average(x)
        pooled = pooled[(slice(None), *(slice(0, end) for end in ends))]
        return _channels_first(pooled) if first else pooled

    def _pads(self, sizes: Sequence[int]) -> list[tuple[int, int]]:
        if self.theano:
            return [(n, n) for n in (k - 2 if k > 2 and k % 2 else k - 1 for k in self.pool_size)]
        steps = zip(sizes, self.pool_size, self.strides, strict=True)
        surplus = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in steps]
        return [(n // 2, n - n // 2) for n in surplus]

    def _pool(self, function: Any, x: Any, value: float) -> Any:
        x = ops.pad(x, [(0, 0), *self._pads(ops.shape(x)[1:-1]), (0, 0)], constant_values=value)
        return function(x, self.pool_size, self.strides, "valid", "channels_last")

    def _maximum(self, x: Any) -> Any:
        return self._pool(ops.max_pool, x, float("-inf"))

    def _average(self, x: Any) -> Any:
        if not self.theano and not all(isinstance(n, int) for n in ops.shape(x)[1:-1]):
            # Sizes that are not known yet, which TensorFlow alone has, and it counts no padding.
            return ops.average_pool(x, self.pool_size, self.strides, "same", "channels_last")
        total, counted = (self._pool(ops.average_pool, v, 0.0) for v in (x, ops.ones_like(x)))
        return total / counted

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        start = 2 if self.data_format == "channels_first" else 1
        shape = list(input_shape)
        for axis, stride in enumerate(self.strides, start):
            shape[axis] = None if shape[axis] is None else -(-shape[axis] // stride)
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        names = ("mode", "pool_size", "strides", "data_format", "theano")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
