"""The command's group of subcommands, one file each."""

from __future__ import annotations

import click

from keras_inits.cli.compare import compare
from keras_inits.cli.list import list_


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="keras_inits", message="%(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Weight initialization for Keras 3.

    The backend is Keras's: set KERAS_BACKEND to tensorflow, jax or torch.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.add_command(compare)
cli.add_command(list_)
