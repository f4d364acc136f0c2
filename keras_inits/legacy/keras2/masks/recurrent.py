"""Recurrent layers, and a layer within time."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_inits.legacy.keras2.masks.table import eager, registered

_o = keras.ops
_L = keras.layers


class _WithMask(keras.layers.Layer):
    """A tensor with a mask, of the two."""

    def call(self, inputs: Any) -> Any:
        return _o.copy(inputs[0])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return inputs[1]


class _Given:
    """A mask that is given goes on as that of the tensor would; not so in Keras 3.10."""

    def __call__(self, inputs: Any, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
        if mask is not None and not isinstance(mask, keras.KerasTensor):
            inputs, mask = _WithMask(autocast=False)([inputs, mask]), None
        return super().__call__(inputs, *args, mask=mask, **kwargs)  # type: ignore[misc]


@registered(
    *(_L.RNN, _L.SimpleRNN, _L.GRU, _L.LSTM, _L.Bidirectional),
    *(_L.ConvLSTM1D, _L.ConvLSTM2D, _L.ConvLSTM3D),
)
class _Recurrent(_Given):
    """The mask of the sequences counts, also beside states; Keras 3 passes over it there."""

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = False,
        sequences_mask: Any = None,
    ) -> Any:
        mask = sequences_mask if mask is None else mask
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)  # type: ignore[misc]


@registered(_L.TimeDistributed)
class _Timed(_Given):
    """The layer inside takes and makes masks as it does alone, all steps of all samples at once."""

    layer: keras.layers.Layer

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return _split(self._inside(inputs, mask), inputs)

    def _inside(self, inputs: Any, mask: Any) -> Any:
        is_taken = "mask" in inspect.signature(self.layer.call).parameters
        given = {"mask": _joined(mask)} if is_taken and mask is not None else {}
        return self.layer(_joined(inputs), **given)

    @eager
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(self.layer, keras.Model):
            made = _MaskOf()(self._inside(inputs, mask))
        else:
            inner = None if mask is None else _joined(mask)
            made = self.layer.compute_mask(_joined(inputs), inner)
        if made is not None:
            return _split(made, inputs)
        return None if mask is None else _o.any(mask, tuple(range(2, len(mask.shape))))


def _joined(tensor: Any) -> Any:
    """The axes of samples and steps as one."""
    return _o.reshape(tensor, (-1, *_o.shape(tensor)[2:]))


def _split(tensor: Any, like: Any) -> Any:
    """The axis of samples and steps as two."""
    return _o.reshape(tensor, (-1, _o.shape(like)[1], *_o.shape(tensor)[1:]))


class _MaskOf(keras.layers.Layer):
    """The mask of a tensor, or None."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """It has none itself."""
