"""From what a user gives as a seed to a stream: one way for schemes and for the model functions."""

from __future__ import annotations

import copy
import random
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.streams.default.stream import DefaultStream
from keras_inits.streams.stream import Stream


def check_seed(owner: str, seed: Any) -> Any:
    """None, an int, a SeedGenerator, a stream or the config of one; else an error."""
    if isinstance(seed, dict):
        seed = _from_config(owner, seed)
    if seed is None or isinstance(seed, (keras.random.SeedGenerator, Stream)):
        return seed
    expected = "None, an integer from 0 to 2**64 - 1, a keras.random.SeedGenerator or a stream"
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise checks.type_error(owner, "seed", expected, seed)
    if not 0 <= seed < 2**64:
        raise checks.value_error(owner, "seed", expected, seed)
    return int(seed)


def as_stream(owner: str, seed: Any) -> Stream:
    """The stream of a seed, of any kind that `check_seed` accepts.

    None gives a new one, reproducible after `keras.utils.set_random_seed`; a SeedGenerator moves on.
    """
    if type(seed) is int and 0 <= seed < 2**64:
        return _of_int(seed)
    seed = check_seed(owner, seed)
    if isinstance(seed, Stream):
        return seed
    if isinstance(seed, keras.random.SeedGenerator):
        return DefaultStream(_next_seed(owner, seed))
    # Python's generator is the one that keras.utils.set_random_seed and Keras itself use here.
    return DefaultStream(random.getrandbits(64)) if seed is None else _of_int(seed)


def preview(owner: str, seed: Any) -> Stream:
    """As `as_stream`, to draw from without consequence: a generator or a replay stays where it is."""
    seed = check_seed(owner, seed)
    if not isinstance(seed, keras.random.SeedGenerator):
        return copy.deepcopy(as_stream(owner, seed))
    state = np.array(keras.ops.convert_to_numpy(seed.state))
    try:
        return as_stream(owner, seed)
    finally:
        seed.state.assign(state)


@lru_cache
def _of_int(seed: int) -> DefaultStream:
    return DefaultStream(seed)  # it has no state


def _from_config(owner: str, config: dict[str, Any]) -> Any:
    """A SeedGenerator or a stream from its config; nothing else is ever built from a file here."""
    expected = "the config of a keras.random.SeedGenerator or of a stream"
    name = config.get("registered_name") or config.get("class_name")
    inner = config.get("config")
    if not isinstance(name, str) or not isinstance(inner, dict):
        raise checks.value_error(owner, "seed", expected, config)
    cls: Any = keras.saving.get_custom_objects().get(name)
    if name == "SeedGenerator":
        cls = keras.random.SeedGenerator
        if inner.get("seed") is not None:
            checks.integer(owner, "seed of the SeedGenerator", inner["seed"], low=0, high=2**32 - 1)
    elif not (isinstance(cls, type) and issubclass(cls, Stream)):
        raise checks.value_error(owner, "seed", expected, config)
    return cls.from_config(inner)


def _next_seed(owner: str, generator: keras.random.SeedGenerator) -> int:
    state = generator.next()
    try:
        low, high = (int(word) for word in keras.ops.convert_to_numpy(state))
    except Exception as error:
        raise ValueError(
            f"{owner}: seed must be an integer or a stream inside a compiled function, "
            "got a SeedGenerator, whose state has no value there"
        ) from error
    return high << 32 | low
