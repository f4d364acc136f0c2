"""One run of a model in which every weighted layer is visited as it first executes.

A layer's input is at hand at the moment when the layer is called, so whatever has to run that layer
several times needs the rest of the model only once: the cost is that of the layers, not of layers
times the network before each. It works on any model, since nothing but `layer.call` is looked at.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_inits import backend
from keras_inits.models.flow.batch import shapes
from keras_inits.models.flow.guards import assign, saved, shadow
from keras_inits.models.variables.walk import STATE_ROLES, Slot, walk
from keras_inits.models.weights.scalable import (
    Skip,
    Unit,
    cell_unit,
    cells,
    projection,
    units,
    unknown,
    weight_matrices,
)

ops = keras.ops
Run = Callable[[], Any]


@dataclass(frozen=True)
class Stop:
    """A layer of the model: what the visit returned, and the reason why there was none or not all."""

    path: str
    layer: str
    result: Any = None
    reason: str = ""
    deliberate: bool = False


@dataclass(frozen=True)
class Planned:
    """A unit that waits for its layer to run, with its paths in the model."""

    unit: Unit
    path: str
    paths: tuple[str, ...]
    around: frozenset[int]


Prepare = Callable[[Planned], None]
Visit = Callable[[Planned, Run], tuple[Any, str, bool]]


def sweep(
    owner: str, model: Any, x: Any, visit: Visit, progress: bool, prepare: Prepare | None = None
) -> list[Stop]:
    """Run `model` once on `x` in inference mode; `visit` each unit at its layer's first call.

    `visit(planned, run)` may change the unit's variables; `run()` gives the layer's pre-activation
    on its present input. It returns a result, what went wrong or "", and whether the weights are
    still those of the last run, whose output then flows on to the next layers.
    `prepare(planned)` is called for every unit before the run, and before anything is changed.

    Variables that no visit was for (seeds, states) are as before when the sweep ends, and all when
    it fails. Returns the layers with weights: visited ones as they ran, then the others, and why.
    """
    state = _Sweep(visit)
    found = walk(model, owner).slots
    state.plan(found)
    if prepare is not None:
        for planned in state.pending.values():
            prepare(planned)
    variables = {id(v): v for v in [*model.variables, *(slot.variable for slot in found)]}
    with ExitStack() as stack:
        state.saved = stack.enter_context(saved(variables.values(), state.touched))
        stack.enter_context(backend.eager())
        state.advance = stack.enter_context(_bar(owner, len(state.pending), progress))
        for layer, hook in state.hooks:
            _refuse_nested(owner, layer)
            call = partial(state.call, layer, layer.call, hook)
            stack.enter_context(shadow(layer, call=call))
        try:
            model(x, training=False)
        except Exception as error:
            text = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())[:300]
            raise ValueError(
                f"{owner}: model {model.name!r} fails on x of shape {shapes(x)}: "
                f"{type(error).__name__}: {text}"
            ) from error
    return state.stops + state.left(model.variables)


def worth_telling(stops: list[Stop]) -> list[tuple[str, str]]:
    """A report's problems: what was left out though nobody asked for it, and what went wrong."""
    return [(stop.path, stop.reason) for stop in stops if stop.reason and not stop.deliberate]


class _Sweep:
    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.thread = threading.get_ident()
        self.pending: dict[int, Planned] = {}
        self.hooks: list[tuple[Any, Callable[..., Any]]] = []
        self.stops: list[Stop] = []
        self.passed: list[Stop] = []
        self.traced: set[int] = set()
        self.touched: set[int] = set()
        self.saved: dict[int, tuple[Any, Any]] = {}
        self.advance: Callable[[], None] = lambda: None

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
            found = cell_unit(layer, own) if layer in cells(recurrent) else unknown(layer, own)
        elif parent and units.dispatch(type(layer)) is units.dispatch(object):
            found = unknown(layer, own)
        else:
            found = units(layer, own)
        if not isinstance(found, Unit):
            if found is not None:
                self.pass_over(path, layer, found)
            return
        covered = {id(kernel.variable) for kernel in found.kernels}
        for variable in weight_matrices(layer, own):
            if id(variable) not in covered:
                self.pass_over(paths[id(variable)], layer, "data does not scale it; left as it was")
        if not found.kernel.variable.trainable:
            self.pass_over(path, layer, "frozen", deliberate=True)
            return
        drawn = tuple(paths[id(kernel.variable)] for kernel in found.kernels)
        self.pending[id(layer)] = Planned(found, path, drawn, frozenset(map(id, around)))
        hooks = [(a, self._fold) for a in around if isinstance(a, keras.layers.TimeDistributed)]
        hooks.append((layer, self._plain) if recurrent is None else (recurrent, self._recurrent))
        for target, hook in hooks:
            if id(target) not in hooked:
                hooked.add(id(target))
                self.hooks.append((target, hook))

    def pass_over(self, path: str, layer: Any, reason: str, deliberate: bool = False) -> None:
        self.passed.append(Stop(path, type(layer).__name__, None, reason, deliberate))

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

        unit, last = planned.unit, [None]

        def run() -> Any:
            with shadow(layer, **unit.off):
                last[0] = original(*args, **kwargs)
            return last[0]

        if not self._visit(planned, run) or (unit.off and not unit.activates_last(original)):
            return original(*args, **kwargs)
        return layer.activation(last[0]) if unit.off else last[0]

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
                    cell, return_sequences=True, name="sweep", dtype=layer.dtype_policy
                )(sequence)
        return original(*args, **kwargs)

    def _fold(self, layer: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
        """A TimeDistributed runs its layer step by step: let it run once on all the steps."""
        sequence = (*args, *kwargs.values())[0]
        if any(id(layer) in planned.around for planned in self.pending.values()):
            layer.layer(ops.reshape(sequence, (-1, *sequence.shape[2:])))
        return original(*args, **kwargs)

    def _visit(self, planned: Planned, run: Run) -> bool:
        bias = planned.unit.bias
        variables = [kernel.variable for kernel in planned.unit.kernels]
        variables += [] if bias is None else [bias]
        name = type(planned.unit.layer).__name__
        self.advance()
        self.touched.update(map(id, variables))
        try:
            result, trouble, current = self.visit(planned, run)
        except Skip as skip:
            for variable in variables:
                assign(variable, self.saved[id(variable)][1])
            self.stops.append(Stop(planned.path, name, reason=str(skip)))
            return False
        self.stops.append(Stop(planned.path, name, result, trouble))
        return current

    def left(self, variables: list[Any]) -> list[Stop]:
        """Layers that have no unit, those whose unit never ran, and variables made by the run."""
        stops = list(self.passed)
        for planned in self.pending.values():
            traced = id(planned.unit.layer) in self.traced
            reason = "runs only in compiled code" if traced else "not reached by the forward pass"
            name = type(planned.unit.layer).__name__
            stops.append(Stop(planned.path, name, reason=f"{reason}; left as it was"))
        made = [v.path for v in variables if id(v) not in self.saved]
        return stops + [Stop(path, "", reason="built in this run only; run again") for path in made]


@contextmanager
def _bar(owner: str, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    if not (shown and total and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(owner, total=total)
        yield lambda: bar.advance(task)


def _refuse_nested(owner: str, layer: Any) -> None:
    call = vars(layer).get("call")
    if isinstance(call, partial) and isinstance(getattr(call.func, "__self__", None), _Sweep):
        raise RuntimeError(f"{owner}: layer {layer.name!r} must not be in two such runs at once")
