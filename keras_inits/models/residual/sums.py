"""Which additions are residual: one side is the stream, the other a branch that leaves it.

An addition x + f(x) is told by its operands: one of them, the stream, is passed on from a tensor
of which the other one, the branch, is computed through weights. Passed on means: moved, scaled, or added
to by other branches. A projection in place of x, as where a ResNet changes its width, is linear,
while its branch has more weights and something that is not linear between them. Where neither side is
the stream, or both could be, the addition is no residual one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keras_inits.models.residual.graph import Graph
from keras_inits.models.residual.trace import SUMS, Step


@dataclass(eq=False)
class Sum:
    """A residual addition of `branch` to `stream`; both come from `base`.

    `ends` are the last steps with matrices in the branch, `shortcut` those in the stream; `factor` is
    the number by which the stream is multiplied on its way. `parent` is the addition before.
    """

    step: Step
    stream: Any
    branch: Any
    base: Any
    ends: list[Step]
    shortcut: list[Step] = field(default_factory=list)
    factor: float = 1.0
    parent: Sum | None = None


def residual_sums(graph: Graph) -> tuple[list[Sum], list[Step]]:
    """The residual additions in the order in which they are computed, and those that are unclear."""
    finder = _Finder(graph)
    unclear = []
    for step in graph.steps:
        terms = list({id(tensor): tensor for tensor in step.inputs}.values())
        is_sum = step.kind in SUMS and len(terms) > 1 and not step.matrices
        if not is_sum or graph.is_score(step.outputs[0]):
            continue
        found = finder.identity(step, terms) or finder.projection(step, terms)
        if not found and id(step.outputs[0]) not in finder.weightless and finder.is_unclear(terms):
            unclear.append(step)
        for one in found:
            finder.add(one)
    inside = [step for step in unclear if not any(_is_inside(graph, step, s) for s in finder.sums)]
    _set_parents(graph, finder)
    return finder.sums, inside


class _Finder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sums: list[Sum] = []
        self.last: dict[int, Sum] = {}  # by the tensor that it gives
        self.weightless: dict[int, Any] = {}  # the stream, where a branch without weights is added

    def add(self, found: Sum) -> None:
        self.sums.append(found)
        self.last[id(found.step.outputs[0])] = found

    def identity(self, step: Step, terms: list[Any]) -> list[Sum]:
        """Where a term is passed on from a tensor of which the others are computed."""
        output = step.outputs[0]
        for term in terms:
            ways = self._passed_on(term)
            others = [
                part for other in terms if other is not term for part in self._parts(other, step)
            ]
            found = []
            for other in others:
                way = next((way for way in ways if self.graph.comes_from(other, way[0])), None)
                if way is not None and (ends := self._ends(other, way[0])):
                    found.append(Sum(step, term, other, way[0], ends, factor=way[1]))
                elif way is not None:
                    self.weightless.setdefault(id(output), term)
            if found:
                self.weightless.pop(id(output), None)
                return found
        return []

    def _parts(self, tensor: Any, step: Step) -> list[Any]:
        """The terms of a branch that is itself a sum, in the same `call`, of weighted terms alone."""
        made = self.graph.made.get(id(tensor))
        if made is None or made.kind != "Add" or made.layers != step.layers or made.matrices:
            return [tensor]
        if len(self.graph.uses[id(tensor)]) > 1 or len(made.inputs) < 2 or id(tensor) in self.last:
            return [tensor]
        parts = [part for term in made.inputs for part in self._parts(term, made)]
        return parts if all(self._ends(part, None) for part in parts) else [tensor]

    def _passed_on(self, tensor: Any) -> list[tuple[Any, float]]:
        """Where a tensor is passed on from, itself first, and the number that it is multiplied by."""
        found, factor = [(tensor, 1.0)], 1.0
        while (step := self.graph.made.get(id(tensor))) is not None:
            if (before := self.last.get(id(tensor))) is not None:
                tensor = before.stream
            elif id(tensor) in self.weightless:
                tensor = self.weightless[id(tensor)]
            elif self.graph.is_move(step):
                factor *= self.graph.factor(step)
                tensor = step.inputs[0]
            else:
                break
            found.append((tensor, factor))
        return found

    def _ends(self, branch: Any, base: Any) -> list[Step]:
        """The last steps with matrices of a branch; none where a way through it has no matrix."""
        steps = list(self.graph.back([branch], lambda s: bool(s.matrices), values=True, until=base))
        return [step for step in steps if step.matrices]

    def projection(self, step: Step, terms: list[Any]) -> list[Sum]:
        """Where a term is a linear map of a tensor of which the other is computed with more weights."""
        if len(terms) != 2:
            return []
        found = []
        for term, other in (terms, terms[::-1]):
            shortcut: list[Step] = []
            tensor = term
            while (made := self.graph.made.get(id(tensor))) is not None:
                if not self.graph.is_linear(made):
                    break
                shortcut += [made] if made.matrices else []
                tensor = self.graph.values(made)[0]
                if shortcut and self.graph.comes_from(other, tensor):
                    if self._is_longer(other, tensor, shortcut):
                        ends = self._ends(other, tensor)
                        found.append(Sum(step, term, other, tensor, ends, shortcut))
                    break
        return found if len(found) == 1 else []

    def _is_longer(self, branch: Any, base: Any, shortcut: list[Step]) -> bool:
        steps = list(self.graph.back([branch], lambda s: False, values=True, until=base))
        between = [s for s in steps if self.graph.comes_from(s.outputs[0], base)]
        bends = any(not self.graph.is_linear(s) and s.kind not in SUMS for s in between)
        return bends and sum(bool(s.matrices) for s in between) > len(shortcut)

    def is_unclear(self, terms: list[Any]) -> bool:
        """Whether all terms are computed through matrices, and of one tensor that was itself computed."""
        return self.graph.have_common_source(terms) and all(self._ends(t, None) for t in terms)


def _is_inside(graph: Graph, step: Step, found: Sum) -> bool:
    """Whether an addition is on the branch's side of a residual one."""
    output = step.outputs[0]
    return (
        graph.comes_from(output, found.base)
        and graph.comes_from(found.step.outputs[0], output)
        and not graph.comes_from(found.stream, output)
    )


def _set_parents(graph: Graph, finder: _Finder) -> None:
    """Chain the additions of one stream: the nearest addition after another one goes on with it."""
    chosen: dict[int, tuple[int, Sum]] = {}
    at_step: dict[int, Sum] = {}
    for found in finder.sums:
        before = at_step.get(id(found.step))
        at_step[id(found.step)] = found
        if before is not None:
            found.parent = before
            continue
        parent, distance = _before(graph, found, finder)
        nearest = chosen.get(id(parent))
        if parent is None or (nearest is not None and nearest[0] <= distance):
            continue
        if nearest is not None:
            nearest[1].parent = None
        chosen[id(parent)] = (distance, found)
        found.parent = parent


def _before(graph: Graph, found: Sum, finder: _Finder) -> tuple[Sum | None, int]:
    """The addition that a stream comes from, with no weight on its way but shortcuts; how far it is."""
    tensor, distance = found.stream, 0
    allowed = {id(step) for step in found.shortcut}
    while (step := graph.made.get(id(tensor))) is not None:
        if id(tensor) in finder.last:
            return finder.last[id(tensor)], distance
        stream = finder.weightless.get(id(tensor))
        values = graph.values(step) if stream is None else [stream]
        if (step.matrices and id(step) not in allowed) or len(values) != 1:
            break
        tensor, distance = values[0], distance + 1
    return None, 0
