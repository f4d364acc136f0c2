"""What a function on a whole model returns: rows that print as a table, export as JSON and plot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from keras_inits.reports.plain import plain
from keras_inits.reports.tables import Table, html_table, print_tables, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Problem:
    """Something that was not done or does not hold.

    Args:
        path: Where.
        reason: What, in one line, with the figure where there is one.
        why: Why it matters, in one sentence.
        code: Lines of Python that mend it, to be pasted.
    """

    path: str
    reason: str
    why: str = ""
    code: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel of a report's figure: two values of every row against each other.

    Args:
        title: The panel's title, with the unit where there is one.
        first: Field of the rows that is drawn as a ring.
        second: Field of the rows that is drawn as a dot.
        before: What the rings are called under the title.
        after: What the dots are called.
        log: Whether the axis is logarithmic where the values differ by more than a factor of 5;
            values of 0 and less are left out then.
    """

    title: str
    first: str
    second: str
    before: str = "before"
    after: str = "after"
    log: bool = True


@dataclass(frozen=True)
class Counts:
    """A report's figure in place of panels: how many rows there are of each kind.

    Args:
        kind: Field of the rows by which they are counted.
        failing: Field that is true, or a text that is not empty, in rows that are drawn apart.
        good: What the other rows do, under the title.
        bad: What the failing rows do.
    """

    kind: str
    failing: str
    good: str
    bad: str


class Report:
    """`rows`, dataclasses of one class, and `problems`, what was not done or does not hold.

    `print(report)` shows both as tables and a notebook shows them by itself. `to_dict()` gives
    them as JSON values, and `plot()` draws the rows. A report of one's own names its rows' fields:

    Args:
        rows: Dataclass instances, one per row of the table.
        problems: `Problem` objects, or pairs (path, reason).

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Row:
        ...     path: str
        ...     before: float
        ...     after: float
        >>> class Scaling(Report):
        ...     title = "Scaling"
        ...     columns = {"path": "path", "after": "std"}
        ...     panels = (Panel("standard deviation", "before", "after"),)
        >>> report = Scaling([Row("dense/kernel", 0.3, float("nan"))])
        >>> report.to_dict()["rows"]
        [{'path': 'dense/kernel', 'before': 0.3, 'after': None}]
    """

    #: What stands over the table.
    title: ClassVar[str] = "Report"
    #: Headers of the columns by the name of the row's field; None prints every field.
    columns: ClassVar[dict[str, str] | None] = None
    #: What the figure shows.
    panels: ClassVar[tuple[Panel, ...] | Counts] = ()

    def __init__(
        self, rows: Iterable[Any], problems: Iterable[Problem | tuple[str, str]] = ()
    ) -> None:
        self.rows = list(rows)
        self.problems = [p if isinstance(p, Problem) else Problem(*p) for p in problems]

    def to_dict(self) -> dict[str, Any]:
        """Rows and problems as JSON values.

        Returns:
            Dicts, lists, strings, numbers and None alone: `json.dumps(..., allow_nan=False)` takes
            them. JSON has no NaN and no infinity: such a number is None.
        """
        return {"rows": plain(self.rows), "problems": plain(self.problems)}

    def plot(self) -> Figure:
        """Draw the rows.

        Returns:
            A matplotlib figure; `plot().savefig(path)` writes it.

        Raises:
            ValueError: There is nothing to draw.
            ModuleNotFoundError: Matplotlib is not installed.
        """
        from keras_inits.reports.figure import report_figure

        return report_figure(self)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return print_tables(self._tables())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.rows)} rows, {len(self.problems)} problems>"

    def _repr_html_(self) -> str:
        return "\n".join(map(html_table, self._tables()))

    def _tables(self) -> list[Table]:
        columns = self.columns
        if columns is None:
            names = [field.name for field in fields(self.rows[0])] if self.rows else []
            columns = {name: name.replace("_", " ") for name in names}
        cells = [[text(getattr(row, name)) for name in columns] for row in self.rows]
        tables = [Table(self.title, list(columns.values()), cells)]
        if self.problems:
            reasons = [[problem.path, problem.reason] for problem in self.problems]
            tables.append(Table("Problems", ["path", "reason"], reasons))
        return tables
