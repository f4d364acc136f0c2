"""Whether an initializer counts fans by the shape that it is given, seen by what it draws."""

from __future__ import annotations

import math
from typing import Any

from keras_inits.base import Scheme
from keras_inits.fans import compute_fans
from keras_inits.models.weights.adapt import draw
from keras_inits.models.weights.geometry import Geometry
from keras_inits.schemes.recurrent import Gated
from keras_inits.streams import DefaultStream

_SHAPES = ((64, 64), (1024, 4), (4, 1024))  # of as many entries, each with other fans
_APART = 1.3  # their standard deviations are known to 2 %, and any rule by fans spreads them by 2 and more


def fans_by_shape(scheme: Any, shape: tuple[int, ...], geometry: Geometry | None) -> str:
    """Which fans `scheme` counts for a weight of this shape, in words, where the layer has others; else "".

    A scheme that asks `self.fans` has the layer's. Those of this library do, or have no fans.
    """
    if geometry is None:
        return ""
    while _is_ours(scheme) and hasattr(scheme, "initializer"):
        if isinstance(scheme, Gated):
            shape = (*shape[:-1], shape[-1] // scheme.gates)
        scheme = scheme.initializer
    counted = compute_fans(shape)
    if _is_ours(scheme) or len(shape) < 2:
        return ""
    if counted == (geometry.fan_in, geometry.fan_out) or getattr(scheme, "linear_map", False):
        return ""
    shapes = [(*(1 for _ in shape[2:]), *ends) for ends in _SHAPES]
    try:
        if isinstance(scheme, Scheme):
            few, many = (_std(scheme.with_fans(n, n), shapes[0]) for n in (8, 512))
            if not math.isclose(few, many, rel_tol=_APART - 1):
                return ""
        stds = [_std(scheme, each) for each in shapes]
    except Exception:  # anyone's function, which takes no other shape: then it counts nothing
        return ""
    if max(stds) <= _APART * min(stds):
        return ""
    return f"counts the fans {counted} by the shape, and the layer's are {geometry.fans}"


def _is_ours(scheme: Any) -> bool:
    return type(scheme).__module__.partition(".")[0] == "keras_inits"


def _std(scheme: Any, shape: tuple[int, ...]) -> float:
    law = scheme.law(shape) if isinstance(scheme, Scheme) else None
    if law is not None:
        return law.std
    return float(draw(scheme, shape, "float32", DefaultStream(0)).values.std())
