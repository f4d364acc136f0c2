"""Which kernels hold several maps side by side: queries, keys and values, or the halves of a gated unit.

Outputs of one kernel belong to several maps where the model multiplies them with one another: queries with
keys, their scores with values, a gate with what it lets through. Heads, the halves of a rotation and the mean and
variance of a code are never multiplied so, and stay one map. No width or name plays a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from keras_inits.models.residual.graph import CONTRACTIONS, Graph
from keras_inits.models.residual.trace import PRODUCTS, Step
from keras_inits.models.weights.geometry import Geometry
from keras_inits.models.weights.layers import einsum_units

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
APART = frozenset(["Split", "Unstack", "GetItem", "Take", "Glu"])
_RESHAPED = frozenset(["Reshape", "Squeeze", "ExpandDims", "Ravel"])
_DISORDERED = frozenset(["Flip", "Roll", "Sort"])
_MOST = 2**26  # entries of an array of numbers that is copied


@dataclass
class Held:
    """What a tensor has of a kernel: the outputs in it, how many products they went through, and, while
    they are only moved, which one stands where."""

    outputs: np.ndarray
    depth: int = 0
    where: np.ndarray | None = None


@dataclass
class Fused:
    """The geometries of kernels in parts, by the variable's id; the variables whose parts are unclear."""

    geometries: dict[int, Geometry] = field(default_factory=dict)
    unclear: list[Any] = field(default_factory=list)


def fused(graph: Graph) -> Fused:
    """The kernels whose outputs are taken apart and multiplied with one another."""
    uses: dict[int, list[tuple[Any, Geometry | None]]] = {}
    for at, step in enumerate(graph.steps):
        for variable, geometry, where in _kernel(step):
            if not _is_taken_apart(graph, step):
                uses.setdefault(id(variable), []).append((variable, geometry))
                continue
            labels = _labels(graph.steps[at + 1 :], step, where)
            parts = _in_turn(labels)
            known = None if parts is None else replace(geometry, parts=parts)
            uses.setdefault(id(variable), []).append((variable, known))
    found = Fused()
    for key, seen in uses.items():
        variable, first = seen[0]
        if any(geometry != first for _, geometry in seen) or first is None:
            found.unclear.append(variable)
        elif first.parts:
            found.geometries[key] = first
    return found


def _kernel(step: Step) -> Iterator[tuple[Any, Geometry, np.ndarray]]:
    """A step's one kernel, its geometry, and the number of each output where the step's output has it."""
    if len(step.matrices) != 1 or len(step.outputs) != 1:
        return
    (variable,) = step.matrices
    shape, output = tuple(variable.shape), tuple(step.outputs[0].shape)
    last = len(shape) - 1
    if step.kind == "Dense":
        yield variable, Geometry(shape, (0,), (1,)), _along(output, -1)
    elif step.kind in _CONVOLUTIONS and step.operation.groups == 1:
        space = tuple(range(last - 1))
        axis = 1 if step.operation.data_format == "channels_first" else -1
        geometry = Geometry(shape, (*space, last - 1), (last,), field=space)
        yield variable, geometry, _along(output, axis)
    elif step.kind in ("Matmul", "Dot") and _argument(step, variable) == 1 and last in (1, 2):
        experts = tuple(range(last - 1))
        yield variable, Geometry(shape, (last - 1,), (last,), experts), _along(output, -1)
    elif step.kind == "Einsum":
        yield from _einsum(step, variable, shape, output)


def _einsum(
    step: Step, variable: Any, shape: tuple[int, ...], output: tuple[int, ...]
) -> Iterator[tuple[Any, Geometry, np.ndarray]]:
    operands, _, result = step.operation.subscripts.replace(" ", "").partition("->")
    names, at = operands.split(","), _argument(step, variable)
    if len(names) != 2 or at is None or not result:
        return
    units, repeats, places = einsum_units(f"{names[1 - at]},{names[at]}->{result}")
    outputs = sorted(axis for axis in units if axis not in repeats)
    inputs = tuple(axis for axis in range(len(shape)) if axis not in units)
    number = np.zeros((1,) * len(output), np.int32)
    stride = 1
    for axis in reversed(outputs):
        place = places[units.index(axis)]
        number = number + _along(output, place)[_first(output, place)] * stride
        stride *= shape[axis]
    geometry = Geometry(shape, inputs, tuple(outputs), tuple(sorted(repeats)))
    yield variable, geometry, np.broadcast_to(number, output)


def _argument(step: Step, variable: Any) -> int | None:
    """Which argument of an operation a variable is, as it stands."""
    given = keras.tree.flatten(step.given)
    return next((i for i, leaf in enumerate(given) if leaf is variable), None)


def _along(shape: tuple[int, ...], axis: int) -> np.ndarray:
    """0, 1, ... along one axis of an array that takes no more memory than this axis."""
    ends = [1] * len(shape)
    ends[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis], dtype=np.int32).reshape(ends), shape)


def _first(shape: tuple[int, ...], axis: int) -> tuple[slice, ...]:
    """The first place along all axes but one."""
    kept = axis % len(shape)
    return tuple(slice(None) if i == kept else slice(0, 1) for i in range(len(shape)))


def _is_taken_apart(graph: Graph, step: Step) -> bool:
    """Whether the outputs are split before another weight takes them."""
    steps = graph.onward(step.outputs, lambda use: bool(use.matrices) or len(use.inputs) != 1)
    return any(use.kind in APART for use in steps)


def _labels(steps: list[Step], start: Step, where: np.ndarray) -> np.ndarray:
    """A number for each output of the kernel: equal ones stand on the same sides of all products."""
    count = int(where.max(initial=-1)) + 1
    held = {id(start.outputs[0]): Held(np.ones(count, bool), 0, where)}
    sides: dict[tuple[Any, ...], np.ndarray] = {}

    def multiply(factors: list[Held]) -> None:
        apart = np.sum([factor.outputs for factor in factors], axis=0).max(initial=0) < 2
        if len(factors) > 1 and apart:
            depths = tuple(factor.depth for factor in factors)
            for i, factor in enumerate(factors):
                old = sides.get((i, depths), np.zeros(count, bool))
                sides[i, depths] = old | factor.outputs

    for step in steps:
        inputs = {id(t): held[id(t)] for t in step.inputs if id(t) in held}
        if not inputs or step.matrices:
            continue
        factors = list(inputs.values())
        moved = _moved(step, factors[0]) if len(step.inputs) == 1 else None
        if moved is not None:
            if step.kind == "Glu":
                multiply(moved)
                moved = [_joined(moved)]
            held.update((id(t), part) for t, part in zip(step.outputs, moved, strict=True))
            continue
        result = _joined(factors)
        if step.kind in PRODUCTS | CONTRACTIONS or "Attention" in step.kind:
            multiply(factors)
            result.depth += len(factors) > 1
        elif len(factors) > 1 or step.kind in _DISORDERED:
            result.where = None
        for tensor in step.outputs:
            fits = result.where is not None and result.where.shape == tuple(tensor.shape)
            held[id(tensor)] = result if fits else replace(result, where=None)
    columns = np.stack([np.zeros(count, bool), *sides.values()])
    return np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)


def _joined(factors: list[Held]) -> Held:
    outputs = np.any([factor.outputs for factor in factors], axis=0)
    where = factors[0].where if len(factors) == 1 else None
    return Held(outputs, max(factor.depth for factor in factors), where)


def _moved(step: Step, held: Held) -> list[Held] | None:
    """What the outputs of a step that only moves or takes apart have, or None of another step."""
    if held.where is None:
        return None
    try:
        arrays = _arrays(step, held.where)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None  # moved in a way that only values tell
    if arrays is None:
        return None
    return [Held(_present(array, held.outputs.size), held.depth, array) for array in arrays]


def _arrays(step: Step, array: np.ndarray) -> list[np.ndarray] | None:
    operation: Any = step.operation
    if step.kind in _RESHAPED:
        if array.size > _MOST:
            return None
        return [array.reshape(step.outputs[0].shape)]
    if step.kind == "Transpose":
        return [array.transpose(operation.axes)]
    if step.kind == "Permute":
        return [array.transpose((0, *operation.dims))]
    if step.kind == "Swapaxes":
        return [array.swapaxes(operation.axis1, operation.axis2)]
    if step.kind == "Moveaxis":
        return [np.moveaxis(array, operation.source, operation.destination)]
    if step.kind == "Split":
        return np.split(array, operation.indices_or_sections, operation.axis)
    if step.kind == "Glu":
        return np.split(array, 2, operation.axis)
    if step.kind == "Unstack":
        return list(np.moveaxis(array, operation.axis, 0))
    if step.kind in ("GetItem", "Take"):
        args, kwargs = step.given
        key: Any = [*args[1:], *kwargs.values()][0]
        if step.kind == "Take":
            array, key = np.moveaxis(array, operation.axis, 0), int(key)
        return [array[key]]
    return None


def _present(array: np.ndarray, count: int) -> np.ndarray:
    """Which numbers are in an array, of whose repeated axes one place is looked at."""
    once = array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]
    present = np.zeros(count, bool)
    present[once.reshape(-1)] = True
    return present


def _in_turn(labels: np.ndarray) -> tuple[int, ...] | None:
    """How many outputs of each map come in turn, over and over; () of one map, None in no such order."""
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    count = labels.max(initial=0) + 1
    if count == 1:
        return ()
    ends = [*starts[1:], labels.size]
    sizes = [int(end - start) for start, end in zip(starts[:count], ends[:count], strict=True)]
    period = sum(sizes)
    if labels.size % period or len({*labels[starts[:count]]}) < count:
        return None
    in_turn = np.array_equal(labels, np.tile(labels[:period], labels.size // period))
    return tuple(sizes) if in_turn else None
