"""What is wrong with the start for these targets, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.models.signal.activations import name_of
from keras_inits.models.signal.rows import Seen
from keras_inits.reports.report import Problem

EXCESS = 0.25  # nats of the loss that the right bias alone would save


def target_faults(calls: Sequence[Seen], y: Any, outputs: Any) -> Iterator[Problem]:
    """A bias of the last layer that says other frequencies than the targets have."""
    last = next((call for call in reversed(calls) if call.kernel), None)
    if last is None or y is None or not keras.ops.is_tensor(outputs):
        return
    layer: Any = last.place.layer
    if getattr(layer, "bias", None) is None or name_of(layer) not in ("softmax", "sigmoid"):
        return
    told = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    frequencies = _frequencies(
        np.asarray(keras.ops.convert_to_numpy(y)), told.shape[-1], name_of(layer)
    )
    if frequencies is None or told.ndim != 2:
        return
    said = told.mean(axis=0, dtype=np.float64)
    even = np.full(frequencies.shape, 0.5 if name_of(layer) == "sigmoid" else 1 / len(said))
    if name_of(layer) == "sigmoid":
        frequencies = np.clip(frequencies, 1e-3, 1 - 1e-3)
        # Not what a random network happens to say of classes that are even.
        excess, uneven = (
            _divergence(frequencies, q) + _divergence(1 - frequencies, 1 - q) for q in (said, even)
        )
        formula = "np.log(p / (1 - p))"
    else:
        frequencies = np.clip(frequencies, 1e-3, None)
        frequencies = frequencies / frequencies.sum()
        excess, uneven = (np.atleast_1d(_divergence(frequencies, q).sum()) for q in (said, even))
        formula = "np.log(p)"
    worst = float(np.minimum(excess, uneven).max())
    if worst < EXCESS:
        return
    shown = np.array2string(frequencies, precision=3, separator=", ", threshold=10_000)
    yield Problem(
        f"{last.path}/bias",
        f"the model begins with other probabilities than the targets have: {worst:.2f} nats too much "
        f"loss; the rarest class has {frequencies.min():.1%} of them, and is given {said[frequencies.argmin()]:.1%}",
        "The first steps go into learning how frequent the classes are.",
        f"p = np.array({shown})\nmodel.get_layer({layer.name!r}).bias.assign({formula})",
    )


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return p * np.log(p / np.maximum(q, 1e-12))


def _frequencies(y: np.ndarray, classes: int, activation: str) -> np.ndarray | None:
    if y.dtype.kind not in "iubf" or not len(y):
        return None
    if activation == "sigmoid":
        y = y.reshape(len(y), -1)
        fits = y.shape[1] == classes and np.isin(y, (0, 1)).all()
        return y.mean(axis=0, dtype=np.float64) if fits else None
    if y.ndim == 2 and y.shape[1] == classes and np.isin(y, (0, 1)).all():
        return y.mean(axis=0, dtype=np.float64)
    labels = y.reshape(-1)
    if (
        len(labels) != len(y)
        or labels.dtype.kind == "f"
        or labels.min() < 0
        or labels.max() >= classes
    ):
        return None
    return np.bincount(labels.astype(int), minlength=classes) / len(labels)
