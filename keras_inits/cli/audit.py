"""`keras-inits audit`: whether the weights of a file are drawn as they should be."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.init import read_rules
from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import all_option, import_option, read_model, usage, writable


@click.command("audit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--expect",
    metavar="RULES.toml|PRESET",
    help="Rules, or a preset's name.  [default: each layer's own initializers]",
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Also write all of it as JSON."
)
@import_option
@all_option
def command(file: Path, expect: str | None, json_path: Path | None, show_all: bool) -> None:
    """Compare every weight of a file with the law that it should be drawn from.

    FILE is a model (.keras, .h5), or holds weights alone (.weights.h5, .safetensors): then rules
    name them as the file does, and no preset applies. RULES.toml is as `keras-inits init` takes it.

    \b
    Examples:
      keras-inits audit model.keras
      keras-inits audit model.keras --expect gpt2
      keras-inits audit model.safetensors --expect rules.toml

    Exit code: 0, 1 where a weight is not as expected or cannot be audited, 2 for a wrong argument,
    130 when interrupted.
    """
    ready()
    from keras_inits.models.audit.audit import audit
    from keras_inits.models.audit.files import is_weights

    with usage("audit"):
        writable("--json", json_path)
        rules = read_rules(expect)
        report = audit(file if is_weights(file) else read_model(file), rules)
        if json_path:
            report.to_json(json_path)
    report.show(all=show_all)
    if report.problems:
        raise click.exceptions.Exit(1)
