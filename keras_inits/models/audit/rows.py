"""What the report says of each variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keras_inits.models.audit.together import Seen
from keras_inits.models.weights.adapt import scheme_and_law
from keras_inits.reports.report import Panel, Report

#: How likely it is that anything at all is found by the tests of a model that is as expected.
LEVEL = 0.001


@dataclass(frozen=True)
class Audited:
    """One variable: the scheme and the law that it should be drawn by, what it is, and its kinds of faults.

    `zeros` and `repeated` are shares, the latter of a sample of 32768 entries. `p_value` is that of the
    most telling test times their number, None where no law is known; `findings` are kinds of faults.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    scheme: str
    law: str
    source: str
    expected_mean: float | None
    mean: float
    expected_std: float | None
    std: float
    low: float
    high: float
    zeros: float
    repeated: float
    not_finite: int
    p_value: float | None
    findings: tuple[str, ...]

    @property
    def expected(self) -> str:
        """Scheme and law, as the table shows them."""
        return scheme_and_law(self.scheme, self.law)

    @property
    def found(self) -> str:
        """The findings, as the table shows them."""
        return ", ".join(self.findings)


class Audit(Report):
    """What `audit` found: a row for each variable, and in `problems` each kind of fault, with the paths."""

    title: ClassVar = "audit"
    columns: ClassVar = {
        "path": "path",
        "shape": "shape",
        "expected": "expected",
        "expected_std": "expected std",
        "std": "std",
        "p_value": "p",
        "found": "found",
    }
    drop: ClassVar = ("shape", "expected", "p_value", "expected_std", "std")
    panels: ClassVar = (Panel("standard deviation", "expected_std", "std", "expected", "measured"),)

    rows: list[Audited]

    def summary(self) -> str:
        """One line: how many variables, how many of them were tested, how many have faults."""
        tested = sum(row.p_value is not None for row in self.rows)
        count = len(self.problems)
        faulty = sum(bool(row.findings) for row in self.rows)
        return (
            f"audit: {len(self.rows)} variables, {tested} tested at a level of {LEVEL:g} for all "
            f"together; {faulty or 'none'} with faults; {count or 'no'} problem{'s' * (count != 1)}"
        )


def row_of(one: Seen, p: float | None, findings: list[str]) -> Audited:
    """The row of one tensor."""
    slot, found, law = one.want.action.slot, one.found, one.want.law
    scheme, law_text = one.want.words
    return Audited(
        path=slot.path,
        shape=slot.shape,
        dtype=slot.dtype,
        scheme=scheme,
        law=law_text,
        source=one.want.action.source,
        expected_mean=None if law is None else law.mean,
        mean=found.mean,
        expected_std=None if law is None else law.std,
        std=found.std,
        low=found.low,
        high=found.high,
        zeros=found.zeros / max(found.size, 1),
        repeated=found.repeated,
        not_finite=found.bad,
        p_value=p,
        findings=tuple(dict.fromkeys(findings)),
    )
