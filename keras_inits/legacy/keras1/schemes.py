"""The eleven initializations of Keras 1.2.2: its fans, its defaults, its untruncated laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme
from keras_inits.legacy.keras1.base import ByFans, Keras1Scheme, Scaled
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index

PACKAGE = "keras1"
SOURCE = "Keras 1.2.2, keras/initializations.py"


@register(law="U(-scale, scale)", source=SOURCE, package=PACKAGE)
class Uniform(Scaled):
    """U(-scale, scale): Keras 1's `uniform`. `scale` is any finite number, 0.05 by default.

    >>> x = Uniform(seed=0)((100, 100))
    >>> round(float(keras.ops.max(x)), 2)
    0.05
    """

    alike = True

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Uniform(-abs(self.scale), abs(self.scale))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        mirrored, bound = self._mirrored("uniform", stream), abs(self.scale)
        drawn = stream.uniform(shape, -bound, bound, dtype, index)
        return 0 - drawn if mirrored else drawn


@register(law="N(0, scale^2)", source=SOURCE, package=PACKAGE)
class Normal(Scaled):
    """N(0, scale^2), not truncated: Keras 1's `normal`.

    With Theano a negative `scale` was, and in its replay is, a ValueError at the call.

    >>> x = Normal(seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.05
    """

    alike = True

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(0.0, abs(self.scale))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        mirrored = self._mirrored("normal", stream)
        drawn = stream.normal(shape, 0.0, abs(self.scale), dtype, index)
        return 0 - drawn if mirrored else drawn


@register(law="U(-L, L), L = sqrt(3/fan_in)", source=SOURCE, package=PACKAGE)
class LecunUniform(ByFans):
    """U(-L, L), L = sqrt(3/fan_in), with Keras 1's fans.

    >>> x = LecunUniform(seed=0)((300, 200))
    >>> round(float(keras.ops.max(x)), 2)
    0.1
    """

    numerator = 3.0


@register(law="N(0, 2/(fan_in + fan_out))", source=SOURCE, package=PACKAGE)
class GlorotNormal(ByFans):
    """N(0, 2/(fan_in + fan_out)), not truncated, with Keras 1's fans.

    >>> x = GlorotNormal(seed=0)((100, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.1
    """

    numerator, both, normal = 2.0, True, True


@register(law="U(-L, L), L = sqrt(6/(fan_in + fan_out))", source=SOURCE, package=PACKAGE)
class GlorotUniform(ByFans):
    """U(-L, L), L = sqrt(6/(fan_in + fan_out)), with Keras 1's fans.

    >>> x = GlorotUniform(seed=0)((300, 300))
    >>> round(float(keras.ops.max(x)), 2)
    0.1
    """

    numerator, both = 6.0, True


@register(law="N(0, 2/fan_in)", source=SOURCE, package=PACKAGE)
class HeNormal(ByFans):
    """N(0, 2/fan_in), not truncated, with Keras 1's fans.

    >>> x = HeNormal(seed=0)((200, 100))
    >>> round(float(keras.ops.std(x)), 2)
    0.1
    """

    numerator, normal = 2.0, True


@register(law="U(-L, L), L = sqrt(6/fan_in)", source=SOURCE, package=PACKAGE)
class HeUniform(ByFans):
    """U(-L, L), L = sqrt(6/fan_in), with Keras 1's fans.

    >>> x = HeUniform(seed=0)((600, 100))
    >>> round(float(keras.ops.max(x)), 2)
    0.1
    """

    numerator = 6.0


@register(law="scale * Haar-distributed Q", source=SOURCE, package=PACKAGE)
class Orthogonal(Scaled):
    """scale times a Haar-distributed Q of shape (shape[0], product of the rest), reshaped.

    Keras 2 and later flatten the other way, to (product of all axes but the last, last): the same
    for a matrix, not for a kernel. `scale` is any finite number, 1.1 by Keras 1's default.
    ValueError at the call below rank 2.

    >>> q = Orthogonal(1.0, seed=0)((3, 2, 5))
    >>> round(float(keras.ops.sum(q[0] ** 2)), 5)
    1.0
    """

    min_rank = 2

    def __init__(self, scale: float = 1.1, seed: Any = None, dim_ordering: str = "tf") -> None:
        super().__init__(scale, seed, dim_ordering)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.SphereEntry(max(shape[0], math.prod(shape[1:]), 1), self.scale)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        flat = shape[0], math.prod(shape[1:])
        return stream.orthogonal(flat, self.scale, dtype).reshape(shape)


@register(law="scale * I", source=SOURCE, package=PACKAGE)
class Identity(Keras1Scheme):
    """`scale`, any finite number, times the identity matrix.

    ValueError at the call unless the shape is square, rank 2.

    >>> float(keras.ops.sum(Identity(0.5)((3, 3))))
    1.5
    """

    random = False

    def __init__(self, scale: float = 1, dim_ordering: str = "tf") -> None:
        self.scale = checks.number("Identity", "scale", scale)
        self._set_ordering(dim_ordering)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if len(dims) != 2 or dims[0] != dims[1]:
            expected = "that of a 2D square matrix (keras_inits.Identity takes any matrix)"
            raise checks.value_error("Identity", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        share = 1 / max(*shape, 1)
        return laws.mixture([laws.Point(self.scale), laws.Point(0.0)], [share, 1 - share])

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        return (self.scale * np.identity(shape[0])).astype(numpy_dtype(dtype))


class _Filled(Keras1Scheme):
    random = False
    entry: ClassVar[int]

    def __init__(self, dim_ordering: str = "tf") -> None:
        self._set_ordering(dim_ordering)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Point(self.entry)


@register(law="0", source=SOURCE, package=PACKAGE)
class Zero(_Filled):
    """All entries 0.

    >>> float(keras.ops.sum(Zero()((2, 3))))
    0.0
    """

    entry = 0


@register(law="1", source=SOURCE, package=PACKAGE)
class One(_Filled):
    """All entries 1.

    >>> float(keras.ops.sum(One()((2, 3))))
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
