"""The same networks trained from every scheme, saved, and reloaded by another process."""

import importlib
import typing

from keras_inits.comparison.defaults import DEFAULT, EPOCHS, SEEDS

if typing.TYPE_CHECKING:
    from keras_inits.comparison.candidate import Candidate, candidates
    from keras_inits.comparison.datasets import Dataset, load_digits, load_npz
    from keras_inits.comparison.result import Comparison, Row
    from keras_inits.comparison.run import NETWORKS, compare_networks

__all__ = [
    "DEFAULT",
    "EPOCHS",
    "NETWORKS",
    "SEEDS",
    "Candidate",
    "Comparison",
    "Dataset",
    "Row",
    "candidates",
    "compare_networks",
    "load_digits",
    "load_npz",
]


def __getattr__(name: str) -> typing.Any:
    # Imported when first used, so that the command's help needs no Keras.
    if name in ("Candidate", "candidates"):
        module = importlib.import_module("keras_inits.comparison.candidate")
    elif name in ("Dataset", "load_digits", "load_npz"):
        module = importlib.import_module("keras_inits.comparison.datasets")
    elif name in ("Comparison", "Row"):
        module = importlib.import_module("keras_inits.comparison.result")
    elif name in ("NETWORKS", "compare_networks"):
        module = importlib.import_module("keras_inits.comparison.run")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)
