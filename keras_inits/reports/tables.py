"""Tables as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

import html
import io
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Table:
    """A title, the headers and the cells, row by row."""

    title: str
    headers: Sequence[str]
    cells: Sequence[Sequence[str]]


def print_tables(tables: Iterable[Table]) -> str:
    """The tables as wide as the terminal, at least 80 characters, without colours."""
    from rich.console import Console

    file = io.StringIO()
    width = max(80, shutil.get_terminal_size().columns)
    console = Console(file=file, width=width, color_system=None)
    for table in tables:
        console.print(_rich(table, width))
    return file.getvalue()


def html_table(table: Table) -> str:
    """The table as HTML that takes every cell for text."""
    head = "".join(f"<th>{html.escape(header)}</th>" for header in table.headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.cells
    )
    return (
        f"<table><caption>{html.escape(_caption(table))}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def text(value: Any) -> str:
    """One cell: numbers to four digits, yes or no, nothing as a dash."""
    if value is None:
        return "-"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, tuple) and all(isinstance(v, (int, float)) for v in value):
        return f"({', '.join(f'{v:.6g}' for v in value)}{',' if len(value) == 1 else ''})"
    return str(value)


#: What a path and any other cell keep of a word before it is broken.
_PATH_WORD, _WORD = 24, 14


def _caption(table: Table) -> str:
    return f"{table.title} ({len(table.cells)})"


def _rich(table: Table, width: int) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=_caption(table), box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0)
    )
    columns = [[row[i] for row in table.cells] for i in range(len(table.headers))]
    widths = _widths(table.headers, columns, width - 2 * len(table.headers) - 1)
    for header, column, own in zip(table.headers, columns, widths, strict=True):
        numeric = bool(column) and all(cell == "-" or _is_number(cell) for cell in column)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        drawn.add_column(header, justify=justify, overflow="fold", width=own)
        if header == "path":
            column[:] = [_fold(path, own) for path in column]
    for row in zip(*columns, strict=True):
        drawn.add_row(*map(Text, row))
    return drawn


def _widths(headers: Sequence[str], columns: Sequence[Sequence[str]], total: int) -> list[int]:
    """Room for the longest words; of what is left, first for paths on one line, then for the others,
    those that need the least first."""
    least, most = [], []
    for header, column in zip(headers, columns, strict=True):
        texts = (header, *column)
        split, cap = (r"(?<=/)", _PATH_WORD) if header == "path" else (r"\s", _WORD)
        least.append(min(cap, max(len(word) for text in texts for word in re.split(split, text))))
        most.append(max(map(len, texts)))
    widths, spare = least, max(total - sum(least), 0)
    paths = [i for i, header in enumerate(headers) if header == "path"]
    wishes = [(i, min(most[i], total // 2)) for i in paths]
    wishes += sorted(enumerate(most), key=lambda wish: wish[1])
    for i, wish in wishes:
        more = min(max(wish - widths[i], 0), spare)
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
