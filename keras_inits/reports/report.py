"""What a function on a whole model returns: rows that print as a table, export as JSON and plot."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from keras_inits.reports.plain import plain
from keras_inits.reports.tables import Table, paragraph, terminal_width, text, text_table
from keras_inits.reports.writing import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Problem:
    """Something that was not done or does not hold.

    Args:
        path: Where.
        reason: What, in one line, with the figure where there is one.
        why: Why it matters, in one sentence.
        code: Lines of Python that fix it, to be pasted.
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

    `print(report)` shows a summary, the problems and a screen of rows, `show(all=True)` all of them,
    and a notebook shows them by itself. `to_dict()`, `to_json()`, `to_csv()` and `to_frame()` export
    them, `plot()` draws the rows, `save_html()` writes a page. A report of one's own names its rows'
    fields:

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
        >>> report = Scaling([Row("dense/kernel", 0.3, float("nan"))])
        >>> report.to_dict()["rows"]
        [{'path': 'dense/kernel', 'before': 0.3, 'after': None}]
    """

    #: What stands over the table.
    title: ClassVar[str] = "Report"
    #: Headers of the columns by the name of the row's field; None prints every field.
    columns: ClassVar[dict[str, str] | None] = None
    #: Fields of columns that a narrow terminal can do without, the first of them first; by default
    #: from the right. The first column stays.
    drop: ClassVar[tuple[str, ...]] = ()
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

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Rows and problems as JSON text, written to `path` where one is given."""
        found = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        if path is not None:
            write_text(path, found)
        return found

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """All fields of the rows as comma-separated text, written to `path` where one is given."""
        file = io.StringIO()
        rows = plain(self.rows)
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        if path is not None:
            write_text(path, file.getvalue())
        return file.getvalue()

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises:
            ModuleNotFoundError: Pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_frame needs pandas: pip install pandas") from error
        return pandas.DataFrame([dict(vars(row)) for row in self.rows])

    def summary(self) -> str:
        """What the report says, in one line."""
        return (
            f"{self.title}: {count(len(self.rows), 'row')}, {count(len(self.problems), 'problem')}"
        )

    def show(self, all: bool = False) -> None:
        """Print the report, with `all` of its rows or a screen of them."""
        print(self._text(all))

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

    def row_figures(self) -> Iterator[Figure | None]:
        """A figure for each row, in their order, for the page; None where a row has none.

        Each is written before the next is asked for, so that one may be filled again and again.
        """
        return itertools.repeat(None, len(self.rows))

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one page that needs no network.

        Problems with the code that fixes them, the figure, and a table that sorts and filters; a
        click on a row shows its figure, where there is one. Without JavaScript it is a plain page.

        Args:
            path: Where; written whole or not at all.

        Raises:
            ModuleNotFoundError: Jinja2 or matplotlib is not installed.
        """
        from keras_inits.reports.page import page

        write_text(path, page(self))

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return self._text(all_rows=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.rows)} rows, {len(self.problems)} problems>"

    def _repr_html_(self) -> str:
        from keras_inits.reports.page import fragment

        return fragment(self)

    def table(self) -> Table:
        """The rows as text."""
        columns = self.columns
        if columns is None:
            names = [field.name for field in fields(self.rows[0])] if self.rows else []
            columns = {name: name.replace("_", " ") for name in names}
        cells = [[text(getattr(row, name)) for name in columns] for row in self.rows]
        order = list(columns)
        empty = [i for i in range(1, len(order)) if all(row[i] in ("", "-") for row in cells)]
        drop = [*empty, *(order.index(name) for name in self.drop if name in columns)]
        drop = list(dict.fromkeys([*drop, *reversed(range(1, len(order)))]))
        return Table(list(columns.values()), cells, drop)

    def _text(self, all_rows: bool) -> str:
        width = terminal_width()
        lines = []
        for line in self.summary().splitlines():  # code, which is indented, stays whole
            lines += [line] if line.startswith(" ") else paragraph(line, width, "")
        for problem in self.problems:
            lines += ["", problem.path or "-", *paragraph(problem.reason, width, "  ")]
            lines += paragraph(problem.why, width, "  ")
            lines += [f"      {line}" for line in problem.code.splitlines()]
        if self.rows:
            lines += ["", *text_table(self.table(), width, all_rows)]
        return "\n".join(lines)


def count(number: int, noun: str) -> str:
    """As "no problems", "1 problem", "2 problems"."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
