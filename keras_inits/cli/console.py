"""What the subcommands write to: tables, and a bar while they work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress


def output() -> Console:
    """Standard output, for tables."""
    console = Console()
    # A file has no width to fit: laws and sources keep to one line there.
    return console if console.is_terminal else Console(width=150)


@contextmanager
def progress(steps: int) -> Iterator[Any]:
    """A bar on standard error, on a terminal only; yields the function that moves it on."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("preparing", total=steps)
        yield lambda text: bar.update(task, description=text, advance=1)
