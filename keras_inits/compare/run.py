"""The comparison itself and its rows."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keras_inits.compare.candidates import Candidate
from keras_inits.compare.datasets import Dataset
from keras_inits.compare.reload import predict, predict_elsewhere
from keras_inits.compare.training import BATCH, NETWORKS, Trainer, build, single_threaded
from keras_inits.streams import DefaultStream

EPOCHS = 20
TARGET = 0.9


@dataclass(frozen=True)
class Row:
    """One network trained from one scheme; index 0 of the curves is before the first step."""

    network: str
    scheme: str
    law: str
    loss: list[float]
    accuracy: list[float]
    seconds: float
    path: str = ""
    reloads: bool = False

    @property
    def epochs_to_target(self) -> int | None:
        """The first epoch after which the validation accuracy is 90 % or more."""
        return next((epoch for epoch, value in enumerate(self.accuracy) if value >= TARGET), None)


@dataclass
class Comparison:
    """What `compare` found: a row per network and scheme, and what went wrong in `problems`."""

    data: str
    backend: str
    epochs: int
    seed: int
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def of(self, network: str) -> list[Row]:
        """The rows of one network."""
        return [row for row in self.rows if row.network == network]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values; a loss that is not finite is None."""
        rows = [
            asdict(row)
            | {"loss": [value if math.isfinite(value) else None for value in row.loss]}
            | {"epochs_to_90_percent": row.epochs_to_target}
            for row in self.rows
        ]
        networks = {name: list(widths) for name, widths in NETWORKS.items()}
        return asdict(self) | {"batch": BATCH, "networks": networks, "rows": rows}


def compare(
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
    result = Comparison(data.name, keras.backend.backend(), epochs, seed)
    probe = data.x_val[:256]
    expected = []
    with single_threaded():
        for network, widths in NETWORKS.items():
            (out / network).mkdir(parents=True, exist_ok=True)
            trainer = Trainer(build(widths, data, lambda layer: "zeros"), data, seed)
            for scheme in schemes:
                model = start(network, scheme, data, seed)
                row = _train(trainer, model, network, scheme, epochs, progress)
                path = out / network / f"{scheme.name}.keras"
                with replacing(path) as temporary:
                    model.save(temporary)
                result.rows.append(replace(row, path=str(path)))
                expected.append(predict(model, probe))
    progress("reloading every model in another process")
    _check_reload(result, probe, expected)
    return result


def _train(
    trainer: Trainer,
    model: keras.Model,
    network: str,
    scheme: Candidate,
    epochs: int,
    progress: Callable[[str], None],
) -> Row:
    begin = time.perf_counter()
    curve = trainer.train(model, epochs, partial(progress, f"{network}: {scheme.name}"))
    loss, accuracy = (list(values) for values in zip(*curve, strict=True))
    return Row(network, scheme.name, scheme.law, loss, accuracy, time.perf_counter() - begin)


def start(network: str, scheme: Candidate, data: Dataset, seed: int) -> keras.Model:
    """The untrained network; every layer draws from its own child of the seed's stream."""
    stream = DefaultStream(seed).child(network)
    return build(
        NETWORKS[network],
        data,
        lambda layer: scheme.kernel(layer, data.x_train, stream.child(layer)),
    )


def _check_reload(result: Comparison, x: Any, expected: Sequence[Any]) -> None:
    try:
        found = predict_elsewhere([Path(row.path) for row in result.rows], x)
    except RuntimeError as error:
        result.problems.append(str(error))
        return
    for i, (before, after) in enumerate(zip(expected, found, strict=True)):
        same = before.dtype == after.dtype and before.tobytes() == after.tobytes()
        result.rows[i] = replace(result.rows[i], reloads=same)
        if not same:
            result.problems.append(f"{result.rows[i].path}: predictions differ after reloading")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place at the end: no file is half written."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
