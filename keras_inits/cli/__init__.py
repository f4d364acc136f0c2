"""The `keras-inits` command: the entry point, which needs none of the optional packages."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (0, 1 where something failed, 2 for bad input, 130)."""
    try:
        import click
    except ModuleNotFoundError:
        return _fail('the command needs click: pip install "keras_inits[demo]"')
    from keras_inits.cli.commands import cli

    try:
        return cli.main(arguments, "keras-inits", standalone_mode=False) or 0
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except click.Abort:
        return _fail("interrupted", 130)
    except OSError as error:  # a full disk, say: the arguments were checked before
        return _fail(str(error), 1)


def _fail(message: str, code: int = 2) -> int:
    print(f"keras-inits: {message}", file=sys.stderr)
    return code
