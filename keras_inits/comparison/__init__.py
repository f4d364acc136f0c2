"""The same networks trained from every scheme, saved, and reloaded by another process."""

from keras_inits.comparison.candidates import DEFAULT, Candidate, candidates
from keras_inits.comparison.datasets import Dataset, load_digits, load_npz
from keras_inits.comparison.result import Comparison, Row
from keras_inits.comparison.run import EPOCHS, compare_networks
from keras_inits.comparison.training import NETWORKS

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
