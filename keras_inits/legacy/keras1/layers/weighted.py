"""What the layers of Keras 1 with weights share: how these are made from arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

register = keras.saving.register_keras_serializable("keras1")

_GET = {
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}


class Weighted(keras.layers.Layer):
    """A layer whose weights are each added from arguments `NAME_initializer` and the like."""

    def _keep(self, **options: Any) -> None:
        self._options = {key: _GET[key.split("_")[-1]](value) for key, value in options.items()}

    def _add(self, name: str, shape: Sequence[int], default: str = "zeros", role: str = "") -> Any:
        role = role or name
        given = {
            kind: self._options[f"{role}_{kind}"]
            for kind in _GET
            if f"{role}_{kind}" in self._options
        }
        return self.add_weight(shape=tuple(shape), name=name, **{"initializer": default, **given})

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        kept = {key: serialize(value) for key, value in self._options.items()}
        return {**super().get_config(), **kept}
