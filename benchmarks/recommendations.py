"""Whether what `recommend` puts first trains at least as well as Keras's own start.

KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/recommendations.py [ARCHITECTURE ...]

Eight architectures on scikit-learn's digits. For each seed two equal models train in the same way on
the same batches in the same order: one as Keras builds it, one from the start that `recommend` puts
first. Medians and ranges over the seeds.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers as L
from sklearn.datasets import load_digits

import keras_inits

SEEDS, EPOCHS, BATCH, LOOKED_AT = range(5), 10, 64, 64


def classifier(shape: tuple[int, ...], body: Callable[[Any], Any]) -> keras.Model:
    inputs = keras.Input((8, 8))
    x = inputs if shape == (8, 8) else L.Reshape(shape)(inputs)
    return keras.Model(inputs, L.Dense(10, activation="softmax")(body(x)))


def plain(activation: str) -> keras.Model:
    def body(x: Any) -> Any:
        for _ in range(20):
            x = L.Dense(64, activation=activation)(x)
        return x

    return classifier((64,), body)


def residual() -> keras.Model:
    def body(x: Any) -> Any:
        for _ in range(16):
            x = L.Add()([x, L.Dense(64)(L.Dense(64, activation="relu")(x))])
        return x

    return classifier((64,), body)


def convolutional() -> keras.Model:
    def body(x: Any) -> Any:
        for filters in (16, 16, 32, 32, 64, 64):
            x = L.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = L.ReLU()(L.BatchNormalization()(x))
        return L.GlobalAveragePooling2D()(x)

    return classifier((8, 8, 1), body)


def recurrent() -> keras.Model:
    return classifier((8, 8), lambda x: L.LSTM(64)(L.LSTM(64, return_sequences=True)(x)))


class Positions(L.Layer):
    def build(self, shape: tuple[int, ...]) -> None:
        self.table = self.add_weight(name="embeddings", shape=shape[1:], initializer="uniform")

    def call(self, x: Any) -> Any:
        return x + self.table


def transformer(pre: bool) -> keras.Model:
    def body(x: Any) -> Any:
        x = Positions()(L.Dense(64)(x))
        for _ in range(6):
            for branch in (attend, feed):
                x = (
                    x + branch(L.LayerNormalization()(x))
                    if pre
                    else L.LayerNormalization()(x + branch(x))
                )
        return L.GlobalAveragePooling1D()(L.LayerNormalization()(x) if pre else x)

    def attend(x: Any) -> Any:
        return L.MultiHeadAttention(4, 16)(x, x)

    def feed(x: Any) -> Any:
        return L.Dense(64)(L.Dense(256, activation="gelu")(x))

    return classifier((8, 8), body)


ARCHITECTURES: dict[str, Callable[[], keras.Model]] = {
    "20 Dense(64), relu": lambda: plain("relu"),
    "20 Dense(64), tanh": lambda: plain("tanh"),
    "20 Dense(64), selu": lambda: plain("selu"),
    "16 residual blocks, no normalization": residual,
    "6 Conv2D with BatchNormalization": convolutional,
    "2 LSTM(64)": recurrent,
    "transformer, 6 blocks, pre-norm": lambda: transformer(pre=True),
    "transformer, 6 blocks, post-norm": lambda: transformer(pre=False),
}


def digits() -> tuple[Any, Any, Any, Any]:
    """Training and validation data: a fifth is kept."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8).astype("float32") / 16, y[order].astype("int32")
    kept = len(x) // 5
    return x[kept:], y[kept:], x[:kept], y[:kept]


def built(architecture: str, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = ARCHITECTURES[architecture]()
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def trained(model: keras.Model, seed: int) -> tuple[float, float]:
    """(training loss over all epochs, validation accuracy at the end)."""
    x, y, *validation = digits()
    losses = []
    for epoch in range(EPOCHS):
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        history = model.fit(x[order], y[order], batch_size=BATCH, shuffle=False, verbose=0)
        losses += history.history["loss"]
    return statistics.fmean(losses), 100 * model.evaluate(*validation, verbose=0)[1]


def measure(architecture: str) -> None:
    x, y, *_ = digits()
    chosen: Counter[str] = Counter()
    runs: dict[str, list[tuple[float, float]]] = {"own": [], "first": []}
    for seed in SEEDS:
        runs["own"].append(trained(built(architecture, seed), seed))
        model = built(architecture, seed)
        found = keras_inits.recommend(model, x[:LOOKED_AT], y[:LOOKED_AT], seed=seed)
        chosen[found.best.path] += 1
        names = {"keras_inits": keras_inits, "model": model, "x": x[:LOOKED_AT]}
        exec(found.code, names)
        runs["first"].append(trained(model, seed))
    choices = ", ".join(f"{name} {count}" for name, count in chosen.most_common())
    cells = [_cells(runs[name], i) for i in (0, 1) for name in ("own", "first")]
    print(f"| {architecture} | {choices} | {' | '.join(cells)} |", flush=True)


def _cells(runs: Sequence[tuple[float, float]], i: int) -> str:
    values = [run[i] for run in runs]
    digits = 1 if i else 2
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, {EPOCHS} epochs\n")
    print(
        "| architecture | first, of 5 seeds | loss, own | loss, first | accuracy %, own | first |"
    )
    print("|---|---|---|---|---|---|")
    for architecture in sys.argv[1:] or ARCHITECTURES:
        measure(architecture)


if __name__ == "__main__":
    main()
