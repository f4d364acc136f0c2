"""What a function on a whole model returns: rows that print as a table and export as plain data."""

from __future__ import annotations

import html
import io
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Something that was not done, and why."""

    path: str
    reason: str


class Report:
    """`rows`, dataclasses of one class, and `problems`.

    Prints as a table, shows itself in a notebook; `to_dict()` has only what JSON knows.
    """

    title: ClassVar[str] = "Report"
    #: Headers of the columns by the name of the row's field; None prints every field.
    columns: ClassVar[dict[str, str] | None] = None

    def __init__(
        self, rows: Iterable[Any], problems: Iterable[Problem | tuple[str, str]] = ()
    ) -> None:
        self.rows = list(rows)
        self.problems = [p if isinstance(p, Problem) else Problem(*p) for p in problems]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": [_plain(asdict(row)) for row in self.rows],
            "problems": [asdict(problem) for problem in self.problems],
        }

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        from rich.console import Console

        width = max(110, shutil.get_terminal_size().columns)
        console = Console(file=io.StringIO(), width=width, color_system=None)
        console.print(_table(self._header(self.title, len(self.rows)), *self._cells()))
        if self.problems:
            cells = [[p.path, p.reason] for p in self.problems]
            console.print(_table(self._header("Problems", len(cells)), ["path", "reason"], cells))
        return console.file.getvalue()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.rows)} rows, {len(self.problems)} problems>"

    def _repr_html_(self) -> str:
        tables = [_html_table(self.title, *self._cells())]
        if self.problems:
            cells = [[p.path, p.reason] for p in self.problems]
            tables.append(_html_table("Problems", ["path", "reason"], cells))
        return "\n".join(tables)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        columns = self.columns
        if columns is None:
            names = [field.name for field in fields(self.rows[0])] if self.rows else []
            columns = {name: name.replace("_", " ") for name in names}
        cells = [[text(getattr(row, name)) for name in columns] for row in self.rows]
        return list(columns.values()), cells

    @staticmethod
    def _header(title: str, count: int) -> str:
        return f"{title} ({count})"


def text(value: Any) -> str:
    """One cell: numbers to four digits, nothing as a dash."""
    if value is None:
        return "-"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, tuple) and all(isinstance(v, (int, float)) for v in value):
        return f"({', '.join(f'{v:.6g}' for v in value)}{',' if len(value) == 1 else ''})"
    return str(value)


def _table(title: str, headers: Sequence[str], cells: Sequence[Sequence[str]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for i, header in enumerate(headers):
        numeric = bool(cells) and all(row[i] == "-" or _is_number(row[i]) for row in cells)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _html_table(title: str, headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
    )
    return (
        f"<table><caption>{html.escape(title)} ({len(cells)})</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
