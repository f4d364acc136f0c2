"""What every law can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits.streams import Stream
from keras_inits.streams.narrow import narrow
from keras_inits.streams.stream import Index


class Law:
    """The distribution of one entry.

    A subclass gives `mean`, `std`, `support`, `cdf` and `quantile`, and `pdf` where it has a
    density; `str(law)` is its text. `quantile` and `cdf` take arrays. Two laws are equal when their
    classes and arguments are.
    """

    #: The arguments, under their own names.
    _fields: tuple[str, ...] = ()
    #: `draw` raises where the dtype cannot hold an entry.
    checked = False

    @property
    def mean(self) -> float:
        """The expected value."""
        raise NotImplementedError(f"{type(self).__name__} must have a mean")

    @property
    def std(self) -> float:
        """The standard deviation."""
        raise NotImplementedError(f"{type(self).__name__} must have a std")

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value, which may be infinite."""
        return -math.inf, math.inf

    @property
    def continuous(self) -> bool:
        """Whether no value has a probability of its own."""
        return True

    def pdf(self, x: Any) -> np.ndarray:
        """The density at `x`; infinite at a value that has a probability of its own."""
        raise NotImplementedError(f"{type(self).__name__} must have a pdf")

    def cdf(self, x: Any) -> np.ndarray:
        """P(entry <= x)."""
        raise NotImplementedError(f"{type(self).__name__} must have a cdf")

    def quantile(self, p: Any) -> np.ndarray:
        """The least x with P(entry <= x) >= p, for 0 <= p <= 1."""
        raise NotImplementedError(f"{type(self).__name__} must have a quantile")

    def draw(
        self, stream: Stream, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        """Entries from `stream`; here by the quantile of uniform numbers."""
        p = stream.uniform(shape, 0.0, 1.0, "float64", index)
        return narrow(self.quantile(p), dtype, self.support if self.continuous else None)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def __str__(self) -> str:
        return repr(self)
