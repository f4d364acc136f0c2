"""The same networks trained from every scheme, saved, and reloaded by another process."""

import importlib
import typing

from keras_inits.comparison.defaults import DEFAULT, EPOCHS

if typing.TYPE_CHECKING:
    from keras_inits.comparison.candidates import Candidate, candidates
    from keras_inits.comparison.datasets import Dataset, load_digits, load_npz
    from keras_inits.comparison.result import Comparison, Row
    from keras_inits.comparison.run import compare_networks
    from keras_inits.comparison.training import NETWORKS

# Imported when first used, so that the command's help needs no Keras.
_LATER = {
    "NETWORKS": "training",
    "Candidate": "candidates",
    "Comparison": "result",
    "Dataset": "datasets",
    "Row": "result",
    "candidates": "candidates",
    "compare_networks": "run",
    "load_digits": "datasets",
    "load_npz": "datasets",
}

__all__ = [
    "DEFAULT",
    "EPOCHS",
    "NETWORKS",
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
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
