"""What is said of each residual branch, read from the steps of the model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from keras_inits.models.residual.carriers import carriers, inside
from keras_inits.models.residual.graph import Graph
from keras_inits.models.residual.sums import Sum
from keras_inits.models.residual.trace import PRODUCTS, Step
from keras_inits.models.variables.walk import role_of


@dataclass(frozen=True)
class Branch:
    """What one addition adds to a residual stream.

    Args:
        path: Its last weight before the addition, the first where several are the last.
        depth: Which addition of its stream it is, from 1.
        norm: Where the signal is normalized: "pre", at the branch's start; "end", after its last
            weight; "post", after the addition; "pre, end" and so on, or "none".
        ends: All last weights: several where the branch is itself a sum, or joins parts.
        weights: The weights on the way of the values, in the order in which they are used.
        scores: Those that only weigh values: queries and keys, a router, a gate's.
        scales: Vectors that multiply the branch after its last weight: a layer scale, a
            normalization's gamma.
        gates: Weights of what else multiplies it there.
        shortcut: Weights that the stream itself passes here, where its width changes.
        factor: The number that the branch is multiplied by after its last weight.
        stream_factor: The number that the stream is multiplied by before the addition.
        stream: Number of its stream, from 1.
        width: How many features the stream has.
        variables: All its variables, vectors too.
        carriers: Those that multiply the branch by a number if each of them is multiplied by it: the last
            weights and their biases, a normalization's gamma and beta. Empty where what follows the
            last weights is not linear.
    """

    path: str
    depth: int
    norm: str
    ends: tuple[str, ...]
    weights: tuple[str, ...]
    scores: tuple[str, ...]
    scales: tuple[str, ...]
    gates: tuple[str, ...]
    shortcut: tuple[str, ...]
    factor: float
    stream_factor: float
    stream: int
    width: int
    variables: tuple[str, ...]
    carriers: tuple[str, ...]

    @property
    def between(self) -> str:
        """What stands between the last weight and the addition, as the table shows it."""
        parts = [*self.scales, *(f"gate {path}" for path in self.gates)]
        parts += [f"x {self.factor:g}"] if self.factor != 1 else []
        return ", ".join(parts)


def rows(graph: Graph, sums: list[Sum], paths: dict[int, str]) -> list[Branch]:
    """A row for each residual addition with last weights; `paths` are those of the variables, by id."""
    normed = _normalized(graph, sums)
    streamed = {id(tensor) for found in sums for tensor in (found.base, found.stream)}
    parents = {id(f.parent) for f in sums if f.parent is not None and f.parent.step is not f.step}
    places: dict[int, tuple[int, int]] = {}
    streams = 0
    made = []
    for found in sums:
        if found.parent is None:
            streams += 1
            places[id(found)] = (streams, 1)
        else:
            stream, depth = places[id(found.parent)]
            places[id(found)] = (stream, depth + 1)
        output = found.step.outputs[0]
        pre = _is_pre_norm(graph, found)
        # The last addition of a pre-norm stream is normalized, too: for the head.
        post = id(output) in normed - streamed and (not pre or id(found) in parents)
        if last_weights(found, paths):
            made.append(_row(graph, found, paths, pre, post, *places[id(found)]))
    return made


def _row(
    graph: Graph, found: Sum, paths: dict[int, str], pre: bool, post: bool, stream: int, depth: int
) -> Branch:
    after = graph.back([found.branch], _has_matrix, values=True, until=found.base)
    between = [step for step in after if not step.matrices]
    end = any(map(graph.is_norm, between))
    norms = [name for name, is_so in (("pre", pre), ("end", end), ("post", post)) if is_so]
    weights = _paths(_inside(graph, found, values=True), paths)
    scores = _paths(_inside(graph, found, values=False), paths)
    ends = last_weights(found, paths)
    return Branch(
        path=ends[0],
        depth=depth,
        norm=", ".join(norms) or "none",
        ends=ends,
        weights=weights,
        scores=tuple(path for path in scores if path not in weights),
        scales=tuple(paths[id(w)] for step in between for w in _scales(graph, step)),
        gates=_gates(graph, found, between, paths),
        shortcut=_paths(found.shortcut, paths),
        factor=math.prod(map(graph.factor, between)),
        stream_factor=found.factor,
        stream=stream,
        width=int(found.step.outputs[0].shape[-1]),
        variables=_named((w for step in inside(graph, found) for w in step.weights), paths),
        carriers=_named(carriers(graph, found.branch) or (), paths),
    )


def heads(
    graph: Graph, sums: list[Sum], outputs: list[Any], paths: dict[int, str]
) -> tuple[str, ...]:
    """The weights that give the model's outputs, but for outputs that a residual addition gives."""
    added = {id(found.step) for found in sums}
    last: list[Step] = []
    for output in outputs:
        steps = list(
            graph.back([output], lambda s: bool(s.matrices) or id(s) in added, values=True)
        )
        last += [] if any(id(step) in added for step in steps) else steps
    return _paths(last, paths)


def _has_matrix(step: Step) -> bool:
    return bool(step.matrices)


def _paths(steps: Iterable[Step], paths: dict[int, str]) -> tuple[str, ...]:
    return _named((weight for step in steps for weight in step.matrices), paths)


def _named(variables: Iterable[Any], paths: dict[int, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths[id(v)] for v in variables if id(v) in paths))


def last_weights(found: Sum, paths: dict[int, str]) -> tuple[str, ...]:
    """The last weights of a branch, none where a layer at its end has several that act together."""
    ends: list[Any] = []
    for step in found.ends:
        last = step.matrices[-1:] if step.kind.startswith("Separable") else step.matrices
        if len(last) != 1 or id(last[0]) not in paths:
            return ()
        ends += last
    return tuple(dict.fromkeys(paths[id(weight)] for weight in ends))


def _inside(graph: Graph, found: Sum, values: bool) -> list[Step]:
    """The steps with matrices from the stream to the addition, in the order of computation.

    Of what does not come from the stream, an encoder's output or a condition, the last ones.
    """

    def stop(step: Step) -> bool:
        return bool(step.matrices) and not graph.comes_from(step.outputs[0], found.base)

    steps = graph.back([found.branch], stop, values=values, until=found.base)
    chosen = {id(step) for step in steps if step.matrices}
    return [step for step in graph.steps if id(step) in chosen]


def _is_pre_norm(graph: Graph, found: Sum) -> bool:
    """Whether the signal is normalized before the first weights of the branch."""
    normalized = False
    for step in _inside(graph, found, values=False):
        before = list(graph.back(graph.values(step), _has_matrix, values=True, until=found.base))
        if any(s.matrices for s in before) or not graph.comes_from(step.outputs[0], found.base):
            continue
        if not any(map(graph.is_norm, before)):
            return False
        normalized = True
    return normalized


def _normalized(graph: Graph, sums: list[Sum]) -> set[int]:
    """The ids of what residual additions give, where it is normalized before any weight."""
    outputs = {id(found.step.outputs[0]) for found in sums}

    def stop(step: Step) -> bool:
        return bool(step.matrices) or id(step.outputs[0]) in outputs

    return {
        id(step.outputs[0])
        for norm in graph.steps
        if graph.is_norm(norm)
        for step in graph.back(graph.values(norm), stop, values=True)
    } & outputs


def _scales(graph: Graph, step: Step) -> list[Any]:
    """The weights by which a step multiplies entry by entry."""
    if step.kind in PRODUCTS:
        return step.weights
    return [w for w in step.weights if graph.is_norm(step) and role_of(w) in ("gamma", "scale")]


def _gates(graph: Graph, found: Sum, between: list[Step], paths: dict[int, str]) -> tuple[str, ...]:
    gates = [tensor for step in between if step.kind in PRODUCTS for tensor in graph.gates(step)]
    steps = graph.back(gates, _has_matrix, until=found.base)
    return tuple(p for p in _paths(steps, paths) if p not in last_weights(found, paths))
