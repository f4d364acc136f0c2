"""Data and the training loop of the replications."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits, mean 0 and variance 1, and their classes."""
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    return ((x - x.mean()) / x.std()).astype("float32"), y.astype("int32")


CLASSES = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(
    model: keras.Model, batches: Any, optimizer: keras.optimizers.Optimizer, loss: Any, steps: int
) -> np.ndarray:
    """The loss of every step; infinite from the first that is not finite on, where training ends."""
    model.compile(optimizer, loss, jit_compile=False)
    losses = np.full(steps, np.inf)
    for step in range(steps):
        value = float(np.asarray(model.train_on_batch(*batches(step))).reshape(-1)[0])
        if not np.isfinite(value):
            break
        losses[step] = value
    return losses


def shuffled(x: np.ndarray, y: np.ndarray, seed: int, size: int = 64) -> Any:
    """A function of the step: its batch, the data in a new order every epoch."""
    per_epoch = len(x) // size

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.random.default_rng([seed, step // per_epoch]).permutation(len(x))
        rows = order[step % per_epoch * size :][:size]
        return x[rows], y[rows]

    return batch


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The share of rows whose largest output is their class."""
    return float((model.predict(x, verbose=0).argmax(axis=-1) == y).mean())


def smooth(losses: np.ndarray, over: int = 10) -> np.ndarray:
    """Means over the last steps."""
    return np.array([losses[max(0, i + 1 - over) : i + 1].mean() for i in range(len(losses))])
