"""Keras 1.2.2's laws for a model of Keras 3, and the order in which Keras 1 drew.

Keras 1's layers took their initialization by name, and so does the preset: each layer's own
initializer stands for the one that Keras 1 had under that name. `implementation=1` of an LSTM or GRU
stands for `consume_less="cpu"` or `"mem"`, 2 (the default of Keras 3) for `"gpu"`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import keras
import numpy as np

from keras_inits.base import Scheme
from keras_inits.host import is_keras
from keras_inits.legacy.keras1 import schemes as k1
from keras_inits.models.variables.walk import Slot
from keras_inits.schemes.recurrent import ForgetGateBias
from keras_inits.streams import Stream
from keras_inits.streams.stream import Index

_L = keras.layers
_CONV = (_L.Conv2D, _L.Conv3D, _L.SeparableConv2D, _L.DepthwiseConv2D)
_SAME: dict[str, Callable[[Any], Scheme | None]] = {
    "Zeros": lambda i: k1.Zero(),
    "Ones": lambda i: k1.One(),
    "Zero": lambda i: k1.Zero(),
    "One": lambda i: k1.One(),
    "Uniform": lambda i: k1.Uniform(i.scale),
    "Normal": lambda i: k1.Normal(i.scale),
    "RandomUniform": lambda i: k1.Uniform(i.maxval) if i.minval == -i.maxval else None,
    "RandomNormal": lambda i: k1.Normal(i.stddev) if i.mean == 0 else None,
    # Keras 1's orthogonal had a scale of 1.1 where later ones have a gain of 1.
    "Orthogonal": lambda i: k1.Orthogonal(1.1 if i.gain == 1 else i.gain),
    "Identity": lambda i: k1.Identity(i.gain),
    "LecunUniform": lambda i: k1.LecunUniform(),
    "GlorotNormal": lambda i: k1.GlorotNormal(),
    "GlorotUniform": lambda i: k1.GlorotUniform(),
    "HeNormal": lambda i: k1.HeNormal(),
    "HeUniform": lambda i: k1.HeUniform(),
}


class Gates(Scheme):
    """One scheme for each gate, side by side along the last axis."""

    min_rank = 1

    def __init__(self, schemes: tuple[Any, ...]) -> None:
        self.schemes = schemes

    def block(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], shape[-1] // len(self.schemes))

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        block = self.block(shape)
        drawn = [s.draw(block, stream.child("gate", g), dtype) for g, s in enumerate(self.schemes)]
        return np.concatenate(drawn, axis=-1)


class Arranged(Scheme):
    """A kernel drawn in Keras 1's shape and brought into Keras 3's."""

    def __init__(self, scheme: Scheme, first: tuple[int, ...] | None = None) -> None:
        self.scheme = scheme
        self.first = first

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        if self.first is None:  # a 1-D kernel was (length, 1, inputs, outputs)
            return self.scheme.draw((shape[0], 1, *shape[1:]), stream, dtype).reshape(shape)
        drawn = self.scheme.draw(tuple(shape[axis] for axis in self.first), stream, dtype)
        return np.ascontiguousarray(drawn.transpose(np.argsort(self.first)))


def keras1(slot: Slot) -> Any:
    """The scheme that Keras 1.2.2 would give the variable, or None where it had no such thing."""
    layer, role = slot.layer, slot.role
    if _gates(layer) > 1 and role in ("kernel", "recurrent_kernel", "bias"):
        return _cell(layer, role, slot)
    scheme = translated(slot.initializer)
    if scheme is None or not role.endswith("kernel"):
        return scheme
    if isinstance(layer, _L.Conv1D):
        return Arranged(_ordered(scheme, "th"))  # Keras 1 read this shape as 'th'
    if isinstance(layer, _CONV) and layer.data_format == "channels_first":
        rank = len(slot.shape)
        return Arranged(_ordered(scheme, "th"), (rank - 1, rank - 2, *range(rank - 2)))
    return _ordered(scheme, "tf") if isinstance(layer, _CONV) else scheme


def _cell(layer: Any, role: str, slot: Slot) -> Any:
    gates = _gates(layer)
    if role == "bias":
        initializer = slot.initializer
        if not isinstance(initializer, ForgetGateBias):
            return translated(initializer)
        other = translated(initializer.initializer)
        value = initializer.value
        forget = (
            (k1.One() if value == 1 else None)
            if isinstance(value, float | int)
            else translated(value)
        )
        if other is None or forget is None:
            return None
        return Gates((other, forget, other, other))
    fused = getattr(layer, "implementation", 2) == 2
    # With consume_less 'cpu' and 'mem' the recurrent kernels, too, were drawn with `init`.
    source = slot.initializer if fused else layer.kernel_initializer
    scheme = translated(source)
    return scheme if fused or scheme is None else Gates((scheme,) * gates)


def translated(initializer: Any) -> Scheme | None:
    """Keras 1's initialization of the same name, or None."""
    if isinstance(initializer, Scheme) and type(initializer) in k1.NAMES.values():
        return initializer
    if not (is_keras(initializer) or type(initializer).__module__.startswith("keras_inits.")):
        return None
    known = _SAME.get(type(initializer).__name__)
    return known(initializer) if known else None


def _ordered(scheme: Any, dim_ordering: str) -> Any:
    scheme = copy.copy(scheme)
    scheme.dim_ordering = dim_ordering
    return scheme


def _gates(layer: Any) -> int:
    kernel = getattr(layer, "recurrent_kernel", None)
    return 0 if kernel is None else kernel.shape[-1] // kernel.shape[-2]


def in_order(
    actions: Iterable[Any],
    stream: Stream,
    draw: Callable[[Any], Any],
    take: Callable[[Any, Any], None],
) -> None:
    """`take(action, draw(action))` for each, in the order in which a replay's framework drew.

    The stream is told which layers the variables belong to. Keras 1 drew an LSTM or GRU gate by gate.
    """
    entered: list[Any] = []
    try:
        for _, group in groupby(actions, key=lambda action: id(action.slot.layer)):
            members = list(group)
            layers = members[0].slot.layers
            while entered and not any(layer is entered[-1] for layer in layers):
                stream.leave(entered.pop())
            for layer in layers[1:-1]:
                if not any(layer is other for other in entered):
                    stream.enter(layer)
                    entered.append(layer)
            _draw_layer(members, stream, draw, take)
            stream.drawn(layers[-1], [member.slot.role for member in members])
    finally:
        while entered:
            stream.leave(entered.pop())


def _draw_layer(
    members: list[Any],
    stream: Stream,
    draw: Callable[[Any], Any],
    take: Callable[[Any, Any], None],
) -> None:
    gated = [m for m in members if isinstance(m.initializer, Gates)]
    kernels = [m for m in gated if m.slot.role != "bias"]
    if not kernels or not stream.sequential:
        for m in members:
            take(m, draw(m))
        return
    blocks: dict[Any, list[np.ndarray]] = {m: [] for m in gated}
    for gate in range(len(kernels[0].initializer.schemes)):
        for m in gated:
            scheme = m.initializer.schemes[gate]
            block = m.initializer.block(m.slot.shape)
            blocks[m].append(scheme.draw(block, stream, m.slot.dtype))
    for m in members:
        fixed = blocks.get(m)
        take(m, draw(m) if fixed is None else np.concatenate(fixed, axis=-1))
