"""Layers whose calls go through someone else's function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras

from keras_inits.models.flow.guards import shadow
from keras_inits.models.flow.places import Place


@contextmanager
def hooked(inside: Sequence[Place], call: Callable[..., Any], mark: Any) -> Iterator[None]:
    """Each layer's call is `call(place, the layer's own call, mark, *args, **kwargs)`."""
    with ExitStack() as stack:
        for place in inside:
            attributes: dict[str, Any] = {"call": partial(call, place, place.layer.call, mark)}
            if isinstance(place.layer, keras.layers.RNN):
                # Or its cell would run in a compiled loop, or not at all.
                attributes |= {"unroll": True, "use_cudnn": False}
            stack.enter_context(shadow(place.layer, **attributes))
        yield


def first_floating(leaves: Sequence[Any]) -> int | None:
    """Where the first floating-point tensor is."""
    return next((i for i, leaf in enumerate(leaves) if _is_floating(leaf)), None)


def _is_floating(leaf: Any) -> bool:
    return keras.ops.is_tensor(leaf) and "float" in keras.backend.standardize_dtype(leaf.dtype)
