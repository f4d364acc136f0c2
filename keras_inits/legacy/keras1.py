"""The eleven initializations of Keras 1.2.2: its fans, its defaults, its untruncated laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from keras_inits import checks
from keras_inits.base import Scheme, check_seed
from keras_inits.haar import haar
from keras_inits.legacy.keras1_fans import ORDERINGS, fans
from keras_inits.registry import register
from keras_inits.streams import Keras1Stream, Stream
from keras_inits.streams.placement import numpy_dtype
from keras_inits.streams.stream import Index

PACKAGE = "keras1"
SOURCE = "Keras 1.2.2, keras/initializations.py"

class _Keras1(Scheme):
    """What all eleven share. `dim_ordering` matters to fans of ranks 4 and 5 alone."""

    dim_ordering: str

    def _set_ordering(self, dim_ordering: str) -> None:
        if not isinstance(dim_ordering, str):
            expected = "'tf' or 'th'"
            raise checks.type_error(type(self).__name__, "dim_ordering", expected, dim_ordering)
        self.dim_ordering = dim_ordering

    def _filler(
        self, shape: tuple[int, ...], dtype: str, stream: Stream | None
    ) -> Callable[[Index], np.ndarray]:
        if dtype != "float16" or not isinstance(stream, Keras1Stream):
            return super()._filler(shape, dtype, stream)
        # Keras 1 rounded to float16 once, or had TensorFlow draw in it.
        whole = self.values(shape, dtype, stream)
        return lambda index: whole if index is None else np.ascontiguousarray(whole[index])


class _Scaled(_Keras1):
    """A law with an argument `scale`, any finite number: as in Keras 1, a negative one mirrors it."""

    def __init__(self, scale: float = 0.05, seed: Any = None, dim_ordering: str = "tf") -> None:
        self.scale = checks.number(type(self).__name__, "scale", scale)
        self.seed = check_seed(type(self).__name__, seed)
        self._set_ordering(dim_ordering)

    def _spread(self, stream: Stream) -> float:
        # Mirrored numbers have the same law, so only a replay has to tell.
        return self.scale if stream.sequential else abs(self.scale)


@register(law="U(-scale, scale)", source=SOURCE, package=PACKAGE)
class Uniform(_Scaled):
    """U(-scale, scale): Keras 1's `uniform`.

    >>> x = Uniform(seed=0)((100, 100))
    >>> round(float(x.max()), 2)
    0.05
    """

    def support(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return -abs(self.scale), abs(self.scale)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        scale = self._spread(stream)
        return stream.uniform(shape, -scale, scale, dtype, index)


@register(law="N(0, scale^2)", source=SOURCE, package=PACKAGE)
class Normal(_Scaled):
    """N(0, scale^2), not truncated: Keras 1's `normal`.

    With Theano a negative `scale` was, and in its replay is, a ValueError at the call.

    >>> x = Normal(seed=0)((100, 100))
    >>> round(float(x.std()), 2)
    0.05
    """

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return stream.normal(shape, 0.0, self._spread(stream), dtype, index)


class _ByFans(_Keras1):
    """A law whose variance is `numerator` over a fan, or over the sum of both."""

    numerator: ClassVar[float]
    both: ClassVar[bool] = False
    normal: ClassVar[bool] = False

    def __init__(self, seed: Any = None, dim_ordering: str = "tf") -> None:
        self.seed = check_seed(type(self).__name__, seed)
        self._set_ordering(dim_ordering)

    def scale(self, shape: Sequence[int]) -> float:
        """The standard deviation of a normal law, the bound of a uniform one."""
        fan_in, fan_out = fans(shape, self.dim_ordering)
        fan = fan_in + fan_out if self.both else fan_in
        return math.sqrt(self.numerator / fan) if fan else 0.0

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if len(dims) in (4, 5):
            checks.one_of(type(self).__name__, "dim_ordering", self.dim_ordering, ORDERINGS)
        return dims

    def support(self, shape: tuple[int, ...]) -> tuple[float, float] | None:
        bound = self.scale(shape)
        return None if self.normal else (-bound, bound)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        scale = self.scale(shape)
        if self.normal:
            return stream.normal(shape, 0.0, scale, dtype, index)
        return stream.uniform(shape, -scale, scale, dtype, index)


@register(law="U(-L, L), L = sqrt(3/fan_in)", source=SOURCE, package=PACKAGE)
class LecunUniform(_ByFans):
    """U(-L, L), L = sqrt(3/fan_in), with Keras 1's fans.

    >>> x = LecunUniform(seed=0)((300, 200))
    >>> round(float(x.max()), 2)
    0.1
    """

    numerator = 3.0


@register(law="N(0, 2/(fan_in + fan_out))", source=SOURCE, package=PACKAGE)
class GlorotNormal(_ByFans):
    """N(0, 2/(fan_in + fan_out)), not truncated, with Keras 1's fans.

    >>> x = GlorotNormal(seed=0)((100, 100))
    >>> round(float(x.std()), 2)
    0.1
    """

    numerator, both, normal = 2.0, True, True


@register(law="U(-L, L), L = sqrt(6/(fan_in + fan_out))", source=SOURCE, package=PACKAGE)
class GlorotUniform(_ByFans):
    """U(-L, L), L = sqrt(6/(fan_in + fan_out)), with Keras 1's fans.

    >>> x = GlorotUniform(seed=0)((300, 300))
    >>> round(float(x.max()), 2)
    0.1
    """

    numerator, both = 6.0, True


@register(law="N(0, 2/fan_in)", source=SOURCE, package=PACKAGE)
class HeNormal(_ByFans):
    """N(0, 2/fan_in), not truncated, with Keras 1's fans.

    >>> x = HeNormal(seed=0)((200, 100))
    >>> round(float(x.std()), 2)
    0.1
    """

    numerator, normal = 2.0, True


@register(law="U(-L, L), L = sqrt(6/fan_in)", source=SOURCE, package=PACKAGE)
class HeUniform(_ByFans):
    """U(-L, L), L = sqrt(6/fan_in), with Keras 1's fans.

    >>> x = HeUniform(seed=0)((600, 100))
    >>> round(float(x.max()), 2)
    0.1
    """

    numerator = 6.0


@register(law="scale * Haar-distributed Q", source=SOURCE, package=PACKAGE)
class Orthogonal(_Scaled):
    """scale times a Haar-distributed Q of shape (shape[0], product of the rest), reshaped.

    Keras 2 and later flatten the other way, to (product of all axes but the last, last): the same
    for a matrix, not for a kernel. `scale` is any finite number, 1.1 by Keras 1's default.
    ValueError at the call below rank 2.

    >>> q = Orthogonal(1.0, seed=0)((3, 2, 5))
    >>> round(float((q[0] ** 2).sum()), 5)
    1.0
    """

    min_rank = 2
    elementwise = False

    def __init__(self, scale: float = 1.1, seed: Any = None, dim_ordering: str = "tf") -> None:
        super().__init__(scale, seed, dim_ordering)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        if stream.sequential:
            return stream.orthogonal(shape, self.scale, dtype)  # type: ignore[attr-defined]
        q = haar(shape[0], math.prod(shape[1:]), stream, dtype)
        return (q * q.dtype.type(self.scale)).reshape(shape)


@register(law="scale * I", source=SOURCE, package=PACKAGE)
class Identity(_Keras1):
    """scale times the identity matrix. ValueError at the call unless the shape is square, rank 2.

    >>> float(Identity(0.5)((3, 3)).sum())
    1.5
    """

    random = False
    elementwise = False

    def __init__(self, scale: float = 1, dim_ordering: str = "tf") -> None:
        self.scale = checks.number("Identity", "scale", scale)
        self._set_ordering(dim_ordering)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if len(dims) != 2 or dims[0] != dims[1]:
            expected = "that of a 2D square matrix (keras_inits.Identity takes any matrix)"
            raise checks.value_error("Identity", "shape", expected, dims)
        return dims

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return (self.scale * np.identity(shape[0])).astype(numpy_dtype(dtype))


class _Filled(_Keras1):
    random = False
    entry: ClassVar[int]

    def __init__(self, dim_ordering: str = "tf") -> None:
        self._set_ordering(dim_ordering)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        if index is not None:
            shape = tuple(part.stop - part.start for part in index)
        return np.full(shape, self.entry, numpy_dtype(dtype))


@register(law="0", source=SOURCE, package=PACKAGE)
class Zero(_Filled):
    """All entries 0.

    >>> float(Zero()((2, 3)).sum())
    0.0
    """

    entry = 0


@register(law="1", source=SOURCE, package=PACKAGE)
class One(_Filled):
    """All entries 1.

    >>> float(One()((2, 3)).sum())
    6.0
    """

    entry = 1


#: Keras 1's own strings and the classes that they mean.
NAMES: dict[str, type[Scheme]] = {
    "uniform": Uniform,
    "normal": Normal,
    "lecun_uniform": LecunUniform,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "orthogonal": Orthogonal,
    "identity": Identity,
    "zero": Zero,
    "one": One,
}
