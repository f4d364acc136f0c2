"""ParametricSoftplus and SReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import Weighted, register


class _Elementwise(Weighted):
    """An activation with one weight an entry of a sample, but one for all of `shared_axes`."""

    def __init__(self, shared_axes: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.shared_axes = None if shared_axes is None else tuple(shared_axes)

    def _shape(self, input_shape: Any) -> list[int]:
        shared = self.shared_axes or ()
        return [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shared_axes": self.shared_axes}


@register
class ParametricSoftplus(_Elementwise):
    """a log(1 + exp(b x)) with weights a and b."""

    def __init__(
        self,
        alpha_init: float = 0.2,
        beta_init: float = 5.0,
        shared_axes: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(shared_axes, **kwargs)
        self.alpha_init, self.beta_init = alpha_init, beta_init
        self._keep()

    def build(self, input_shape: Any) -> None:
        constant = keras.initializers.Constant
        shape = self._shape(input_shape)
        self.alpha = self.add_weight(
            shape=tuple(shape), name="alpha", initializer=constant(self.alpha_init)
        )
        self.beta = self.add_weight(
            shape=tuple(shape), name="beta", initializer=constant(self.beta_init)
        )

    def call(self, inputs: Any) -> Any:
        return self.alpha * ops.softplus(self.beta * inputs)

    def get_config(self) -> dict[str, Any]:
        starts = {"alpha_init": self.alpha_init, "beta_init": self.beta_init}
        return {**super().get_config(), **starts}


@register
class SReLU(_Elementwise):
    """x between two thresholds, beyond each a line with a slope of its own.

    `bounded`, as with Theano: on the left the line rises to the right threshold at most.
    """

    def __init__(
        self,
        t_left_initializer: Any = "zeros",
        a_left_initializer: Any = "glorot_uniform",
        t_right_initializer: Any = "glorot_uniform",
        a_right_initializer: Any = "ones",
        shared_axes: Sequence[int] | None = None,
        bounded: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(shared_axes, **kwargs)
        self.bounded = bounded
        self._keep(
            t_left_initializer=t_left_initializer,
            a_left_initializer=a_left_initializer,
            t_right_initializer=t_right_initializer,
            a_right_initializer=a_right_initializer,
        )

    def build(self, input_shape: Any) -> None:
        shape = self._shape(input_shape)
        self.t_left = self._add("t_left", shape)
        self.a_left = self._add("a_left", shape)
        self.t_right = self._add("t_right", shape)
        self.a_right = self._add("a_right", shape)

    def call(self, inputs: Any) -> Any:
        # The right threshold is given by its distance from the left one.
        width = ops.abs(self.t_right)
        above = inputs - self.t_left
        middle = ops.minimum(ops.relu(above), width) - self.a_left * ops.relu(-above)
        middle = ops.minimum(middle, width) if self.bounded else middle
        return self.t_left + middle + self.a_right * ops.relu(above - width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bounded": self.bounded}
