"""What is wrong with the weights themselves, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.backend import memory
from keras_inits.base import Scheme
from keras_inits.models.memory.digest import entry_sum
from keras_inits.models.signal.statistics import deviation_and_size
from keras_inits.models.variables.walk import STATE_ROLES, Slot
from keras_inits.models.weights.adapt import as_scheme, fitted
from keras_inits.models.weights.layers import geometry_of
from keras_inits.reports.report import Problem
from keras_inits.schemes.recurrent import Gated
from keras_inits.schemes.variance_scaling import VarianceScaling

FANS = 1.9  # how far off the standard deviation must be
_AGAIN = "keras_inits.initialize(model, seed=0)  # another draw for every weight"


def weight_faults(slots: Sequence[Slot]) -> Iterator[Problem]:
    """Problems that the trainable kernels show."""
    kernels = [slot for slot in slots if is_kernel(slot) and slot.variable.trainable]
    values = {id(slot): memory.float32(slot.variable.value) for slot in kernels}
    random = [slot for slot in kernels if _varies(values[id(slot)])]
    yield from _equal(random, values)
    yield from _one_seed(random, values)
    yield from _symmetric(kernels, values)
    yield from _fans(kernels, values)


def unused(
    slots: Sequence[Slot], ran: set[int], weights: Iterable[tuple[Any, Any]]
) -> Iterator[Problem]:
    """Layers that did not run, and whose weights, given with gradients, nothing else used either."""
    gradients = {id(variable): gradient for variable, gradient in weights}
    owned: dict[int, list[Slot]] = {}
    for slot in slots:
        if id(slot.variable) in gradients and id(slot.layer) not in ran:
            owned.setdefault(id(slot.layer), []).append(slot)
    for first, *others in owned.values():
        found = (gradients[id(slot.variable)] for slot in (first, *others))
        if all(gradient is None or not keras.ops.any(gradient) for gradient in found):
            yield Problem(
                first.path.rpartition("/")[0],
                "did not run; not looked at",
                "What a model does not call learns nothing and takes memory.",
            )


def is_kernel(slot: Slot) -> bool:
    """Whether a variable may be one that multiplies the signal."""
    return (
        slot.role not in STATE_ROLES
        and len(slot.shape) > 1
        and slot.role != "bias"
        and "float" in slot.dtype
    )


def _varies(array: np.ndarray) -> bool:
    return array.size > 1 and bool((array != array.flat[0]).any())


def _equal(kernels: Sequence[Slot], values: dict[int, np.ndarray]) -> Iterator[Problem]:
    """Equal random kernels, those of one attention layer in words of their own."""
    seen: dict[tuple[int, tuple[int, ...]], list[Slot]] = {}
    for slot in kernels:
        array = values[id(slot)]
        whole = tuple(slice(0, size) for size in array.shape)
        seen.setdefault((entry_sum(array, whole, array.shape), array.shape), []).append(slot)
    for group in seen.values():
        first, *others = group
        if not others or _is_structured(values[id(first)]):
            continue
        names = ", ".join(slot.path for slot in others[:3]) + (", ..." if len(others) > 3 else "")
        parents = {slot.layers[-2] if len(slot.layers) > 1 else None for slot in group}
        roles = {slot.path.split("/")[-2] for slot in group if "/" in slot.path}
        alike = [role for role in ("query", "key", "value") if role in roles]
        if len(parents) == 1 and len(alike) > 1:
            equal = f"{', '.join(alike[:-1])} and {alike[-1]}"
            text = f"has the same values as {names}: {equal} are equal"
            why = "Projections that begin equal are no independent draws: one initializer with one seed."
        else:
            text = f"has the same values as {names}"
            why = "Layers that begin equal are no independent draws: one initializer with one seed."
        yield Problem(first.path, text, why, _AGAIN)


def _is_structured(array: np.ndarray) -> bool:
    """A handful of values, as an identity has, are no draw."""
    return np.unique(array.ravel()[:4096]).size <= 4 and array.size > 16


def _one_seed(kernels: Sequence[Slot], values: dict[int, np.ndarray]) -> Iterator[Problem]:
    """One seed in layers of other shapes: the first numbers of one are those of the other."""
    seen: dict[bytes, list[Slot]] = {}
    for slot in kernels:
        seed = getattr(slot.initializer, "seed", None)
        if isinstance(seed, int):
            key = f"{type(slot.initializer).__name__} {seed}".encode()
            seen.setdefault(key, []).append(slot)
    for group in seen.values():
        if len({slot.shape for slot in group}) < 2:
            continue
        drawn = [slot for slot in group if _is_own_draw(slot, values[id(slot)])]
        if len(drawn) > 1:
            first, *others = drawn
            names = ", ".join(slot.path for slot in others[:3]) + ", ..." * (len(others) > 3)
            yield Problem(
                first.path,
                f"was drawn with the same seed, {first.initializer.seed}, as {names}",
                "Draws of one seed are not independent of each other.",
                _AGAIN,
            )


def _is_own_draw(slot: Slot, array: np.ndarray) -> bool:
    """Whether the layer's initializer gives these values, so that nobody drew them again."""
    try:
        again = keras.ops.convert_to_numpy(slot.initializer(slot.shape, dtype=slot.dtype))
    except Exception:
        return False
    return bool(np.array_equal(np.asarray(again, "float32"), array))


def _symmetric(kernels: Sequence[Slot], values: dict[int, np.ndarray]) -> Iterator[Problem]:
    alike = [slot for slot in kernels if _units_alike(slot, values[id(slot)])]
    if alike:
        first, *others = alike
        count = _units(first, values[id(first)]).shape[1]  # type: ignore[union-attr]
        yield Problem(
            first.path,
            f"all its {count} units have the same weights" + _more(len(others), "weights"),
            "They give the same and get the same gradient, and so stay one unit for ever.",
            'keras_inits.initialize(model, {"kernel$": "keras_inits>glorot_uniform"}, seed=0)',
        )


def _units_alike(slot: Slot, array: np.ndarray) -> bool:
    first = [array.take(1, axis).flat[0] for axis, size in enumerate(array.shape) if size > 1]
    units = _units(slot, array) if array.flat[0] in first and array.any() else None
    if units is None or units.shape[1] < 2 or (units[0] != units[0, 0]).any():
        return False
    return bool((units == units[:, :1]).all())


def _units(slot: Slot, array: np.ndarray) -> np.ndarray | None:
    """A column for each unit, where one axis of the weight numbers them."""
    geometry = geometry_of(slot.layer, slot.role, slot.shape)
    if geometry is None or geometry.repeats or geometry.split != geometry.shape:
        return None
    outputs = [*geometry.gates, *geometry.outputs]
    if len(outputs) != 1:
        return None
    return np.moveaxis(array, outputs[0], -1).reshape(-1, geometry.split[outputs[0]])


def _more(count: int, what: str) -> str:
    return f" (and {count} more {what})" if count else ""


def _fans(kernels: Sequence[Slot], values: dict[int, np.ndarray]) -> Iterator[Problem]:
    """A variance scaling that took the fans from the shape, where the layer's are others."""
    found: dict[type, list[tuple[Slot, float, str]]] = {}
    stds = ((slot, deviation_and_size(values[id(slot)])[0]) for slot in kernels)
    for slot, ratio, text in misfits(stds):
        found.setdefault(type(slot.layer), []).append((slot, ratio, text))
    for cls, group in found.items():
        slot, _, text = max(group, key=lambda entry: entry[1])
        more = _more(len(group) - 1, f"{cls.__name__} layers")
        scheme = as_scheme(slot.initializer)
        name = type(slot.initializer).__name__
        yield Problem(
            slot.path,
            text + more,
            f"{name} counts fans by the shape; a {cls.__name__} uses its axes otherwise.",
            f"keras_inits.initialize(model, [(keras.layers.{cls.__name__}, keras_inits.{scheme!r}), "
            '(".", None)], seed=0)',
        )


def misfits(drawn: Iterable[tuple[Slot, float]]) -> Iterator[tuple[Slot, float, str]]:
    """Of kernels with their standard deviations those drawn by fans that the layer does not have.

    Each with the factor by which its law is off, and in words.
    """
    for slot, std in drawn:
        scheme = as_scheme(slot.initializer)
        geometry = geometry_of(slot.layer, slot.role, slot.shape)
        if not isinstance(scheme, VarianceScaling) or geometry is None or not std:
            continue
        fans = (geometry.fan_in, geometry.fan_out)
        if not geometry.parts and scheme.fans(slot.shape) == fans:
            continue
        right = fitted(scheme, geometry, slot.role)
        right = right.initializer if isinstance(right, Gated) else right
        stds = [_std(law, slot.shape) for law in (scheme, right)]
        ratio = stds[0] / stds[1] if stds[1] else 1.0
        # Not where it was drawn again since: nearer to the right law than to the one of the shape.
        if max(ratio, 1 / ratio) > FANS and abs(np.log(std / stds[0])) < abs(np.log(std / stds[1])):
            yield (
                slot,
                max(ratio, 1 / ratio),
                f"its standard deviation is {std:.3g}; by the layer's fans, "
                f"({geometry.fan_in:g}, {geometry.fan_out:g}), it would be {stds[1]:.3g}",
            )


def _std(scheme: Scheme, shape: tuple[int, ...]) -> float:
    law = scheme.law(shape)
    return 0.0 if law is None else law.std
