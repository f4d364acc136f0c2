"""Any initializer as a scheme of ours, fitted to the layer that uses the weight, and drawn."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.base import Scheme, called, reseeded
from keras_inits.host import is_keras
from keras_inits.laws import Law, mixture
from keras_inits.models.weights.geometry import Geometry
from keras_inits.registry import CATALOGUE
from keras_inits.schemes.constant import Constant, Identity, One, Zero
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.schemes.recurrent import Gated
from keras_inits.schemes.resampling import ICNR
from keras_inits.schemes.uniform_normal import (
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from keras_inits.schemes.variance_scaling import VarianceScaling
from keras_inits.streams import Stream
from keras_inits.streams.block import Index

LONG = 48  # the characters of a cell that leave room for a path

_KERAS = keras.initializers
_SAME_LAW: dict[type, Callable[[Any], Scheme]] = {
    _KERAS.Zeros: lambda k: Zero(),
    _KERAS.Ones: lambda k: One(),
    _KERAS.RandomNormal: lambda k: RandomNormal(k.mean, k.stddev),
    _KERAS.RandomUniform: lambda k: RandomUniform(k.minval, k.maxval),
    _KERAS.TruncatedNormal: lambda k: TruncatedNormal(k.mean, k.stddev),
    _KERAS.Orthogonal: lambda k: Orthogonal(k.gain),
    _KERAS.Identity: lambda k: Identity(k.gain),
    **{
        getattr(_KERAS, name): lambda k: VarianceScaling(
            k.scale,
            k.mode,
            k.distribution,
            input_axes=getattr(k, "input_axes", None),
            output_axes=getattr(k, "output_axes", None),
        )
        for name in (
            "VarianceScaling",
            *(f"{who}{law}" for who in ("Glorot", "He", "Lecun") for law in ("Normal", "Uniform")),
        )
    },
}


def as_scheme(initializer: Any) -> Any:
    """The scheme of the same law for an initializer of Keras's own, without its seed; else itself."""
    same = _SAME_LAW.get(type(initializer))
    if same is not None:
        return same(initializer)
    if type(initializer) is _KERAS.Constant and np.ndim(initializer.value) == 0:
        return Constant(float(initializer.value))
    for name in ("initializer", "value") if isinstance(initializer, Scheme) else ():
        inner = getattr(initializer, name, None)
        if (own := as_scheme(inner)) is not inner:
            initializer = copy.copy(initializer)
            setattr(initializer, name, own)
    return initializer


def fitted(scheme: Any, geometry: Geometry | None, role: str) -> Any:
    """The scheme with the layer's fans, one draw a gate. Axes that it was given itself prevail."""
    if geometry is None or not isinstance(scheme, Scheme):
        return scheme
    gates = geometry.gate_count if isinstance(scheme, Gated) else 1
    scheme = _with_fans(scheme, geometry, geometry.fan_out * gates)
    if (
        geometry.gate_count > 1
        and role != "bias"
        and scheme.random
        and not isinstance(scheme, Gated)
    ):
        return Gated(scheme, geometry.gate_count)
    return scheme


def _with_fans(scheme: Any, geometry: Geometry, fan_out: float) -> Any:
    if getattr(scheme, "input_axes", None) is not None:
        return scheme
    # What is drawn once and repeated, or for one gate, has the fan_out of that part.
    if isinstance(scheme, ICNR):
        fan_out /= scheme.copies(geometry.shape)
    elif isinstance(scheme, Gated):
        fan_out /= scheme.gates
    for name in ("initializer", "value"):
        inner = getattr(scheme, name, None)
        if isinstance(inner, Scheme):
            new = _with_fans(inner, geometry, fan_out)
            if new is not inner:
                scheme = copy.copy(scheme)
                setattr(scheme, name, new)
    return scheme.with_fans(geometry.fan_in, fan_out)


@dataclass(frozen=True)
class Draw:
    """Entries for one variable; `problem` says what could not be promised about them."""

    values: np.ndarray
    problem: str = ""


def draw(
    initializer: Any,
    shape: tuple[int, ...],
    dtype: str,
    stream: Stream,
    geometry: Geometry | None = None,
) -> Draw:
    """Entries of `initializer` from `stream`, as a NumPy array of `dtype`."""
    if not isinstance(initializer, Scheme):
        return _draw_foreign(initializer, shape, dtype, stream)
    if (parts := _parts(initializer, shape, geometry)) and geometry is not None:
        each = [
            draw(scheme, part_shape, dtype, stream.child("part", i), part).values
            for i, (scheme, part_shape, part) in enumerate(parts)
        ]
        return Draw(geometry.joined(each, shape))
    if geometry is None or not _is_by_maps(initializer, shape, geometry):
        return Draw(initializer.draw(shape, stream, dtype))
    # A map of a layer with groups, say, is a kernel of its own.
    count = math.prod(geometry.split[axis] for axis in geometry.repeats)
    maps = [
        initializer.draw(geometry.map_shape, stream.child("map", i), dtype) for i in range(count)
    ]
    return Draw(geometry.assembled(np.stack(maps)))


def filler(
    scheme: Any, shape: tuple[int, ...], dtype: str, stream: Stream, geometry: Geometry | None
) -> Callable[[Index], np.ndarray] | None:
    """What draws a block as `draw` would, or None where a block cannot be drawn without the rest."""
    if not isinstance(scheme, Scheme) or not scheme.elementwise or stream.sequential:
        return None
    if geometry is not None and _is_by_maps(scheme, shape, geometry):
        return None
    if _parts(scheme, shape, geometry):
        return None
    return scheme._filler(scheme.check_shape(shape), scheme.check_dtype(dtype), stream)


def sliver(
    scheme: Scheme, shape: tuple[int, ...], dtype: str, stream: Stream, geometry: Geometry | None
) -> None:
    """Raise what `draw` would for the scheme's shape, dtype or law, at the cost of one entry."""
    if parts := _parts(scheme, shape, geometry):
        for one, part_shape, part in parts:
            sliver(one, part_shape, dtype, stream, part)
        return
    if geometry is not None and _is_by_maps(scheme, shape, geometry):
        shape = geometry.map_shape
    scheme.check_shape(shape)
    scheme.check_dtype(dtype)
    if scheme.elementwise and not stream.sequential and 0 not in shape:
        scheme._filler(shape, dtype, stream)(tuple(slice(0, 1) for _ in shape))


def _is_by_maps(scheme: Scheme, shape: tuple[int, ...], geometry: Geometry) -> bool:
    inner = scheme.initializer if isinstance(scheme, Gated) else scheme
    is_map = isinstance(inner, Scheme) and inner.linear_map
    return is_map and bool(geometry.repeats) and geometry.shape == shape


def _parts(
    scheme: Any, shape: tuple[int, ...], geometry: Geometry | None
) -> list[tuple[Scheme, tuple[int, ...], Geometry]]:
    """(scheme, shape, geometry) of each part that is drawn by itself; none where one draw has their laws."""
    if geometry is None or not geometry.parts or not isinstance(scheme, Scheme):
        return []
    of_kernel = shape == geometry.shape
    if isinstance(scheme, Gated) or not (of_kernel or len(shape) == 1):
        return []
    found = [
        (_with_fans(scheme, part, part.fan_out), part.shape if of_kernel else part.shape[-1:], part)
        for part in geometry.by_part
    ]
    if scheme.linear_map:
        return found if of_kernel else []
    laws = [one.law(part_shape) for one, part_shape, _ in found] if scheme.elementwise else []
    return found if any(law != laws[0] for law in laws) else []


def law_of(
    initializer: Any, shape: tuple[int, ...], geometry: Geometry | None = None
) -> Law | None:
    """The law of an entry of what `draw` gives, where it is known."""
    if not isinstance(initializer, Scheme):
        return None
    if (parts := _parts(initializer, shape, geometry)) and geometry is not None:
        laws = [law_of(one, part_shape, part) for one, part_shape, part in parts]
        return mixture(laws, [size / sum(geometry.parts) for size in geometry.parts])
    if geometry is not None and _is_by_maps(initializer, shape, geometry):
        shape = geometry.map_shape
    return initializer.law(shape)


def _draw_foreign(initializer: Any, shape: tuple[int, ...], dtype: str, stream: Stream) -> Draw:
    seeded = reseeded(initializer, stream)
    if seeded is not None:
        return Draw(called(seeded, shape, dtype))
    values, again = [called(initializer, shape, dtype) for _ in range(2)]
    if not np.array_equal(values, again, equal_nan=True):
        return Draw(values, "its initializer takes no seed: other values at every run")
    if np.unique(values).size > 1 and not is_keras(initializer):
        return Draw(values, "its initializer takes no seed: the same values at every run")
    return Draw(values)


def label(initializer: Any) -> str:
    """How a report names an initializer: with its owner where this library has one of that name."""
    if isinstance(initializer, Scheme):
        return repr(as_scheme(initializer))
    name = getattr(initializer, "__name__", type(initializer).__name__)
    return f"keras {name}" if is_keras(initializer) and name in CATALOGUE else name


def law_text(initializer: Any, law: Law | None) -> str:
    """The law of what `draw` gives, as `law_of` knows it: by the fans where they make it, else in
    figures."""
    if isinstance(initializer, VarianceScaling) and initializer.by_fan:
        fan = {"fan_avg": "mean fan", "fan_geo_avg": "geometric mean fan"}.get(initializer.mode)
        variance = f"{initializer.scale:.6g}/{fan or initializer.mode}"
        if initializer.distribution == "uniform":
            return f"U(-L, L), L = sqrt({3 * initializer.scale:.6g}/{fan or initializer.mode})"
        cut = initializer.distribution == "truncated_normal"
        return f"N(0, {variance})" + " cut at 2 sigma" * cut
    return "" if law is None else str(law)


def scheme_and_law(scheme: str, law: str) -> str:
    """Both in one cell of a table, without a long call's arguments: they would crowd out a column."""
    if len(scheme) > LONG and "(" in scheme:
        scheme = f"{scheme.partition('(')[0]}(...)"
    return f"{scheme}: {law}" if law else scheme
