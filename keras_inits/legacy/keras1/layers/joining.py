"""Merge modes that Keras 3 masks or computes otherwise, and Bidirectional on masked input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
from keras import ops

from keras_inits.legacy.keras1.layers.weighted import register

_JOINED = {"sum": ops.add, "ave": ops.add, "mul": ops.multiply, "max": ops.maximum}
MODES = (*_JOINED, "concat", "cos")


@register
class Merge(keras.layers.Layer):
    """The sum, mean ("ave"), product, maximum, concatenation or cosine of the inputs.

    A step is masked where any input's is; with Keras 3's Add and the like, where all inputs' are.
    """

    def __init__(
        self,
        mode: str = "sum",
        concat_axis: int = -1,
        dot_axes: Sequence[int] = (1, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mode, self.concat_axis = mode, concat_axis
        self.dot_axes = tuple(int(axis) for axis in dot_axes)

    def call(self, inputs: Any) -> Any:
        if self.mode == "cos":
            return self._cosine(*inputs)
        if self.mode == "concat":
            return ops.concatenate(inputs, axis=self.concat_axis)
        joined = reduce(_JOINED[self.mode], inputs)
        return joined / len(inputs) if self.mode == "ave" else joined

    def _cosine(self, one: Any, other: Any) -> Any:
        norms = ops.sqrt(self._dot(one, one) * self._dot(other, other))
        cosine = self._dot(one, other) / ops.maximum(norms, keras.config.epsilon())
        return ops.expand_dims(cosine, 1)

    def _dot(self, x: Any, y: Any) -> Any:
        """The product over one axis of each, sample by sample."""
        left = [f"x{i}" for i in range(len(x.shape))]
        right = [f"y{i}" for i in range(len(y.shape))]
        left[0] = right[0] = "batch"
        left[self.dot_axes[0]] = right[self.dot_axes[1]] = "summed"
        letters = {name: chr(ord("a") + i) for i, name in enumerate(dict.fromkeys(left + right))}
        kept = [name for name in dict.fromkeys(left + right) if name != "summed"]
        terms = ("".join(letters[name] for name in names) for names in (left, right, kept))
        product = ops.einsum("{},{}->{}".format(*terms), x, y)
        return ops.expand_dims(product, 1) if len(kept) == 1 else product

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = previous_mask or []
        if self.mode == "cos" or all(mask is None for mask in masks):
            return None
        if self.mode != "concat":
            return reduce(ops.logical_and, [mask for mask in masks if mask is not None])
        whole = [
            ops.ones_like(x, dtype="bool")
            if mask is None
            else ops.logical_and(ops.expand_dims(mask, -1), ops.ones_like(x, dtype="bool"))
            for x, mask in zip(inputs, masks, strict=True)
        ]
        return ops.all(ops.concatenate(whole, axis=self.concat_axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        names = ("mode", "concat_axis", "dot_axes")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@register
class Bidirectional(keras.layers.Bidirectional):
    """Bidirectional whose output at a masked step is that of the step before, and not zero."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for layer in (self.forward_layer, self.backward_layer):
            layer.zero_output_for_mask = False
