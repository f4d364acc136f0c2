"""What one step of a model makes of its input's moments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_inits.models.moments import signal as signals
from keras_inits.models.moments.arithmetic import Unfollowed, call, combined, says, through
from keras_inits.models.moments.pooling import POOLS, pooled
from keras_inits.models.moments.signal import Signal, gaussian
from keras_inits.models.moments.together import joined
from keras_inits.models.moments.weighted import as_array, as_tensor
from keras_inits.models.residual.trace import Step

ops = keras.ops


@dataclass(frozen=True)
class Unknown:
    """A tensor of which only this is known: the first step that could not be followed, and why."""

    reason: str
    origins: frozenset[int]


# What only picks, moves or repeats entries, or puts zeros beside them.
_TURNS = frozenset({"Permute", "Transpose", "Swapaxes", "Moveaxis", "Reshape"})
_STAYS = frozenset(["Identity", "Cast", "ConvertToTensor", "Copy", "StopGradient"])
_MOVES = (
    _TURNS
    | _STAYS
    | {
        "Squeeze",
        "ExpandDims",
        "Ravel",
        "Flatten",
        "ActivityRegularization",
        "GetItem",
        "Slice",
        "Split",
        "Roll",
        "Flip",
        "Pad",
        *(f"{name}{rank}D" for name in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)),
    }
)
_REPEATS = frozenset(
    ["RepeatVector", "BroadcastTo", "Repeat", "Tile", *(f"UpSampling{n}D" for n in (1, 2, 3))]
)


def after(step: Step, known: list[Signal | Unknown], zeroed: set[int]) -> list[Signal]:
    """The signals of a step's outputs from those of its inputs; raises Unfollowed.

    `zeroed` are the biases that will be 0.
    """
    if "Normalization" in step.kind:
        return [_normalized(step, known[0])]
    for one in known:
        if isinstance(one, Unknown):
            raise Unfollowed(one.reason)
    inputs: list[Signal] = list(known)  # type: ignore[arg-type]
    if step.kind == "PReLU":
        return [_leaky(step, inputs[0])]
    if not inputs or step.matrices:
        raise Unfollowed(says(step, "cannot be followed"))
    if step.kind in _MOVES | _REPEATS:
        return _moved(step, inputs[0])
    if "Dropout" in step.kind or step.kind == "GaussianNoise":
        return [_noisy(step, inputs[0])]
    if step.kind in POOLS:
        return [pooled(step, inputs[0])]
    if step.kind in ("Concatenate", "Stack"):
        profiles = [as_tensor(s.profile, t) for s, t in zip(inputs, step.inputs, strict=True)]
        return [joined(inputs, as_array(call(step, profiles)))]
    return [combined(step, inputs, zeroed)]


def _moved(step: Step, signal: Signal) -> list[Signal]:
    operation = step.operation
    if getattr(operation, "interpolation", "nearest") != "nearest" or (
        step.kind == "Pad" and getattr(operation, "constant_values", None)
    ):
        raise Unfollowed(says(step, "cannot be followed"))
    moved = call(step, [as_tensor(signal.profile, step.inputs[0])])
    # Which axis numbers channels, and which ones positions, is known no more.
    turned = len(step.inputs[0].shape) > 2 and step.kind in _TURNS
    alike = signal.alike and step.kind not in _REPEATS and not turned
    moved = [as_array(one) for one in keras.tree.flatten(moved)]
    latent = signal.latent if step.kind in _STAYS else object()
    return [replace(signal, alike=alike, latent=latent).in_place(one) for one in moved]


def _leaky(step: Step, signal: Signal) -> Signal:
    slope = _numbers(step.operation, ("alpha",))
    if slope is None or (slope != slope.flat[0]).any():
        raise Unfollowed(says(step, "has other slopes for other channels"))
    return through(signal, lambda x: np.where(x > 0, x, slope.flat[0] * x))


def _noisy(step: Step, signal: Signal) -> Signal:
    """As in training: what is dropped, and noise by two values of its mean and variance."""
    layer, kind = step.operation, step.kind
    if kind == "GaussianNoise":
        std = float(layer.stddev)
        return signals.noisy(signal, lambda x: (x - std, x + std), (0.5, 0.5))
    rate = float(getattr(layer, "rate", 0.0))
    if rate == 0:
        return signal
    chances = (1 - rate, rate)
    if kind == "GaussianDropout":
        std = math.sqrt(rate / (1 - rate))
        return signals.noisy(signal, lambda x: (x * (1 - std), x * (1 + std)), (0.5, 0.5))
    if kind == "AlphaDropout":
        low = -1.0507009873554805 * 1.6732632423543772  # SELU's lower limit
        scale = ((1 - rate) * (1 + rate * low**2)) ** -0.5
        shift = -scale * low * rate
        return signals.noisy(
            signal, lambda x: (scale * x + shift, 0 * x + scale * low + shift), chances
        )
    if kind == "Dropout" and layer.noise_shape is None:
        return signals.noisy(signal, lambda x: (x / (1 - rate), 0 * x), chances)
    if kind.startswith("SpatialDropout"):
        return signals.channels_dropped(signal, rate)
    raise Unfollowed(says(step, "cannot be followed"))


def _normalized(step: Step, given: Signal | Unknown) -> Signal:
    """As in training, with the scale and shift that the layer has now."""
    layer, kind = step.operation, step.kind
    shape = tuple(step.outputs[0].shape)
    if not layer.trainable and kind == "BatchNormalization":
        raise Unfollowed(says(step, "is frozen and keeps statistics of data"))
    if isinstance(given, Unknown):
        signal = gaussian(0.0, 1.0, 0.0, np.ones(shape, "float32"), given.origins, alike=False)
    elif kind == "BatchNormalization":
        signal = signals.without_offsets(given)
    elif kind in ("LayerNormalization", "GroupNormalization"):
        groups = getattr(layer, "groups", 1)
        axes = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        size = shape[axes[-1]]
        everywhere = kind == "LayerNormalization" and len(axes) == 1
        signal = signals.normalized(given, size / (size if groups == -1 else groups), everywhere)
    elif kind == "RMSNormalization":
        signal = signals.normalized(given, None, everywhere=True)
    elif kind == "Normalization":
        signal = gaussian(0.0, 1.0, 0.0, np.ones(shape, "float32"), given.origins)
    else:
        raise Unfollowed(says(step, "cannot be followed"))
    return _scaled(signal, *(_numbers(layer, names) for names in (("gamma", "scale"), ("beta",))))


def _scaled(signal: Signal, gamma: np.ndarray | None, beta: np.ndarray | None) -> Signal:
    factor = np.ones(1) if gamma is None else gamma.ravel()
    shift = np.zeros(1) if beta is None else beta.ravel()
    if (factor == factor[0]).all() and (shift == shift[0]).all():
        return signal.of(signal.table * factor[0] + shift[0])
    size, offset = float((factor**2).mean()), float((shift**2).mean())
    return gaussian(
        float(shift.mean()),
        size * signal.second + offset,
        size * signal.shared + offset,
        signal.profile,
        signal.origins,
        signal.alike,
    )


def _numbers(layer: Any, names: tuple[str, ...]) -> np.ndarray | None:
    found = next((v for v in layer.variables if v.name in names), None)
    return None if found is None else as_array(found.value).astype("float64")
