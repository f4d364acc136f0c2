"""What each variable of a model takes: its own initializer, a rule's or a preset's; with what fans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_inits.models.choice.presets import preset
from keras_inits.models.choice.rules import first_matches, parse_rules
from keras_inits.models.variables.origin import quantization
from keras_inits.models.variables.walk import STATE_ROLES, Slot, Walk
from keras_inits.models.weights.geometry import Geometry
from keras_inits.models.weights.layers import geometry_of

#: The source of a state's value.
START = "start"


@dataclass(frozen=True)
class Choice:
    """What a variable takes: `initializer` (None: it stays, or starts anew) and its `source`.

    `named` by a rule or preset, not the layer's own; `exact` if its fans are settled already.
    """

    slot: Slot
    initializer: Any
    source: str
    named: bool = False
    exact: bool = False
    structure: Geometry | None = None


def choose(found: Walk, rules: Any, structure: bool | str | None) -> list[Choice]:
    """What each variable takes under `rules`, with its layer's fans where `structure` asks for them."""
    return [_structured(choice, structure) for choice in _choose(found, rules)]


def _choose(found: Walk, rules: Any) -> list[Choice]:
    if rules is None:
        return [_own_choice(slot) for slot in found]
    if isinstance(rules, str):
        chooser = preset(rules, found.slots)
        matches = [None if _is_no_weight(slot) else chooser(slot) for slot in found]
        source = "preset"
    else:
        matches = first_matches(parse_rules(rules), found.slots)
        source = "rule"
    return [
        _own_choice(slot)
        if rule is None or (_is_never_drawn(slot) and rule.initializer is not None)
        else Choice(slot, rule.initializer, f"{source} {rule.name}", named=True, exact=rule.exact)
        for slot, rule in zip(found, matches, strict=True)
    ]


def _own_choice(slot: Slot) -> Choice:
    if slot.role in STATE_ROLES:
        return Choice(slot, None, START)
    if isinstance(slot.layer, keras.layers.Normalization):
        return Choice(slot, None, "kept: adapted to data")
    source = "its own initializer" if slot.initializer is not None else f"kept: {slot.reason}"
    return Choice(slot, slot.initializer, source)


def _is_never_drawn(slot: Slot) -> bool:
    return slot.role in STATE_ROLES or quantization(slot.layer) is not None


def _is_no_weight(slot: Slot) -> bool:
    return _is_never_drawn(slot) or isinstance(slot.layer, keras.layers.Normalization)


def _structured(choice: Choice, structure: bool | str | None) -> Choice:
    wanted = choice.named if structure is None else bool(structure)
    if not wanted or choice.exact or choice.initializer is None:
        return choice
    slot = choice.slot
    found = geometry_of(slot.layer, slot.role, slot.shape, strides=structure == "strides")
    return replace(choice, structure=found)
