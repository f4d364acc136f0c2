"""What each variable should hold: the law, the values, or a sample of another initializer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_inits.base import Scheme, reseeded
from keras_inits.laws import Law
from keras_inits.models.audit.measure import SAMPLE
from keras_inits.models.choice.choose import Action, choose
from keras_inits.models.choice.preset import Preset
from keras_inits.models.choice.presets import PRESETS
from keras_inits.models.variables.walk import Walk
from keras_inits.models.weights.adapt import draw, label, law_of, law_text
from keras_inits.reports.report import Problem
from keras_inits.schemes.depth import Scaled
from keras_inits.schemes.orthogonal import DeltaOrthogonal, Orthogonal
from keras_inits.schemes.recurrent import Gated
from keras_inits.streams import DefaultStream


@dataclass(frozen=True, eq=False)
class Expected:
    """What one variable should hold, at most one of a `law`, fixed `values` and a sorted `sample`.

    `independent` tells whether its entries are, under the law; `reason` why there is none of these.
    """

    action: Action
    law: Law | None = None
    values: np.ndarray | None = None
    sample: np.ndarray | None = None
    independent: bool = True
    reason: str = ""

    @property
    def is_left_alone(self) -> bool:
        """Whether a rule says so: then it is only looked through for NaN."""
        return self.action.kind == "keep" and self.action.named

    @property
    def words(self) -> tuple[str, str]:
        """(scheme, law) as the report names them, empty where there is none."""
        if self.action.kind != "draw" or self.reason:
            return "", ""
        scheme, slot = self.action.scheme, self.action.slot
        law = law_text(scheme, law_of(scheme, slot.shape, self.action.geometry))
        return label(self.action.initializer), law


def expected_of(found: Walk, rules: Any, x: Any) -> tuple[list[Action], list[Problem]]:
    """What chooses the law of each variable, as `initialize` would, and what of a preset does not hold."""
    if isinstance(rules, str) and isinstance(PRESETS.get(rules), Preset):
        rules = PRESETS[rules]
    if isinstance(rules, Preset) and x is not None:
        rules = replace(rules, x=x)
    try:
        return choose(found, rules, None, frozen=True)
    except (ValueError, TypeError) as error:
        text = str(error).replace("initialize: rules", "audit: expected", 1)
        raise type(error)(text.replace("initialize:", "audit:", 1)) from error


def expected(action: Action) -> Expected:
    """What the action's variable should hold."""
    slot, scheme = action.slot, action.scheme
    if action.kind != "draw":
        return Expected(action, reason=action.source.removeprefix("kept: "))
    try:
        law = law_of(scheme, slot.shape, action.geometry)
        if isinstance(scheme, Scheme) and not scheme.random:
            return Expected(action, law, values=_drawn(action, 0))
        inner = _inner(scheme)
        independent = isinstance(inner, Scheme) and inner.elementwise
        # Entries of an orthogonal matrix are spread more evenly than independent ones.
        if law is not None and (independent or type(inner) in (Orthogonal, DeltaOrthogonal)):
            return Expected(action, law, independent=independent)
        if isinstance(scheme, Scheme):
            return Expected(action, reason="its entries depend on one another, by no known law")
        return _by_draws(action)
    except Exception as error:  # an initializer may be anyone's function
        return Expected(action, reason=f"{label(action.initializer)} cannot be drawn: {error}")


def _by_draws(action: Action) -> Expected:
    """An initializer of another library: by what it draws, or the one value that it gives."""
    first = _drawn(action, 0)
    if reseeded(action.scheme, DefaultStream(0)) is None and np.array_equal(
        first, _drawn(action, 1)
    ):
        return Expected(action, values=first)
    return Expected(action, sample=np.sort(first.reshape(-1)[:SAMPLE].astype("float64")))


def _drawn(action: Action, seed: int) -> np.ndarray:
    slot = action.slot
    return draw(action.scheme, slot.shape, slot.dtype, DefaultStream(seed), action.geometry).values


def _inner(scheme: Any) -> Any:
    """The scheme that draws the entries."""
    while isinstance(scheme, (Gated, Scaled)) and isinstance(scheme.initializer, Scheme):
        scheme = scheme.initializer
    return scheme
