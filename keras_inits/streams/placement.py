"""From NumPy blocks to a tensor of the backend, on one device or on many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import ml_dtypes
import numpy as np

from keras_inits.streams.default.bounds import inside
from keras_inits.streams.handover import to_tensor
from keras_inits.streams.stream import Index


def draw_dtype(dtype: str) -> str:
    """The dtype to draw in: a narrow float is drawn in float32 and rounded once, at the end."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def numpy_dtype(dtype: str) -> Any:
    """NumPy's dtype of that name, also where ml_dtypes defines it (bfloat16)."""
    return np.dtype(getattr(ml_dtypes, dtype, dtype))


def narrow(array: np.ndarray, dtype: str, support: tuple[float, float] | None) -> np.ndarray:
    """Round to a narrow dtype, to nearest, but never across the bounds of a bounded law."""
    target = numpy_dtype(dtype)
    rounded = array.astype(target)
    if support is None:
        return rounded
    low, high = inside(support[0], target, up=True), inside(support[1], target, up=False)
    return np.minimum(np.maximum(rounded, low), high)  # np.clip would widen bfloat16


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
