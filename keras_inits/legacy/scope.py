"""A scope in which Keras's own loaders read the initializers that an older era wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import keras

from keras_inits import checks
from keras_inits.host import objects_in_scope
from keras_inits.legacy.keras1.schemes import NAMES as KERAS1_NAMES
from keras_inits.legacy.keras2.initializers import ERAS, SPELLINGS, upgrade_initializer


class _Reader(keras.initializers.Initializer):
    """Stands for one spelling of one era in Keras's table of custom objects."""

    spelling: ClassVar[str]
    era: ClassVar[str]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        if cls.spelling == "Identity" and "name" in config:
            return keras.layers.Identity.from_config(config)  # the layer has the same name
        old = {"class_name": cls.spelling, "config": config}
        return keras.saving.deserialize_keras_object(upgrade_initializer(old, cls.era))


def _readers(era: str) -> dict[str, type]:
    spellings = KERAS1_NAMES if era == "keras1" else SPELLINGS
    return {
        spelling: type(spelling, (_Reader,), {"spelling": spelling, "era": era})
        for spelling in spellings
    }


_READERS = {era: _readers(era) for era in ERAS}


@contextmanager
def legacy_scope(era: str) -> Iterator[None]:
    """Inside, names and configs of initializers mean what they meant in `era`.

    `era` is "keras1" (1.2.2), "keras2.0" (2.0.0 to 2.1.6), "keras2" (2.2.0 to 2.3.1, tf.keras 2.x)
    or "tf1" (tf.keras 1.x). Keras's layers, `from_config` and loaders then take what that era wrote:
    its names ("uniform", "Zero", "OrthogonalInitializer", ...) and the `dtype` that tf.keras 1.x
    put into every config, and the initializers that they make have that era's laws. In "keras1" the
    bare names are the classes of `keras_inits.keras1`.

    Scopes nest, the inner era replaces the outer; custom objects of a `custom_object_scope` around
    stay known. Each thread has its own. For whole files see `legacy_load_model`, which also repairs
    what changed besides initializers.

    >>> with legacy_scope("keras1"):
    ...     keras.layers.Dense(4, kernel_initializer="uniform").kernel_initializer
    Uniform()
    """
    checks.one_of("legacy_scope", "era", era, ERAS)
    others = {
        name: value
        for name, value in objects_in_scope().items()  # Keras's scopes replace one another
        if not (isinstance(value, type) and issubclass(value, _Reader))
    }
    with keras.saving.custom_object_scope({**others, **_READERS[era]}):
        yield
