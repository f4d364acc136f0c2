"""What a function on a whole model returns: rows that print as a table and export as plain data."""

from __future__ import annotations

import html
import importlib
import io
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Something that was not done, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Panel:
    """Two fields of a report's rows that its figure compares, and what they are called there."""

    title: str
    first: str
    second: str
    before: str = "before"
    after: str = "after"
    log: bool = True


class Report:
    """`rows`, dataclasses of one class, and `problems`.

    Prints as a table, shows itself in a notebook; `to_dict()` has only what JSON knows, `plot()`
    is a matplotlib figure.
    """

    title: ClassVar[str] = "Report"
    #: Headers of the columns by the name of the row's field; None prints every field.
    columns: ClassVar[dict[str, str] | None] = None
    panels: ClassVar[tuple[Panel, ...]] = ()

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

    def plot(self) -> Any:
        """A figure, row by row; `plot().savefig(path)` writes it."""
        # By name: figures stand above the models, which do without them until one is asked for.
        return importlib.import_module("keras_inits.plots").report_figure(self)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        from rich.console import Console

        width = max(80, shutil.get_terminal_size().columns)
        console = Console(file=io.StringIO(), width=width, color_system=None)
        title = self._header(self.title, len(self.rows))
        console.print(_table(title, *self._cells(), width))
        if self.problems:
            cells = [[p.path, p.reason] for p in self.problems]
            title = self._header("Problems", len(cells))
            console.print(_table(title, ["path", "reason"], cells, width))
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


#: What a path and any other cell keep of a word before it is broken.
_PATH_WORD, _WORD = 24, 14


def _table(title: str, headers: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    columns = [[row[i] for row in cells] for i in range(len(headers))]
    widths = _widths(headers, columns, width - 2 * len(headers) - 1)
    for header, column, own in zip(headers, columns, widths, strict=True):
        numeric = bool(cells) and all(cell == "-" or _is_number(cell) for cell in column)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(header, justify=justify, overflow="fold", width=own)
        if header == "path":
            column[:] = [_fold(path, own) for path in column]
    for row in zip(*columns, strict=True):
        table.add_row(*map(Text, row))
    return table


def _widths(headers: Sequence[str], columns: Sequence[Sequence[str]], total: int) -> list[int]:
    """Room for the longest words; of what is left, first for paths on one line, then the others."""
    least, most = [], []
    for header, column in zip(headers, columns, strict=True):
        texts = (header, *column)
        split, cap = (r"(?<=/)", _PATH_WORD) if header == "path" else (r"\s", _WORD)
        least.append(min(cap, max(len(word) for text in texts for word in re.split(split, text))))
        most.append(max(map(len, texts)))
    widths, spare = least, max(total - sum(least), 0)
    for i in sorted(range(len(headers)), key=lambda i: headers[i] != "path"):
        limit = total // 2 if headers[i] == "path" else total
        more = min(max(min(most[i], limit) - widths[i], 0), spare)
        widths[i] += more
        spare -= more
    return widths


def _fold(path: str, width: int) -> str:
    """The path in lines of at most `width`, broken after a slash where it can be."""
    lines = [""]
    for part in re.findall(r"[^/]*/|[^/]+", path):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


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
