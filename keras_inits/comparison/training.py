"""Two dense networks and how they are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.comparison.datasets import Dataset

#: Widths of the hidden relu layers; the output layer has one unit per class.
NETWORKS = {"shallow": (64, 32), "deep": (32,) * 10}
BATCH = 64
LEARNING_RATE = 0.002


def in_words(network: str) -> str:
    """The hidden layers of one of the networks."""
    widths = NETWORKS[network]
    if len(set(widths)) == 1:
        return f"{len(widths)} hidden layers of {widths[0]} relu units"
    return f"hidden layers of {' and '.join(map(str, widths))} relu units"


def build(widths: Sequence[int], data: Dataset, kernel: Callable[[int], Any]) -> keras.Model:
    """Dense relu layers and a layer of logits; `kernel` gives each layer's initializer."""
    layers = [
        keras.layers.Dense(width, "relu", kernel_initializer=kernel(i), name=f"dense_{i + 1}")
        for i, width in enumerate(widths)
    ]
    logits = keras.layers.Dense(data.classes, kernel_initializer=kernel(len(widths)), name="logits")
    return keras.Sequential([keras.Input(data.x_train.shape[1:]), *layers, logits])


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """PyTorch on one thread: handing so little work to others takes longer than doing it."""
    if backend.name() != "torch":
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Trainer:
    """One compiled network that trains from any start: tracing anew would cost more than training.

    The order of the data depends on the seed and the epoch alone, so every scheme sees the same.
    """

    def __init__(self, network: keras.Model, data: Dataset, seed: int) -> None:
        self.network, self.data, self.seed = network, data, seed
        self.batch = min(BATCH, len(data.x_train))
        optimizer = keras.optimizers.Adam(LEARNING_RATE)
        network.compile(
            optimizer,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # Compiling with XLA takes TensorFlow longer than the training that it speeds up.
            jit_compile=backend.name() == "jax",
        )
        optimizer.build(network.trainable_variables)
        self._fresh = [(v, keras.ops.convert_to_numpy(v).copy()) for v in optimizer.variables]
        self._step(np.arange(self.batch))
        self._evaluate()

    def train(
        self, model: keras.Model, epochs: int, before_epoch: Callable[[], None]
    ) -> list[tuple[float, float]]:
        """Train `model` in place; validation loss and accuracy before and after every epoch."""
        self.network.set_weights(model.get_weights())
        for variable, value in self._fresh:
            variable.assign(value)
        curve = [self._evaluate()]
        for epoch in range(epochs):
            before_epoch()
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.data.x_train))
            # Whole batches only, as another shape would be traced anew; what is left out changes.
            for start in range(0, len(order) - self.batch + 1, self.batch):
                self._step(order[start : start + self.batch])
            curve.append(self._evaluate())
        model.set_weights(self.network.get_weights())
        return curve

    def _step(self, rows: np.ndarray) -> None:
        self.network.train_on_batch(self.data.x_train[rows], self.data.y_train[rows])

    def _evaluate(self) -> tuple[float, float]:
        logits = np.asarray(self.network.predict_on_batch(self.data.x_val), "float64")
        y = self.data.y_val
        accuracy = (logits.argmax(axis=1) == y).mean()
        with np.errstate(all="ignore"):  # a start may well overflow; the row says so
            logits -= logits.max(axis=1, keepdims=True)
            losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
        return float(losses.mean()), float(accuracy)
