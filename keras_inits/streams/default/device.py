"""The default stream on an NVIDIA GPU: the same bits, written where the tensor lives.

The kernel is `_kernels.cu`, compiled by NVIDIA's `cuda.core` when it is first needed. Where that
package or a GPU is missing, and for laws on 64 bits, the host draws.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_inits.backend import gpu
from keras_inits.streams.default import kernels, quantile
from keras_inits.streams.default.tiles import DTYPES, TILE, tile_shape
from keras_inits.streams.narrow import NARROW, Support, limits

# A box takes a thread of the GPU longer than the host: below so many boxes the host is faster.
LEAST = 16 * TILE
_ROWS, _WORDS, _THREADS, _BLOCKS = 32, 64, 32 * 9, 4  # as in _kernels.cu
Axes = list[tuple[int, int, int]]  # size, extent of a box, number of boxes


def fill(
    message: bytes,
    shape: tuple[int, ...],
    dtype: str,
    function: kernels.Single,
    support: Support,
) -> Any | None:
    """The tensor that `tiles.fill` gives, on the GPU; None where the host has to draw it."""
    if not _is_installed():
        return None
    axes = _merged(shape)
    if _span(axes) >= 2**32:
        return None
    memory = gpu.allocate(shape, dtype)
    if memory is None:
        return None
    law, values = _law(function)
    # Entries side by side are written at once where they always lie so.
    together = 1 if axes[-1][0] % 4 or axes[-1][1] % 4 else 4
    kernel = _kernel(memory.device, law, dtype, len(axes), together)
    if kernel is None:
        return None
    from cuda.core import Device, LaunchConfig, Stream, launch

    device = Device(memory.device)
    device.set_current()
    boxes = math.prod(grid for _, _, grid in axes)
    # As many boxes side by side as keep all of the multiprocessors busy.
    rows = min(_ROWS, max(1, -(-boxes // (_BLOCKS * device.properties.multiprocessor_count))))
    described, address = gpu.upload(_described(message, axes, rows), memory)
    stream = Stream.from_handle(memory.stream)
    config = LaunchConfig(grid=-(-boxes // rows), block=_THREADS)
    bounds = limits(dtype, support) if dtype in NARROW else (-math.inf, math.inf)
    numbers = [np.float32(value) for value in (*values, *bounds)]
    launch(stream, config, kernel, memory.address, address, *numbers)
    stream.sync()
    del described
    return memory.tensor


def _merged(shape: Sequence[int]) -> Axes:
    """The tensor's axes; one that no box cuts becomes one with the axis before it."""
    axes: Axes = []
    for size, extent in zip(shape, tile_shape(shape), strict=True):
        if axes and size == extent:
            before, cut, grid = axes.pop()
            axes.append((before * size, cut * size, grid))
        else:
            axes.append((size, extent, -(-size // extent)))
    return axes


def _strides(axes: Axes) -> list[int]:
    return [math.prod(size for size, _, _ in axes[i + 1 :]) for i in range(len(axes))]


def _span(axes: Axes) -> int:
    """How far the entries of a box lie apart."""
    return sum(extent * stride for (_, extent, _), stride in zip(axes, _strides(axes), strict=True))


def _described(message: bytes, axes: Axes, rows: int) -> np.ndarray:
    """`struct tensor`, with the message at its end."""
    sizes, extents, grids = zip(*axes, strict=True)
    steps = -(-math.prod(extents) // (2 * _WORDS))
    wide = np.array([math.prod(grids), *sizes, *_strides(axes)], "<u8")
    rest = np.array([*extents, *grids, rows, steps, len(message)], "<i4")
    return np.frombuffer(wide.tobytes() + rest.tobytes() + message, np.uint8).copy()


def _law(function: kernels.Single) -> tuple[str, tuple[Any, ...]]:
    """The law's name in _kernels.cu, and step, shift, edge, mean, stddev, low, high."""
    if function.kernel == "uniform32":
        step, least, greatest = function.arguments
        return "UNIFORM", (step, least, 0.0, 0.0, 0.0, 0.0, greatest)
    form, _, *values = function.arguments
    return "INNER" if form == kernels.INNER else "NORMAL", tuple(values)


@functools.cache
def _is_installed() -> bool:
    try:
        import cuda.core  # noqa: F401
    except ImportError:
        return False
    return True


@functools.cache
def _kernel(device: int, law: str, dtype: str, axes: int, together: int) -> Any | None:
    """The compiled kernel; None, with a warning, where this machine cannot compile or load it."""
    from cuda.core import Device, Program, ProgramOptions

    try:
        chosen = Device(device)
        chosen.set_current()
        options = ProgramOptions(arch=f"sm_{chosen.arch}", std="c++17", fma=False)
        program = Program(source(law, dtype, axes, together), "c++", options)
        return program.compile("cubin").get_kernel("fill")
    except Exception as error:
        warnings.warn(
            f"keras_inits draws on the host, as the GPU's kernel could not be compiled: {error}",
            stacklevel=2,
        )
        return None


def source(law: str, dtype: str, axes: int, together: int) -> str:
    """The kernel's source for a law, a dtype and a number of axes."""
    chosen = {"LAW": law, "DTYPE": DTYPES[dtype], "AXES": axes, "TOGETHER": together}
    lines = [f"#define {name} {value}" for name, value in chosen.items()]
    forms = {
        "INNER32": quantile.INNER32,
        "CENTRE32": quantile.CENTRE32,
        "TAIL32": quantile.TAIL32,
    }
    for name, (constants, residues, poles) in forms.items():
        for part, value in zip(("CONSTANT", "SLOPE"), constants, strict=False):
            lines.append(f"#define {name}_{part} {_literal(value)}")
        for part, values in ("RESIDUES", residues), ("POLES", poles):
            lines.append(f"#define {name}_{part} {{{', '.join(map(_literal, values))}}}")
    return "\n".join([*lines, Path(__file__).with_name("_kernels.cu").read_text()])


def _literal(value: Any) -> str:
    return f"{float(value).hex()}f"
