"""`keras-inits list`: the catalogue as a table or as JSON."""

from __future__ import annotations

import json

import click
from rich.table import Table

from keras_inits.cli.shared.console import new_table, output, ready


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of the table.")
def command(as_json: bool) -> None:
    """Every scheme: its name, law, the strings that layers take, and its source.

    Where a string is also Keras's ("he_normal"), the bare one stays Keras's, and ours is
    "keras_inits>he_normal". A scheme without strings needs arguments: give layers an object.
    """
    ready()
    from keras_inits.registry import CATALOGUE

    if as_json:
        entries = [
            {
                "name": name,
                "family": entry.family,
                "law": entry.law,
                "strings": list(entry.strings),
                "source": entry.source,
            }
            for name, entry in CATALOGUE.items()
        ]
        click.echo(json.dumps(entries, indent=1))
        return
    output().print(_catalogue())


def _catalogue() -> Table:
    """Every scheme, family by family; strings in snake case (the class name works too)."""
    from rich.markup import escape

    from keras_inits.registry import CATALOGUE

    table = new_table(None)
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
