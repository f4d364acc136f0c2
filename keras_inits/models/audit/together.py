"""What only several tensors together show: that they are equal, or that one stands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_inits.models.audit.expected import Expected
from keras_inits.models.audit.faults import Finding
from keras_inits.models.audit.measure import Measured

_SHARE = 0.5  # of the random tensors that follow no law, from which on the others stand out
_LARGE = 1000  # entries, of those that are counted


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor, what it should hold and what it showed."""

    want: Expected
    found: Measured
    read: Callable[[], np.ndarray]

    @property
    def path(self) -> str:
        return self.want.action.slot.path


def equal(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Tensors that have the same entries, all of them or the first, in the same order or another."""
    left = [
        one
        for one in seen
        if one.want.values is None and not one.want.is_left_alone and one.found.is_random
    ]
    for first, *others in _groups(left, lambda one: (*_kind(one), one.found.hash)):
        values = first.read()
        same = [one for one in others if np.array_equal(one.read(), values)]
        moved = [one for one in others if one not in same]
        if same:
            yield Finding(first.path, "equal", f"has the same values as {_names(same)}")
        if moved:
            text = f"has the same values in another order as {_names(moved)}"
            yield Finding(first.path, "permuted", text)
        left = [one for one in left if one not in others]
    begin = [one for one in left if one.found.head]
    for first, *others in _groups(begin, lambda one: (one.want.action.slot.dtype, one.found.head)):
        text = f"begins with the same numbers as {_names(others)}"
        yield Finding(first.path, "same start", text)


def _kind(one: Seen) -> tuple[str, int]:
    return one.want.action.slot.dtype, one.found.size


def _groups(seen: Iterable[Seen], key: Callable[[Seen], object]) -> list[list[Seen]]:
    """Those of two and more with the same key."""
    found: dict[object, list[Seen]] = {}
    for one in seen:
        found.setdefault(key(one), []).append(one)
    return [group for group in found.values() if len(group) > 1]


def _names(seen: Sequence[Seen]) -> str:
    return ", ".join(one.path for one in seen[:3]) + ", ..." * (len(seen) > 3)


def drawn_again(seen: Sequence[Seen], findings: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Where most of the random tensors follow no law of theirs, those that do."""
    random = [
        one
        for one in seen
        if one.want.law is not None and one.want.law.continuous and one.found.size >= _LARGE
    ]
    other = [one for one in random if "law" in findings.get(one.path, ())]
    if len(other) <= _SHARE * len(random):
        return
    text = f"is as its initializer draws it, while {len(other)} of {len(random)} tensors are not"
    for one in random:
        if one.path not in findings:
            yield Finding(one.path, "drawn again", text)


def residual(
    findings: Iterable[Finding], seen: Sequence[Seen], ends: Mapping[str, int]
) -> list[Finding]:
    """The findings, and of those whose standard deviation is wrong which are ends of `ends` without
    their scaling: they have that of another weight."""
    by_path = {one.path: one for one in seen}
    plain = {
        round(one.want.law.std, 12)
        for one in seen
        if one.want.law is not None and one.path not in ends
    }
    made = []
    for finding in findings:
        one = by_path.get(finding.path)
        if finding.kind in ("scale", "fans") and one is not None and finding.path in ends:
            std = one.found.std
            if any(s and abs(std / s - 1) < 0.05 for s in plain):
                depth = ends[finding.path]
                text = f"{finding.text}: that of weights that end no branch; its stream has {depth}"
                finding = replace(finding, kind="residual scale", text=text)
        made.append(finding)
    return made
