"""From NumPy blocks to a tensor of the backend, on one device or on many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.streams.block import Index
from keras_inits.streams.handover import to_tensor


def held(dtype: str) -> str:
    """The dtype that the backend holds: JAX, unless told otherwise, has float32 for float64."""
    if dtype == "float64" and keras.backend.backend() == "jax":
        import jax

        return dtype if jax.config.jax_enable_x64 else "float32"
    return dtype


def place(fill: Callable[[Index], np.ndarray], shape: tuple[int, ...], layout: Any = None) -> Any:
    """The tensor that `fill` gives block by block, as the backend's, spread as `layout` says.

    `layout` is None, a `keras.distribution.TensorLayout` or a sharding of the backend. On JAX each
    device gets its shard alone: `fill` is asked once for every distinct block, replicas share it.
    """
    if layout is None:
        return to_tensor(fill(None))
    layout = getattr(layout, "backend_layout", layout)
    if keras.backend.backend() != "jax":
        return keras.distribution.distribute_tensor(to_tensor(fill(None)), layout)
    return _place_jax(fill, shape, layout)


def _place_jax(fill: Callable[[Index], np.ndarray], shape: tuple[int, ...], layout: Any) -> Any:
    import jax

    if isinstance(layout, jax.sharding.NamedSharding) and not isinstance(
        layout.mesh, jax.sharding.Mesh
    ):
        # Keras hands an abstract mesh over inside its own call; the devices are in the current one.
        layout = jax.sharding.NamedSharding(jax.sharding.get_mesh(), layout.spec)
    owners: dict[tuple[tuple[int, int], ...], list[Any]] = {}
    for device, index in layout.addressable_devices_indices_map(shape).items():
        block = tuple(part.indices(extent)[:2] for part, extent in zip(index, shape, strict=True))
        owners.setdefault(block, []).append(device)
    shards = []
    for block, devices in owners.items():
        values = fill(tuple(slice(*bounds) for bounds in block))
        shards += [jax.device_put(values, device) for device in devices]
    return jax.make_array_from_single_device_arrays(shape, layout, shards)
