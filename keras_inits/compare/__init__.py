"""The same networks trained from every scheme, saved, and reloaded by another process."""

from keras_inits.compare.candidates import DEFAULT, Candidate, candidates
from keras_inits.compare.datasets import Dataset, load_digits, load_npz
from keras_inits.compare.run import EPOCHS, Comparison, Row, compare
from keras_inits.compare.training import NETWORKS

__all__ = [
    "DEFAULT",
    "EPOCHS",
    "NETWORKS",
    "Candidate",
    "Comparison",
    "Dataset",
    "Row",
    "candidates",
    "compare",
    "load_digits",
    "load_npz",
]
