"""Laws by what a recurrence does over time: echo states, chains, steps of state-space layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index

# Up to here a dense solve of all eigenvalues takes no longer than an iteration.
_DENSE = 256


def _square(owner: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if 0 not in shape and shape[0] != shape[1]:
        raise checks.value_error(owner, "shape", "a square matrix", shape)
    return shape


@register(law="U(-1/2, 1/2) scaled to a spectral radius", source="Jaeger 2001", family="recurrent")
class EchoState(Scheme):
    """A reservoir's recurrent kernel: entries of U(-1/2, 1/2), then scaled to `spectral_radius`.

    The largest modulus of an eigenvalue, a number > 0, sets how long an echo state network remembers;
    below 1 (0.9, say) old inputs fade. The kernel is not trained. Exact to 1e-5; its eigenvalues
    are LAPACK's, so another machine may round the last bit of an entry otherwise. Square matrices
    only, else ValueError at the call.

    >>> k = EchoState(0.9, seed=0)((50, 50))
    >>> round(float(max(abs(np.linalg.eigvals(keras.ops.convert_to_numpy(k))))), 4)
    0.9

    Source: Jaeger 2001, The "echo state" approach to analysing and training recurrent neural
    networks, GMD report 148.
    """

    min_rank = max_rank = 2

    def __init__(self, spectral_radius: float, seed: Any = None) -> None:
        self.spectral_radius = checks.number(
            "EchoState", "spectral_radius", spectral_radius, above=0
        )
        self.seed = check_seed("EchoState", seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _square("EchoState", super().check_shape(shape))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        kernel = stream.uniform(shape, -0.5, 0.5, dtype).astype("float64")
        start = stream.child("start").uniform(shape[:1], 0.5, 1.0, "float64")
        radius = _spectral_radius(kernel, start)
        if not radius > 0:
            raise checks.value_error("EchoState", "the drawn matrix", "not nilpotent", kernel)
        return (kernel * (self.spectral_radius / radius)).astype(dtype)


def _spectral_radius(matrix: np.ndarray, start: np.ndarray) -> float:
    """The largest modulus of an eigenvalue; of a large matrix from its 32nd power, whose largest
    eigenvalues lie far enough apart for Arnoldi's iteration to find them in a few steps."""
    if len(matrix) > _DENSE:
        from scipy.sparse.linalg import ArpackNoConvergence, eigs

        power = np.linalg.matrix_power(matrix, 32)
        try:
            found = eigs(power, k=2, v0=start, tol=1e-8, return_eigenvectors=False)
            return float(np.abs(found).max() ** (1 / 32))
        except ArpackNoConvergence:
            pass
    return float(np.abs(np.linalg.eigvals(matrix)).max())


@register(
    law="inverse softplus of a step whose logarithm is uniform",
    source="Gu & Dao 2023, arXiv 2312.00752",
    family="recurrent",
)
class StepBias(Scheme):
    """The bias before a softplus that gives steps from `low` to `high`, log-uniform: Mamba's.

    step + log(1 - exp(-step)), log(step) ~ U(log low, log high). State-space layers with input-
    dependent steps so start with time scales from 1/high to 1/low. 0 < `low` < `high`; Mamba's
    defaults are 0.001 and 0.1 (its floor of 0.0001 cuts nothing there). ValueError at the call for
    a rank other than 1.

    >>> b = StepBias(seed=0)((1000,))
    >>> bool(keras.ops.all(keras.ops.softplus(b) < 0.1001))
    True

    Source: Gu & Dao 2023 (arXiv 2312.00752); the authors' `mamba_simple.py`.
    """

    min_rank = max_rank = 1

    def __init__(self, low: float = 1e-3, high: float = 0.1, seed: Any = None) -> None:
        self.low = checks.number("StepBias", "low", low, above=0)
        self.high = checks.number("StepBias", "high", high, above=self.low)
        self.seed = check_seed("StepBias", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.SoftplusStep(self.low, self.high)


@register(
    law="gain above the diagonal, feedback below, else 0",
    source="Orhan & Pitkow 2020, arXiv 1905.13715",
    family="recurrent",
)
class Chain(Scheme):
    """A recurrent kernel that hands each unit's state to the next: `gain` just above the diagonal.

    A linear state h K moves on by a unit and grows by `gain` at every step, so that n units hold the
    last n inputs of the first. `feedback` goes just below the diagonal: the paper's second variant is
    `Chain(0.99, 0.04)`. Both are finite numbers. Square matrices only, else ValueError at the call.

    >>> k = Chain()((3, 3))
    >>> round(float(k[0, 1]), 2)
    1.02

    Source: Orhan & Pitkow 2020 (arXiv 1905.13715); the authors' `NonnormalInit.py`.
    """

    random = False
    min_rank = max_rank = 2

    def __init__(self, gain: float = 1.02, feedback: float = 0.0) -> None:
        self.gain = checks.number("Chain", "gain", gain)
        self.feedback = checks.number("Chain", "feedback", feedback)

    def check_dtype(self, dtype: object) -> str:
        return checks.float_dtype("Chain", super().check_dtype(dtype))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return _square("Chain", super().check_shape(shape))

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        n = max(shape[0], 1)
        share = (n - 1) / n**2
        parts = [laws.Point(value) for value in (self.gain, self.feedback, 0.0)]
        return laws.mixture(parts, [share, share, 1 - 2 * share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        kernel = self.gain * np.eye(shape[0], k=1) + self.feedback * np.eye(shape[0], k=-1)
        return kernel.astype(numpy_dtype(dtype))
