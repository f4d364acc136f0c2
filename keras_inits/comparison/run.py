"""The comparison itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_inits import backend
from keras_inits.comparison.candidate import Candidate
from keras_inits.comparison.datasets import Dataset
from keras_inits.comparison.defaults import EPOCHS
from keras_inits.comparison.reload import predict, predict_elsewhere
from keras_inits.comparison.result import Comparison, Row
from keras_inits.comparison.training import NETWORKS, Trainer, build, single_threaded
from keras_inits.reports.report import Problem
from keras_inits.reports.writing import replacing
from keras_inits.streams import DefaultStream


def compare_networks(
    schemes: Sequence[Candidate],
    data: Dataset,
    out: Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Train each network once per scheme, save the models under `out`, reload and compare them.

    `progress` is called with what comes next, before every epoch and before the reload.
    """
    probe = data.x_val[:256]
    rows, expected = [], []
    with single_threaded():
        for network, widths in NETWORKS.items():
            (out / network).mkdir(parents=True, exist_ok=True)
            trainer = Trainer(build(widths, data, lambda layer: "zeros"), data, seed)
            for scheme in schemes:
                model = start(network, scheme, data, seed)
                path = out / network / f"{scheme.name}.keras"
                rows.append(_train(trainer, model, network, scheme, epochs, progress, path))
                with replacing(path) as temporary:
                    model.save(temporary)
                expected.append(predict(model, probe))
    progress("reloading every model in another process")
    rows, problems = _reloaded(rows, probe, expected)
    return Comparison(data.name, backend.name(), epochs, seed, rows, problems)


def _train(
    trainer: Trainer,
    model: keras.Model,
    network: str,
    scheme: Candidate,
    epochs: int,
    progress: Callable[[str], None],
    path: Path,
) -> Row:
    begin = time.perf_counter()
    curve = trainer.train(model, epochs, partial(progress, f"{network}: {scheme.name}"))
    loss, accuracy = (list(values) for values in zip(*curve, strict=True))
    seconds = time.perf_counter() - begin
    return Row(network, scheme.name, scheme.law, loss, accuracy, seconds, str(path))


def start(network: str, scheme: Candidate, data: Dataset, seed: int) -> keras.Model:
    """The untrained network; every layer draws from its own child of the seed's stream."""
    stream = DefaultStream(seed).child(network)
    return build(
        NETWORKS[network],
        data,
        lambda layer: scheme.kernel(layer, data.x_train, stream.child(layer)),
    )


def _reloaded(rows: list[Row], x: Any, expected: Sequence[Any]) -> tuple[list[Row], list[Problem]]:
    """The rows, each with whether its model comes back, and the models that do not."""
    try:
        found = predict_elsewhere([Path(row.path) for row in rows], x)
    except RuntimeError as error:
        return rows, [Problem("", str(error))]
    same = [
        before.dtype == after.dtype and before.tobytes() == after.tobytes()
        for before, after in zip(expected, found, strict=True)
    ]
    rows = [replace(row, reloads=back) for row, back in zip(rows, same, strict=True)]
    reason = "predictions differ after reloading"
    return rows, [Problem(row.path, reason) for row in rows if not row.reloads]
