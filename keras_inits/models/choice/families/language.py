"""Presets of published language models: the figures of their authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras_inits import checks
from keras_inits.base import Scheme
from keras_inits.models.attention.projections import attentions
from keras_inits.models.choice.preset import REST, Preset, Structure, is_bias, is_norm, is_weight
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.walk import Slot
from keras_inits.schemes.constant import Constant
from keras_inits.schemes.uniform_normal import Normal, TruncatedNormal
from keras_inits.schemes.variance_scaling import VarianceScaling


def bert(std: float = 0.02) -> Preset:
    """N(0, std^2) cut at 2 std, not corrected, for every weight and table; biases 0.

    The cut leaves a standard deviation of 0.8796 std.

    Args:
        std: `initializer_range`, > 0.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Source: google-research/bert, `modeling.py`, `create_initializer` (Devlin et al. 2019).
    """
    return _one_law("bert", std, lambda std: TruncatedNormal(0.0, std, low=-2.0, high=2.0))


def olmo2(std: float = 0.02) -> Preset:
    """N(0, std^2) cut at 3 std, not corrected, for every weight and table; biases 0.

    Args:
        std: > 0.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Source: allenai/OLMo-core, `nn/transformer/init.py`, `InitMethod.normal`.
    """
    return _one_law("olmo2", std, lambda std: TruncatedNormal(0.0, std, low=-3.0, high=3.0))


def deepseek(std: float = 0.006) -> Preset:
    """N(0, std^2) for every weight and table; biases 0.

    The papers give the standard deviation; that the law is normal is this library's reading.

    Args:
        std: > 0.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Source: Dai et al. 2024 (DeepSeekMoE, arXiv 2401.06066), section 4.1.3.
    """
    return _one_law("deepseek", std, Normal)


def t5(factor: float = 1.0, *, x: Any = None) -> Preset:
    """N(0, factor^2/fan_in) for every weight, queries divided by sqrt(head size) on top: T5 does not scale its
    logits. Tables and a head that is not tied to one N(0, factor^2), relative positions
    N(0, factor^2/width), scales `factor`, biases 0.

    Args:
        factor: > 0.
        x: Inputs of the model, where `residual_branches`, which finds the head, needs them.

    Returns:
        A preset, for `initialize(model, preset)`. A model without an attention layer whose projections are
        known by their names (query, q_proj, wq, ...) is a problem in the report.

    Raises:
        ValueError, TypeError: `factor` is no number > 0.

    Source: huggingface/transformers, `models/t5/modeling_t5.py`, `_init_weights`, after Mesh TensorFlow's
    `transformer/attention.py` (Raffel et al. 2020).
    """
    factor = checks.number("presets.t5", "factor", factor, above=0)

    def make(found: Structure) -> list[Rule]:
        heads = found.branches.heads
        widths: dict[int, int] = {}  # of attention layers
        sizes: dict[int, int] = {}  # of the heads that a query kernel has
        for place, own in attentions("presets.t5", found.model, None):
            try:
                widths[id(place.layer)], _, sizes[id(own.kernel("query"))] = own.shape("query")
            except ValueError as error:
                found.problem(f"does not know the queries of {place.path}: {error}")
        if not sizes:
            found.problem("finds no attention layer by the names of its projections")

        def positions(slot: Slot) -> Any:
            return Normal(factor / math.sqrt(widths[id(slot.layer)]))

        def query(slot: Slot) -> Any:
            scale = factor**2 / sizes[id(slot.variable)]
            return VarianceScaling(scale, "fan_in", "untruncated_normal")

        def scale(slot: Slot) -> bool:
            return is_norm(slot.layer) and slot.variable.trainable and not is_bias(slot)

        return [
            Rule(
                lambda slot: id(slot.layer) in widths and is_weight(slot),
                each=positions,
                exact=True,
            ),
            Rule(lambda slot: id(slot.variable) in sizes, each=query),
            Rule(lambda slot: slot.path in heads, Normal(factor), exact=True),
            Rule(lambda slot: slot.role == "embeddings", Normal(factor), exact=True),
            Rule(is_weight, VarianceScaling(factor**2, "fan_in", "untruncated_normal")),
            Rule(scale, Constant(factor), exact=True),
            *REST,
        ]

    return Preset("t5", {"factor": factor}, make, x)


def _one_law(name: str, std: float, law: Callable[[float], Scheme]) -> Preset:
    std = checks.number(f"presets.{name}", "std", std, above=0)
    rules = [Rule(is_weight, law(std), exact=True), *REST]
    return Preset(name, {"std": std}, lambda found: rules)
