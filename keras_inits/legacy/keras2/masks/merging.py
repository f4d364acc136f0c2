"""Layers whose tensors have masks: those of several tensors, and those behind which none goes on."""

from __future__ import annotations

from functools import reduce
from typing import Any

import keras

from keras_inits.legacy.keras2.masks.table import eager, registered

_o = keras.ops
_L = keras.layers


@registered(_L.Add, _L.Subtract, _L.Multiply, _L.Average, _L.Maximum, _L.Minimum)
class _Merging:
    """What is masked in one of the inputs is masked; Keras 3: in all of them, and its value counts."""

    def call(self, inputs: Any) -> Any:
        return super().call([_o.copy(x) for x in inputs])  # type: ignore[misc]

    @eager
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = [m for m in mask or () if m is not None]
        return reduce(_o.logical_and, masks) if masks else None


@registered(_L.Concatenate)
class _Concatenating:
    """The same, for tensors beside each other; one without a mask is whole."""

    axis: int

    @eager
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not any(m is not None for m in mask or ()):
            return None
        pairs = zip(inputs, mask, strict=True)
        masks = [_o.ones_like(x, "bool") if m is None else _spread(m, x) for x, m in pairs]
        return _o.all(_o.concatenate(masks, axis=self.axis), axis=-1)


def _spread(mask: Any, tensor: Any) -> Any:
    """A mask in the shape of its tensor."""
    while len(mask.shape) < len(tensor.shape):
        mask = mask[..., None]
    return _o.broadcast_to(mask, _o.shape(tensor))


@registered(
    *(_L.Rescaling, _L.Identity, _L.Normalization),
    *(_L.Reshape, _L.Permute, _L.Cropping1D),
)
class _Ending:
    """No mask goes on; a tensor that Keras returns as it came would keep its own."""

    def call(self, inputs: Any) -> Any:
        return _o.copy(super().call(inputs))  # type: ignore[misc]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


@registered(_L.GlobalAveragePooling1D)
class _Averaging:
    """Keras 3.10 sets what is masked to 0 in the tensor itself on PyTorch, for others too."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return super().call(_o.copy(inputs), mask=mask)  # type: ignore[misc]
