"""The base of every scheme: config from the signature, seeds, checks, dtypes, placement."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any, ClassVar, Self

import keras
import numpy as np

from keras_inits import backend, checks
from keras_inits.fans import compute_fans
from keras_inits.laws import Law
from keras_inits.streams import Stream
from keras_inits.streams.narrow import draw_dtype, narrow, numpy_dtype
from keras_inits.streams.placement import place
from keras_inits.streams.seeds import as_stream, check_seed
from keras_inits.streams.stream import Index

__all__ = ["Scheme", "called", "check_seed", "draw_from", "law_of", "reseeded", "signature_names"]


def signature_names(cls: type) -> dict[str, Any]:
    """The constructor's argument names (the config's keys, the attributes' names) and defaults."""
    return {name: p.default for name, p in _signature(cls).parameters.items()}


_signature: Callable[[type], inspect.Signature] = cache(inspect.signature)


class Scheme(keras.initializers.Initializer):
    """A law for the entries of one weight tensor.

    A subclass stores its checked arguments under their own names; its config is read from the
    constructor's signature. Where all entries are alike it writes `law`, and the base draws from it;
    a structured one writes `values`, a pure function to a NumPy array.

    Calling a scheme, `scheme(shape, dtype=None, layout=None)`, returns a tensor of the backend.
    `dtype=None` is `keras.config.floatx()`. Entries are drawn in float32 (float64 for float64) and
    rounded once, at the end. `layout` spreads the tensor over devices; the values stay the same.

    `seed` is None, an int from 0 to 2**64 - 1, a `keras.random.SeedGenerator` or a stream. An int
    gives the same values at every call, on every backend. None draws anew at every call, yet the
    same sequence after `keras.utils.set_random_seed`. A SeedGenerator moves on with every call.

    Raises ValueError or TypeError, before anything is drawn, for an argument, shape or dtype that
    the scheme does not accept.
    """

    #: Draws random numbers, so it has a seed and only floating dtypes.
    random: ClassVar[bool] = True
    #: Ranks of the shapes it accepts.
    min_rank: ClassVar[int] = 0
    max_rank: ClassVar[int | None] = None
    #: All entries have the law that `law` gives.
    alike: ClassVar[bool] = True
    #: A block can be drawn without the rest: an entry depends on its own position alone.
    elementwise: ClassVar[bool] = True
    #: It is a map from inputs to outputs as a whole: where a layer applies several side by side, as
    #: a convolution with groups does, each is drawn by itself.
    linear_map: ClassVar[bool] = False
    #: An entry that the dtype cannot hold is an error.
    finite: ClassVar[bool] = True
    #: Arguments that the config leaves out.
    transient: ClassVar[tuple[str, ...]] = ()

    seed: Any = None
    _layer_fans: tuple[float, float] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        checks.name_constructor(cls)
        if "values" in vars(cls):  # a structured scheme, unless it says otherwise
            cls.alike = vars(cls).get("alike", False)
            cls.elementwise = vars(cls).get("elementwise", cls.alike)

    @backend.without_autograph
    def __call__(self, shape: Sequence[int], dtype: Any = None, layout: Any = None) -> Any:
        dims = self.check_shape(shape)
        name = self.check_dtype(dtype)
        if (kept := backend.backend_dtype(name)) != name:
            name = self.check_dtype(kept)
        stream = as_stream(type(self).__name__, self.seed) if self.random else None
        fill = self._filler(dims, name, stream, on_device=layout is None)
        return place(type(self).__name__, fill, dims, layout)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        """The entries as a NumPy array of `dtype`, or the block at `index`.

        A narrow dtype is asked for only where all entries are `alike`; else `dtype` is float32 or
        float64, and what is given is rounded afterwards.
        """
        if (law := self.law(shape)) is None:
            raise NotImplementedError(f"{type(self).__name__} must have a law or values")
        return law.draw(stream, shape, dtype, index)

    def law(self, shape: tuple[int, ...]) -> Law | None:
        """The law of an entry taken at random from a tensor of this shape, or None if not known."""
        return None

    def fans(self, shape: Sequence[int]) -> tuple[float, float]:
        """(fan_in, fan_out) for `law` to ask: the layer's, where `initialize` knows them, else the shape's."""
        return self._layer_fans or compute_fans(shape)

    def with_fans(self, fan_in: float, fan_out: float) -> Self:
        """A copy that takes these fans, whatever the shape (not kept in its config)."""
        other = copy.copy(self)
        other._layer_fans = (fan_in, fan_out)
        return other

    def draw(self, shape: Sequence[int], stream: Stream, dtype: Any = None) -> np.ndarray:
        """The entries from a given stream, as a NumPy array; `seed` plays no part."""
        dims = self.check_shape(shape)
        return self._filler(dims, self.check_dtype(dtype), stream)(None)

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape as a tuple of ints, or an error; subclasses add their own conditions."""
        return checks.shape(
            type(self).__name__, shape, min_rank=self.min_rank, max_rank=self.max_rank
        )

    def check_dtype(self, dtype: Any) -> str:
        """The dtype's name, or an error."""
        owner = type(self).__name__
        try:
            name = keras.backend.standardize_dtype(dtype)
        except (TypeError, ValueError) as error:
            raise checks.value_error(owner, "dtype", "a dtype that Keras knows", dtype) from error
        if self.random:
            return checks.float_dtype(owner, name)
        try:
            numpy_dtype(name)
        except TypeError as error:
            raise checks.value_error(owner, "dtype", "a dtype of numbers", dtype) from error
        return name

    def _filler(
        self, shape: tuple[int, ...], dtype: str, stream: Stream | None, on_device: bool = False
    ) -> Callable[[Index], np.ndarray]:
        if 0 in shape:
            return lambda index: np.zeros(shape, numpy_dtype(dtype))[index or ...]
        apart = self.elementwise and not (stream is not None and stream.sequential)
        law = self.law(shape) if self.alike else None
        # A stream refuses what the dtype cannot hold; the others are looked at.
        checked = law is not None and law.checked
        if apart and checked and type(self).values is Scheme.values:
            stream = stream.on_device(shape) if on_device and stream is not None else stream
            return lambda index: law.draw(stream, shape, dtype, index)  # type: ignore[union-attr, arg-type]
        wide = dtype if apart and self.alike else draw_dtype(dtype)
        support = law.support if law is not None and law.continuous else None
        check = self.finite and not checked and numpy_dtype(dtype).kind in "fcV"
        whole = None if apart else cache(lambda: self.values(shape, wide, stream))  # type: ignore[arg-type]

        def filler(index: Index) -> np.ndarray:
            with np.errstate(over="ignore", invalid="ignore") if check else nullcontext():
                if whole is None:
                    block = self.values(shape, wide, stream, index)  # type: ignore[arg-type]
                else:
                    block = whole() if index is None else whole()[index]
                block = np.asarray(block, order="C")  # TensorFlow takes no other
                block = block if wide == dtype else narrow(block, dtype, support)
            if check and not np.isfinite(block).all():
                owner = type(self).__name__
                raise checks.value_error(owner, "entries", f"finite in {dtype}", self)
            return block

        return filler

    def get_config(self) -> dict[str, Any]:
        return {
            name: _plain(getattr(self, name))
            for name in signature_names(type(self))
            if name not in self.transient
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        known = signature_names(cls)
        if not isinstance(config, dict):
            raise checks.type_error(cls.__name__, "config", "a dict", config)
        unknown = sorted(str(key) for key in config if key not in known)
        if unknown:
            raise ValueError(
                f"{cls.__name__}: config must have no fields but {list(known)}, got also {unknown}"
            )
        try:
            return cls(**config)
        except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
            raise ValueError(f"{cls.__name__}: config must fit the class, got {error!r}") from error

    def __repr__(self) -> str:
        shown = [
            f"{name}={_shown(getattr(self, name))}"
            for name, default in signature_names(type(self)).items()
            if name not in self.transient and getattr(self, name) != default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def draw_from(initializer: Any, shape: tuple[int, ...], dtype: str, stream: Stream) -> np.ndarray:
    """Entries of any initializer as a NumPy array: a scheme's from `stream`, others' own draws.

    An initializer of another library that has a seed in its config is given one from `stream`.
    """
    if isinstance(initializer, Scheme):
        return initializer.draw(shape, stream, dtype)
    seeded = reseeded(initializer, stream)
    return called(initializer if seeded is None else seeded, shape, dtype)


def reseeded(initializer: Any, stream: Stream) -> Any | None:
    """Another library's initializer with a seed from `stream`; None where its config has no seed."""
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    makes = hasattr(type(initializer), "from_config")
    if not (makes and isinstance(config, dict) and "seed" in config):
        return None
    seed = int(stream.integers((), 2**31 - 1))
    return type(initializer).from_config({**config, "seed": seed})


def called(initializer: Any, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """What another library's initializer gives, of the shape that was asked for and no complex values."""
    values = np.asarray(keras.ops.convert_to_numpy(initializer(shape, dtype=dtype)))
    if values.shape != shape:
        raise ValueError(f"the initializer gave values of shape {values.shape}")
    if np.iscomplexobj(values) and not dtype.startswith("complex"):
        raise ValueError(f"the initializer gave values of dtype {values.dtype} for {dtype}")
    return values


def law_of(initializer: Any, shape: tuple[int, ...]) -> Law | None:
    """The law of an entry of any initializer, where it is known."""
    return initializer.law(shape) if isinstance(initializer, Scheme) else None


def _shown(value: Any) -> str:
    """As an argument that makes it: Keras's own initializers have no such repr, but a config."""
    foreign = isinstance(value, keras.initializers.Initializer) and not isinstance(value, Scheme)
    return repr(_plain(value) if foreign else value)


def _plain(value: Any) -> Any:
    """An attribute as JSON: nested objects become Keras configs, tuples and arrays lists."""
    if isinstance(value, (Stream, keras.initializers.Initializer)):
        return keras.saving.serialize_keras_object(value)
    if isinstance(value, keras.random.SeedGenerator):
        # Its seed alone: other fields differ between Keras releases and from object to object.
        config = keras.saving.serialize_keras_object(value)
        return config | {"config": {"seed": config["config"]["seed"]}}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
