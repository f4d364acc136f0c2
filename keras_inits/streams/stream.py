"""What every source of random numbers offers: the checks of its arguments, once, and the draws."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from keras_inits import checks
from keras_inits.streams.block import Index, check_index
from keras_inits.streams.default.bounds import truncation
from keras_inits.streams.default.haar import haar
from keras_inits.streams.narrow import Support, draw_dtype, largest, narrow

__all__ = ["Index", "Stream"]

Draw = Callable[[str], np.ndarray]  # an array of the dtype named
_MOST = largest("float64")
_FARTHEST = 8.6  # no stream draws a normal number farther from 0, nor from a bound beyond it


class Stream:
    """A source of random numbers that a scheme draws from; pass one as `seed=`.

    `shape` is the whole tensor's; `index`, a slice per axis, asks for a block of it alone, equal to
    the same block of the whole. All methods return C-ordered NumPy arrays. In float16 and bfloat16
    the numbers are float32's, rounded once and never across the bounds of the law. A stream that
    replays another framework offers the laws which that framework has; the others raise ValueError.

    The public methods check their arguments, for every stream alike. A subclass writes `_uniform`,
    `_normal`, ..., which take checked arguments and only draw; the laws left out cannot be drawn.
    Its orthogonal matrices are made of its normal numbers unless it writes `_orthogonal`.
    """

    #: Replays hand out their numbers in order and so must be asked once for each tensor, whole.
    sequential: ClassVar[bool] = False
    #: The dtypes that it has numbers of. Narrow ones besides are rounded from float32.
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")

    def __init__(self, seed: int) -> None:
        self.seed = checks.integer(type(self).__name__, "seed", seed, low=0, high=2**64 - 1)

    def uniform(
        self,
        shape: Sequence[int],
        low: float = 0.0,
        high: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """Entries of U(low, high)."""
        dims, index = self._checked(shape, dtype, index)
        low, high = self._number("low", low), self._number("high", high)
        if low > high:
            raise self._bad("high", f">= low = {low}", high)
        self._holds(dtype, "low, high", (low, high), low, high)
        most = largest(dtype if dtype in self.dtypes else draw_dtype(dtype))
        if not high - low <= most:
            raise self._bad("high", f"at most {most:.2g} above low in {dtype}", high)
        return self._rounded(
            dtype, (low, high), lambda real: self._uniform(dims, low, high, real, index)
        )

    def normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """Entries of N(mean, stddev^2)."""
        dims, index = self._checked(shape, dtype, index)
        mean, stddev = self._number("mean", mean), self._number("stddev", stddev, 0.0)
        far = _FARTHEST * stddev
        self._holds(dtype, "mean, stddev", (mean, stddev), mean - far, mean + far)
        return self._rounded(
            dtype, None, lambda real: self._normal(dims, mean, stddev, real, index)
        )

    def truncated_normal(
        self,
        shape: Sequence[int],
        mean: float = 0.0,
        stddev: float = 1.0,
        low: float = -2.0,
        high: float = 2.0,
        dtype: str = "float32",
        index: Index = None,
    ) -> np.ndarray:
        """Entries of N(mean, stddev^2) given low <= (value - mean) / stddev <= high, also infinite."""
        dims, index = self._checked(shape, dtype, index)
        mean, stddev = self._number("mean", mean), self._number("stddev", stddev, 0.0)
        low, high = self._bound("low", low), self._bound("high", high)
        if not (low < high and low < math.inf and high > -math.inf):
            raise self._bad("low, high", "low < high", (low, high))
        first = mean + stddev * max(low, min(high, 0.0) - _FARTHEST)
        last = mean + stddev * min(high, max(low, 0.0) + _FARTHEST)
        self._holds(dtype, "mean, stddev", (mean, stddev), first, last)
        return self._rounded(
            dtype,
            truncation(mean, stddev, low, high),
            lambda real: self._truncated_normal(dims, mean, stddev, low, high, real, index),
        )

    def signs(
        self, shape: Sequence[int], dtype: str = "float32", index: Index = None
    ) -> np.ndarray:
        """Entries -1 and 1, equally likely."""
        dims, index = self._checked(shape, dtype, index)
        return self._rounded(dtype, None, lambda real: self._signs(dims, real, index))

    def integers(self, shape: Sequence[int], high: int, index: Index = None) -> np.ndarray:
        """Integers (int64), uniform on 0, 1, ..., high - 1."""
        dims, index = self._checked(shape, "float32", index)
        high = checks.integer(type(self).__name__, "high", high, low=1, high=2**63)
        return self._integers(dims, high, index)

    def permutation(self, n: int) -> np.ndarray:
        """A random order of 0, 1, ..., n - 1 (int64)."""
        return self._permutation(checks.integer(type(self).__name__, "n", n, low=0))

    def orthogonal(
        self, shape: Sequence[int], gain: float = 1.0, dtype: str = "float32"
    ) -> np.ndarray:
        """gain Q, Q Haar-distributed of shape (product of all axes but the last, last), reshaped.

        Q has orthonormal columns or, where they are longer, rows. A replay draws the Q of its
        framework, which may flatten the axes in another way.
        """
        dims, _ = self._checked(shape, dtype, None, min_rank=2)
        gain = self._number("gain", gain)
        return Stream._rounded(self, dtype, None, lambda real: self._orthogonal(dims, gain, real))

    def _uniform(
        self, shape: tuple[int, ...], low: float, high: float, dtype: str, index: Index
    ) -> np.ndarray:
        raise self._cannot("a uniform law")

    def _normal(
        self, shape: tuple[int, ...], mean: float, stddev: float, dtype: str, index: Index
    ) -> np.ndarray:
        raise self._cannot("a normal law")

    def _truncated_normal(
        self,
        shape: tuple[int, ...],
        mean: float,
        stddev: float,
        low: float,
        high: float,
        dtype: str,
        index: Index,
    ) -> np.ndarray:
        raise self._cannot("a truncated normal law")

    def _signs(self, shape: tuple[int, ...], dtype: str, index: Index) -> np.ndarray:
        raise self._cannot("random signs")

    def _integers(self, shape: tuple[int, ...], high: int, index: Index) -> np.ndarray:
        raise self._cannot("random integers")

    def _permutation(self, n: int) -> np.ndarray:
        raise self._cannot("a permutation")

    def _orthogonal(self, shape: tuple[int, ...], gain: float, dtype: str) -> np.ndarray:
        rows, cols = math.prod(shape[:-1]), shape[-1]
        q = haar(rows, cols, lambda n: self._normal((n,), 0.0, 1.0, dtype, None))
        if gain != 1:
            q *= q.dtype.type(gain)
        return q.reshape(shape)

    def on_device(self, shape: tuple[int, ...]) -> Stream:
        """The same numbers, whole tensors of this shape perhaps as the backend's, drawn on its device."""
        return self

    def child(self, *keys: str | int) -> Stream:
        """The stream for the part named by `keys`; a replay has one order and goes on in it."""
        return self

    def for_weight(self, layer: Any, path: str) -> Stream:
        """The stream that draws the weight at `path`, which belongs to `layer`."""
        return self.child(path)

    def enter(self, layer: Any) -> None:
        """The weights that are drawn next belong to layers inside of `layer`."""

    def drawn(self, layer: Any, roles: Sequence[str]) -> None:
        """All variables of the layer itself, of these roles, have been drawn."""

    def leave(self, layer: Any) -> None:
        """All that is inside of `layer`, which was entered, has been drawn."""

    def mirrored(self, law: str) -> bool:
        """Whether the framework mirrored the numbers of a "uniform" or "normal" law about 0 where its
        scale was negative. The law is the same, so only a replay has to."""
        return False

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: config {config!r} does not fit: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.seed))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def _checked(
        self, shape: Sequence[int], dtype: str, index: Index, min_rank: int = 0
    ) -> tuple[tuple[int, ...], Index]:
        owner = type(self).__name__
        checks.one_of(owner, "dtype", dtype, checks.FLOAT_DTYPES)
        dims = checks.shape(owner, shape, min_rank=min_rank)
        return dims, check_index(owner, index, dims)

    def _number(self, name: str, value: Any, low: float | None = None) -> float:
        """The value as a Python float, which NumPy rounds to the array's dtype; -0 as 0."""
        if type(value) is float and (-_MOST if low is None else low) <= value <= _MOST:
            return value + 0.0
        return float(checks.number(type(self).__name__, name, value, low=low)) + 0.0

    def _bound(self, name: str, value: Any) -> float:
        """A number that may be infinite, or no number at all, which no comparison passes."""
        if type(value) is float or (isinstance(value, numbers.Real) and not math.isfinite(value)):
            return float(value) + 0.0
        return self._number(name, value)

    def _bad(self, name: str, expected: str, value: Any) -> ValueError:
        return checks.value_error(type(self).__name__, name, expected, value)

    def _cannot(self, law: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: cannot replay {law}")

    def _holds(
        self, dtype: str, names: str, values: tuple[float, float], first: float, last: float
    ) -> None:
        """Numbers from `first` to `last` must not become infinite."""
        if not -largest(dtype) <= first <= last <= largest(dtype):
            raise self._bad(names, f"such that {dtype} can hold every number of the law", values)

    def _rounded(self, dtype: str, support: Support, draw: Draw) -> np.ndarray:
        """`draw(dtype)`; where the stream has no numbers of that dtype, rounded from float32."""
        if dtype in self.dtypes:
            return draw(dtype)
        return narrow(draw("float32"), dtype, support)
