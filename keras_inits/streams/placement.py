"""From NumPy blocks to a tensor of the backend, on one device or on many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.backend import memory, spread
from keras_inits.streams.block import Index


def place(
    owner: str, fill: Callable[[Index], Any], shape: tuple[int, ...], layout: Any = None
) -> Any:
    """The tensor that `fill` gives block by block, as the backend's, spread as `layout` says.

    `layout` is None, a `keras.distribution.TensorLayout`, a sharding of JAX, or a DTensor of PyTorch
    (what has its `device_mesh` and `placements`). On JAX and PyTorch each device gets its shard alone:
    `fill` is asked once for every distinct block, replicas in a process share it.
    """
    if layout is None:
        whole = fill(None)
        return memory.to_tensor(whole) if isinstance(whole, np.ndarray) else whole
    layout = getattr(layout, "backend_layout", layout)
    if backend.name() != "jax" and not hasattr(layout, "placements"):
        return keras.distribution.distribute_tensor(memory.to_tensor(fill(None)), layout)
    return spread.to_shards(owner, fill, shape, layout)
