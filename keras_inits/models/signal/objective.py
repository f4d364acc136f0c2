"""The scalar whose gradient is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.flow.batch import shapes

ops = keras.ops


def objective(owner: str, model: Any, y: Any, loss: Any) -> Callable[[Any, Any], Any]:
    """A function of (inputs, outputs): the loss that is given, the compiled one, or a default.

    The default, half of the mean square of every output, needs no targets.
    """
    if loss is not None:
        if y is None:
            raise checks.value_error(owner, "y", "the targets of the loss", y)
        function = _loss(owner, loss)
        return lambda _, outputs: _mean(owner, function, y, outputs)
    if y is None:
        return lambda _, outputs: _half_square(owner, outputs)
    if not getattr(model, "compiled", False) or getattr(model, "loss", None) is None:
        raise ValueError(
            f"{owner}: loss must be given with y, for model {model.name!r} is not compiled with one"
        )
    return lambda x, outputs: _compiled(owner, model, x, y, outputs)


def _loss(owner: str, loss: Any) -> Any:
    try:
        found = keras.losses.get(loss)
    except (ValueError, TypeError) as error:
        expected = "a Keras loss, its name or a function of (y, output)"
        raise checks.value_error(owner, "loss", expected, loss) from error
    if not callable(found):
        raise checks.type_error(owner, "loss", "a Keras loss, its name or a function", loss)
    return found


def _mean(owner: str, function: Any, y: Any, outputs: Any) -> Any:
    targets = [ops.convert_to_tensor(t) for t in keras.tree.flatten(y)]
    given = keras.tree.flatten(outputs)
    if len(targets) != len(given):
        raise ValueError(
            f"{owner}: y must have one target for each output, got {len(targets)} for {len(given)}"
        )
    _check_rows(owner, y, outputs)
    try:
        parts = [
            ops.mean(_wide(function(_alike(t, o), o))) for t, o in zip(targets, given, strict=True)
        ]
    except Exception as error:
        raise ValueError(
            f"{owner}: loss must take y of shape {shapes(y)} and outputs of {shapes(outputs)}: {error}"
        ) from error
    return sum(parts[1:], parts[0])


def _check_rows(owner: str, y: Any, outputs: Any) -> None:
    """A target for each sample: a loss may spread others over all of them."""
    rows = {out.shape[0] for out in keras.tree.flatten(outputs) if len(getattr(out, "shape", ()))}
    for target in keras.tree.flatten(y):
        have = np.shape(target)
        if len(rows) == 1 and (not have or have[0] not in rows):
            raise ValueError(
                f"{owner}: y must have a target for each of {rows.pop()} samples, got shape {have}"
            )


def _wide(tensor: Any) -> Any:
    """In at least float32."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return tensor if dtype == "float64" else ops.cast(tensor, "float32")


def _alike(target: Any, output: Any) -> Any:
    """With a last axis of one where the output has it, as Keras's trainer takes targets."""
    if len(target.shape) == len(output.shape) - 1 and output.shape[-1] == 1:
        return ops.expand_dims(target, -1)
    return target


def _compiled(owner: str, model: Any, x: Any, y: Any, outputs: Any) -> Any:
    _check_rows(owner, y, outputs)
    try:
        return model.compute_loss(
            x=x, y=keras.tree.map_structure(ops.convert_to_tensor, y), y_pred=outputs
        )
    except Exception as error:
        raise ValueError(
            f"{owner}: the compiled loss must take y of shape {shapes(y)} and outputs of "
            f"{shapes(outputs)}: {error}"
        ) from error


def _half_square(owner: str, outputs: Any) -> Any:
    parts = [
        ops.mean(ops.square(_wide(output))) / 2
        for output in keras.tree.flatten(outputs)
        if ops.is_tensor(output) and "float" in keras.backend.standardize_dtype(output.dtype)
    ]
    if not parts:
        raise ValueError(f"{owner}: model must have an output of floating-point numbers, got none")
    return sum(parts[1:], parts[0])
