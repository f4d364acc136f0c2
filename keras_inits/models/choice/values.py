"""New values for one variable, and the row that tells of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.backend import spread
from keras_inits.base import Scheme
from keras_inits.models.choice.choose import COMPUTED, Action
from keras_inits.models.memory.entries import mean_and_variance
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.adapt import (
    LONG,
    draw,
    filler,
    label,
    law_of,
    law_text,
    scheme_and_law,
    sliver,
)
from keras_inits.schemes.variance_scaling import VarianceScaling
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.seeds import as_stream


@dataclass(frozen=True)
class Drawn:
    """One variable of the report; `source` says what chose the scheme.

    `fans` are those that the scheme used, else the layer's, of parts that differ each one's fan_out;
    `expected_std` is the law's standard deviation and `measured_std` that of the values, both None
    where there is none. `use` is what the model uses the variable for: "norm", "embedding", "embedding, head" of a tied table, "position", "class token",
    "layer scale", "router", else its `role` in its layer.
    """

    path: str
    shape: tuple[int, ...]
    role: str
    layer: str
    scheme: str
    law: str
    fans: tuple[float, ...] | None
    expected_std: float | None
    measured_std: float | None
    source: str
    use: str = ""

    @property
    def scheme_and_law(self) -> str:
        """Both, as the table shows them, without a long call's arguments; or why it was not drawn."""
        is_kept = self.scheme == "kept" and "kept" in self.source
        if self.source == COMPUTED or (is_kept and len(self.source) <= LONG):
            return self.source
        return scheme_and_law(self.scheme, self.law)


def new_value(action: Action, stream: Stream, seeded: bool) -> tuple[np.ndarray | None, str]:
    """(values, problem): None for a variable that stays.

    `seeded` tells whether the stream is that of a seed, which generators of random numbers follow.
    """
    slot = action.slot
    if action.kind == "draw":
        return _draw(action, stream)
    if action.kind == "keep":
        return None, ""
    value = keras.ops.convert_to_numpy(slot.variable.value)
    start = np.zeros_like(value)
    if slot.role == "seed_state":  # a seed and a counter
        start[0] = _seed(slot, stream) if seeded else value[0]
    return start, ""


def try_out(action: Action, stream: Stream) -> None:
    """Raise what a draw would for a shape, a dtype or a law that cannot be; draws one entry at most."""
    if action.kind == "draw" and isinstance(action.scheme, Scheme):
        with _named(action):
            sliver(action.scheme, action.slot.shape, action.slot.dtype, stream, action.geometry)


def _seed(slot: Slot, stream: Stream) -> int:
    """The seed of the generator whose state the variable is, of any dtype that a state has."""
    return int(stream.for_weight(slot.layer, slot.path).integers((), 2**31 - 1))


def _draw(action: Action, stream: Stream) -> tuple[np.ndarray, str]:
    slot = action.slot
    # A seed in a rule's initializer fixes its draws; one in the layer's own would repeat them.
    seed = getattr(action.initializer, "seed", None) if action.named else None
    if not stream.sequential and _is_seed(action.initializer, seed):
        stream = as_stream("initialize", seed)
    stream = stream.for_weight(slot.layer, slot.path)
    with _named(action):
        sharding = spread.sharding(slot.variable)
        to_draw = (action.scheme, slot.shape, slot.dtype, stream, action.geometry)
        fill = None if sharding is None else filler(*to_draw)
        if fill is not None:
            checked = lambda index: _checked(slot, fill(index))  # noqa: E731
            return spread.to_shards("initialize", checked, slot.shape, sharding), ""
        drawn = draw(*to_draw)
        return _checked(slot, drawn.values), drawn.problem


@contextmanager
def _named(action: Action) -> Iterator[None]:
    """An error says which variable, scheme and rule it is about."""
    slot = action.slot
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # an initializer may be anyone's function
        is_plain = isinstance(error, (ValueError, TypeError))
        raise (TypeError if isinstance(error, TypeError) else ValueError)(
            f"initialize: {slot.path} of shape {slot.shape} cannot take "
            f"{label(action.initializer)} ({action.source}): {error if is_plain else repr(error)}"
        ) from error


def _is_seed(initializer: Any, seed: Any) -> bool:
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return False
    # Keras's initializers hold a random int as `seed` where none was given.
    config_seed = (
        initializer.get_config().get("seed") if hasattr(initializer, "get_config") else None
    )
    return config_seed is not None


def _checked(slot: Slot, values: np.ndarray) -> np.ndarray:
    """The values in the variable's dtype; whether that can hold them, `row` tells."""
    dtype = numpy_dtype(slot.dtype)
    if values.dtype != dtype:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(dtype)
    if slot.role == "moving_variance" and values.size and values.min() < 0:
        raise ValueError("a variance cannot be negative")
    return values


def row(action: Action, array: np.ndarray | None) -> Drawn:
    """What the report says of the variable."""
    slot, geometry, used = action.slot, action.geometry, action.scheme
    fans = expected = measured = None
    scheme, law = "start" if action.kind == "restart" else "kept", ""
    if action.kind == "draw" and array is not None:
        scheme = label(action.initializer)
        if geometry is not None:
            fans = geometry.fans
        elif isinstance(used, VarianceScaling):
            fans = used.fans(slot.shape)
        known = law_of(used, slot.shape, geometry)
        law = law_text(used, known)
        expected = None if known is None else known.std
        measured = _std(action, [shard.values for shard in spread.shards(array)])
    return Drawn(
        path=slot.path,
        shape=slot.shape,
        role=slot.role,
        layer=type(slot.layer).__name__,
        scheme=scheme,
        law=law,
        fans=fans,
        expected_std=expected,
        measured_std=measured,
        source=action.source,
        use=action.use,
    )


def _std(action: Action, parts: list[np.ndarray | None]) -> float | None:
    """The standard deviation of all entries, which must be finite.

    None where there are no entries, or some are elsewhere.
    """
    if any(part is not None and part.dtype.kind == "c" for part in parts):
        real, imaginary = (
            _std(action, [part if part is None else of(part) for part in parts])
            for of in (np.real, np.imag)
        )
        return None if real is None or imaginary is None else math.hypot(real, imaginary)
    found = [part for part in parts if part is not None and part.size]
    if not found:
        return None
    measured = mean_and_variance(found)
    if measured is None:
        with _named(action):
            raise ValueError(f"its values are not all finite in {action.slot.dtype}")
    return None if any(part is None for part in parts) else math.sqrt(measured[1])
