"""BatchNormalization in its modes 1 and 2, and an Embedding with dropout."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import Weighted, register


@register
class BatchNormalization(Weighted):
    """gamma (x - m) / (sqrt(v + inner) + outer) + beta, by the statistics of the input itself.

    `mode` 1: mean and variance of each sample over its last axis. `mode` 2: those of the batch over
    all axes but `axis`, in training and after it. (Mode 0 is Keras 3's own layer.)
    """

    def __init__(
        self,
        mode: int = 2,
        axis: int = -1,
        inner_epsilon: float = 1e-3,
        outer_epsilon: float = 0.0,
        gamma_initializer: Any = "ones",
        beta_initializer: Any = "zeros",
        gamma_regularizer: Any = None,
        beta_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mode, self.axis = mode, axis
        self.inner_epsilon, self.outer_epsilon = inner_epsilon, outer_epsilon
        self._keep(
            gamma_initializer=gamma_initializer,
            beta_initializer=beta_initializer,
            gamma_regularizer=gamma_regularizer,
            beta_regularizer=beta_regularizer,
        )

    def build(self, input_shape: Any) -> None:
        self.gamma = self._add("gamma", (input_shape[self.axis],))
        self.beta = self._add("beta", (input_shape[self.axis],))

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        axis = self.axis % rank
        over = (rank - 1,) if self.mode == 1 else tuple(a for a in range(rank) if a != axis)
        mean = ops.mean(inputs, axis=over, keepdims=True)
        variance = ops.mean(ops.square(inputs - mean), axis=over, keepdims=True)
        normed = (inputs - mean) / (ops.sqrt(variance + self.inner_epsilon) + self.outer_epsilon)
        shape = [-1 if a == axis else 1 for a in range(rank)]
        return ops.reshape(self.gamma, shape) * normed + ops.reshape(self.beta, shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        names = ("mode", "axis", "inner_epsilon", "outer_epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@register
class Embedding(keras.layers.Embedding):
    """An Embedding that drops whole rows of its table, the rest scaled up, while training."""

    def __init__(
        self, input_dim: int, output_dim: int, dropout: float = 0.0, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(input_dim, output_dim, **kwargs)
        self.dropout, self.seed = dropout, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        found = super().call(inputs)
        if not training or not self.dropout:
            return found
        ones = ops.ones((self.input_dim, 1), dtype=found.dtype)
        rows = keras.random.dropout(ones, self.dropout, seed=self.seed_generator)
        return found * ops.take(rows, ops.cast(inputs, "int32"), axis=0)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        return super().compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}
