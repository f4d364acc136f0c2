"""`keras-inits lsuv`: a saved model scaled from data."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.console import ready
from keras_inits.cli.files import DATA, read_data, read_model, save_model, some, usage, writable


@click.command("lsuv")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help=DATA)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    default=256,
    show_default=True,
    help="How many of them, from the first.",
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="The same seed, the same weights.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where the new model goes (.keras).",
)
@click.option("--all", "show_all", is_flag=True, help="Print every row of the report.")
def command(
    model: Path, data: Path, samples: int, seed: int | None, out: Path, show_all: bool
) -> None:
    """Draw orthonormal weights and scale them until every layer's output has unit variance.

    \b
    Example:
      keras-inits lsuv model.keras --data x.npy --seed 0 --out scaled.keras

    Exit code: 0, 1 where the report has problems (the model is saved all the same), 2 for a wrong
    argument, 130 when interrupted.
    """
    ready()
    from keras_inits.models.lsuv import lsuv

    with usage("lsuv"):
        writable("--out", out)
        if out.suffix != ".keras":
            raise ValueError(f"--out: must end with .keras, got {out}")
        x, _ = read_data(data)
        built = read_model(model)
        report = lsuv(built, some(x, samples), seed=seed)
    save_model(built, out)
    report.show(all=show_all)
    if report.problems:
        raise click.exceptions.Exit(1)
