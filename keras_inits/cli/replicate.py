"""`keras-inits replicate`: the claim of a paper, measured now."""

from __future__ import annotations

from pathlib import Path

import click

from keras_inits.cli.shared.console import ready
from keras_inits.cli.shared.files import usage, writable


@click.command("replicate")
@click.argument("name")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Also draw a figure.")
def command(name: str, seed: int, plot: Path | None) -> None:
    """Measure what a paper on initialization claims, on small data, in minutes.

    NAME is one of he2015, saxe2013, xiao2018, lsuv, irnn, chrono, siren, icnr, fixup and gpt2;
    docs/replications.md says what each paper claims and what was seen. Needs scikit-learn.

    \b
    Examples:
      keras-inits replicate he2015
      KERAS_BACKEND=jax keras-inits replicate siren --plot siren.png

    Exit code: 0, 2 for a wrong argument, 130 when interrupted.
    """
    ready()
    from keras_inits.replications import replicate
    from keras_inits.reports.writing import replacing

    with usage("replicate"):
        writable("--plot", plot)
        report = replicate(name, seed)
        if plot:
            with replacing(plot) as temporary:
                report.plot().savefig(temporary, dpi=150)
    report.show(all=True)
