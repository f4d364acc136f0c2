"""Presets that start residual branches at nothing, or nearly so."""

from __future__ import annotations

from typing import Any

from keras_inits import checks
from keras_inits.models.choice.preset import Preset, Structure, is_bias
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import is_norm
from keras_inits.schemes.constant import Constant, Zero


def zero_residual(*, x: Any = None) -> Preset:
    """Every branch adds 0 at the start: its last scale is 0, or where it has none its last weights.

    A ResNet's last gamma (Goyal et al. 2017), the scalar of SkipInit and ReZero, a layer scale; else the last kernel,
    as in Fixup and DiT. Everything else is drawn from its layer's own initializer.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Goyal et al. 2017 (arXiv 1706.02677), section 5.1; De & Smith 2020 (arXiv 2002.10444),
    SkipInit; Bachlechner et al. 2020 (arXiv 2003.04887), ReZero.
    """

    def make(found: Structure) -> list[Rule]:
        zero = set(found.by_path(lambda row: row.scales[:1] or row.ends))
        layers = [slot.layer for slot in found.slots if slot.path in zero]

        def shifts(slot: Slot) -> bool:
            return is_bias(slot) and any(slot.layer is layer for layer in layers)

        return [Rule(lambda slot: slot.path in zero, Zero()), Rule(shifts, Zero())]

    return Preset("zero_residual", {}, make, x)


#: The name of De & Smith's method, for the same preset.
skipinit = zero_residual


def layer_scale(value: float = 1e-5, *, x: Any = None) -> Preset:
    """The vectors or scalars that multiply branches at `value`; all else by its layer's own initializer.

    Args:
        value: 1e-5 in CaiT and timm; 1e-6 in ConvNeXt and DeiT-3.
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `value` is no finite number.

    Source: Touvron et al. 2021 (arXiv 2103.17239), section 2; timm's `layer_scale.py`.
    """
    value = checks.number("presets.layer_scale", "value", value)

    def make(found: Structure) -> list[Rule]:
        scales = {slot.path for slot in found.slots if not is_norm(slot.layer)}
        scaled = found.by_path(lambda row: tuple(p for p in row.scales if p in scales))
        rows = found.branches.rows
        without = [row.path for row in rows if not scales.intersection(row.scales)]
        if without:
            found.problem(f"finds no scale in {len(without)} of {len(rows)} branches: {without[0]}")
        return [Rule(lambda slot: slot.path in scaled, Constant(value))]

    return Preset("layer_scale", {"value": value}, make, x)
