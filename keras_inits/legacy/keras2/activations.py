"""Functions of Keras 2 whose names mean others now."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras2")
def hard_sigmoid(x: Any) -> Any:
    """min(max(0.2 x + 0.5, 0), 1): Keras 1 and 2; Keras 3 has the slope 1/6 instead of 0.2."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)
