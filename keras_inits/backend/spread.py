"""Tensors that are spread over devices and processes: who holds what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.backend import name


@dataclass(frozen=True)
class Shard:
    """A block of a tensor, the processes that hold it, and its entries where this one does."""

    block: tuple[slice, ...]
    processes: tuple[int, ...]
    values: np.ndarray | None


def process() -> int:
    """This process's number among those that run the program together."""
    if name() != "jax":
        return 0
    import jax

    return jax.process_index()


def sharding(variable: Any) -> Any:
    """How the blocks of a variable are spread over devices; None where each has the whole."""
    if name() != "jax" or variable.value.sharding.is_fully_replicated:
        return None
    return variable.value.sharding


def processes(variable: Any) -> tuple[int, ...]:
    """Those that hold a variable, or parts of it."""
    if name() != "jax":
        return (process(),)
    return tuple(sorted({device.process_index for device in variable.value.sharding.device_set}))


def shards(tensor: Any) -> list[Shard]:
    """The distinct blocks of a tensor, in the same order in every process."""
    shape = tuple(tensor.shape)
    whole = tuple(slice(0, size) for size in shape)
    if isinstance(tensor, np.ndarray):
        return [Shard(whole, (process(),), tensor)]
    if name() != "jax":
        return [Shard(whole, (process(),), keras.ops.convert_to_numpy(tensor))]
    here = {_block(s.index, shape): s.data for s in tensor.addressable_shards}
    owners: dict[tuple[tuple[int, int], ...], set[int]] = {}
    for device, index in tensor.sharding.devices_indices_map(shape).items():
        owners.setdefault(_block(index, shape), set()).add(device.process_index)
    return [
        Shard(
            tuple(slice(*bounds) for bounds in block),
            tuple(sorted(processes)),
            np.asarray(here[block]) if block in here else None,
        )
        for block, processes in sorted(owners.items())
    ]


def _block(index: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))


def to_shards(
    owner: str, fill: Callable[[Any], np.ndarray], shape: tuple[int, ...], layout: Any
) -> Any:
    """JAX's array of what `fill` gives block by block, each device its own shard alone."""
    import jax

    named = isinstance(layout, jax.sharding.NamedSharding)
    if named and not isinstance(layout.mesh, jax.sharding.Mesh):
        # Keras hands an abstract mesh over inside its own call; the devices are in the current one.
        layout = jax.sharding.NamedSharding(jax.sharding.get_mesh(), layout.spec)
    try:
        indices = layout.addressable_devices_indices_map(shape)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{owner}: layout must cut the shape {shape} into equal shards along its axes, got {layout}"
        ) from error
    owners: dict[Any, list[Any]] = {}
    for device, index in indices.items():
        block = tuple(part.indices(extent)[:2] for part, extent in zip(index, shape, strict=True))
        owners.setdefault(block, []).append(device)
    shards = []
    for block, devices in owners.items():
        values = fill(tuple(slice(*bounds) for bounds in block))
        shards += [jax.device_put(values, device) for device in devices]
    return jax.make_array_from_single_device_arrays(shape, layout, shards)


def gathered(words: np.ndarray) -> np.ndarray:
    """The 64-bit words of every process, one row each; all of them have to call this."""
    from jax.experimental import multihost_utils

    # JAX's integers have 32 bits unless it is told otherwise.
    halves = multihost_utils.process_allgather(words.view(np.uint32))
    return np.ascontiguousarray(halves).view(np.uint64).reshape(-1, words.size)
