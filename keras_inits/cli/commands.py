"""The command's group of subcommands, one file each, imported when it is called."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

import click

# Name: what it does, in the group's help, and how its module comes.
_SUBCOMMANDS: dict[str, tuple[str, Callable[[], ModuleType]]] = {
    "audit": (
        "Whether the weights of a file are drawn as they should be.",
        lambda: import_module("keras_inits.cli.audit"),
    ),
    "compare": (
        "Train the same networks from every scheme and see which of them learn.",
        lambda: import_module("keras_inits.cli.compare"),
    ),
    "init": (
        "Draw every weight of a saved model again, by rules or a preset.",
        lambda: import_module("keras_inits.cli.init"),
    ),
    "list": (
        "Every scheme: its name, law, strings and source.",
        lambda: import_module("keras_inits.cli.list"),
    ),
    "lsuv": (
        "Scale a saved model's weights from data, layer by layer.",
        lambda: import_module("keras_inits.cli.lsuv"),
    ),
    "recommend": (
        "Which start suits a saved model.",
        lambda: import_module("keras_inits.cli.recommend"),
    ),
    "replicate": (
        "What a paper on initialization claims, measured now.",
        lambda: import_module("keras_inits.cli.replicate"),
    ),
    "report": (
        "What a saved model does to a batch of data, layer by layer.",
        lambda: import_module("keras_inits.cli.report"),
    ),
    "show": (
        "What one scheme draws for a shape: law, fans and figures.",
        lambda: import_module("keras_inits.cli.show"),
    ),
}


class _Subcommands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(_SUBCOMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _SUBCOMMANDS:
            return None
        command: click.Command = _SUBCOMMANDS[name][1]().command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (text, _) in _SUBCOMMANDS.items()])


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(version("keras_inits"))
        context.exit()


@click.command(
    cls=_Subcommands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
@click.pass_context
def cli(context: click.Context) -> None:
    """Weight initialization for Keras 3.

    The backend is Keras's: set KERAS_BACKEND to tensorflow, jax or torch.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
