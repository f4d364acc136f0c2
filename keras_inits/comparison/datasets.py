"""Data to compare schemes on: handwritten digits, or a file of one's own."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

_VALIDATION = 0.2
_FEWEST_ROWS = 10


@dataclass(frozen=True)
class Dataset:
    """Rows of features and class numbers, split for training and validation."""

    name: str
    classes: int
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray


def load_digits(seed: int) -> Dataset:
    """scikit-learn's 1797 handwritten digits, 8 x 8 pixels (Alpaydin & Kaynak 1998, UCI)."""
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    return split("scikit-learn's handwritten digits", x, y, seed)


def load_npz(path: str | os.PathLike[str], seed: int) -> Dataset:
    """Arrays `x` (rows, features...) and `y` (a class label per row) of a NumPy .npz file.

    Raises ValueError, with what is wrong in one line, for a file that cannot be read or trained on.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array, not an .npz archive of x and y")
        with archive:
            missing = [key for key in ("x", "y") if key not in archive]
            if missing:
                found = ", ".join(archive.files) or "nothing"
                raise ValueError(f"it has no array {' or '.join(missing)} (it holds {found})")
            x, y = (np.asarray(archive[key]) for key in ("x", "y"))
        _check(x, y)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        # NumPy takes whatever it does not know for a pickle.
        why = "not an .npz file of plain arrays" if "pickle" in str(error) else error
        raise ValueError(f"cannot use {path}: {why}") from error
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise ValueError(f"cannot read {path}: not a complete .npz file") from error
    return split(os.path.basename(path), x, y, seed)


def split(name: str, x: np.ndarray, y: np.ndarray, seed: int) -> Dataset:
    """Shuffle, number the classes, keep a fifth for validation, divide by the largest feature."""
    labels, numbers = np.unique(y, return_inverse=True)
    rows = np.asarray(x, "float64").reshape(len(x), -1)
    rows = (rows / np.abs(rows).max()).astype("float32")
    return split_rows(name, len(labels), rows, numbers.reshape(-1).astype("int32"), seed)


def split_rows(name: str, classes: int, x: np.ndarray, y: np.ndarray, seed: int) -> Dataset:
    """Shuffle and keep a fifth for validation."""
    order = np.random.default_rng(seed).permutation(len(x))
    held_out = max(1, round(_VALIDATION * len(x)))
    val, train = order[:held_out], order[held_out:]
    return Dataset(name, classes, x[train], y[train], x[val], y[val])


def _check(x: np.ndarray, y: np.ndarray) -> None:
    if x.dtype.kind not in "biuf":
        raise ValueError(f"x must hold real numbers, got dtype {x.dtype}")
    if x.ndim < 2 or len(x) < _FEWEST_ROWS or x.size == 0:
        raise ValueError(
            f"x must have shape (rows, features...) with at least {_FEWEST_ROWS} rows, got {x.shape}"
        )
    if y.shape != (len(x),):
        raise ValueError(f"y must hold one label per row of x, shape ({len(x)},), got {y.shape}")
    if y.dtype.kind not in "biuSU":
        raise ValueError(f"y must hold class labels, integers or strings, got dtype {y.dtype}")
    if not np.isfinite(x.astype("float64")).all():
        raise ValueError("x must hold finite numbers, got NaN or infinity")
    if not x.any():
        raise ValueError("x must hold more than zeros")
    classes = len(np.unique(y))
    if classes < 2 or 2 * classes > len(y):
        raise ValueError(
            f"y must hold 2 classes or more, each twice on average, got {classes} in {len(y)} rows"
        )
