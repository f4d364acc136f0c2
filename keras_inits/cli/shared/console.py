"""What the subcommands begin with and write to: the library, and tables."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.table import Table


def ready() -> None:
    """Import the library and start its backend, without the lines that TensorFlow prints then."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    package = sys.modules["keras_inits"]
    with quiet():
        if not hasattr(package, "__version__"):  # the command began without opening the package
            package.__spec__.loader.exec_module(package)  # type: ignore[union-attr]
        import keras

        keras.ops.zeros(())


@contextmanager
def quiet() -> Iterator[None]:
    """Standard error goes to a file, and is shown only where something fails.

    TensorFlow's libraries print their first lines before they read what would quieten them.
    """
    try:
        error = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            file.seek(0)
            os.write(error, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(error, 2)
            os.close(error)


def output() -> Console:
    """Standard output, for tables."""
    console = Console()
    # A file has no width to fit: laws and sources keep to one line there.
    return console if console.is_terminal else Console(width=150)


def new_table(title: str | None) -> Table:
    """An empty table in the command's look."""
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
