"""PyTorch's DTensor: which block of a tensor each process holds, and a tensor of such blocks."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np

Block = tuple[tuple[int, int], ...]


def rank() -> int:
    """This process's number, 0 where there is no group of them."""
    import torch

    return torch.distributed.get_rank() if in_group() else 0


def world_size() -> int:
    """How many processes there are in the group, 1 without one."""
    import torch

    return torch.distributed.get_world_size() if in_group() else 1


def in_group() -> bool:
    """Whether processes work together: without a group there are no DTensors."""
    import torch

    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_dtensor(tensor: Any) -> bool:
    """Whether a tensor is one; its module takes long to import, and has been where there is one."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(getattr(tensor, "data", tensor), module.DTensor)


def is_cut(layout: Any) -> bool:
    """Whether processes hold blocks of a tensor of these `placements`."""
    return any(placement.is_shard() for placement in layout.placements)


def blocks(layout: Any, shape: tuple[int, ...]) -> dict[int, Block]:
    """For each process of the layout's mesh the bounds of its block along every axis.

    As `torch.chunk`: ceil(size / parts) entries each, the last ones fewer, or none.
    """
    mesh = layout.device_mesh.mesh.numpy()
    found = {}
    for place in itertools.product(*map(range, mesh.shape)):
        bounds = [(0, size) for size in shape]
        for part, parts, placement in zip(place, mesh.shape, layout.placements, strict=True):
            if placement.is_shard():
                start, stop = bounds[placement.dim]
                step = -(-(stop - start) // parts)
                first = min(start + part * step, stop)
                bounds[placement.dim] = first, min(first + step, stop)
        found[int(mesh[place])] = tuple(bounds)
    return found


def from_block(
    fill: Callable[[tuple[slice, ...]], np.ndarray],
    to_tensor: Callable[[np.ndarray], Any],
    shape: tuple[int, ...],
    layout: Any,
) -> Any:
    """The DTensor of which this process holds what `fill` gives for its block; nothing is sent."""
    from torch.distributed.tensor import DTensor

    block = blocks(layout, shape)[rank()]
    local = to_tensor(fill(tuple(slice(*bounds) for bounds in block)))
    strides = np.cumprod([1, *shape[:0:-1]], dtype=np.int64)[::-1] if shape else ()
    return DTensor.from_local(
        local.to(layout.device_mesh.device_type),
        layout.device_mesh,
        layout.placements,
        run_check=False,
        shape=shape,
        stride=tuple(map(int, strides)),
    )


def gathered(words: np.ndarray, seconds: int) -> tuple[np.ndarray, list[int], bool]:
    """The 64-bit words of every process, one row each, whose are missing, and whether time ran out.

    All of them have to call this. Each sends its own to each other one, so that it knows who is missing.
    """
    import torch
    from torch import distributed

    own, here, end = torch.from_numpy(words.view(np.int64)), rank(), time.monotonic() + seconds
    rows = [torch.empty_like(own) for _ in range(world_size())]
    rows[here] = own
    others = [number for number in range(len(rows)) if number != here]
    receives = [(distributed.irecv, rows[number], number) for number in others]
    sends = [(distributed.isend, own, number) for number in others]
    missing, works = set(), []
    for start, tensor, number in (*receives, *sends):
        try:
            works.append((number, start(tensor, number)))
        except RuntimeError:
            missing.add(number)
    for number, work in works:
        try:
            work.wait(timedelta(seconds=max(end - time.monotonic(), 0.001)))
        except RuntimeError:
            missing.add(number)
    values = np.stack([row.numpy() for row in rows]).view(np.uint64)
    return values, sorted(missing), time.monotonic() > end
