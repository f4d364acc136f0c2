"""What happens to each variable of a model: it is drawn, kept, or starts anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras

from keras_inits import checks
from keras_inits.host import unchanged_python_random
from keras_inits.models.choice.computation import Computation
from keras_inits.models.choice.preset import Preset
from keras_inits.models.choice.presets import preset
from keras_inits.models.choice.rules import Rule, as_pattern, first_matches, parse_rules
from keras_inits.models.variables.origin import quantization
from keras_inits.models.variables.rebuild import Computed
from keras_inits.models.variables.waiting import is_waiting
from keras_inits.models.variables.walk import STATE_ROLES, Slot, Walk
from keras_inits.models.weights.adapt import as_scheme, fitted, label
from keras_inits.models.weights.by_shape import fans_by_shape
from keras_inits.models.weights.geometry import Geometry
from keras_inits.models.weights.layers import geometry_of
from keras_inits.reports.report import Problem
from keras_inits.schemes.data import FromArray

COMPUTED = "computed by its layer, as built"
EMPTY = "built under deferred() and still zero: neither drawn nor loaded"
GONE = "its FromArray has no numbers any more; left as it was"


@dataclass(eq=False)
class Action:
    """What happens to one variable, and what chose it.

    One that is drawn has an `initializer` as it was named and the `scheme` that is drawn, fitted to
    the layer's `geometry` where this counts; `named` by a rule or preset, not the layer's own; `use` is what
    the model uses it for.
    """

    slot: Slot
    kind: Literal["draw", "keep", "restart"]
    source: str
    initializer: Any = None
    named: bool = False
    exact: bool = False
    geometry: Geometry | None = None
    scheme: Any = None
    problem: str = ""
    use: str = ""


@unchanged_python_random()  # the seeds come from the stream
def choose(
    found: Walk,
    rules: Any,
    structure: bool | str | None,
    *,
    frozen: bool = False,
    only: Any = None,
    only_missing: bool = False,
) -> tuple[list[Action], list[Problem]]:
    """The action for each variable under `rules`, fitted to its layer where `structure` asks for it.

    And what of a preset does not hold for the model.
    """
    chosen = _only(found, only)
    computation = Computation(found.slots, rules.x if isinstance(rules, Preset) else None)
    by_rules, problems = _by_rules(found, rules, frozen, computation)
    actions = []
    for slot, action in zip(found, by_rules, strict=True):
        if slot not in chosen:
            action = Action(slot, "keep", "kept: not in only")
        elif only_missing and not is_waiting(slot.variable):
            action = Action(slot, "keep", "kept: it has values")
        if action.kind == "keep" and is_waiting(slot.variable):
            action.problem = f"{EMPTY}; {action.source}"
        action.use = computation.use(slot)
        _fit(action, structure, computation)
        actions.append(action)
    return actions, problems + computation.problems + computation.not_built(found.unbuilt)


def _only(found: Walk, only: Any) -> set[Slot]:
    if only is None:
        return set(found)
    given = list(only) if isinstance(only, list) else [only]
    if not given:
        raise checks.value_error("initialize", "only", "a pattern or a list of them", only)
    rules = [Rule(_layer_pattern(pattern)) for pattern in given]
    matches = first_matches(rules, found.slots)
    return {slot for slot, rule in zip(found, matches, strict=True) if rule is not None}


def _layer_pattern(pattern: Any) -> Any:
    if isinstance(pattern, keras.layers.Layer):
        layer = pattern

        def inside(slot: Slot) -> bool:
            return any(other is layer for other in slot.layers)

        inside.__name__ = f"layer {layer.name!r}"
        return inside
    return as_pattern(pattern, "only")


def _by_rules(
    found: Walk, rules: Any, frozen: bool, computation: Computation
) -> tuple[list[Action], list[Problem]]:
    matches: Sequence[Rule | None] = [None] * len(found)
    source, by_preset = "rule", isinstance(rules, (str, Preset))
    problems: list[Problem] = []
    if by_preset:
        source = f"preset {rules!r}"
        listed, problems = preset(rules, computation)
        matches = [None if _is_no_weight(slot) else _first(listed, slot) for slot in found]
    elif rules is not None:
        matches = first_matches(parse_rules(rules), found.slots)
    actions = []
    for slot, rule in zip(found, matches, strict=True):
        # A preset names frameworks' defaults, not this variable: what is frozen stays.
        if _is_frozen(slot) and not frozen and (rule is None or by_preset):
            actions.append(Action(slot, "keep", "frozen, kept"))
        elif rule is None or (_is_never_drawn(slot) and rule.initializer is not None):
            actions.append(_own(slot))
        else:
            chosen = source if by_preset else f"rule {rule.name}"
            kind: Any = "keep" if rule.initializer is None else "draw"
            actions.append(
                Action(slot, kind, chosen, rule.initializer, named=True, exact=rule.exact)
            )
    return actions, problems


def _first(rules: list[Rule], slot: Slot) -> Rule | None:
    """The first rule of a preset that matches; one that makes an initializer for each may make none."""
    rule = next((rule for rule in rules if rule.matches(slot)), None)
    if rule is None or rule.each is None:
        return rule
    made = rule.each(slot)
    return None if made is None else replace(rule, initializer=made)


def _own(slot: Slot) -> Action:
    initializer = slot.initializer
    if slot.role in STATE_ROLES:
        return Action(slot, "restart", "start")
    if isinstance(slot.layer, keras.layers.Normalization) and not is_waiting(slot.variable):
        return Action(slot, "keep", "kept: adapted to data")
    if initializer is None:
        return Action(slot, "keep", f"kept: {slot.reason}")
    if isinstance(initializer, Computed):
        scheme = FromArray(initializer.value)
        return Action(slot, "draw", COMPUTED, scheme, exact=True)
    if isinstance(initializer, FromArray) and initializer.array is None:
        return Action(slot, "keep", f"kept: {GONE}", problem=GONE)
    problem = ""
    if slot.role in ("lora_kernel_a", "lora_embeddings_a"):
        problem = (
            "drawn from enable_lora's default: Keras does not keep the initializer that it was "
            "given; name one in a rule if it was another"
        )
    return Action(slot, "draw", "its own initializer", initializer, problem=problem)


def _is_frozen(slot: Slot) -> bool:
    # A generator of random numbers is no weight: it runs in frozen layers, too.
    if slot.role == "seed_state" or all(layer.trainable for layer in slot.layers):
        return False
    return not is_waiting(slot.variable)


def _is_never_drawn(slot: Slot) -> bool:
    return slot.role in STATE_ROLES or quantization(slot.layer) is not None


def _is_no_weight(slot: Slot) -> bool:
    return _is_never_drawn(slot) or isinstance(slot.layer, keras.layers.Normalization)


def _fit(action: Action, structure: bool | str | None, computation: Computation) -> None:
    """Give an action the scheme that is drawn, and what it draws by."""
    if action.kind != "draw":
        return
    slot, geometry = action.slot, None
    wanted = action.named if structure is None else bool(structure)
    scheme = as_scheme(action.initializer)
    if wanted and not action.exact:
        strides = structure == "strides"
        geometry = geometry_of(slot.layer, slot.role, slot.shape, strides=strides)
        geometry = computation.with_parts(slot, scheme, geometry)
    action.geometry, action.scheme = geometry, fitted(scheme, geometry, slot.role)
    if slot.role != "bias" and (counted := fans_by_shape(action.scheme, slot.shape, geometry)):
        told = f"{label(action.initializer)} {counted}"
        action.problem = f"{told}: let a Scheme's law ask self.fans(shape)"
