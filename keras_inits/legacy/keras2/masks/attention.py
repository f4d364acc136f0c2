"""Attention, and the softmax in it."""

from __future__ import annotations

from functools import reduce
from typing import Any

import keras

from keras_inits.legacy.keras2.masks.table import registered

_o = keras.ops
_L = keras.layers


@registered(_L.Attention, _L.AdditiveAttention)
class _Attention:
    """The mask of the values has no axis for the queries, which Keras 3.10 does not make up for."""

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        if mask is not None and mask[1] is not None and not use_causal_mask:
            mask = [mask[0], mask[1][:, None], *mask[2:]]
        return super().call(  # type: ignore[misc]
            inputs,
            mask=mask,
            training=training,
            return_attention_scores=return_attention_scores,
            use_causal_mask=use_causal_mask,
        )


@registered(_L.MultiHeadAttention)
class _Heads:
    """Keras 3 takes the masks off the tensors, and others that read these lose them.

    A position that may attend to none attends to all alike; Keras 3: to none, in some cases.
    """

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        masks = [attention_mask, query_mask, value_mask, key_mask]
        places = [..., (..., None), (slice(None), None), (slice(None), None)]
        both = [_o.cast(m, "bool")[i] for m, i in zip(masks, places, strict=True) if m is not None]
        copies = [None if x is None else _o.copy(x) for x in (query, value, key)]
        return super().call(  # type: ignore[misc]
            *copies,
            attention_mask=reduce(_o.logical_and, both) if both else None,
            return_attention_scores=return_attention_scores,
            training=training,
            use_causal_mask=use_causal_mask,
        )

    def _masked_softmax(self, scores: Any, mask: Any = None) -> Any:
        """The class's own hook for the weights from the scores."""
        if mask is not None:
            axis = -2 * len(self._attention_axes) - 1  # type: ignore[attr-defined]
            while len(mask.shape) < len(scores.shape):
                mask = _o.expand_dims(mask, axis)
            scores = _lowered(scores, mask)
        return super()._masked_softmax(scores)  # type: ignore[misc]


@registered(_L.Softmax)
class _Softmax:
    """The same: where all is masked, all is alike."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return super().call(inputs if mask is None else _lowered(inputs, mask))  # type: ignore[misc]


def _lowered(scores: Any, mask: Any) -> Any:
    """Scores so low where the mask is False that exp gives 0 beside any other."""
    low = -65504.0 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
    return scores + (1 - _o.cast(mask, scores.dtype)) * low
