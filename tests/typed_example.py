"""What a user writes, checked by mypy and pyright with the library: wrong names and arguments are found."""

from __future__ import annotations

from typing import Any, assert_type

import keras
import numpy as np

import keras_inits
from keras_inits import laws


@keras_inits.register(law="U(-1/n, 1/n)", source="chapter 3", package="mine")
class Tiny(keras_inits.Scheme):
    """U(-scale/n, scale/n)."""

    def __init__(self, scale: float = 1.0, seed: Any = None) -> None:
        self.scale, self.seed = scale, seed

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Uniform(-self.scale / shape[-1], self.scale / shape[-1])


def start(model: keras.Model, x: np.ndarray) -> float:
    """Every kind of call that a user makes."""
    initializer = keras_inits.HeNormal(seed=1)
    assert_type(initializer, keras_inits.HeNormal)
    assert_type(keras_inits.HeNormal.from_config({}), keras_inits.HeNormal)
    assert_type(keras_inits.compute_fans((3, 3, 8, 16)), tuple[int, int])
    assert_type(keras_inits.gain("relu"), float)
    assert_type(keras_inits.names(), list[str])
    print(keras_inits.initialize(model, {"kernel$": initializer}, seed=7).digest)
    keras_inits.lsuv(model, x, progress=False)
    keras_inits.inspect(model, x).assert_healthy()
    keras_inits.testing.check_initializer(Tiny, shapes=[(4, 5)])
    keras_inits.HeAbnormal()  # type: ignore[attr-defined]
    keras_inits.initialize(model, sed=7)  # type: ignore[call-arg]
    return initializer.law((4, 5)).std
