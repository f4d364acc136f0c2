"""Tensors that are spread over devices and processes: who holds what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.backend import dtensor, memory, name
from keras_inits.backend.together import process


@dataclass(frozen=True)
class Shard:
    """A block of a tensor, the processes that hold it, and its entries where this one does."""

    block: tuple[slice, ...]
    processes: tuple[int, ...]
    values: np.ndarray | None


def sharding(variable: Any) -> Any:
    """How the blocks of a variable are spread over devices; None where each has the whole."""
    if not _can_be_spread():
        return None
    value = variable.value
    if name() == "jax":
        return None if value.sharding.is_fully_replicated else value.sharding
    return value.data if dtensor.is_dtensor(value) and dtensor.is_cut(value.data) else None


def _can_be_spread() -> bool:
    # To ask Keras for a variable's value takes longer than all else here.
    return name() == "jax" or (name() == "torch" and dtensor.in_group())


def processes(variable: Any) -> tuple[int, ...]:
    """Those that hold a variable, or parts of it."""
    if not _can_be_spread():
        return (0,)
    if name() == "torch":
        value = variable.value
        if dtensor.is_dtensor(value):
            return tuple(sorted(dtensor.blocks(value.data, variable.shape)))
        return _with_replicas()
    return tuple(sorted({device.process_index for device in variable.value.sharding.device_set}))


def shards(tensor: Any) -> list[Shard]:
    """The distinct blocks of a tensor, in the same order in every process."""
    shape = tuple(tensor.shape)
    whole = tuple(slice(0, size) for size in shape)
    if isinstance(tensor, np.ndarray):
        return [Shard(whole, (process(),), tensor)]
    here: dict[dtensor.Block, Any]
    owners: dict[dtensor.Block, set[int]] = {}
    if name() == "torch" and dtensor.is_dtensor(tensor):
        by_process = dtensor.blocks(tensor.data, shape)
        for number, block in by_process.items():
            owners.setdefault(block, set()).add(number)
        local = keras.ops.convert_to_numpy(tensor.data.to_local())
        here = {block: local for number, block in by_process.items() if number == process()}
    elif name() == "jax":
        here = {_block(s.index, shape): s.data for s in tensor.addressable_shards}
        for device, index in tensor.sharding.devices_indices_map(shape).items():
            owners.setdefault(_block(index, shape), set()).add(device.process_index)
    else:
        return [Shard(whole, _with_replicas(), keras.ops.convert_to_numpy(tensor))]
    return [
        Shard(
            tuple(slice(*bounds) for bounds in block),
            tuple(sorted(processes)),
            np.asarray(here[block]) if block in here else None,
        )
        for block, processes in sorted(owners.items())
    ]


def _with_replicas() -> tuple[int, ...]:
    """The processes that hold what is not cut: on PyTorch all of Keras's distribution, if there is one."""
    together = name() == "torch" and keras.distribution.distribution() is not None
    return tuple(range(dtensor.world_size())) if together else (process(),)


def _block(index: tuple[slice, ...], shape: tuple[int, ...]) -> dtensor.Block:
    return tuple(part.indices(size)[:2] for part, size in zip(index, shape, strict=True))


def to_shards(
    owner: str, fill: Callable[[Any], np.ndarray], shape: tuple[int, ...], layout: Any
) -> Any:
    """The tensor of what `fill` gives block by block, each device its own shard alone."""
    if name() == "torch":
        return dtensor.from_block(fill, memory.to_tensor, shape, layout)
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


def placed(variable: Any, value: Any) -> Any:
    """An array as a variable that several processes hold takes it; all else as it is.

    Each puts its own blocks there: Keras would have JAX compare the whole array among the processes, and
    PyTorch send it.
    """
    if not (isinstance(value, np.ndarray) and _can_be_spread()):
        return value
    if name() == "torch" and dtensor.is_dtensor(variable.value):
        layout = variable.value.data
    elif name() == "jax" and not variable.value.is_fully_addressable:
        layout = variable.value.sharding
    else:
        return value
    return to_shards("assign", lambda index: np.array(value[index]), value.shape, layout)


def is_readable(variable: Any) -> bool:
    """Whether this process can read all of a variable: on JAX not what others hold a part of."""
    return name() != "jax" or variable.value.is_fully_addressable


def is_cut(array: Any) -> bool:
    """Whether other processes hold parts of an array that this one does not: on JAX it cannot be read."""
    return not (
        getattr(array, "is_fully_addressable", True) or getattr(array, "is_fully_replicated", True)
    )
