"""`keras-inits recommend`: which start suits a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import (
    data_option,
    model_argument,
    read_data,
    read_model,
    samples_option,
    some,
    usage,
)


@click.command("recommend")
@model_argument
@data_option
@samples_option(64)
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
