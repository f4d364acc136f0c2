"""Which initializer each variable of a model takes: ordered rules, the first match wins."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits import checks
from keras_inits.models.variables.walk import STATE_ROLES, Slot
from keras_inits.registry import get

#: Roles that a Layer class alone does not stand for: name them as (class, role).
BESIDES_WEIGHTS = STATE_ROLES | {
    "bias",
    "gamma",
    "beta",
    "scale",
    "moving_mean",
    "moving_variance",
    "vector_u",
    # The factors of LoRA: drawing the second one would end the layer's start as it was.
    "lora_kernel_a",
    "lora_kernel_b",
    "lora_embeddings_a",
    "lora_embeddings_b",
}

Predicate = Callable[[Slot], Any]
Pattern = str | type | tuple[type, str] | Predicate


@dataclass(frozen=True)
class Rule:
    """`initializer` for the variables that `pattern` names; None leaves them as they are.

    An `exact` one already has its fans; the layer's structure changes nothing. `each` makes the
    initializer of a variable, where it differs from one to another; None is no match.
    """

    pattern: Pattern
    initializer: Any = None
    exact: bool = False
    each: Callable[[Slot], Any] | None = None

    def matches(self, slot: Slot) -> bool:
        """Whether the pattern names the variable.

        A string is a regular expression, found anywhere in the path. A Layer class stands for the
        weights of such layers and of those inside them, without biases, scales, statistics,
        states, LoRA's factors and integers (all of them where the rule leaves them as they are).
        (class, role) names one kind of variable; `(keras.layers.Layer, role)` those of every layer.
        A function is asked of each slot.
        """
        if isinstance(self.pattern, str):
            return re.search(self.pattern, slot.path) is not None
        if _is_predicate(self.pattern):
            try:
                return bool(self.pattern(slot))  # type: ignore[operator]
            except Exception as error:
                raise ValueError(
                    f"initialize: rule {self.name} must say of {slot.path} whether it is meant, "
                    f"got {error!r}"
                ) from error
        cls: Any
        cls, role = self.pattern if isinstance(self.pattern, tuple) else (self.pattern, None)
        if not any(isinstance(layer, cls) for layer in slot.layers):
            return False
        if role is None:
            is_weight = slot.role not in BESIDES_WEIGHTS and "float" in slot.dtype
            return self.initializer is None or is_weight
        return slot.role == role

    @property
    def name(self) -> str:
        if isinstance(self.pattern, str):
            return repr(self.pattern)
        if _is_predicate(self.pattern):
            return getattr(self.pattern, "__name__", repr(self.pattern))
        cls: Any
        cls, *role = self.pattern if isinstance(self.pattern, tuple) else (self.pattern,)
        return " ".join([cls.__name__, *role])


def _is_predicate(pattern: Any) -> bool:
    return callable(pattern) and not isinstance(pattern, type)


def parse_rules(rules: Any) -> list[Rule]:
    """Rules from a dict or from pairs, checked."""
    expected = "None, a preset's name, a dict or (pattern, initializer) pairs"
    if isinstance(rules, Mapping):
        pairs = list(rules.items())
    elif isinstance(rules, (str, bytes)) or not isinstance(rules, Iterable):
        raise checks.type_error("initialize", "rules", expected, rules)
    else:
        pairs = list(rules)
    if not pairs:
        raise checks.value_error("initialize", "rules", f"{expected}, not empty", rules)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise checks.type_error("initialize", "rules", f"{expected}; one of them is not", pair)
    return [Rule(as_pattern(pattern), _initializer(identifier)) for pattern, identifier in pairs]


def as_pattern(pattern: Any, what: str = "a rule's pattern") -> Pattern:
    """The pattern, checked."""
    expected = "a regular expression, a Layer class, (Layer class, role) or a function of a slot"
    if _is_predicate(pattern):
        return pattern
    cls, role = pattern if isinstance(pattern, tuple) and len(pattern) == 2 else (pattern, "")
    if isinstance(cls, type) and issubclass(cls, keras.layers.Layer) and isinstance(role, str):
        return pattern
    if not isinstance(pattern, str):
        raise checks.type_error("initialize", what, expected, pattern)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"initialize: {what} must be {expected}, got {pattern!r}: {error}"
        ) from error
    return pattern


def _initializer(identifier: Any) -> Any:
    expected = "an initializer, a string, a config or None"
    if identifier is None:
        return None
    try:
        found = get(identifier)
    except ValueError as error:
        if isinstance(identifier, str):
            raise
        raise checks.type_error(
            "initialize", "a rule's initializer", expected, identifier
        ) from error
    if not callable(found):
        raise checks.type_error("initialize", "a rule's initializer", expected, identifier)
    return found


def first_matches(rules: list[Rule], slots: list[Slot]) -> list[Rule | None]:
    """The first rule that matches each variable, or None; a rule that matches none is an error."""
    matched: set[int] = set()
    chosen: list[Rule | None] = []
    for slot in slots:
        fitting = [i for i, rule in enumerate(rules) if rule.matches(slot)]
        matched.update(fitting)
        chosen.append(rules[fitting[0]] if fitting else None)
    for i, rule in enumerate(rules):
        if i not in matched:
            raise ValueError(_matches_nothing(rule, slots))
    return chosen


def _matches_nothing(rule: Rule, slots: list[Slot]) -> str:
    says = f"initialize: rule {rule.name} matches no variable of the model"
    if isinstance(rule.pattern, str):
        nearest = _nearest(rule.pattern, [slot.path for slot in slots])
        return f"{says}; did you mean {', '.join(nearest)}?"
    if _is_predicate(rule.pattern):
        return f"{says}; of its {len(slots)} variables the first is {slots[0].path}"
    cls: Any = rule.pattern[0] if isinstance(rule.pattern, tuple) else rule.pattern
    inside = [slot for slot in slots if any(isinstance(layer, cls) for layer in slot.layers)]
    if inside:
        named = dict.fromkeys(f"({cls.__name__}, {slot.role!r})" for slot in inside)
        return f"{says}; did you mean {', '.join(named)}?"
    present = dict.fromkeys(type(layer).__name__ for slot in slots for layer in slot.layers)
    first = difflib.get_close_matches(cls.__name__, present, n=3, cutoff=0.6)
    return f"{says}; its layers are {', '.join(dict.fromkeys([*first, *present]))}"


def _nearest(pattern: str, paths: list[str], count: int = 5) -> list[str]:
    """The paths most like the pattern, or like it in some part."""
    plain = re.sub(r"[\\^$.*+?()\[\]{}|]", "", pattern)

    def likeness(path: str) -> float:
        names = path.split("/")
        ends = {"/".join(names[i:]) for i in range(len(names))}
        parts = {*names, *ends, path.rsplit("/", 1)[0]}
        return max(difflib.SequenceMatcher(None, plain, part).ratio() for part in parts)

    return sorted(paths, key=likeness, reverse=True)[:count]
