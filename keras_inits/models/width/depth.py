"""What each variable of a model is to its depth: CompleteP."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits import checks
from keras_inits.models.residual.branches import Branches, residual_branches
from keras_inits.reports.report import Problem

_OWNER = "mup"


@dataclass(frozen=True)
class Depth:
    """How many times deeper a variable's streams are than the base's, and what follows.

    `ratio` is 1 outside of residual branches. `multiplier` is the part of its branch's that the
    variable takes on, 1 where the model multiplies itself or another variable takes it on.
    """

    ratio: float = 1.0
    multiplier: float = 1.0
    note: str = ""

    @property
    def gradient(self) -> float:
        """How many times smaller a gradient is than at the base."""
        return self.ratio * self.multiplier


def depths(model: Any, base: Any, x: Any) -> tuple[dict[str, Depth], list[Problem]]:
    """By path the `Depth` of what is in a residual branch, and what the model itself must do.

    With m the branches of a stream over the base's, every branch is to be multiplied by 1/m.
    """
    if not isinstance(base, keras.layers.Layer):
        raise checks.type_error(_OWNER, "depth_base", "a built Keras model", base)
    found, at_base = _branches("model", model, x), _branches("depth_base", base, x)
    ratios, factors = _compared(found, at_base)
    seen = Counter((path, row.stream) for row in found.rows for path in row.variables)
    by_path: dict[str, Depth] = {}
    missing: dict[tuple[int, float], list[str]] = {}
    for row in found.rows:
        ratio = ratios[row.stream]
        left = factors[row.stream] / (ratio * row.factor / row.stream_factor)
        left = 1.0 if math.isclose(left, 1.0, rel_tol=1e-6) else left
        if left != 1 and not row.carriers:
            missing.setdefault((row.stream, left), []).append(row.path)
        for path in row.variables:
            before = by_path.get(path, Depth())
            count = seen[path, row.stream]
            if count > 1 and before.note:
                continue
            by_path[path] = Depth(
                before.ratio * (1.0 if count > 1 else ratio),
                before.multiplier * (left if path in row.carriers else 1.0),
                f"shared by {count} branches" if count > 1 else before.note,
            )
    problems = [*found.problems, *_post_norm(found)]
    problems += [
        Problem(
            paths[0],
            f"no variables multiply {len(paths)} branches as a whole: what follows the last weights is "
            "not linear, or takes no factor",
            f"The model must multiply these branches by {left:g}.",
        )
        for (_, left), paths in missing.items()
    ]
    return by_path, problems


def _branches(name: str, model: Any, x: Any) -> Branches:
    try:
        found = residual_branches(model, x)
    except ValueError as error:
        raise ValueError(f"{_OWNER}: {name}: {error}") from error
    if not found.rows:
        raise ValueError(f"{_OWNER}: {name} must have residual branches for depth_base, got none")
    return found


def _compared(found: Branches, base: Branches) -> tuple[dict[int, float], dict[int, float]]:
    """By stream (branches over the base's, the base's multiplier of its branches)."""
    counts, at_base = (Counter(row.stream for row in rows.rows) for rows in (found, base))
    if counts.keys() != at_base.keys():
        raise ValueError(
            f"{_OWNER}: depth_base must have the model's {len(counts)} residual streams, got "
            f"{len(at_base)}"
        )
    factors: dict[int, float] = {}
    for row in base.rows:
        factor = row.factor / row.stream_factor
        if not math.isclose(factors.setdefault(row.stream, factor), factor, rel_tol=1e-6):
            raise ValueError(
                f"{_OWNER}: depth_base must multiply all branches of a stream by one number, got "
                f"{factors[row.stream]:g} and {factor:g} ({row.path})"
            )
    return {stream: counts[stream] / at_base[stream] for stream in counts}, factors


def _post_norm(found: Branches) -> list[Problem]:
    rows = [row for row in found.rows if "post" in row.norm]
    if not rows:
        return []
    return [
        Problem(
            rows[0].path,
            f"{len(rows)} of {len(found)} branches are added to a stream that is normalized after "
            "the addition; CompleteP is derived for normalization before a branch",
            "Their multiplier and rates are CompleteP's all the same.",
        )
    ]
