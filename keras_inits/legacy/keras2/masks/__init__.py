"""Keras's own layers with the masks of tf.keras; they stand in old models that have masks."""

from keras_inits.legacy.keras2.masks import attention, merging, recurrent  # noqa: F401
from keras_inits.legacy.keras2.masks.table import MASKED, has_masks, replaced, with_masks

__all__ = ["MASKED", "has_masks", "replaced", "with_masks"]
