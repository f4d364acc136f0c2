"""What a model uses its weights for, beside multiplying its values with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_inits.models.residual.graph import Graph
from keras_inits.models.residual.rows import Branch
from keras_inits.models.residual.trace import SUMS, Step
from keras_inits.models.variables.walk import role_of

_LOOKUPS = ("Embedding", "ReversibleEmbedding", "Take")
_CHOICES = ("TopK", "Argmax")


def uses(graph: Graph, paths: dict[int, str], branches: Iterable[Branch]) -> dict[str, str]:
    """By path, where the computation shows it: "position", "class token", "layer scale", "router",
    "embedding", or "embedding, head" of a table that also gives the logits."""
    tables: set[int] = set()
    multiplied: set[int] = set()
    known: dict[str, str] = {}

    def say(weights: Iterable[Any], use: str) -> None:
        known.update((paths[id(weight)], use) for weight in weights if id(weight) in paths)

    for step in graph.steps:
        if step.kind in SUMS:
            say((weight for weight in step.weights if _is_table(weight, step)), "position")
        elif step.kind == "Concatenate" and step.inputs:
            say(_tokens(step), "class token")
        elif step.kind in _LOOKUPS and "int" in str(step.inputs[0].dtype):
            tables.update(map(id, step.matrices[:1]))
        else:  # of a table and its inverse, in one layer, the inverse multiplies
            multiplied.update(map(id, step.matrices[-1:]))
        if step.matrices and _chooses(graph, step):
            say(step.matrices, "router")
    known.update((path, "layer scale") for row in branches for path in row.scales)
    for table in tables & {*paths}:
        known[paths[table]] = "embedding, head" if table in multiplied else "embedding"
    return known


def _tokens(step: Step) -> Iterator[Any]:
    """The weights that stand in a sequence: as they are, or one row of them for every sample."""
    yield from step.weights
    inside = [v for v in step.layers[-1].variables if len(v.shape) > 1] if step.layers else []
    tensors = [c for c in step.constants if getattr(c, "shape", ())]
    arrays = [keras.ops.convert_to_numpy(c).reshape(-1, c.shape[-1])[0] for c in tensors]
    for row in arrays:
        equal = [
            v
            for v in inside
            if math.prod(v.shape) == row.size
            and np.array_equal(keras.ops.convert_to_numpy(v.value).ravel(), row)
        ]
        # Two tokens may start alike; more candidates than places would be a guess.
        if len(equal) <= sum(np.array_equal(row, other) for other in arrays):
            yield from equal


def _is_table(weight: Any, step: Step) -> bool:
    """Whether what is added differs from place to place: along the axis before the features."""
    if role_of(weight).endswith("bias"):
        return False
    return len(weight.shape) > 1 and weight.shape[-2] > 1 and len(step.outputs[0].shape) > 2


def _chooses(graph: Graph, step: Step) -> bool:
    """Whether a choice among the outputs is made before another weight takes them."""
    steps = graph.onward(step.outputs, lambda use: bool(use.matrices))
    return any(use.kind in _CHOICES for use in steps)
