"""Biases from which a classifier starts at known probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.default.quantile import log64
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


@register(
    law="log(p/(1 - p)) for sigmoid, log p for softmax",
    source="Lin et al. 2017, arXiv 1708.02002",
    family="prior",
)
class PriorBias(Scheme):
    """The bias of a classifier that starts at the given probabilities, as far as its kernel is small.

    `activation` "sigmoid": log(p/(1 - p)); `probability` is one number between 0 and 1 for all units
    (RetinaNet: 0.01), or a list of one per unit. "softmax": log p of each class; a list that sums
    to 1. With shares of the training data the first loss is their entropy, and first steps are not
    spent on finding them. ValueError at the call for a shape other than (units,).

    >>> round(float(PriorBias(0.01)((1,))[0]), 4)
    -4.5951

    Source: Lin et al. 2017 (arXiv 1708.02002), section 3.3, for sigmoid.
    """

    random = False
    min_rank = max_rank = 1

    def __init__(self, probability: Any, activation: str = "sigmoid") -> None:
        self.activation = checks.one_of(
            "PriorBias", "activation", activation, ("sigmoid", "softmax")
        )
        self.probability = _probabilities(probability, self.activation)

    def check_dtype(self, dtype: object) -> str:
        return checks.float_dtype("PriorBias", super().check_dtype(dtype))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if isinstance(self.probability, list) and dims != (len(self.probability),):
            expected = f"({len(self.probability)},), one unit per probability"
            raise checks.value_error("PriorBias", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        bias = self._bias()
        return laws.Point(float(bias)) if bias.ndim == 0 else laws.Entries(bias)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return np.full(shape, self._bias(), numpy_dtype(dtype))

    def _bias(self) -> np.ndarray:
        p = np.asarray(self.probability, "float64")
        return log64(p) if self.activation == "softmax" else log64(p) - log64(1 - p)


def _probabilities(value: Any, activation: str) -> Any:
    """One probability, or a list of them."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        one = checks.number("PriorBias", "probability", value, above=0, below=1)
        if activation == "softmax":
            expected = "a list of one number per class where activation is 'softmax'"
            raise checks.value_error("PriorBias", "probability", expected, value)
        return one
    each = [
        checks.number("PriorBias", f"probability[{i}]", p, above=0, below=1)
        for i, p in enumerate(value)
    ]
    if not each:
        raise checks.value_error("PriorBias", "probability", "a number or a list, not empty", value)
    if activation == "softmax" and abs(math.fsum(each) - 1.0) > 1e-6:
        expected = "a list that sums to 1 where activation is 'softmax'"
        raise checks.value_error("PriorBias", "probability", expected, value)
    return each
