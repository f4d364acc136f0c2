"""`keras-inits report`: what a saved model does to a batch of data."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import (
    DATA,
    all_option,
    model_argument,
    read_data,
    read_model,
    samples_option,
    some,
    usage,
    writable,
)


@click.command("report")
@model_argument
@click.option(
    "--data", type=click.Path(path_type=Path), help=DATA + "  [default: standard normal numbers]"
)
@samples_option(64)
@click.option("--loss", help="A Keras loss's name.  [default: the compiled one where there is y]")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Also write the figure (.png, .svg, .pdf)."
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Also write all of it as JSON."
)
@all_option
def command(
    model: Path,
    data: Path | None,
    samples: int,
    loss: str | None,
    html: Path | None,
    plot: Path | None,
    json_path: Path | None,
    show_all: bool,
) -> None:
    """Look at a saved model: one forward and one backward pass, layer by layer.

    \b
    Examples:
      keras-inits report model.keras
      keras-inits report model.keras --data digits.npz --html report.html

    Exit code: 0, 1 where the report has problems, 2 for a wrong argument, 130 when interrupted.
    """
    ready()
    from keras_inits.models.inspect import inspect
    from keras_inits.reports.writing import replacing

    with usage("report"):
        for option, path in (("--html", html), ("--plot", plot), ("--json", json_path)):
            writable(option, path)
        x, y = read_data(data) if data else (None, None)
        built = read_model(model)
        x = _noise(built, samples) if x is None else x
        y = y if loss or getattr(built, "loss", None) is not None else None
        report = inspect(built, some(x, samples), some(y, samples), loss=loss)
        with ExitStack() as files:  # all of them take their places at the end, or none does
            if html:
                report.save_html(files.enter_context(replacing(html)))
            if plot:
                report.plot().savefig(files.enter_context(replacing(plot)), dpi=150)
            if json_path:
                report.to_json(files.enter_context(replacing(json_path)))
    report.show(all=show_all)
    if report.problems:
        raise click.exceptions.Exit(1)


def _noise(model: Any, samples: int) -> Any:
    """Standard normal numbers as the model's inputs; small integers where it takes integers."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)

    def numbers(tensor: Any) -> Any:
        shape = (samples, *(size or 16 for size in tensor.shape[1:]))
        if "float" in keras.backend.standardize_dtype(tensor.dtype):
            return rng.normal(size=shape).astype("float32")
        return rng.integers(0, 2, shape).astype("int32")

    if not getattr(model, "inputs", None):
        raise ValueError("--data: must be given for a model that does not declare its inputs")
    found = [numbers(tensor) for tensor in model.inputs]
    return found[0] if len(found) == 1 else found
