"""One run of a model in which every layer with scalable weights is visited as it first executes.

A layer's input is at hand at the moment when the layer is called, so whatever has to run that layer
several times needs the rest of the model only once: the cost is that of the layers, not of layers
times the network before each. It works on any model, since nothing but `layer.call` is looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras

from keras_inits import backend
from keras_inits.backend import memory
from keras_inits.models.flow.batch import failure
from keras_inits.models.flow.guards import assign_in_call, saved, shadow
from keras_inits.models.flow.guess import multiplies_its_input
from keras_inits.models.flow.visitor import Planned, Run, Visited, Visitor, Visits
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import STATE_ROLES, Slot, walk
from keras_inits.models.weights.scalable import (
    ScalableWeights,
    Skip,
    by_class,
    cell_weights,
    cells,
    projection,
    scalable_weights,
    unknown,
    weight_matrices,
)
from keras_inits.reports.progress import progress as steps_of

ops = keras.ops


def visit(
    owner: str, model: Any, x: Any, visitor: Visitor, progress: bool, keep: bool = True
) -> Visits:
    """Run `model` once on `x` in inference mode; visit each layer's weights at its first call.

    Variables that no visit was for (seeds, states) are as before when the run ends, and all when it
    fails; without `keep` those that were visited before are not, and no copies of them are held.
    """
    refuse_deferring(owner)
    found = walk(model, owner).slots
    run = _Run(owner, visitor, found, keep)
    variables = {id(v): v for v in (*model.variables, *(slot.variable for slot in found))}
    if not keep:
        for planned in run.pending.values():
            for variable in planned.scalable.variables:
                variables.pop(id(variable), None)
    with steps_of(owner, 2 * len(run.pending), progress) as run.advance:
        for planned in run.pending.values():
            visitor.prepare(planned)
            run.advance()
        return run.through(model, x, list(variables.values()))


class _Run:
    def __init__(self, owner: str, visitor: Visitor, slots: list[Slot], keep: bool) -> None:
        self.keep = keep
        self.owner = owner
        self.visitor = visitor
        self.thread = threading.get_ident()
        self.pending: dict[int, Planned] = {}
        self.hooks: list[tuple[Any, Callable[..., Any]]] = []
        self.visits = Visits()
        self.others = Visits()
        self.traced: set[int] = set()
        self.touched: set[int] = set()
        self.saved: dict[int, tuple[Any, Any]] = {}
        self.known = {id(slot.variable) for slot in slots}
        self.advance: Callable[[], None] = lambda: None
        self.plan(slots)

    def plan(self, slots: list[Slot]) -> None:
        owned: dict[int, list[Slot]] = {}
        for slot in slots:
            if slot.role not in STATE_ROLES:
                owned.setdefault(id(slot.layer), []).append(slot)
        parents = {id(layer) for slot in slots for layer in slot.layers[:-1]}
        hooked: set[int] = set()
        for group in owned.values():
            self._plan_layer(group, id(group[0].layer) in parents, hooked)

    def _plan_layer(self, group: list[Slot], parent: bool, hooked: set[int]) -> None:
        *around, layer = group[0].layers
        own = [slot.variable for slot in group]
        paths = {id(slot.variable): slot.path for slot in group}
        path = group[0].path.rpartition("/")[0] or layer.name
        recurrent = next((a for a in around if isinstance(a, keras.layers.RNN)), None)
        if recurrent is not None:
            found = cell_weights(layer, own) if layer in cells(recurrent) else unknown(layer, own)
        elif parent and by_class.dispatch(type(layer)) is by_class.dispatch(object):
            found = unknown(layer, own)
        else:
            found = scalable_weights(layer, own)
        if not isinstance(found, ScalableWeights):
            if found is not None:
                self.leave(path, layer, found)
            return
        covered = {id(weight.variable) for weight in found.weights}
        for variable in weight_matrices(layer, own):
            if id(variable) not in covered:
                self.leave(paths[id(variable)], layer, "data does not scale it; left as it was")
        if not found.weight.variable.trainable:
            self.leave(path, layer, "frozen", deliberate=True)
            return
        drawn = tuple(paths[id(weight.variable)] for weight in found.weights)
        self.pending[id(layer)] = Planned(found, path, drawn, frozenset(map(id, around)))
        hooks = [(a, self._fold) for a in around if isinstance(a, keras.layers.TimeDistributed)]
        hooks.append((layer, self._plain) if recurrent is None else (recurrent, self._recurrent))
        for target, hook in hooks:
            if id(target) not in hooked:
                hooked.add(id(target))
                self.hooks.append((target, hook))

    def through(self, model: Any, x: Any, variables: list[Any]) -> Visits:
        """Run the model on `x`, visiting; what `visit` returns."""
        with saved(variables, self.touched) as self.saved, backend.eager(), self._hooked():
            try:
                model(x, training=False)
            except MemoryError:
                raise
            except Exception as error:
                raise failure(self.owner, model, x, error) from error
        return self._finished(model.variables)

    def leave(self, path: str, layer: Any, reason: str, deliberate: bool = False) -> None:
        """A layer that is left as it was, for a reason that is no problem where it is `deliberate`."""
        self.others.rows.append(self.visitor.left(path, type(layer).__name__, reason))
        if not deliberate:
            self.others.problems.append((path, reason))

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        """The layers' calls go through this object."""
        with ExitStack() as stack:
            for layer, hook in self.hooks:
                _refuse_nested(self.owner, layer)
                attributes: dict[str, Any] = {"call": partial(self.call, layer, layer.call, hook)}
                if isinstance(layer, keras.layers.RNN):
                    # On a GPU a Bidirectional may hand both its layers to one operation of cuDNN.
                    attributes["use_cudnn"] = False
                stack.enter_context(shadow(layer, **attributes))
            yield

    def call(
        self, layer: Any, original: Any, hook: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """What a hooked layer does when it is called; anything but its first time is as before."""
        if threading.get_ident() != self.thread:
            return original(*args, **kwargs)
        if any(map(backend.is_symbolic, keras.tree.flatten((args, kwargs)))):
            self.traced.add(id(layer))
            return original(*args, **kwargs)
        return hook(layer, original, *args, **kwargs)

    def _plain(self, layer: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        planned = self.pending.pop(id(layer), None)
        if planned is None:
            return original(*args, **kwargs)

        scalable, last = planned.scalable, [None]

        def call(*args: Any, **kwargs: Any) -> Any:
            with shadow(layer, **scalable.overrides):
                return original(*args, **kwargs)

        def run() -> Any:
            last[0] = call(*args, **kwargs)
            return last[0]

        if scalable.guessed and not multiplies_its_input(scalable, call, args, kwargs):
            self.leave(planned.path, layer, "data does not scale its weights; left as they were")
            return original(*args, **kwargs)
        current = self._visit(planned, run)
        if not current or (scalable.overrides and not scalable.activates_last(original)):
            return original(*args, **kwargs)
        return layer.activation(last[0]) if scalable.overrides else last[0]

    def _recurrent(self, layer: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        sequence = (*args, *kwargs.values())[0]
        inside = cells(layer)
        for i, cell in enumerate(inside):
            if not any(id(later) in self.pending for later in inside[i:]):
                break
            planned = self.pending.pop(id(cell), None)
            if planned is not None:
                self._visit(planned, partial(projection, cell, sequence))
            if i + 1 < len(inside):
                sequence = keras.layers.RNN(
                    cell, return_sequences=True, name="visit", dtype=layer.dtype_policy
                )(sequence)
        return original(*args, **kwargs)

    def _fold(self, layer: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        """A TimeDistributed runs its layer step by step: let it run once on all the steps."""
        sequence = (*args, *kwargs.values())[0]
        if any(id(layer) in planned.around for planned in self.pending.values()):
            layer.layer(ops.reshape(sequence, (-1, *sequence.shape[2:])))
        return original(*args, **kwargs)

    def _visit(self, planned: Planned, run: Run) -> bool:
        layer, variables = planned.scalable.layer, planned.scalable.variables
        self.advance()
        self.touched.update(map(id, variables))
        before = [self.saved[id(v)][1] if self.keep else memory.snapshot(v) for v in variables]
        try:
            visited = self.visitor.visit(planned, run)
        except BaseException as error:
            for variable, value in zip(variables, before, strict=True):
                assign_in_call(variable, value)
            if not isinstance(error, Skip):
                raise
            left = self.visitor.left(planned.path, type(layer).__name__, str(error))
            visited = Visited(left, str(error))
        self.visits.rows.append(visited.row)
        if visited.problem:
            self.visits.problems.append((planned.path, visited.problem))
        return visited.current

    def _finished(self, variables: list[Any]) -> Visits:
        """With the layers that have no scalable weights or never ran, and variables made by the run."""
        for planned in self.pending.values():
            traced = id(planned.scalable.layer) in self.traced
            reason = "runs only in compiled code" if traced else "not reached by the forward pass"
            self.leave(planned.path, planned.scalable.layer, f"{reason}; left as it was")
        for variable in variables:
            if id(variable) not in self.known:
                reason = "built in this run only; run again"
                self.others.rows.append(self.visitor.left(variable.path, "", reason))
                self.others.problems.append((variable.path, reason))
        rows = self.visits.rows + self.others.rows
        return Visits(rows, self.visits.problems + self.others.problems)


def _refuse_nested(owner: str, layer: Any) -> None:
    call = vars(layer).get("call")
    if isinstance(call, partial) and isinstance(getattr(call.func, "__self__", None), _Run):
        raise RuntimeError(f"{owner}: layer {layer.name!r} must not be in two such runs at once")
