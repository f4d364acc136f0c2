"""Laws taken from data, and arrays as they are."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, Self

import keras
import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed
from keras_inits.registry import register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.stream import Index


@register(law="row j ~ N(mean_j, stddev_j^2)", source="data", family="data")
class DataNormal(Scheme):
    """Entries of row j are N(mean_j, stddev_j^2): the statistics of input feature j.

    `mean` and `stddev` >= 0 are sequences of one number per input feature (the kernel's second-last
    axis), or single numbers for all; `from_data` takes them from data. For a layer that reads the
    data directly. ValueError at the call below rank 2 or where the number of features differs.
    To set a network's scale from data prefer `lsuv`.

    >>> DataNormal.from_data([[0.0, 5.0], [2.0, 5.0]])
    DataNormal(mean=[1.0, 5.0], stddev=[1.0, 0.0])
    """

    min_rank = 2
    elementwise = True

    def __init__(self, mean: Any, stddev: Any, seed: Any = None) -> None:
        self.mean = _numbers("mean", mean)
        self.stddev = _numbers("stddev", stddev, low=0)
        self.seed = check_seed("DataNormal", seed)
        sizes = {len(v) for v in (self.mean, self.stddev) if isinstance(v, list)}
        if len(sizes) > 1:
            raise checks.value_error(
                "DataNormal", "stddev", f"as long as mean ({len(self.mean)})", self.stddev
            )
        self._features = sizes.pop() if sizes else None

    @classmethod
    def from_data(cls, x: Any, seed: Any = None) -> Self:
        """The scheme with the mean and standard deviation of each feature (last axis) of `x`."""
        expected = "an array of finite numbers of shape (samples..., features), not empty"
        try:
            array = np.asarray(keras.ops.convert_to_numpy(x), "float64")
        except (TypeError, ValueError) as error:
            raise checks.type_error("DataNormal.from_data", "x", expected, x) from error
        if array.ndim < 2 or array.size == 0 or not np.isfinite(array).all():
            raise ValueError(
                f"DataNormal.from_data: x must be {expected}, got shape {array.shape}"
                + ("" if np.isfinite(array).all() else " with NaN or infinity")
            )
        rows = array.reshape(-1, array.shape[-1])
        return cls(rows.mean(axis=0).tolist(), rows.std(axis=0).tolist(), seed)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if self._features not in (None, dims[-2]):
            expected = f"of {self._features} input features (the second-last axis)"
            raise checks.value_error("DataNormal", "shape", expected, dims)
        return dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        rows = np.broadcast_arrays(self.mean, self.stddev, np.zeros(shape[-2]))[:2]
        parts = [laws.Normal(*row) for row in np.stack(rows, axis=1).tolist()]
        return laws.mixture(parts, [1.0] * len(parts))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        block = stream.normal(shape, 0.0, 1.0, dtype, index)
        rows = slice(None) if index is None else index[-2]
        mean, stddev = (
            np.asarray(v, dtype)[rows, None] if isinstance(v, list) else np.asarray(v, dtype)
            for v in (self.mean, self.stddev)
        )
        block *= stddev
        block += mean
        return block


def _numbers(name: str, value: Any, low: float | None = None) -> Any:
    """One finite number, or a list of them."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        return checks.number("DataNormal", name, value, low=low)
    numbers = [
        checks.number("DataNormal", f"{name}[{i}]", item, low=low) for i, item in enumerate(value)
    ]
    if not numbers:
        raise checks.value_error(
            "DataNormal", name, "a number or a list of numbers, not empty", value
        )
    return numbers


@register(law="the given array", source="data", family="data")
class FromArray(Scheme):
    """The entries of `array`, a NumPy array or tensor.

    For weights that exist already: pretrained embeddings, fixed filters.
    The config holds the array's shape, dtype and SHA-256, not its numbers: those come back with the
    weights of a saved model. In one process a config finds the numbers again as long as an object
    that holds them lives; without them a layer starts from zeros, and `initialize` leaves it as it
    is. ValueError at the call where the shape differs.

    `shape`, `dtype` and `sha256` are filled in from `array`; a config gives them in its stead.

    >>> FromArray([[1.0, 2.0]])((1, 2)).shape == (1, 2)
    True
    """

    random = False
    elementwise = True
    finite = False  # an infinite entry of the array is meant
    transient = ("array",)

    def __init__(
        self,
        array: Any = None,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        sha256: str | None = None,
    ) -> None:
        expected = "an array of real numbers"
        self.array = None
        if array is not None:
            if shape is not None or dtype is not None or sha256 is not None:
                raise ValueError(
                    "FromArray: shape, dtype and sha256 must be left to the array where one is given"
                )
            try:
                self.array = np.array(keras.ops.convert_to_numpy(array), order="C")
                dtype = keras.backend.standardize_dtype(self.array.dtype)
                if self.array.dtype.kind == "c":
                    raise TypeError("complex numbers")
            except (TypeError, ValueError) as error:
                raise checks.type_error("FromArray", "array", expected, array) from error
            self.array.flags.writeable = False
            shape, sha256 = self.array.shape, _digest(self.array)
            self.array = _alive.setdefault((sha256, dtype, shape), self.array)
        elif shape is None:
            raise checks.type_error("FromArray", "array", expected, array)
        self.shape = list(checks.shape("FromArray", shape))
        self.dtype = Scheme.check_dtype(self, dtype)
        if sha256 is not None and not (isinstance(sha256, str) and len(sha256) == 64):
            raise checks.value_error("FromArray", "sha256", "64 hexadecimal digits", sha256)
        self.sha256 = sha256
        if self.array is None:
            self.array = _alive.get((sha256, self.dtype, tuple(self.shape)))

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        if dims != tuple(self.shape):
            raise checks.value_error(
                "FromArray", "shape", f"the array's, {tuple(self.shape)}", dims
            )
        return dims

    def check_dtype(self, dtype: Any) -> str:
        name = super().check_dtype(dtype)
        if self.array is None or name == self.dtype:
            return name
        with np.errstate(invalid="ignore", over="ignore"):
            cast = self.array.astype(numpy_dtype(name))
            if name.startswith(("int", "uint", "bool")):
                fits, expected = cast == self.array, f"exact in {name}"
            else:
                fits, expected = np.isfinite(cast) | ~np.isfinite(self.array), f"finite in {name}"
        if not fits.all():
            raise checks.value_error("FromArray", "array", expected, self.array)
        return name

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        return None if self.array is None or 0 in shape else laws.Entries(self.array)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        whole: Any = ... if index is None else index
        if self.array is None:
            return np.zeros(np.broadcast_to(np.int8(0), shape)[whole].shape, numpy_dtype(dtype))
        return self.array[whole].astype(numpy_dtype(dtype))


# What a config stands for, as long as an object holds it: layers are cloned through their configs.
_alive: weakref.WeakValueDictionary[tuple[Any, ...], np.ndarray] = weakref.WeakValueDictionary()


def _digest(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()
