"""Questions to the steps of a model: what a tensor is computed of, and on which way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_inits.models.residual.trace import PRODUCTS, SUMS, Step

# What moves or picks values and is linear. A pooling layer's name ends in its rank.
_MOVES = frozenset(
    [
        "Identity",
        "Cast",
        "Reshape",
        "Transpose",
        "Squeeze",
        "ExpandDims",
        "Ravel",
        "Flatten",
        "Permute",
        "Dropout",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
        "ActivityRegularization",
        "StopGradient",
        "Masking",
        "Pad",
        "GetItem",
        "Slice",
        "Split",
        "Copy",
        "Swapaxes",
        "Moveaxis",
        "RepeatVector",
        "BroadcastTo",
        "Repeat",
        "Tile",
        "Roll",
        "Resize",
        "Resizing",
        "MaxPool",
        "AveragePool",
        "Negative",
    ]
)
_MOVES_OF_RANK = ("SpatialDropout", "ZeroPadding", "Cropping", "UpSampling", "MaxPooling",
                  "AveragePooling")  # fmt: skip
# What gives values between bounds: the share or the weight that another value gets.
_BOUNDED = frozenset(
    [
        "Softmax",
        "Sigmoid",
        "HardSigmoid",
        "Tanh",
        "HardTanh",
        "OneHot",
        "TopK",
        "Sparsemax",
        "Relu6",
        "Greater",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "Equal",
        "NotEqual",
    ]
)
_STATISTICS = frozenset(["Rsqrt", "Sqrt", "Var", "Std", "Norm", "Moments"])
CONTRACTIONS = frozenset({"Matmul", "Einsum", "Dot", "Tensordot"})
_LINEAR_LAYERS = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D")


class Graph:
    """The steps, and for each tensor the step that gave it and all that it is computed of."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.made: dict[int, Step] = {}
        self.uses: dict[int, list[Step]] = {}
        self._bit: dict[int, int] = {}
        self._before: dict[int, int] = {}  # sets of tensors as the bits of an integer
        self._given = 0
        for step in steps:
            before = 0
            for tensor in step.inputs:
                before |= self._set(tensor)
                self.uses.setdefault(id(tensor), []).append(step)
            for tensor in step.outputs:
                if id(tensor) not in self.made:
                    self.made[id(tensor)] = step
                    self._set(tensor, before)
                    self._given |= self._bit[id(tensor)]

    def _set(self, tensor: Any, before: int = 0) -> int:
        if id(tensor) not in self._bit:
            self._bit[id(tensor)] = 1 << len(self._bit)
            self._before[id(tensor)] = before | self._bit[id(tensor)]
        return self._before[id(tensor)]

    def comes_from(self, tensor: Any, source: Any) -> bool:
        """Whether `tensor` is `source` or computed of it."""
        return bool(self._set(tensor) & self._bit.get(id(source), 0))

    def have_common_source(self, tensors: list[Any]) -> bool:
        """Whether a step gave a tensor of which all of these are computed."""
        shared = self._given
        for tensor in tensors:
            shared &= self._set(tensor)
        return bool(shared)

    def values(self, step: Step) -> list[Any]:
        """Of a step's inputs those whose values it passes on: not gates, scores and statistics."""
        inputs = list({id(tensor): tensor for tensor in step.inputs}.values())
        if step.kind == "DotProductAttention":
            return inputs[-1:] if len(inputs) < 4 else inputs[2:3]
        if step.kind in ("Where", "Select"):
            return inputs[1:] or inputs
        if step.kind in ("Divide", "TrueDivide"):
            return inputs[:1]
        if step.kind in PRODUCTS | CONTRACTIONS | {"Subtract"}:
            return self._without_gates(inputs)
        return inputs

    def _without_gates(self, inputs: list[Any]) -> list[Any]:
        """Of factors those that are not computed of another one, and not bounded."""
        sources = [
            t for t in inputs if not any(o is not t and self.comes_from(t, o) for o in inputs)
        ]
        free = [tensor for tensor in sources if not self.is_bounded(tensor)]
        return free or sources

    def gates(self, step: Step) -> list[Any]:
        """The other inputs."""
        kept = {id(tensor) for tensor in self.values(step)}
        return [tensor for tensor in step.inputs if id(tensor) not in kept]

    def is_bounded(self, tensor: Any) -> bool:
        """Whether a sigmoid, a softmax or a choice gave it, without a weight after."""
        for step in self.back([tensor], lambda step: bool(step.matrices)):
            activation = getattr(getattr(step.operation, "activation", None), "__name__", "")
            kinds = {step.kind, "".join(word.title() for word in activation.split("_"))}
            if kinds & _BOUNDED:
                return True
        return False

    def is_score(self, tensor: Any) -> bool:
        """Whether a softmax makes the tensor the weights of an attention, with no matrix between."""
        queue, seen = [(tensor, False)], set()
        while queue:
            tensor, shared = queue.pop()
            for step in self.uses.get(id(tensor), []):
                if (
                    id(step) in seen
                    or step.matrices
                    or (step.kind in SUMS and len(step.inputs) > 1)
                ):
                    continue
                if shared and step.kind in CONTRACTIONS:
                    return True
                seen.add(id(step))
                queue += [(output, shared or step.kind == "Softmax") for output in step.outputs]
        return False

    def back(
        self,
        tensors: list[Any],
        stop: Callable[[Step], bool],
        values: bool = False,
        until: Any = None,
    ) -> Iterator[Step]:
        """The steps before `tensors`, nearest first, each once; `stop` ends a way at its step.

        With `values` only the ways on which values are passed on, and none behind the tensor `until`.
        """
        queue, seen = list(tensors), set()
        while queue:
            tensor = queue.pop(0)
            step = self.made.get(id(tensor))
            if step is None or id(step) in seen or tensor is until:
                continue
            seen.add(id(step))
            yield step
            if not stop(step):
                queue += self.values(step) if values else step.inputs

    def onward(self, tensors: list[Any], stop: Callable[[Step], bool]) -> Iterator[Step]:
        """The steps behind `tensors`, each once; `stop` ends a way at its step."""
        queue, seen = list(tensors), set()
        while queue:
            for step in self.uses.get(id(queue.pop()), []):
                if id(step) not in seen:
                    seen.add(id(step))
                    yield step
                    queue += [] if stop(step) else step.outputs

    def is_norm(self, step: Step) -> bool:
        """Whether the step normalizes: by its name, or dividing by a statistic of what it divides."""
        if "Norm" in step.kind and step.kind != "Norm":
            return True
        if step.kind not in PRODUCTS or len(step.inputs) < 2:
            return False
        statistics = [t for t in step.inputs if any(o is not t and self.comes_from(t, o) for o in step.inputs)]  # fmt: skip
        statistics = statistics or self._shared_statistics(step)
        steps = self.back(statistics, lambda s: bool(s.matrices) or len({*map(id, s.inputs)}) > 1)
        return any(s.kind in _STATISTICS for s in steps)

    def _shared_statistics(self, step: Step) -> list[Any]:
        # (x - mean(x)) times a statistic of x: neither factor is computed of the other.
        return [t for t in step.inputs if _size(t) < max(map(_size, step.inputs))]

    def is_move(self, step: Step) -> bool:
        """Whether the step passes on what it gets, but for its place, a constant or a scale."""
        if step.matrices or not _is_float(step.outputs[0]):
            return False
        if step.kind in _MOVES or step.kind.rstrip("123D").rstrip("_") in _MOVES_OF_RANK:
            return len({id(t) for t in step.inputs}) == 1
        return step.kind in PRODUCTS | SUMS and len(step.inputs) == 1

    def is_linear(self, step: Step) -> bool:
        """Whether the step is a projection without an activation, a normalization or a move."""
        if self.is_norm(step) or self.is_move(step):
            return True
        if not step.matrices or len(step.inputs) != 1:
            return False
        activation = getattr(step.operation, "activation", None)
        is_op = not isinstance(step.operation, keras.layers.Layer)
        return is_op or (
            step.kind in _LINEAR_LAYERS and activation in (None, keras.activations.linear)
        )

    def factor(self, step: Step) -> float:
        """The number that a step multiplies by, 1.0 without one."""
        if step.kind not in PRODUCTS or len(step.inputs) != 1 or len(step.constants) != 1:
            return 1.0
        if np.size(constant := keras.ops.convert_to_numpy(step.constants[0])) != 1:
            return 1.0
        value = float(np.ravel(constant)[0])
        return value if step.kind == "Multiply" else 1.0 / value if value else math.inf


def _size(tensor: Any) -> int:
    return math.prod(size or 1 for size in tensor.shape)


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)
