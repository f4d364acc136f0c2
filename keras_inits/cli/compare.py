"""`keras-inits compare`: arguments in, tables and files out; the work is in `comparison`."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.table import Table

from keras_inits import comparison
from keras_inits.cli.shared.console import new_table, output, ready


@click.command("compare")
@click.option(
    "--schemes",
    multiple=True,
    metavar="NAMES",
    help="Schemes to compare, separated by commas or with the option repeated.  [default: "
    + ", ".join(comparison.DEFAULT)
    + "]",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=comparison.EPOCHS,
    show_default=True,
    help="How often each network sees the training data.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Sets the weights, the split and the order of the data: the same seed, the same table.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=comparison.SEEDS,
    show_default=True,
    help="How many runs of each scheme, with seeds from --seed on.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Data of your own: array x of shape (rows, features...), array y with an integer or a "
    "string label per row. A fifth is kept for validation.  [default: scikit-learn's digits]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="keras-inits-compare",
    show_default=True,
    help="Folder for the trained models and curves.png; files of an earlier run are replaced.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the table and the curves to FILE.",
)
def command(
    schemes: tuple[str, ...],
    epochs: int,
    seed: int,
    seeds: int,
    data: Path | None,
    out: Path,
    json_path: Path | None,
) -> None:
    """Train the same networks from every scheme and see which of them learn.

    Two networks of dense relu layers, a shallow one (64, 32) and a deep one (ten layers of 32),
    are trained with Adam, batches of 64, on handwritten digits or on your data, once per scheme
    and seed: the same data in the same order, only the start differs. Every layer draws from its
    own child of the seed's stream; biases start at zero.

    The first seed's models are saved as OUT/NETWORK/SCHEME.keras. Then one other process, which only
    imports keras_inits, loads all of them; "reloads" says whether its predictions are the same bit
    for bit. The learning curves go to OUT/curves.png.

    \b
    Columns of the tables:
      loss at start   cross-entropy on the validation data before the first step, the
                      median of the seeds (guessing evenly among 10 classes: 2.303)
      accuracy        on the validation data after the last epoch, the median of the seeds
      range           the lowest and the highest seed
      epochs to 90 %  the first epoch after which the median accuracy was 90 % or more
      against best    "worse" where the ranges do not overlap and the medians are further
                      apart than the larger range; never with fewer than 3 seeds

    \b
    Examples:
      keras-inits compare
      keras-inits compare --schemes he_normal,glorot_uniform,orthogonal --seeds 10
      keras-inits compare --data mine.npz --out mine --json mine/table.json
      KERAS_BACKEND=jax keras-inits compare --schemes kaiming_uniform --schemes xavier_normal

    Exit code: 0, or 1 where a model did not reload, 2 for a wrong argument (nothing is trained
    then), 130 when interrupted.
    """
    ready()
    from keras_inits.reports.progress import progress
    from keras_inits.reports.writing import replacing

    with _usage():
        _need("matplotlib", *(() if data else ("sklearn",)))
        names = [part.strip() for value in schemes for part in value.split(",") if part.strip()]
        chosen = comparison.candidates(names if schemes else comparison.DEFAULT)
        dataset = comparison.load_npz(data, seed) if data else comparison.load_digits(seed)
        _writable("--out", out, create=True)
        if json_path:
            _writable("--json", json_path.parent)
            if json_path.is_dir():
                raise ValueError(f"--json: {json_path} is a folder")
        if seed + seeds > 2**64:
            raise ValueError("--seed plus --seeds must be 2**64 at most")
    steps = len(comparison.NETWORKS) * epochs + 1
    with progress("compare", steps) as advance:
        result = comparison.compare_networks(
            chosen, dataset, out, epochs=epochs, seeds=range(seed, seed + seeds), progress=advance
        )
    with replacing(out / "curves.png") as temporary:
        result.plot().savefig(temporary, dpi=150)
    if json_path:
        text = json.dumps(result.to_dict(), indent=1, allow_nan=False)
        with replacing(json_path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    console = output()
    for network in comparison.NETWORKS:
        console.print(_table(result, network))
    click.echo(f"curves: {out / 'curves.png'}   models: {out / 'NETWORK' / 'SCHEME.keras'}")
    for problem in result.problems:
        where = f"{problem.path}: " if problem.path else ""
        click.echo(f"keras-inits compare: {where}{problem.reason}", err=True)
    if result.problems:
        raise click.exceptions.Exit(1)


def _table(result: comparison.Comparison, network: str) -> Table:
    """One network's rows; the best accuracy stands out."""
    from rich.markup import escape

    rows, worse = result.of(network), result.worse(network)
    best = result.best(network).final_accuracy
    table = new_table(f"{network}: {result.networks[network]}, {escape(result.data)}")
    table.add_column("scheme", no_wrap=True)
    table.add_column("law", style="dim")
    for heading in ("loss at start", "accuracy", "range", "epochs to 90 %"):
        table.add_column(heading, justify="right", no_wrap=heading == "range")
    table.add_column("against best")
    table.add_column("reloads")
    for row in rows:
        accuracy = f"{row.final_accuracy:.1%}"
        reached = row.epochs_to_target
        table.add_row(
            row.scheme,
            escape(row.law),
            f"{row.loss_at_start:.3f}",
            f"[bold green]{accuracy}[/]" if row.final_accuracy == best else accuracy,
            f"{row.lowest:.1%} to {row.highest:.1%}",
            "-" if reached is None else str(reached),
            "best" if row.final_accuracy == best else "worse" if row in worse else "",
            "same bits" if row.reloads else "[bold red]NO[/]",
        )
    return table


@contextmanager
def _usage() -> Iterator[None]:
    """What is wrong with the arguments as one line and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise click.UsageError(f"compare: {error}") from error


def _need(*modules: str) -> None:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        packages = " and ".join(missing).replace("sklearn", "scikit-learn")
        raise ValueError(f'needs {packages}: pip install "keras_inits[demo]"')


def _writable(option: str, folder: Path, *, create: bool = False) -> None:
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{option}: cannot write to {folder}: {error.strerror}") from error
