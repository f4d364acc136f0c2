"""Memory of an NVIDIA GPU that the backend uses, for who writes into it himself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.backend import name


@dataclass(frozen=True)
class Memory:
    """A tensor without values yet, where it lies, and the stream of work that its reader waits for."""

    tensor: Any
    address: int
    device: int
    stream: int


def allocate(shape: tuple[int, ...], dtype: str) -> Memory | None:
    """A tensor where the backend puts new ones, if that is an NVIDIA GPU and not a traced function."""
    if name() == "torch":
        import torch

        device = keras.ops.zeros(()).device
        if device.type != "cuda" or torch.version.cuda is None:
            return None
        tensor = torch.empty(shape, dtype=getattr(torch, dtype), device=device)
        stream = torch.cuda.current_stream(device).cuda_stream
        return Memory(tensor, tensor.data_ptr(), device.index, stream)
    if name() == "jax":
        import jax

        probe = jax.numpy.zeros(())
        if isinstance(probe, jax.core.Tracer) or probe.device.platform != "gpu":
            return None
        if "cuda" not in probe.device.client.platform_version:
            return None
        # The array's own values must be written before ours are. Work on stream 0 is waited for.
        array = jax.numpy.empty(shape, dtype).block_until_ready()
        return Memory(array, array.unsafe_buffer_pointer(), probe.device.local_hardware_id, 0)
    return None


def upload(data: np.ndarray, beside: Memory) -> tuple[Any, int]:
    """The array on the GPU, which must be kept until it was read, and its address there."""
    if name() == "torch":
        import torch

        tensor = torch.from_numpy(data).to(beside.tensor.device)
        return tensor, tensor.data_ptr()
    import jax

    array = jax.device_put(data, beside.tensor.device).block_until_ready()
    return array, array.unsafe_buffer_pointer()
