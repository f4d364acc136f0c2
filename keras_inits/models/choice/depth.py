"""Presets that scale what is added to residual streams; the branches are read from the computation."""

from __future__ import annotations

import math
from typing import Any

from keras_inits import checks
from keras_inits.models.choice.preset import (
    REST,
    Preset,
    Structure,
    is_bias,
    is_norm_scale,
    is_weight,
)
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.walk import Slot
from keras_inits.schemes.constant import Zero
from keras_inits.schemes.depth import depth_factor
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import VarianceScaling


def gpt2(std: float = 0.02, *, x: Any = None) -> Preset:
    """N(0, std^2), biases 0; the last weights of residual branches / sqrt(branches of the stream).

    In a transformer of L blocks, with attention and a feed-forward part each, that is std/sqrt(2 L).

    Args:
        std: The standard deviation, > 0.
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Example:
        >>> gpt2(std=0.01)
        gpt2(std=0.01)

    Source: Radford et al. 2019, Language models are unsupervised multitask learners, section 2.3;
    the figures are nanoGPT's `model.py`.
    """
    std = checks.number("presets.gpt2", "std", std, above=0)

    def make(found: Structure) -> list[Rule]:
        depth, ends = found.branches.depth_of, found.ends

        def end(slot: Slot) -> Any:
            return Normal(std / math.sqrt(depth(ends[slot.path])))

        return [
            Rule(lambda slot: slot.path in ends, each=end, exact=True),
            Rule(is_weight, Normal(std), exact=True),
            *REST,
        ]

    return Preset("gpt2", {"std": std}, make, x)


def small_init(*, x: Any = None) -> Preset:
    """N(0, 2/(5 d)) for every weight, d the width of the residual stream; biases 0.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Nguyen & Salazar 2019 (arXiv 1910.05895); GPT-NeoX's `init_functions.py`.
    """

    def make(found: Structure) -> list[Rule]:
        return [Rule(is_weight, each=_small(found), exact=True), *REST]

    return Preset("small_init", {}, make, x)


def wang(*, x: Any = None) -> Preset:
    """As `small_init`, but the last weights of branches N(0, (2/(L sqrt(d)))^2), L blocks of two branches.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: GPT-NeoX's `init_functions.py`, as GPT-NeoX-20B and Pythia use it.
    """

    def make(found: Structure) -> list[Rule]:
        depth, ends = found.branches.depth_of, found.ends

        def end(slot: Slot) -> Any:
            branch = ends[slot.path]
            return Normal(2 / (depth(branch) / 2 * math.sqrt(branch.width)))

        return [
            Rule(lambda slot: slot.path in ends, each=end, exact=True),
            Rule(is_weight, each=_small(found), exact=True),
            *REST,
        ]

    return Preset("wang", {}, make, x)


def fixup(*, x: Any = None) -> Preset:
    """He's law; in a branch of m weights times L^(-1/(2m-2)), L branches; its last weight and the head 0.

    He by fan_out, as in the authors' code. The method also needs, in the model, no normalization, a scalar bias
    (at 0) before each weight and activation, and a scalar multiplier (at 1) in each branch.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Zhang et al. 2019 (arXiv 1901.09321), section 3; `fixup_resnet_cifar.py`.
    """

    def make(found: Structure) -> list[Rule]:
        rows, ends = found.branches.rows, found.ends
        inside = found.by_path(lambda row: row.weights)
        if rows and any(is_norm_scale(slot) for slot in found.slots):
            found.problem("stands in the place of normalizations, and the model has some")
        if rows and not any(math.prod(slot.shape) == 1 for slot in found.slots):
            found.problem(
                "needs scalar biases before weights and activations, and a multiplier in each branch",
                "The model has no scalar variables; without them it trains worse than the paper's.",
            )
        zero = {*ends, *found.heads}
        zeroed = [slot.layer for slot in found.slots if slot.path in zero]

        def scaled(slot: Slot) -> Any:
            count = len(inside[slot.path].weights)
            factor = depth_factor("fixup", len(rows), layers=count) if count > 1 else 1.0
            return VarianceScaling(2 * factor**2, "fan_out", "untruncated_normal")

        return [
            Rule(lambda slot: slot.path in zero, Zero()),
            Rule(lambda slot: is_bias(slot) and any(slot.layer is one for one in zeroed), Zero()),
            Rule(lambda slot: slot.path in inside and is_weight(slot), each=scaled),
            Rule(is_weight, VarianceScaling(2.0, "fan_out", "untruncated_normal")),
            *REST,
        ]

    return Preset("fixup", {}, make, x)


def _small(found: Structure) -> Any:
    widths = [row.width for row in found.branches.rows]

    def small(slot: Slot) -> Any:
        return Normal(math.sqrt(2 / (5 * widths[0]))) if widths else None

    return small
