"""Merge modes that Keras 3 masks or computes otherwise, and Bidirectional on masked input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import register

_JOINED = {"sum": ops.add, "ave": ops.add, "mul": ops.multiply, "max": ops.maximum}
MODES = (*_JOINED, "cos")


@register
class Merge(keras.layers.Layer):
    """The sum, mean ("ave"), product, maximum or cosine of the inputs.

    Its mask is where all masks of the inputs hold; Keras 3's Add and the like take any of them.
    """

    def __init__(self, mode: str = "sum", dot_axes: Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mode, self.dot_axes = mode, [int(axis) for axis in dot_axes]
        self._dot = keras.layers.Dot(self.dot_axes)

    def call(self, inputs: Any) -> Any:
        if self.mode == "cos":
            return self._cosine(*inputs)
        joined = reduce(_JOINED[self.mode], inputs)
        return joined / len(inputs) if self.mode == "ave" else joined

    def _cosine(self, one: Any, other: Any) -> Any:
        norms = ops.sqrt(self._dot([one, one]) * self._dot([other, other]))
        cosine = self._dot([one, other]) / ops.maximum(norms, keras.config.epsilon())
        return ops.expand_dims(cosine, 1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = [mask for mask in previous_mask or () if mask is not None]
        return reduce(ops.logical_and, masks) if masks and self.mode != "cos" else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode, "dot_axes": self.dot_axes}


@register
class Bidirectional(keras.layers.Bidirectional):
    """Bidirectional whose output at a masked step is that of the step before, and not zero."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for layer in (self.forward_layer, self.backward_layer):
            layer.zero_output_for_mask = False
