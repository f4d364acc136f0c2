"""Of a residual branch: all of its variables, and those whose common factor is a factor of the branch."""

from __future__ import annotations

from typing import Any

from keras_inits.models.residual.graph import CONTRACTIONS, Graph
from keras_inits.models.residual.sums import Sum
from keras_inits.models.residual.trace import PRODUCTS, SUMS, Step
from keras_inits.models.variables.walk import role_of

_SCALES, _SHIFTS = ("gamma", "scale"), ("beta", "bias")
_JOINS = frozenset({"Concatenate", "Stack", "Sum", "Mean"})


def inside(graph: Graph, found: Sum) -> list[Step]:
    """The steps from the stream to the addition, scores and gates too, nearest to it first.

    Of what does not come from the stream, an encoder's output or a condition, the last matrices.
    """

    def stop(step: Step) -> bool:
        return bool(step.matrices) and not graph.comes_from(step.outputs[0], found.base)

    return list(graph.back([found.branch], stop, until=found.base))


def carriers(graph: Graph, tensor: Any) -> list[Any] | None:
    """Variables that, all multiplied by a number, multiply `tensor` by it; None where none do."""
    step = graph.made.get(id(tensor))
    if step is None:
        return None
    if step.kind == "Multiply" and len(step.inputs) == 1 and step.weights:
        return step.weights[:1]
    if graph.is_norm(step):
        named = {role_of(weight): weight for weight in step.weights}
        if not any(scale in named for scale in _SCALES):
            return None
        return [weight for role, weight in named.items() if role in _SCALES + _SHIFTS]
    if step.matrices:
        return step.weights if graph.is_linear(step) else None
    if step.kind in SUMS:
        return None if step.constants else _all(graph, step.inputs, step.weights)
    if graph.is_move(step) or step.kind in _JOINS:
        return _all(graph, step.inputs, [])
    values = graph.values(step)
    is_product = step.kind in PRODUCTS | CONTRACTIONS
    return carriers(graph, values[0]) if is_product and len(values) == 1 else None


def _all(graph: Graph, tensors: list[Any], weights: list[Any]) -> list[Any] | None:
    """Those of every tensor, and `weights`; None where a tensor has none."""
    found = {id(weight): weight for weight in weights}
    for tensor in tensors:
        more = carriers(graph, tensor)
        if more is None:
            return None
        found |= {id(weight): weight for weight in more}
    return list(found.values())
