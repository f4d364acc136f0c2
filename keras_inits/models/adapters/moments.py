"""What the inputs of layers are like, from one run of the model."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.models.flow.batch import failure
from keras_inits.models.flow.guards import saved, shadow

ops = keras.ops


@dataclass
class Moments:
    """The sum of the samples and of their products, over all samples and positions."""

    count: int
    total: np.ndarray
    products: np.ndarray

    @property
    def second(self) -> np.ndarray:
        """E[x x']."""
        return self.products / self.count

    @property
    def covariance(self) -> np.ndarray:
        """E[x x'] - E[x] E[x]'."""
        mean = self.total / self.count
        return self.second - np.outer(mean, mean)

    def add(self, x: np.ndarray) -> None:
        """Count samples in, the rows of `x`."""
        self.count += len(x)
        self.total += x.sum(axis=0)
        self.products += x.T @ x


def input_moments(
    owner: str, model: Any, x: Any, layers: Iterable[tuple[Any, tuple[int, ...]]]
) -> dict[int, Moments]:
    """By the `id` of each layer the moments of its inputs in all of its calls; none, no entry.

    `layers` are pairs of a layer and of the axes of its input that it sums over, in the kernel's
    order. The model runs once, in inference mode, and is as before afterwards.
    """
    found: dict[int, Moments] = {}
    thread = threading.get_ident()

    def call(layer: Any, axes: tuple[int, ...], original: Any, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())[0]
        if threading.get_ident() == thread and not backend.is_symbolic(given):
            values = ops.convert_to_numpy(ops.cast(given, "float32")).astype("float64")
            rows = np.moveaxis(values, axes, range(-len(axes), 0))
            size = int(np.prod(rows.shape[-len(axes) :]))
            empty = Moments(0, np.zeros(size), np.zeros((size, size)))
            found.setdefault(id(layer), empty).add(rows.reshape(-1, size))
        return original(*args, **kwargs)

    @contextmanager
    def hooked() -> Iterator[None]:
        with ExitStack() as stack:
            for layer, axes in layers:
                # A quantized layer has another method called.
                methods = {
                    name: partial(call, layer, axes, method)
                    for name in ("call", "quantized_call")
                    if (method := getattr(layer, name, None)) is not None
                }
                stack.enter_context(shadow(layer, **methods))
            yield

    with saved(model.variables, set()), backend.eager(), hooked():
        try:
            model(x, training=False)
        except Exception as error:
            raise failure(owner, model, x, error) from error
    return found
