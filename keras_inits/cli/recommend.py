"""`keras-inits recommend`: which start suits a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.console import ready
from keras_inits.cli.files import DATA, read_data, read_model, some, usage


@click.command("recommend")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help=DATA)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    default=64,
    show_default=True,
    help="How many of them, from the first.",
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
def command(model: Path, data: Path, samples: int, seed: int) -> None:
    """Try several starts on a saved model, without training, and rank them.

    \b
    Example:
      keras-inits recommend model.keras --data x.npy

    Exit code: 0, 2 for a wrong argument, 130 when interrupted.
    """
    ready()
    from keras_inits.models.recommend import recommend

    with usage("recommend"):
        x, y = read_data(data)
        built = read_model(model)
        y = y if getattr(built, "loss", None) is not None else None
        report = recommend(built, some(x, samples), some(y, samples), seed=seed)
    report.show()
