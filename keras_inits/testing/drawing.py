"""What the checks share: a draw as an array, and a copy with another seed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

# From an initializer and the shapes that it takes to what is wrong, one text each.
Check = Callable[[Any, Sequence[tuple[int, ...]]], Iterator[str]]


def array(tensor: Any) -> np.ndarray:
    """The tensor's values in float32, cast by NumPy: a backend would compile it for every shape."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float32")


def draw(initializer: Any, shape: Sequence[int]) -> np.ndarray:
    """Its values of this shape."""
    return array(initializer(shape, dtype="float32"))


def seeded(initializer: Any, seed: Any) -> Any:
    """A copy with this seed, or None where it takes none."""
    config = initializer.get_config()
    if "seed" not in inspect.signature(type(initializer)).parameters or "seed" not in config:
        return None
    return type(initializer).from_config({**config, "seed": seed})


def fixed(initializer: Any) -> Any:
    """A copy that gives the same values at every call, as far as it can."""
    return seeded(initializer, 3) or initializer


def repeats(initializer: Any, shape: Sequence[int]) -> bool:
    """Whether two calls give the same values."""
    return np.array_equal(draw(initializer, shape), draw(initializer, shape))
