"""What subcommands read and write: models, data, and where results go. Wrong ones are one line."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from keras_inits.cli.shared.console import quiet

_PATH = click.Path(path_type=Path)
DATA = "Data to run: FILE.npy, or FILE.npz with x (or an array for each input) and, for a loss, y."


def _remember(context: click.Context, _: click.Parameter, modules: tuple[str, ...]) -> None:
    context.meta[__name__] = modules


# What several subcommands take.
import_option = click.option(
    "--import",
    multiple=True,
    metavar="MODULE",
    callback=_remember,
    expose_value=False,
    help="A Python module, here or installed, that registers the model's own classes.",
)
data_option = click.option("--data", required=True, type=_PATH, help=DATA)
out_option = click.option(
    "--out", required=True, type=_PATH, help="Where the new model goes (.keras)."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="The same seed, the same weights."
)
all_option = click.option("--all", "show_all", is_flag=True, help="Print every row of the report.")


def model_argument(command: Any) -> Any:
    """The model's file, and the modules with its classes."""
    return click.argument("model", type=_PATH)(import_option(command))


def samples_option(default: int) -> Callable[[Any], Any]:
    """How much of the data is run."""
    return click.option(
        "--samples",
        type=click.IntRange(min=2),
        default=default,
        show_default=True,
        help="How many of them, from the first.",
    )


@contextmanager
def usage(name: str) -> Iterator[None]:
    """What is wrong with the arguments as one line and exit code 2."""
    try:
        yield
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # The library's functions name themselves.
        text = lines[0].removeprefix(f"{name}: ")
        raise click.UsageError(f"{name}: {text}") from error


def read_model(path: Path) -> Any:
    """The model of a file, in safe mode; those of Keras 1 and 2 too."""
    import keras

    from keras_inits.legacy.keras2.files import legacy_load_model

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise ValueError(f"{path}: must be a model that was saved as .keras or .h5")
    for name in click.get_current_context().meta[__name__]:
        _import(name)
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an optimizer that never ran has no state to load
            return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        first = error
    if unknown := re.search(r"Could not locate class '([^']+)'", str(first)):
        raise ValueError(
            f"{path}: has the class {unknown[1]!r}, which the command does not know; --import the module "
            "that registers it by keras.saving.register_keras_serializable"
        ) from first
    try:
        with quiet():
            return legacy_load_model(path)
    except Exception as error:
        text = str(error) if "Keras 3" not in str(error) or path.suffix == ".h5" else str(first)
        lines = [line for line in text.splitlines() if line.strip()] or [type(first).__name__]
        raise ValueError(f"{path}: cannot be loaded: {lines[0][:300]}") from error


def _import(name: str) -> None:
    """A module of the current folder, or an installed one."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it is anyone's code
        text = repr(error) if isinstance(error, SystemExit) else str(error) or type(error).__name__
        raise ValueError(f"--import: {name} cannot be imported: {text}") from error


def read_data(path: Path) -> tuple[Any, Any]:
    """(x, y or None) of a file."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, None
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except Exception as error:
        raise ValueError(f"{path}: must be an .npy or .npz file of numbers: {error}") from error
    y = arrays.pop("y", None)
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError(f"{path}: must have an array x")
    return (next(iter(arrays.values())) if len(arrays) == 1 else arrays), y


def some(x: Any, samples: int) -> Any:
    """The first samples."""
    import keras

    return None if x is None else keras.tree.map_structure(lambda array: array[:samples], x)


def new_model(path: Path) -> None:
    """Where a model can go, or an error before any work is done."""
    writable("--out", path)
    if path.suffix != ".keras":
        raise ValueError(f"--out: must end with .keras, got {path}")


def writable(option: str, path: Path | None) -> None:
    """A path that a file can be written to, or an error before any work is done."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{option}: {path} is a folder")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(f"{option}: cannot write to {path.parent}: {error.strerror}") from error


def save_model(model: Any, path: Path) -> None:
    """The model as a file, whole or not at all."""
    from keras_inits.reports.writing import replacing

    with replacing(path) as temporary, quiet():
        model.save(temporary)
