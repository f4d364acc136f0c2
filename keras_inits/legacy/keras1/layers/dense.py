"""Highway and MaxoutDense."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import Weighted, register


class _Affine(Weighted):
    """A layer with kernels and biases."""

    def __init__(
        self,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.use_bias = use_bias
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self._keep(
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            kernel_constraint=kernel_constraint,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
        )

    def get_config(self) -> dict[str, Any]:
        penalty = keras.regularizers.serialize(self.activity_regularizer)
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "activity_regularizer": penalty if self.activity_regularizer else None,
        }


@register
class Highway(_Affine):
    """s f(x W + b) + (1 - s) x with the gate s = sigmoid(x C + c), whose bias c starts at one."""

    def __init__(self, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        start = self._options["kernel_initializer"]
        if isinstance(start, keras.initializers.Initializer):
            start = type(start).from_config(start.get_config())  # Keras's own draw once
        self.kernel = self._add("kernel", (width, width))
        self.carry_kernel = self.add_weight(
            shape=(width, width), name="carry_kernel", initializer=start
        )
        if self.use_bias:
            self.bias = self._add("bias", (width,))
            self.carry_bias = self.add_weight(shape=(width,), name="carry_bias", initializer="ones")

    def call(self, inputs: Any) -> Any:
        gate = ops.matmul(inputs, self.carry_kernel)
        new = ops.matmul(inputs, self.kernel)
        if self.use_bias:
            gate, new = gate + self.carry_bias, new + self.bias
        gate = ops.sigmoid(gate)
        return gate * self.activation(new) + (1.0 - gate) * inputs

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


@register
class MaxoutDense(_Affine):
    """The largest of `nb_feature` linear maps of the input, unit by unit."""

    def __init__(self, output_dim: int, nb_feature: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_dim, self.nb_feature = output_dim, nb_feature

    def build(self, input_shape: Any) -> None:
        self.kernel = self._add("kernel", (self.nb_feature, input_shape[-1], self.output_dim))
        if self.use_bias:
            self.bias = self._add("bias", (self.nb_feature, self.output_dim))

    def call(self, inputs: Any) -> Any:
        maps = ops.einsum("bi,kio->bko", inputs, self.kernel)
        return ops.max(maps + self.bias if self.use_bias else maps, axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        sizes = {"output_dim": self.output_dim, "nb_feature": self.nb_feature}
        return {**super().get_config(), **sizes}
