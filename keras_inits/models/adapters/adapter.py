"""The adapters of a model, and how each one's factors and kernel lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.fans import einsum_axes
from keras_inits.models.variables.walk import Slot, Walk
from keras_inits.streams.narrow import numpy_dtype

Axes = tuple[int, ...]
_WEIGHTS = ("kernel", "embeddings")
_CLASSES = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Embedding,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """A layer's frozen kernel and its factors A (all axes but the last, rank) and B (rank, last).

    `inputs` are the kernel's axes that are summed over, `heads` the others but the last, `given`
    the axes of the layer's input that `inputs` meet, None where inputs are not simply multiplied.
    """

    layer: Any
    path: str
    kernel: Any
    a: Any
    b: Any
    inputs: Axes
    heads: Axes = ()
    given: Axes | None = None

    @property
    def rank(self) -> int:
        """The columns of A."""
        return int(self.b.shape[0])

    @property
    def scale(self) -> float:
        """What A B is multiplied by."""
        return float(self.layer.lora_alpha) / float(self.layer.lora_rank)

    @property
    def quantized(self) -> bool:
        """Whether the kernel holds no real numbers."""
        return "float" not in keras.backend.standardize_dtype(self.kernel.dtype)

    def product(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """s A B, of (inputs, heads, outputs)."""
        return self.scale * (a.reshape(*self._rows(), self.rank) @ b)

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """A (inputs * heads, rank) and B now, in float64."""
        return self.ordered(_read(self.a)).reshape(-1, self.rank), _read(self.b)

    def weight(self) -> np.ndarray:
        """The frozen kernel (inputs, heads, outputs) in float64; zeros for a quantized one."""
        if self.quantized:
            return np.zeros((*self._rows(), int(self.b.shape[1])))
        return self.ordered(_read(self.kernel))

    def as_kernel(self, values: np.ndarray) -> np.ndarray:
        """Values of (inputs, heads, outputs) as the kernel has them."""
        return self._laid(values, self.kernel)

    def as_a(self, values: np.ndarray) -> np.ndarray:
        """Values of (inputs * heads, rank) as the variable A has them."""
        return self._laid(values, self.a)

    def _rows(self) -> tuple[int, int]:
        shape = self.a.shape
        inputs, heads = (
            int(np.prod([shape[i] for i in axes])) for axes in (self.inputs, self.heads)
        )
        return inputs, heads

    def ordered(self, values: np.ndarray) -> np.ndarray:
        """What the kernel or A holds, as (inputs, heads, outputs)."""
        return values.transpose(*self.inputs, *self.heads, -1).reshape(*self._rows(), -1)

    def _laid(self, values: np.ndarray, variable: Any) -> np.ndarray:
        order, shape = (*self.inputs, *self.heads), tuple(variable.shape)
        values = values.reshape(*(shape[axis] for axis in order), shape[-1])
        values = values.transpose(*np.argsort(order), -1)
        return values.astype(numpy_dtype(keras.backend.standardize_dtype(variable.dtype)))


def adapters(found: Walk) -> list[Adapter]:
    """Those of a model, in the order of its layers."""
    layers: dict[int, dict[str, Slot]] = {}
    for slot in found:
        layers.setdefault(id(slot.layer), {})[slot.role] = slot
    listed = []
    for slots in layers.values():
        name = next((n for n in _WEIGHTS if n in slots and f"lora_{n}_a" in slots), None)
        if name is not None and isinstance(slots[name].layer, _CLASSES):
            listed.append(_adapter(name, slots))
    return listed


def _adapter(name: str, slots: dict[str, Slot]) -> Adapter:
    slot = slots[name]
    a, b = (slots[f"lora_{name}_{letter}"].variable for letter in "ab")
    rows = tuple(range(len(a.shape) - 1))
    used: tuple[Axes, Axes, Axes | None] = rows, (), None
    if isinstance(slot.layer, keras.layers.Dense):
        used = rows, (), (-1,)
    elif isinstance(slot.layer, keras.layers.EinsumDense):
        used = _einsum(slot.layer.equation, rows)
    path = slot.path.rpartition("/")[0] or slot.layer.name
    return Adapter(slot.layer, path, slot.variable, a, b, *used)


def _einsum(equation: str, rows: Axes) -> tuple[Axes, Axes, Axes | None]:
    summed, outputs = einsum_axes(equation)
    data, kernel = equation.replace(" ", "").replace("...", ".").split("->")[0].split(",")
    if len(rows) in summed or any(kernel[axis] in data for axis in outputs):
        return rows, (), None
    dots = data.find(".")
    places = [data.index(kernel[axis]) for axis in summed]
    given = tuple(p if dots < 0 or p < dots else p - len(data) for p in places)
    return tuple(summed), tuple(axis for axis in outputs if axis in rows), given


def _read(variable: Any) -> np.ndarray:
    return np.asarray(
        keras.ops.convert_to_numpy(keras.ops.cast(variable.value, "float32"))
        if "16" in str(variable.dtype)
        else keras.ops.convert_to_numpy(variable.value),
        "float64",
    )
