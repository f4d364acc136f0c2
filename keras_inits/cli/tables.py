"""Comparisons and the catalogue as tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from keras_inits.comparison.result import Comparison
from keras_inits.comparison.training import in_words
from keras_inits.registry import CATALOGUE


def comparison(result: Comparison, network: str) -> Table:
    """One network's rows; the best accuracy stands out."""
    rows = result.of(network)
    best = max(row.accuracy[-1] for row in rows)
    table = _table(f"{network}: {in_words(network)}, {escape(result.data)}")
    table.add_column("scheme", no_wrap=True)
    table.add_column("law", style="dim")
    for heading in ("loss at start", "accuracy", "epochs to 90 %", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("reloads")
    for row in rows:
        accuracy = f"{row.accuracy[-1]:.1%}"
        reached = row.epochs_to_target
        table.add_row(
            row.scheme,
            escape(row.law),
            f"{row.loss[0]:.3f}",
            f"[bold green]{accuracy}[/]" if row.accuracy[-1] == best else accuracy,
            "-" if reached is None else str(reached),
            f"{row.seconds:.1f}",
            "same bits" if row.reloads else "[bold red]NO[/]",
        )
    return table


def catalogue() -> Table:
    """Every scheme, family by family; strings in snake case (the class name works too)."""
    table = _table(None)
    table.add_column("scheme", style="bold", no_wrap=True)
    table.add_column("law")
    table.add_column("strings")
    table.add_column("source", style="dim")
    family = None
    for key, entry in CATALOGUE.items():
        if family not in (None, entry.family):
            table.add_section()
        family = entry.family
        strings = [string for string in entry.strings if string.islower()]
        table.add_row(key, escape(entry.law), "\n".join(strings), escape(entry.source))
    return table


def _table(title: str | None) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
