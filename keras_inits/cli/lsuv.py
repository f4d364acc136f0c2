"""`keras-inits lsuv`: a saved model scaled from data."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import (
    all_option,
    data_option,
    model_argument,
    new_model,
    out_option,
    read_data,
    read_model,
    samples_option,
    save_model,
    seed_option,
    some,
    usage,
)


@click.command("lsuv")
@model_argument
@data_option
@samples_option(256)
@seed_option
@out_option
@all_option
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
        new_model(out)
        x, _ = read_data(data)
        built = read_model(model)
        report = lsuv(built, some(x, samples), seed=seed)
    save_model(built, out)
    report.show(all=show_all)
    if report.problems:
        raise click.exceptions.Exit(1)
