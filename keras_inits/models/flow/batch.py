"""The data that a function on a whole model runs it on: one batch, checked before anything changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.backend import spread

_EXPECTED = "an array, a list or dict of arrays, or a dataset"


def batch_of(owner: str, model: keras.Model, x: Any) -> Any:
    """`x` as the model takes it: an array, or a list or dict of arrays.

    Of a dataset (anything else that can be indexed or iterated) the first batch is taken, and of
    the batch its inputs. Raises where values are not finite, all inputs are constant, there are
    fewer than two samples, or the shapes are not those that the model was built for.
    """
    x = _inputs(owner, x)
    flat = keras.tree.flatten(x)
    names = _names(x, len(flat))
    for name, leaf in zip(names, flat, strict=True):
        if spread.is_cut(leaf):
            raise ValueError(
                f"{owner}: {name} must be whole in each process, got an array of shape {leaf.shape} of which "
                "others hold a part"
            )
    arrays = dict(zip(names, map(keras.ops.convert_to_numpy, flat), strict=True))
    _check_text(owner, model, arrays)
    _check_values(owner, arrays)
    _check_shapes(owner, model, x)
    return x


def shapes(x: Any) -> str:
    """The shapes in `x`, in its own structure, as text."""
    found = [tuple(leaf.shape) for leaf in keras.tree.flatten(x)]
    return str(keras.tree.pack_sequence_as(x, [str(shape) for shape in found])).replace("'", "")


def one_line(error: Exception) -> str:
    """What an error says, without line breaks and colours."""
    return " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())


def failure(
    owner: str, model: keras.Model, x: Any, error: Exception, what: str = "fails", where: str = ""
) -> ValueError:
    """What to raise where the model's own call raised, `where` if it is known."""
    text = one_line(error)[:300]
    return ValueError(
        f"{owner}: model {model.name!r} {what} on x of shape {shapes(x)}"
        f"{where and f', at {where}'}: {type(error).__name__}: {text}"
    )


def _inputs(owner: str, x: Any) -> Any:
    if _is_inputs(x):
        return keras.tree.map_structure(_array, x)
    if isinstance(x, (Mapping, list, tuple)) and not x:
        raise checks.value_error(owner, "x", _EXPECTED, x)
    if not _may_be_dataset(x):
        raise checks.type_error(owner, "x", _EXPECTED, x)
    try:
        batch = x[0] if hasattr(x, "__getitem__") else next(iter(x))
    except (StopIteration, LookupError):
        raise checks.value_error(owner, "x", "a dataset of one batch or more", x) from None
    try:
        inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    except ValueError:
        inputs = None  # neither inputs nor a tuple of inputs, targets and sample weights
    if not _is_inputs(inputs):
        raise checks.type_error(owner, "the first batch of x", _EXPECTED, batch)
    return keras.tree.map_structure(_array, inputs)


def _may_be_dataset(x: Any) -> bool:
    if isinstance(x, (list, tuple)):  # of batches; one of Python numbers is not
        return any(map(_is_inputs, keras.tree.flatten(x)))
    if isinstance(x, (str, bytes, Mapping)):
        return False
    return hasattr(x, "__getitem__") or hasattr(x, "__iter__")


def _is_inputs(x: Any) -> bool:
    if isinstance(x, Mapping):
        return bool(x) and all(map(_is_inputs, x.values()))
    if isinstance(x, (list, tuple)):
        return bool(x) and all(map(_is_inputs, x))
    return (hasattr(x, "shape") and hasattr(x, "dtype")) or hasattr(x, "__array__")


def _array(leaf: Any) -> Any:
    return leaf if keras.ops.is_tensor(leaf) else np.asarray(leaf)


def _names(x: Any, count: int) -> list[str]:
    if isinstance(x, Mapping) and len(x) == count:
        return [f"x[{key!r}]" for key in sorted(x)]
    return ["x"] if not isinstance(x, (Mapping, list, tuple)) else [f"x[{i}]" for i in range(count)]


def _check_text(owner: str, model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Text is only for models that declare it."""
    declared = [tensor.dtype for tensor in getattr(model, "inputs", None) or ()]
    for name, array in arrays.items():
        if array.dtype.kind in "OSU" and declared and "string" not in declared:
            raise checks.type_error(owner, name, "an array of numbers", array.dtype)


def _check_values(owner: str, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.ndim == 0 or array.size == 0 or len(array) < 2:
            raise ValueError(
                f"{owner}: {name} must be a batch of two samples or more, got shape {array.shape}"
            )
        if array.dtype.kind not in "biuOSU":
            bad = int((~np.isfinite(array)).sum())
            if bad:
                raise ValueError(
                    f"{owner}: {name} must be finite, got {bad} of {array.size} values NaN or infinite"
                )
    if len({len(array) for array in arrays.values()}) > 1:
        counts = {name: len(array) for name, array in arrays.items()}
        raise ValueError(f"{owner}: all inputs must have the same number of samples, got {counts}")
    if all((array == array.flat[0]).all() for array in arrays.values()):
        value = next(iter(arrays.values())).flat[0]
        raise ValueError(f"{owner}: x must vary, got the value {value} everywhere")


def _check_shapes(owner: str, model: keras.Model, x: Any) -> None:
    """Against the inputs that a functional or Sequential model declares; others check as they run."""
    if not getattr(model, "inputs", None):
        return
    declared = getattr(model, "input", model.inputs[0])  # a Sequential has none of its own
    if isinstance(x, Mapping):
        by_name = {tensor.name: tensor for tensor in model.inputs}
        by_name.update(declared if isinstance(declared, Mapping) else {})
        expected = [by_name.get(name) for name in x]
        fits = None not in expected and len(x) == len(model.inputs)
        got = list(x.values())
    else:
        expected, got = keras.tree.flatten(declared), keras.tree.flatten(x)
        fits = len(expected) == len(got)
    if not (fits and all(map(_fits, expected, got))):
        raise ValueError(f"{owner}: x must have shape {shapes(declared)}, got {shapes(x)}")


def _fits(expected: Any, got: Any) -> bool:
    want, have = tuple(expected.shape), tuple(got.shape)
    if len(want) != len(have):
        # Keras itself adds or drops a last axis of one.
        shorter, longer = sorted((want, have), key=len)
        return len(longer) == len(shorter) + 1 and longer[-1] == 1
    return all(w is None or w == h for w, h in zip(want, have, strict=True))
