"""`keras-inits show`: one scheme at one shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import usage, writable


@click.command("show")
@click.argument("scheme")
@click.option("--shape", required=True, metavar="3,3,64,128", help="The weight's shape.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Also write a histogram beside the law's density.",
)
def command(scheme: str, shape: str, seed: int, plot: Path | None) -> None:
    """What a scheme draws for a shape: its law, the fans, and figures of one draw.

    \b
    Examples:
      keras-inits show xavier_normal --shape 3,3,64,128
      keras-inits show "keras_inits>he_normal" --shape 784,256 --plot he.png

    Exit code: 0, 2 for a wrong argument.
    """
    ready()
    import keras
    import numpy as np

    from keras_inits.fans import compute_fans
    from keras_inits.models.weights.adapt import as_scheme, label
    from keras_inits.plots import histograms
    from keras_inits.registry import get
    from keras_inits.reports.tables import text
    from keras_inits.reports.writing import replacing

    with usage("show"):
        writable("--plot", plot)
        dims = _shape(shape)
        found: Any = get(scheme)
        ours = as_scheme(found)
        if hasattr(ours, "seed"):
            ours.seed = seed
        values = np.asarray(keras.ops.convert_to_numpy(ours(dims)), "float64")
        law = ours.law(dims) if hasattr(ours, "law") else None
        if plot:
            with replacing(plot) as temporary:
                histograms([ours], dims).savefig(temporary, dpi=150)
    lines = [("scheme", label(found)), ("shape", text(dims))]
    if len(dims) > 1:
        lines.append(("fans", text(compute_fans(dims))))
    if law is not None:
        lines += [("law", str(law)), ("mean", text(law.mean)), ("std", text(law.std))]
        lines.append(("support", text(law.support)))
    if values.size:
        drawn = [values.mean(), values.std(), values.min(), values.max()]
        lines.append(("one draw", "mean {:.4g}, std {:.4g}, from {:.4g} to {:.4g}".format(*drawn)))
    if len(dims) > 1 and values.size:
        singular = np.linalg.svd(values.reshape(-1, dims[-1]), compute_uv=False)
        lines.append(("singular values", f"from {singular[-1]:.4g} to {singular[0]:.4g}"))
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        click.echo(f"{name.ljust(width)}  {value}")


def _shape(given: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in given.strip("()[] ").split(",") if part.strip())
    except ValueError:
        raise ValueError(
            f"--shape: must be integers with commas between them, got {given!r}"
        ) from None
