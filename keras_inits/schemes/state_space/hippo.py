"""The matrices of a state that keeps the coefficients of its input's past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


@register(law="HiPPO-LegS, A or B", source="Gu et al. 2020, arXiv 2008.07669", family="state_space")
class HiPPO(Scheme):
    """HiPPO-LegS: x' = A x + B u keeps the Legendre coefficients of the past of u, e-fold by e-fold.

    A[n, k] = -sqrt((2n+1)(2k+1)) below the diagonal, -(n+1) on it, 0 above; B[n] = sqrt(2n+1).
    `part` "state" is A as a kernel (N, N), "input" B as a kernel (1, N), both transposed to act on
    rows, h K, as Keras's do. `step` None gives them as they are, a number > 0 for a recurrence of
    that step, by the bilinear rule. ValueError at the call for another shape.

    >>> k = HiPPO()((3, 3))
    >>> [round(float(entry), 4) for entry in k[0]]
    [-1.0, -1.7321, -2.2361]

    Source: Gu et al. 2020 (arXiv 2008.07669), theorem 2; the step as in S4 (arXiv 2111.00396),
    equation 3.
    """

    random = False
    min_rank = max_rank = 2

    def __init__(self, part: str = "state", step: float | None = None) -> None:
        self.part = checks.one_of("HiPPO", "part", part, ("state", "input"))
        self.step = None if step is None else checks.number("HiPPO", "step", step, above=0)

    def check_dtype(self, dtype: Any) -> str:
        return checks.float_dtype("HiPPO", super().check_dtype(dtype))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if 0 not in dims and dims[0] != (dims[1] if self.part == "state" else 1):
            expected = "(N, N)" if self.part == "state" else "(1, N)"
            raise checks.value_error("HiPPO", "shape", f"{expected} for part {self.part!r}", dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return laws.Entries(self._matrix(shape[1])) if 0 not in shape else laws.Point(0.0)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return self._matrix(shape[1]).astype(numpy_dtype(dtype))

    def _matrix(self, n: int) -> np.ndarray:
        root = np.sqrt(2.0 * np.arange(n) + 1)
        a = -np.tril(np.outer(root, root), -1) - np.diag(np.arange(n) + 1.0)
        b = root[:, None]
        if self.step is not None:
            half = self.step / 2 * a
            both = np.hstack([np.eye(n) + half, self.step * b])
            both = np.linalg.solve(np.eye(n) - half, both)
            a, b = both[:, :n], both[:, n:]
        return (a if self.part == "state" else b).T
