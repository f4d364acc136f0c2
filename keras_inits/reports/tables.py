"""Tables as text for a terminal: no word, path or law is ever broken."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

HEAD, TAIL = 20, 5  # rows that are shown of a table of more than a screen


@dataclass(frozen=True)
class Table:
    """The headers, and the cells row by row; `drop` are the columns that a narrow terminal can do
    without, the first of them first."""

    headers: Sequence[str]
    cells: Sequence[Sequence[str]]
    drop: Sequence[int] = ()


def terminal_width() -> int:
    """As wide as the terminal, at least 80 characters."""
    return max(80, shutil.get_terminal_size().columns)


def text_table(table: Table, width: int, all_rows: bool) -> list[str]:
    """The table's lines; columns that do not fit are left out and named under it."""
    from rich.cells import cell_len

    cells = list(table.cells)
    left_out = 0 if all_rows or len(cells) <= HEAD + TAIL else len(cells) - HEAD - TAIL
    shown = [*cells[:HEAD], *cells[-TAIL:]] if left_out else cells
    columns = [[row[i] for row in shown] for i in range(len(table.headers))]
    wide = [
        max(cell_len(cell) for cell in (header, *column))
        for header, column in zip(table.headers, columns, strict=True)
    ]
    kept, dropped = list(range(len(wide))), []
    for i in table.drop:
        if sum(wide[j] + 2 for j in kept) <= width:
            break
        kept.remove(i)
        dropped.append(i)
    for i in reversed(dropped.copy()):  # a wide one that went last has left room for others
        is_empty = all(cell in ("", "-") for cell in columns[i])
        if not is_empty and sum(wide[j] + 2 for j in (*kept, i)) <= width:
            kept = sorted((*kept, i))
            dropped.remove(i)
    right = {i for i in kept if all(cell == "-" or _is_number(cell) for cell in columns[i])}

    def line(values: Sequence[str]) -> str:
        padded = []
        for i in kept:
            gap = " " * (wide[i] - cell_len(values[i]))
            padded.append(gap + values[i] if i in right else values[i] + gap)
        return "  ".join(padded).rstrip()

    lines = [line(table.headers), "  ".join("─" * wide[i] for i in kept)]
    for position, row in enumerate(shown):
        if left_out and position == HEAD:
            lines.append(f"... {left_out} more rows: .show(all=True)")
        lines.append(line(row))
    if dropped:
        names = ", ".join(table.headers[i] for i in sorted(dropped))
        lines += paragraph(f"Not shown: {names}; all: .to_dict(), .to_csv(), .to_json()", width, "")
    return lines


def paragraph(words: str, width: int, indent: str) -> list[str]:
    """Words in lines of at most `width`, but for a word that is longer."""
    return textwrap.wrap(
        words,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
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
    return " ".join(str(value).split())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
