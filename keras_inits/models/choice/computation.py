"""What a draw asks of a model's computation: its branches, the parts of fused kernels, the uses of weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import keras

from keras_inits.base import Scheme
from keras_inits.models.flow.places import places
from keras_inits.models.residual.branches import Branches, branches_of, closed_layers, traced
from keras_inits.models.residual.graph import Graph
from keras_inits.models.residual.parts import APART, Fused, fused
from keras_inits.models.residual.trace import Trace
from keras_inits.models.residual.uses import uses
from keras_inits.models.variables.walk import STATE_ROLES, Slot
from keras_inits.models.weights.geometry import Geometry
from keras_inits.models.weights.layers import is_norm
from keras_inits.reports.report import Problem
from keras_inits.schemes.recurrent import Gated

_NOT_BUILT = (
    "not built: it has no variables yet; the call that builds it draws them by its own initializers"
)
_WHY = "A kernel that holds queries, keys and values has the fans of one map: say its parts by register_geometry."


class Computation:
    """What is read from a model's computation, which is followed once, when it is first asked for.

    `x` are inputs of the model, where it does not declare them.
    """

    def __init__(self, slots: list[Slot], x: Any = None) -> None:
        self.slots = slots
        self._x = x
        self.problems: list[Problem] = []
        self._unseen: list[Problem] = []

    @property
    def model(self) -> Any:
        """The model that has the slots."""
        return self.slots[0].layers[0]

    def use(self, slot: Slot) -> str:
        """What the model uses a variable for, else its role in its layer."""
        if is_norm(slot.layer) and slot.role not in STATE_ROLES:
            return "norm"
        return self._uses.get(slot.path, "embedding" if slot.role == "embeddings" else slot.role)

    def with_parts(self, slot: Slot, scheme: Any, geometry: Geometry | None) -> Geometry | None:
        """The geometry with the parts of the slot's kernel; what is unclear is a problem to some schemes."""
        if isinstance(scheme, Gated) and geometry is not None:
            return replace(geometry, parts=())  # the gates that a user names prevail
        inner = _inner(scheme)
        if not (isinstance(inner, Scheme) and (inner.random or inner.linear_map)):
            return geometry
        if geometry is not None and geometry.parts:  # said by the user
            return geometry
        kernel = getattr(slot.layer, "kernel", None) if slot.role == "bias" else slot.variable
        known = self._fused.geometries.get(id(kernel))
        if _counts_outputs(inner):
            self.problems += self._unseen
            self._unseen = []
            if any(slot.variable is variable for variable in self._fused.unclear):
                reason = "its outputs are taken apart in no regular order: drawn as one map"
                self.problems.append(Problem(slot.path, reason, _WHY))
        if known is None or (geometry is None and known.shape != slot.shape):
            return geometry
        return known if geometry is None else replace(geometry, parts=known.parts)

    @cached_property
    def branches(self) -> Branches:
        """The residual branches; a ValueError where the model's inputs are not known, or it fails on them."""
        if isinstance(self._trace, ValueError):
            raise self._trace
        return branches_of(self.model, self.slots, self._trace)

    def not_built(self, unbuilt: list[tuple[str, tuple[Any, ...]]]) -> list[Problem]:
        """Those of the layers, as `walk` gives them, that the model may call.

        Not one that it calls neither in inference nor in training, where all that is around it was followed.
        """
        if not unbuilt:
            return []
        traces = (self._trace, self._traced(training=True))

        def is_left_out(layers: tuple[Any, ...]) -> bool:
            known = [isinstance(found, Trace) and all(map(found.knows, layers)) for found in traces]
            return all(known)

        return [Problem(path, _NOT_BUILT) for path, layers in unbuilt if not is_left_out(layers)]

    @cached_property
    def _trace(self) -> Trace | ValueError:
        return self._traced()

    def _traced(self, training: bool = False) -> Trace | ValueError:
        try:
            return traced("initialize", self.model, self._x, training)
        except ValueError as error:
            return error

    @cached_property
    def _graph(self) -> Graph:
        model = self.model
        if not _has_own_operations(model):
            return Graph([])
        found = self._trace
        if isinstance(found, ValueError):
            reason = f"whether its kernels hold several maps cannot be seen: {found}"
            self._unseen = [Problem(model.name, reason, _WHY)]
            return Graph([])
        self._unseen = closed_layers(found, model, _WHY)
        return Graph(found.steps)

    @cached_property
    def _fused(self) -> Fused:
        return fused(self._graph)

    @property
    def fused_paths(self) -> dict[str, int]:
        """The kernels that hold several maps, and how many."""
        known = self._fused.geometries
        return {
            s.path: len(known[id(s.variable)].parts) for s in self.slots if id(s.variable) in known
        }

    @cached_property
    def _uses(self) -> dict[str, str]:
        rows = self.branches.rows if self._graph.steps else []
        return uses(self._graph, {id(slot.variable): slot.path for slot in self.slots}, rows)


def _inner(scheme: Any) -> Any:
    """The scheme that has the fans."""
    for name in ("initializer", "value"):
        if isinstance(inner := getattr(scheme, name, None), Scheme):
            return _inner(inner)
    return scheme


def _counts_outputs(scheme: Scheme) -> bool:
    """Whether a scheme draws a part otherwise than the whole."""
    if getattr(scheme, "input_axes", None) is not None:
        return False
    return scheme.linear_map or _law(scheme, 8) != _law(scheme, 16)


def _law(scheme: Scheme, fan_out: float) -> Any:
    try:
        return scheme.with_fans(8, fan_out).law((8, 8))
    except Exception:  # a user's own, for other shapes alone
        return None


def _has_own_operations(model: Any) -> bool:
    """Whether a model has operations between its layers, or in layers that `keras.layers` has not."""
    for place in places(model):
        layer = place.layer
        graph = [type(op).__name__ for op in getattr(layer, "operations", ())]
        if APART.intersection(graph) or isinstance(layer, keras.layers.Lambda):
            return True
        built_of_layers = isinstance(layer, keras.Sequential) or graph
        known = getattr(keras.layers, type(layer).__name__, None) is type(layer)
        if not built_of_layers and not known and layer.variables:
            return True
    return False
