"""How far long work has come: a bar on a terminal, a line now and then in a notebook or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BAR, FIRST, EVERY = 0.5, 2.0, 10.0  # seconds until a bar, until a line, and between lines


@contextmanager
def progress(owner: str, total: int, shown: bool = True) -> Iterator[Progress]:
    """What to call at each of `total` steps, with a few words if there are any; quick work shows nothing."""
    steps = Progress(owner, total, shown and sys.stderr is not None)
    try:
        yield steps
    finally:
        steps.end()


class Progress:
    """Counts steps, and tells of them on standard error.

    A bar goes when the work ends. Lines hold no control characters: they stay in a log.
    """

    def __init__(self, owner: str, total: int, shown: bool) -> None:
        self.owner, self.total, self.shown = owner, total, shown
        self.done = 0
        self.start = time.monotonic()
        self.terminal = shown and sys.stderr.isatty()
        self.due = self.start + (BAR if self.terminal else FIRST)
        self.bar: Any = None

    def __call__(self, text: str = "") -> None:
        """One more step."""
        self.done += 1
        now = time.monotonic()
        if not self.shown or now < self.due:
            return
        name = f"{self.owner}: {text}" if text else self.owner
        if self.terminal:
            self._draw(name)
        else:
            share = min(self.done / max(self.total, 1), 1.0)
            print(
                f"{name}: {share:.0%} after {now - self.start:.0f} s", file=sys.stderr, flush=True
            )
            self.due = now + EVERY

    def _draw(self, name: str) -> None:
        if self.bar is None:
            from rich import progress
            from rich.console import Console

            self.bar = progress.Progress(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(name, total=self.total)
            self.bar.start()
        self.bar.update(self.task, completed=self.done, description=name)

    def end(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
