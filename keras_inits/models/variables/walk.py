"""Every variable of a built model, with its path, role, layer and initializer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import keras

from keras_inits.models.variables.origin import is_unbuilt, recover, sublayers
from keras_inits.models.variables.rebuild import assigned_inside
from keras_inits.models.variables.waiting import remembered

_ROLES = {"seed_generator_state": "seed_state", "rnn_state": "state"}
#: Roles of variables that hold no weights: they have a start, not a law.
STATE_ROLES = frozenset({"seed_state", "state"})


@dataclass(frozen=True, eq=False)
class Slot:
    """One variable of a model.

    `path` names it within the model: the names of the layers down to it, with automatic numbers
    counted anew among the layers of one parent (`dense_17` is `dense` where it is the first), so
    that it is the same whenever the same model is built. `role` is what it is to its layer
    (`kernel`, `bias`, `moving_mean`, `seed_state`, ...). `initializer` is the one that made it, or
    None, and then `reason` says why it is not known.
    """

    variable: Any
    path: str
    role: str
    layers: tuple[keras.Layer, ...]
    initializer: Any = None
    reason: str = ""

    @property
    def layer(self) -> keras.Layer:
        """The layer that owns the variable; `layers` has also those around it, outermost first."""
        return self.layers[-1]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.variable.shape)

    @cached_property
    def dtype(self) -> str:
        return keras.backend.standardize_dtype(self.variable.dtype)


@dataclass
class Walk:
    """What `walk` found: `slots` in the order in which the layers are built, and `problems`."""

    slots: list[Slot] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    #: Layers without variables that a call may build: the path, and the layer after those around it.
    unbuilt: list[tuple[str, tuple[keras.Layer, ...]]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.slots)

    def __len__(self) -> int:
        return len(self.slots)


def walk(model: keras.Layer, owner: str = "walk") -> Walk:
    """Every variable of a built model, each once; shared layers under the first path to them.

    Also the states of stateful RNNs, which Keras does not count among a layer's variables.

    `problems` lists, as (path, reason), each variable whose initializer is not known and each variable
    whose layer cannot be reached; `unbuilt`, each layer that has no variables because it is not built.

    Raises TypeError for what is not a Keras model or layer, ValueError for one that is not built or
    has no variables; the messages begin with `owner`, the function that was called.
    """
    if not isinstance(model, keras.layers.Layer):
        found_in = type(model).__module__.partition(".")[0]
        hint = ""
        if found_in == "tf_keras":
            hint = " of the tf_keras package: save it as .h5 and load that by keras_inits.legacy_load_model"
        raise TypeError(f"{owner}: model must be a Keras model, got {type(model).__name__}{hint}")
    variables = model.variables
    if not model.built:
        raise ValueError(
            f"{owner}: model must be built (call it on a batch or use build()), got {model.name!r}, "
            "which is not"
        )
    if not variables:
        raise ValueError(f"{owner}: model must have weights, got {model.name!r}, which has none")
    found = Walk()
    seen: set[int] = set()
    _visit(model, variables, (), (), found, seen)
    for variable in variables:
        if id(variable) not in seen:
            own = remembered(variable)
            found.slots.append(Slot(variable, variable.path, role_of(variable), (model,), own))
            if own is None:
                found.problems.append((variable.path, "its layer is in no attribute of the model"))
    return found


def role_of(variable: Any) -> str:
    """What a variable is to its layer: its name, without an automatic number."""
    name, _ = _parse(variable.name, stem(variable))
    return _ROLES.get(name, name)


def _visit(
    layer: keras.Layer,
    variables: list[Any],
    parents: tuple[keras.Layer, ...],
    names: tuple[str, ...],
    found: Walk,
    seen: set[int],
) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    chain = (*parents, layer)
    nested = sublayers(layer)
    owners = children(layer, variables, nested)
    inside = [child for child, _ in owners]
    below = {id(v) for _, own in owners for v in own}
    mine = {id(v): v for v in [*variables, *_rnn_states(layer)]}
    own = [v for key, v in mine.items() if key not in below and key not in seen]
    seen.update(map(id, own))
    _add_own(own, chain, names, found)
    if not (nested or owners):  # most layers hold no others
        return
    segments = renumbered((child.name, stem(child)) for child in inside)
    start = len(found.slots)
    for (child, theirs), segment in zip(owners, segments, strict=True):
        _visit(child, theirs, chain, (*names, segment), found, seen)
    _correct(layer, found, start)
    unbuilt = [c for c in nested if id(c) not in seen and _may_make(c)]
    numbered = renumbered((child.name, stem(child)) for child in (*inside, *unbuilt))
    # The paths of what is built do not count what is not: equal names are numbered.
    numbered_names = renumbered((name, "") for name in (*segments, *numbered[len(inside) :]))
    for name, child in zip(numbered_names[len(inside) :], unbuilt, strict=True):
        if child.built:
            _visit(child, [], chain, (*names, name), found, seen)
        else:
            found.unbuilt.append(("/".join((*names, name)), (*chain, child)))


def _may_make(layer: keras.Layer) -> bool:
    """Whether a call may make variables in a layer that has none: there, or in a layer inside of it."""
    if layer.variables:
        return False
    return is_unbuilt(layer) or any(map(_may_make, sublayers(layer)))


def _correct(layer: keras.Layer, found: Walk, start: int) -> None:
    """The slots from `start` on are inside of `layer`, whose own build may have assigned to them."""
    inside = [slot for slot in found.slots[start:] if slot.role not in STATE_ROLES]
    assigned = assigned_inside(layer, [slot.variable for slot in inside]) if inside else {}
    for i, slot in enumerate(found.slots[start:], start):
        if id(slot.variable) in assigned:
            initializer, reason = assigned[id(slot.variable)]
            found.slots[i] = replace(slot, initializer=initializer, reason=reason)
            found.problems = [p for p in found.problems if p[0] != slot.path]
            found.problems += [(slot.path, reason)] if reason else []


def _rnn_states(layer: keras.Layer) -> list[Any]:
    """What a stateful RNN remembers: Keras keeps it out of the layer's variables."""
    if not (isinstance(layer, keras.layers.RNN) and layer.stateful):
        return []
    return [v for v in keras.tree.flatten(layer.states) if isinstance(v, keras.Variable)]


def _add_own(
    own: list[Any], chain: tuple[keras.Layer, ...], names: tuple[str, ...], found: Walk
) -> None:
    weights = [v for v in own if role_of(v) not in STATE_ROLES]
    recovered = dict(zip(map(id, weights), recover(chain[-1], weights), strict=True))
    automatic = ((v.name, stem(v)) for v in own)
    for variable, name in zip(own, renumbered(automatic), strict=True):
        path = "/".join((*names, name))
        initializer, reason = recovered.get(id(variable), (None, ""))
        found.slots.append(Slot(variable, path, role_of(variable), chain, initializer, reason))
        if reason:
            found.problems.append((path, reason))


def children(
    layer: keras.Layer, variables: list[Any], nested: list[keras.Layer]
) -> list[tuple[keras.Layer, list[Any]]]:
    """Of the layers `nested`, those directly inside that own some of `variables`, in their order.

    Each with its variables, which Keras gathers anew at every question.
    """
    position = {id(v): i for i, v in enumerate(variables)}
    listed = list(layer.layers) if isinstance(layer, keras.Model) else []
    chosen: list[tuple[int, keras.Layer, list[Any]]] = []
    covered: set[int] = set()
    for child in {id(child): child for child in (*listed, *nested)}.values():
        own = child.variables
        # A Sequential also holds the functional model that it makes of its layers.
        new = any(id(v) not in covered for v in own)
        if new and all(id(v) in position for v in own):
            chosen.append((min(position[id(v)] for v in own), child, own))
            covered.update(map(id, own))
    return [(child, own) for _, child, own in sorted(chosen, key=lambda entry: entry[0])]


def renumbered(names: Iterable[tuple[str, str]]) -> list[str]:
    """Names with Keras's automatic numbers counted anew, in their order; equal ones numbered.

    `names` are pairs of a name and the stem that an automatic name of the object would have.

    >>> renumbered([("dense_17", "dense"), ("head", "dense"), ("dense_21", "dense")])
    ['dense', 'head', 'dense_1']
    """
    parsed = [_parse(name, stem) for name, stem in names]
    numbers: dict[str, set[int]] = {}
    for stem, number in parsed:
        if number is not None:
            numbers.setdefault(stem, set()).add(number)
    ranks = {stem: {n: i for i, n in enumerate(sorted(found))} for stem, found in numbers.items()}
    times: dict[str, int] = {}
    result = []
    for stem, number in parsed:
        rank = 0 if number is None else ranks[stem][number]
        name = f"{stem}_{rank}" if rank else stem
        times[name] = times.get(name, 0) + 1
        result.append(name if times[name] == 1 else f"{name}#{times[name]}")
    return result


@lru_cache(4096)
def _parse(name: str, stem: str) -> tuple[str, int | None]:
    # Bidirectional puts forward_ and backward_ before the name of the layer that it wraps.
    match = re.fullmatch(rf"((?:forward_|backward_)?{re.escape(stem)})(?:_(\d+))?", name)
    if match is None:
        return name, None
    return match[1].removeprefix("jax_"), int(match[2] or 0)


def stem(thing: Any) -> str:
    """The name that Keras gives an object of this class, without the number."""
    return _snake_case(type(thing).__name__)


@cache
def _snake_case(name: str) -> str:
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
