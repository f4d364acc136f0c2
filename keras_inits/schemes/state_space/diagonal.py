"""Complex diagonal recurrences: each state a spiral of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.default.quantile import log64
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index

_TINY = 2.0**-53


def _rows(owner: str, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    if 0 not in shape and shape[0] != count:
        raise checks.value_error(owner, "shape", f"({count}, states)", shape)
    return shape


@register(
    law="-1/2 + i pi k, or another of three rows of eigenvalues",
    source="Gu et al. 2022, arXiv 2206.11893",
    family="state_space",
)
class S4D(Scheme):
    """The eigenvalues of S4D, k = 0, 1, ...: row 0 holds the real parts, row 1 the imaginary ones.

    `variant` "lin": -1/2 + i pi k. "inv": -1/2 + i (N/pi)(N/(2k+1) - 1), N twice the columns, as each
    stands for a conjugate pair too. "real": -(k+1). They are those of the continuous state; a layer
    stores log(-real) or the like as it needs. ValueError at the call for a shape other than
    (2, states). The steps that go with them are log-uniform: `StepBias`.

    >>> [round(float(x), 4) for x in S4D()((2, 3))[1]]
    [0.0, 3.1416, 6.2832]

    Source: Gu, Gupta, Goel, Ré 2022 (arXiv 2206.11893), section 4.
    """

    random = False
    min_rank = max_rank = 2

    def __init__(self, variant: str = "lin") -> None:
        self.variant = checks.one_of("S4D", "variant", variant, ("lin", "inv", "real"))

    def check_dtype(self, dtype: Any) -> str:
        return checks.float_dtype("S4D", super().check_dtype(dtype))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _rows("S4D", super().check_shape(shape), 2)

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.Entries(self._eigenvalues(shape[1])) if 0 not in shape else laws.Point(0.0)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return self._eigenvalues(shape[1]).astype(numpy_dtype(dtype))

    def _eigenvalues(self, states: int) -> np.ndarray:
        k, n = np.arange(states, dtype="float64"), 2.0 * states
        if self.variant == "real":
            return np.stack([-(k + 1), 0 * k])
        imaginary = math.pi * k if self.variant == "lin" else n / math.pi * (n / (2 * k + 1) - 1)
        return np.stack([np.full(states, -0.5), imaginary])


@register(
    law="eigenvalues uniform on a ring, as logarithms, with their normalization",
    source="Orvieto et al. 2023, arXiv 2303.06349",
    family="state_space",
)
class LRURing(Scheme):
    """A linear recurrent unit's eigenvalues, uniform on the ring r_min <= |lambda| <= r_max.

    lambda = exp(-exp(nu) + i exp(theta)); rows 0, 1, 2 hold nu, theta and gamma = log sqrt(1 -
    |lambda|^2), by which the input is scaled. One weight of shape (3, states), as gamma follows from
    nu's draw. 0 <= `r_min` < `r_max` <= 1; phases up to `max_phase`, > 0 and <= 2 pi: small ones and
    `r_min` near 1 for long memories. ValueError at the call for another shape.

    >>> x = LRURing(0.9, 0.99, seed=0)((3, 1000))
    >>> 0.89 < float(keras.ops.min(keras.ops.exp(-keras.ops.exp(x[0])))) < 0.91
    True

    Source: Orvieto et al. 2023 (arXiv 2303.06349), lemma 3.2 and appendix A.
    """

    min_rank = max_rank = 2

    def __init__(
        self,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
        seed: Any = None,
    ) -> None:
        self.r_min = checks.number("LRURing", "r_min", r_min, low=0, below=1)
        self.r_max = checks.number("LRURing", "r_max", r_max, above=self.r_min, high=1)
        top = 2 * math.pi
        self.max_phase = checks.number("LRURing", "max_phase", max_phase, above=0, high=top)
        self.seed = check_seed("LRURing", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _rows("LRURing", super().check_shape(shape), 3)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        states = shape[1:]
        square = stream.uniform(states, self.r_min**2, self.r_max**2, "float64")
        square = np.clip(square, _TINY, 1 - _TINY)
        phase = stream.child("phase").uniform(states, 0.0, self.max_phase, "float64")
        nu = log64(-log64(square) / 2)
        theta = log64(np.maximum(phase, _TINY))
        return np.stack([nu, theta, log64(1 - square) / 2]).astype(dtype)
