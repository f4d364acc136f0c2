"""`compare`: any network and data, started from every scheme, several seeds each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.checks import integer
from keras_inits.comparison.candidate import unknown, without_arguments
from keras_inits.comparison.datasets import Dataset, split_rows
from keras_inits.comparison.defaults import EPOCHS
from keras_inits.comparison.result import Comparison, Row
from keras_inits.comparison.training import BATCH, Trainer, single_threaded
from keras_inits.models.initialize import initialize

_OWNER = "compare"
#: Weights below which PyTorch is faster on one thread.
_SMALL = 100_000


def compare(
    build: Callable[[Any], keras.Model],
    schemes: Mapping[str, Any] | Iterable[Any],
    data: Any,
    *,
    seeds: int | Iterable[int] = 3,
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Train the same classifier from every scheme, once per seed: only the start differs.

    For every scheme and seed the model is built, drawn by `initialize(model, seed=seed)`, and
    trained on the same batches in the same order. A difference is called only where it is larger
    than the spread of the seeds (`Comparison.worse`), and with three seeds at least.

    Args:
        build: `build(initializer)` returns a built model that gives the initializer to its layers.
            Outputs have shape (rows, classes), logits or probabilities. A compiled model trains by
            its own optimizer and loss; another by Adam (rate 0.002) and the cross-entropy.
        schemes: Names of this library's schemes, initializer objects, or a dict of these by name.
        data: `(x, y)`, of which a fifth is kept for validation, or `(x, y, x_val, y_val)`; y holds
            a class number per row. The arrays go to the model as they are.
        seeds: The seeds, or their number: 3 are 0, 1, 2.
        epochs: How often each model sees the training data.
        batch_size: Rows of a step.
        progress: Called with a text before every epoch.

    Returns:
        A report with a row per scheme: median and range over the seeds, curves, `plot()`.

    Raises:
        TypeError, ValueError: An argument is wrong, or the models of two schemes have different
            weights; before anything is trained.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
        >>> y = (x[:, 0] > x[:, 1]).astype(int)
        >>> def build(initializer):
        ...     dense = lambda units, activation=None: keras.layers.Dense(
        ...         units, activation, kernel_initializer=initializer)
        ...     return keras.Sequential([keras.Input((8,)), dense(32, "relu"), dense(2)])
        >>> report = compare(build, ["he_normal", "zeros"], (x, y), seeds=3, batch_size=8)
        >>> report.best("build").scheme
        'he_normal'
    """
    runs = _seeds(seeds)
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        integer(_OWNER, name, value, low=1)
    if not callable(build):
        raise TypeError(f"{_OWNER}: build must be a function of an initializer, got {build!r}")
    chosen = _chosen(schemes)
    dataset = _dataset(data)
    models = {name: _built(build, name, scheme) for name, scheme in chosen.items()}
    shapes = {name: [tuple(v.shape) for v in model.variables] for name, model in models.items()}
    first = next(iter(chosen))
    for name, found in shapes.items():
        if found != shapes[first]:
            raise ValueError(f"{_OWNER}: build gives other weights for {name!r} than for {first!r}")
    _check_outputs(models[first], dataset)
    network = getattr(build, "__name__", "network")
    trainer = Trainer(build(chosen[first]), dataset, batch_size)
    rows = []
    small = trainer.network.count_params() < _SMALL
    with single_threaded() if small else contextlib.nullcontext():
        for name, model in models.items():
            curves = []
            for seed in runs:
                initialize(model, seed=seed)
                before_epoch = partial(progress, f"{name}, seed {seed}")
                curves.append(trainer.train(model, seed, epochs, before_epoch))
            rows.append(Row.of(network, name, _law(chosen[name]), curves))
    words = {network: f"{trainer.network.count_params():,} weights"}
    return Comparison(dataset.name, backend.name(), epochs, runs, words, rows)


def _seeds(seeds: Any) -> list[int]:
    if isinstance(seeds, Iterable) and not isinstance(seeds, str):
        found = [integer(_OWNER, "seeds", seed, low=0) for seed in seeds]
    else:
        found = list(range(integer(_OWNER, "seeds", seeds, low=1)))
    if not found or len(set(found)) != len(found):
        raise ValueError(f"{_OWNER}: seeds must be different integers, got {found}")
    return found


def _chosen(schemes: Any) -> dict[str, Any]:
    if isinstance(schemes, str) or not isinstance(schemes, Iterable):
        raise TypeError(f"{_OWNER}: schemes must be a list or a dict, got {schemes!r}")
    if isinstance(schemes, Mapping):
        named = [(str(name), scheme) for name, scheme in schemes.items()]
    else:
        named = [(s if isinstance(s, str) else type(s).__name__, s) for s in schemes]
    names = [name for name, _ in named]
    if not names:
        raise ValueError(f"{_OWNER}: schemes must hold one scheme or more, got none")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{_OWNER}: schemes holds {', '.join(twice)} more than once; a dict names each"
        )
    return {name: _initializer(scheme) for name, scheme in named}


def _initializer(scheme: Any) -> keras.initializers.Initializer:
    if isinstance(scheme, str):
        known = without_arguments()
        if scheme not in known:
            raise ValueError(f"{_OWNER}: {unknown(scheme, known)}")
        return known[scheme]()
    if not isinstance(scheme, keras.initializers.Initializer):
        expected = "a scheme's name or a keras.initializers.Initializer"
        raise TypeError(f"{_OWNER}: schemes must hold {expected}, got {scheme!r}")
    return scheme


def _dataset(data: Any) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 4):
        raise TypeError(f"{_OWNER}: data must be (x, y) or (x, y, x_val, y_val), got {type(data)}")
    arrays = [np.asarray(array) for array in data]
    for x, y in zip(arrays[::2], arrays[1::2], strict=True):
        if x.ndim < 1 or len(x) < 2 or x.dtype.kind not in "biuf":
            raise ValueError(
                f"{_OWNER}: x must be numbers of shape (rows, ...) with two rows or more, "
                f"got {x.dtype} of shape {x.shape}"
            )
        if y.shape != (len(x),) or y.dtype.kind not in "iu" or y.min() < 0:
            raise ValueError(
                f"{_OWNER}: y must hold a class number, 0 or more, per row of x, shape "
                f"({len(x)},), got {y.dtype} of shape {y.shape}"
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError(f"{_OWNER}: x must hold finite numbers, got NaN or infinity")
    classes = int(max(y.max() for y in arrays[1::2])) + 1
    if len(arrays) == 4:
        return Dataset("data", classes, *arrays)
    x, y = arrays
    return split_rows("data", classes, x, y, seed=0)


def _built(build: Callable[[Any], Any], name: str, scheme: Any) -> keras.Model:
    model = build(scheme)
    if not isinstance(model, keras.Model):
        raise TypeError(f"{_OWNER}: build must return a keras.Model, got {model!r} for {name!r}")
    if not model.built:
        raise ValueError(f"{_OWNER}: build must return a built model (keras.Input, or call it)")
    return model


def _check_outputs(model: keras.Model, data: Dataset) -> None:
    outputs = model(data.x_val[:2], training=False)
    shape = getattr(outputs, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] < data.classes or shape[1] < 2:
        found = type(outputs).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ValueError(
            f"{_OWNER}: the model's outputs must have shape (rows, {data.classes} classes or more),"
            f" got {found} for 2 rows"
        )


def _law(scheme: Any) -> str:
    return repr(scheme) if hasattr(scheme, "law") else type(scheme).__name__
