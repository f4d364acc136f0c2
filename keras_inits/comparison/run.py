"""The comparison of the command: two dense networks, their models saved and reloaded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.comparison.candidate import Candidate
from keras_inits.comparison.datasets import Dataset
from keras_inits.comparison.defaults import EPOCHS, SEEDS
from keras_inits.comparison.reload import predict, predict_elsewhere
from keras_inits.comparison.result import Comparison, Row
from keras_inits.comparison.training import single_threaded, train_together
from keras_inits.reports.report import Problem
from keras_inits.reports.writing import replacing
from keras_inits.streams import DefaultStream

#: Widths of the hidden relu layers; the output layer has one unit per class.
NETWORKS = {"shallow": (64, 32), "deep": (32,) * 10}


def compare_networks(
    schemes: Sequence[Candidate],
    data: Dataset,
    out: Path,
    *,
    epochs: int = EPOCHS,
    seeds: Sequence[int] = range(SEEDS),
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Train each network from every scheme and seed, save those of the first seed, reload them.

    `progress` is called with what comes next, before every epoch and before the reload.
    """
    probe = data.x_val[:256]
    rows, expected = [], []
    with single_threaded():
        for network, widths in NETWORKS.items():
            (out / network).mkdir(parents=True, exist_ok=True)
            runs = [(scheme, seed) for scheme in schemes for seed in seeds]
            starts = [kernels(network, scheme, data, seed) for scheme, seed in runs]
            curves, weights = train_together(
                widths, starts, [seed for _, seed in runs], data, epochs, partial(progress, network)
            )
            for i, scheme in enumerate(schemes):
                first = i * len(seeds)
                path = out / network / f"{scheme.name}.keras"
                of_scheme = curves[first : first + len(seeds)]
                rows.append(Row.of(network, scheme.name, scheme.law, of_scheme, str(path)))
                model = build(network, scheme, data)
                model.set_weights(weights[first])
                with replacing(path) as temporary:
                    model.save(temporary)
                expected.append(predict(model, probe))
    progress("reloading every model in another process")
    rows, problems = _reloaded(rows, probe, expected)
    words = {network: in_words(network) for network in NETWORKS}
    return Comparison(data.name, backend.name(), epochs, seeds, words, rows, problems)


def kernels(network: str, scheme: Candidate, data: Dataset, seed: int) -> list[np.ndarray]:
    """The start of every layer, drawn from its own child of the seed's stream."""
    stream = DefaultStream(seed).child(network)
    units = [data.x_train.shape[1], *NETWORKS[network], data.classes]
    return [
        keras.ops.convert_to_numpy(
            scheme.kernel(layer, data.x_train, stream.child(layer))(shape, "float32")
        )
        for layer, shape in enumerate(itertools.pairwise(units))
    ]


def build(network: str, scheme: Candidate, data: Dataset) -> keras.Model:
    """Dense relu layers and a layer of logits, each with the scheme as its initializer."""
    stream = DefaultStream(0)
    initializers = [
        scheme.kernel(layer, data.x_train, stream) for layer in range(len(NETWORKS[network]) + 1)
    ]
    layers = [
        keras.layers.Dense(width, "relu", kernel_initializer=initializer, name=f"dense_{i + 1}")
        for i, (width, initializer) in enumerate(zip(NETWORKS[network], initializers, strict=False))
    ]
    logits = keras.layers.Dense(data.classes, kernel_initializer=initializers[-1], name="logits")
    return keras.Sequential([keras.Input(data.x_train.shape[1:]), *layers, logits])


def in_words(network: str) -> str:
    """The hidden layers of one of the networks."""
    widths = NETWORKS[network]
    if len(set(widths)) == 1:
        return f"{len(widths)} hidden layers of {widths[0]} relu units"
    return f"hidden layers of {' and '.join(map(str, widths))} relu units"


def _reloaded(rows: list[Row], x: Any, expected: Sequence[Any]) -> tuple[list[Row], list[Problem]]:
    """The rows, each with whether its model comes back, and the models that do not."""
    try:
        found = predict_elsewhere([Path(row.path) for row in rows], x)
    except RuntimeError as error:
        return [replace(row, reloads=False) for row in rows], [Problem("", str(error))]
    same = [
        before.dtype == after.dtype and before.tobytes() == after.tobytes()
        for before, after in zip(expected, found, strict=True)
    ]
    rows = [replace(row, reloads=back) for row, back in zip(rows, same, strict=True)]
    reason = "predictions differ after reloading"
    return rows, [Problem(row.path, reason) for row in rows if not row.reloads]
