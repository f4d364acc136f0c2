"""Conformance of an initializer, this library's or anyone's: what a user may rely on, checked."""

from __future__ import annotations

import copy
import inspect
import json
import math
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits import backend, checks
from keras_inits.laws import Law

_SHAPES = ((48, 32), (3, 3, 8, 16), (3, 16, 16), (64,), (16, 16))
_ENTRIES = 10_000


def check_initializer(
    subject: Any, *, law: Law | None = None, shapes: Sequence[Sequence[int]] | None = None
) -> None:
    """Check that an initializer does what Keras and its users rely on.

    Its config is JSON and makes an equal object; copies and pickles draw the same; every floating
    dtype comes back in the shape that was asked for; bad shapes are errors; an int seed gives the
    same values at every call and another seed others, and without a seed every call differs; a seeded
    draw leaves NumPy's and Python's generators alone; a layer that holds it survives saving and
    loading; entries follow the law.

    Args:
        subject: An initializer, or a class that can be made without arguments.
        law: The law of an entry; by default what the initializer's own `law(shape)` says, if it has
            such a method.
        shapes: Shapes to draw; by default matrices, kernels and vectors, as far as it takes them.

    Raises:
        AssertionError: Lists every check that failed, with what was expected and what came.
        TypeError: `subject` is not an initializer.

    Example:
        >>> import keras_inits
        >>> check_initializer(keras_inits.HeNormal)
    """
    initializer = subject() if isinstance(subject, type) else subject
    if not callable(initializer) or not hasattr(initializer, "get_config"):
        raise checks.type_error("check_initializer", "subject", "an initializer", subject)
    given = _SHAPES if shapes is None else [tuple(shape) for shape in shapes]
    taken = [shape for shape in given if _takes(initializer, shape)]
    failures = [] if taken else [f"no shape of {list(given)} is taken"]
    everything: dict[str, Any] = {check.__name__[1:]: check for check in _CHECKS}
    everything["law"] = partial(_law, law=law)
    for name, check in everything.items() if taken else ():
        try:
            failures += [f"{name}: {text}" for text in check(initializer, taken)]
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if failures:
        name = type(initializer).__name__
        raise AssertionError("\n".join([f"{name} fails {len(failures)} checks:", *failures]))


def _takes(initializer: Any, shape: Sequence[int]) -> bool:
    try:
        initializer(shape, dtype="float32")
    except (TypeError, ValueError):
        return False
    return True


def _draw(initializer: Any, shape: Sequence[int], dtype: str = "float32") -> np.ndarray:
    # Cast by NumPy: a backend would compile an operation for every shape.
    return np.asarray(keras.ops.convert_to_numpy(initializer(shape, dtype=dtype)), "float32")


def _seeded(initializer: Any, seed: Any) -> Any:
    """A copy with this seed, or None where it takes none."""
    config = initializer.get_config()
    if "seed" not in inspect.signature(type(initializer)).parameters or "seed" not in config:
        return None
    return type(initializer).from_config({**config, "seed": seed})


def _config(initializer: Any, shapes: Any) -> Iterator[str]:
    config = initializer.get_config()
    if json.loads(json.dumps(config)) != config:
        yield f"not JSON: {config!r}"
    back = type(initializer).from_config(copy.deepcopy(config))
    if back.get_config() != config:
        yield f"comes back as {back.get_config()!r} from {config!r}"
    again = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(initializer)))
    )
    if type(again) is not type(initializer):
        yield f"Keras's serialization gives {type(again).__name__}: is the class registered?"


def _copies(initializer: Any, shapes: Any) -> Iterator[str]:
    fixed = _seeded(initializer, 3) or initializer
    for how, other in (
        ("copy", copy.copy(fixed)),
        ("deepcopy", copy.deepcopy(fixed)),
        ("pickle", pickle.loads(pickle.dumps(fixed))),
    ):
        for shape in shapes:
            if not np.array_equal(_draw(fixed, shape), _draw(other, shape)):
                yield f"{how} draws other values of shape {shape}"


def _dtypes(initializer: Any, shapes: Any) -> Iterator[str]:
    for shape in shapes:
        for dtype in checks.FLOAT_DTYPES:
            tensor = initializer(shape, dtype=dtype)
            narrowed = backend.name() == "jax" and dtype == "float64"
            got = keras.backend.standardize_dtype(tensor.dtype)
            if got != dtype and not narrowed:
                yield f"{dtype} comes back as {got}"
            if tuple(tensor.shape) != tuple(shape):
                yield f"shape {shape} comes back as {tuple(tensor.shape)}"
            if not np.isfinite(_draw(initializer, shape, dtype)).all():
                yield f"entries of shape {shape} in {dtype} are not all finite"
        default = keras.backend.standardize_dtype(initializer(shape).dtype)
        if default != keras.config.floatx():
            yield f"without a dtype comes {default}, not {keras.config.floatx()}"


def _bad_shapes(initializer: Any, shapes: Any) -> Iterator[str]:
    for shape in shapes:
        for bad in ((None, *shape[1:]), (-1, *shape[1:])):
            try:
                initializer(bad)
            except (TypeError, ValueError):
                continue
            yield f"shape {bad} is not an error"


def _seeds(initializer: Any, shapes: Any) -> Iterator[str]:
    one, other, none = (_seeded(initializer, seed) for seed in (1, 2, None))
    if one is None:
        return
    for shape in shapes:
        first = _draw(one, shape)
        if np.ptp(first) == 0:
            continue
        if not np.array_equal(first, _draw(one, shape)):
            yield f"an int seed gives other values at the second call of shape {shape}"
        if not np.array_equal(first, _draw(_seeded(initializer, 1), shape)):
            yield f"the same seed gives other values of shape {shape} in another object"
        if np.array_equal(first, _draw(other, shape)):
            yield f"seeds 1 and 2 give the same values of shape {shape}"
        if np.array_equal(_draw(none, shape), _draw(none, shape)):
            yield f"without a seed two calls give the same values of shape {shape}"


def _global_state(initializer: Any, shapes: Any) -> Iterator[str]:
    fixed = _seeded(initializer, 1) or initializer
    before = _generators()
    for shape in shapes:
        _draw(fixed, shape)
    if _generators() != before:
        yield "a seeded draw moves NumPy's or Python's global generator"


def _generators() -> tuple[Any, Any]:
    state: Any = np.random.get_state()
    return (state[1].tobytes(), state[2]), random.getstate()


def _layers(initializer: Any, shapes: Any) -> Iterator[str]:
    fixed = _seeded(initializer, 5) or initializer
    for shape in shapes:
        if len(shape) == 2:
            layer = keras.layers.Dense(shape[1], kernel_initializer=fixed)
            inputs = keras.Input((shape[0],))
        elif len(shape) == 4:
            layer = keras.layers.Conv2D(shape[3], shape[:2], kernel_initializer=fixed)
            inputs = keras.Input((8, 8, shape[2]))
        else:
            continue
        model = keras.Sequential([inputs, layer])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            model.save(path)
            back = keras.models.load_model(path)
        if not np.array_equal(model.get_weights()[0], back.get_weights()[0]):
            yield f"a saved {type(layer).__name__} comes back with other weights"
        if back.layers[0].kernel_initializer.get_config() != fixed.get_config():
            yield f"a saved {type(layer).__name__} comes back with another initializer"


def _law(initializer: Any, shapes: Any, law: Law | None) -> Iterator[str]:
    own = getattr(initializer, "law", None)
    fixed = _seeded(initializer, 0) is not None
    for shape in shapes:
        stated = law or (own(tuple(shape)) if callable(own) else None)
        if stated is None:
            continue
        # One seed after the other, so that the answer is the same at every call.
        draws = [_draw(_seeded(initializer, 0) or initializer, shape).ravel()]
        while fixed and sum(map(len, draws)) < _ENTRIES:
            draws.append(_draw(_seeded(initializer, len(draws)), shape).ravel())
        x = np.concatenate(draws).astype("float64")
        # Entries that are copies of others say nothing new.
        independent = len(np.unique(x)) if stated.continuous else x.size
        error = 1e-6 * stated.std + (5 * stated.std / math.sqrt(independent) if fixed else 0)
        error += float(np.finfo("float32").eps) * abs(stated.mean)  # the entries are rounded
        if abs(x.mean() - stated.mean) > error or abs(x.std() - stated.std) > error:
            yield (
                f"entries of shape {shape} have mean {x.mean():.4g} and standard deviation "
                f"{x.std():.4g}, not {stated.mean:.4g} and {stated.std:.4g}"
            )
        elif stated.continuous and (law is not None or getattr(initializer, "alike", True)):
            from scipy import stats

            distance = stats.kstest(x, stated.cdf).statistic
            if stats.kstwo.sf(distance, independent) < 1e-6:
                yield f"entries of shape {shape} do not follow {stated}"


_CHECKS: tuple[Callable[[Any, Any], Iterator[str]], ...] = (
    *(_config, _copies, _dtypes, _bad_shapes, _seeds, _global_state, _layers),
)
