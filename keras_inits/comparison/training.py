"""How the networks of a comparison are trained: one after another, or many in one step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.comparison.datasets import Dataset

BATCH = 64
LEARNING_RATE = 0.002
#: Validation rows that go through a network at once.
_ROWS = 512

#: Validation loss and accuracy before the first step and after every epoch.
Curve = list[tuple[float, float]]


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


@contextlib.contextmanager
def repeatable_dropout(network: keras.Model, seed: int) -> Iterator[None]:
    """The same masks in every run of a seed, whatever the layers were built with."""
    states = [v for v in network.variables if v.path.endswith("seed_generator_state")]
    for i, state in enumerate(states):
        state.assign(np.random.default_rng([seed, i]).integers(2**31, size=2) * [1, 0])
    if backend.name() != "torch":
        yield
        return
    import torch

    # Keras's dropout without a seed draws from PyTorch's global generator.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def batches(seed: int, epoch: int, rows: int, size: int) -> np.ndarray:
    """The order of the data as (batches, rows of a batch): whole batches, or it is traced anew.

    It depends on the seed and the epoch alone, so every scheme sees the same.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return order[: rows - rows % size].reshape(-1, size)


class Trainer:
    """One compiled network that trains from any start: tracing anew would cost more than training.

    A network that is not compiled is compiled with Adam and the cross-entropy of its outputs.
    """

    def __init__(self, network: keras.Model, data: Dataset, batch: int = BATCH) -> None:
        self.network, self.data = network, data
        self.batch = min(batch, len(data.x_train))
        if not network.compiled:
            logits = not is_probability(self._outputs()[:_ROWS])
            _compile(network, keras.losses.SparseCategoricalCrossentropy(from_logits=logits))
        optimizer: Any = network.optimizer
        optimizer.build(network.trainable_variables)
        self._fresh = [(v, keras.ops.convert_to_numpy(v).copy()) for v in optimizer.variables]

    def train(
        self, model: keras.Model, seed: int, epochs: int, before_epoch: Callable[[], None]
    ) -> Curve:
        """The curve of training from the values of `model`."""
        for variable, start in zip(self.network.variables, model.variables, strict=True):
            variable.assign(keras.ops.convert_to_numpy(start))
        for variable, value in self._fresh:
            variable.assign(value)
        curve = [measured(self._outputs(), self.data.y_val)]
        x, y = self.data.x_train, self.data.y_train
        with repeatable_dropout(self.network, seed):
            for epoch in range(epochs):
                before_epoch()
                for rows in batches(seed, epoch, len(x), self.batch):
                    self.network.train_on_batch(x[rows], y[rows])
                curve.append(measured(self._outputs(), self.data.y_val))
        return curve

    def _outputs(self) -> np.ndarray:
        return _in_parts(self.network.predict_on_batch, self.data.x_val)


def train_together(
    widths: Sequence[int],
    starts: Sequence[Sequence[np.ndarray]],
    seeds: Sequence[int],
    data: Dataset,
    epochs: int,
    before_epoch: Callable[[], None],
) -> tuple[list[Curve], list[list[np.ndarray]]]:
    """Train dense relu networks of these widths side by side, each as if it were alone.

    The kernels of all networks are one tensor with an axis for the network, the loss is the sum of
    theirs, and Adam works number by number: so none sees another, and one step trains all.

    Args:
        widths: Hidden layers; the output layer has one unit per class.
        starts: The kernels of each network; biases start at zero.
        seeds: From which each network's order of the data comes.
        data: Rows of features and class numbers.
        epochs: How often each network sees the training data.
        before_epoch: Called before every epoch.

    Returns:
        The curves, and the weights of each network in the order of Keras's dense layers.
    """
    count = len(starts)
    units = [*widths, data.classes]
    layers = [
        keras.layers.EinsumDense(
            "bni,nio->bno", (count, width), activation=activation, bias_axes="no"
        )
        for width, activation in zip(units, ["relu"] * len(widths) + [None], strict=True)
    ]
    together = keras.Sequential([keras.Input((count, *data.x_train.shape[1:])), *layers])
    for layer, kernels in zip(layers, zip(*starts, strict=True), strict=True):
        layer.kernel.assign(np.stack(kernels))
    _compile(
        together,
        lambda y, logits: keras.ops.sum(
            keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True), axis=-1
        ),
    )
    x, y, size = data.x_train, data.y_train, min(BATCH, len(data.x_train))

    def outputs(rows: np.ndarray) -> np.ndarray:
        every = np.broadcast_to(rows[:, None], (len(rows), count, *rows.shape[1:]))
        return together.predict_on_batch(np.ascontiguousarray(every))

    def points() -> list[tuple[float, float]]:
        found = _in_parts(outputs, data.x_val)
        return [measured(found[:, i], data.y_val, logits=True) for i in range(count)]

    history = [points()]
    for epoch in range(epochs):
        before_epoch()
        orders = {seed: batches(seed, epoch, len(x), size) for seed in set(seeds)}
        for step in range(len(x) // size):
            rows = np.stack([orders[seed][step] for seed in seeds], axis=1)
            together.train_on_batch(x[rows], y[rows])
        history.append(points())
    trained = [[keras.ops.convert_to_numpy(w) for w in layer.weights] for layer in layers]
    weights = [[w[i] for pair in trained for w in pair] for i in range(count)]
    return [list(curve) for curve in zip(*history, strict=True)], weights


def _compile(network: keras.Model, loss: Any) -> None:
    # Compiling with XLA takes TensorFlow longer than the training that it speeds up.
    network.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=backend.name() == "jax")


def _in_parts(predict: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    """The outputs for `x`; parts of one size, as another would be traced anew."""
    size = min(_ROWS, len(x))
    parts = []
    for start in range(0, len(x), size):
        part = x[start : start + size]
        filled = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
        parts.append(np.asarray(predict(filled), "float64")[: len(part)])
    return np.concatenate(parts)


def is_probability(outputs: np.ndarray) -> bool:
    """Whether every row of outputs is a distribution over the classes."""
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-2))


def measured(outputs: np.ndarray, y: np.ndarray, logits: bool | None = None) -> tuple[float, float]:
    """Cross-entropy in nats and accuracy of outputs (rows, classes), logits or probabilities."""
    accuracy = (outputs.argmax(axis=1) == y).mean()
    if logits is None:
        logits = not is_probability(outputs)
    with np.errstate(all="ignore"):  # a start may well overflow; the row says so
        if not logits:
            outputs = np.log(np.maximum(outputs, np.finfo("float32").tiny))
        outputs = outputs - outputs.max(axis=1, keepdims=True)
        losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(y)), y]
    return float(losses.mean()), float(accuracy)
