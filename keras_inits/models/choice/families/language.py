"""Presets of published language models: the figures of their authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras_inits import checks
from keras_inits.base import Scheme
from keras_inits.models.attention.projections import attentions
from keras_inits.models.choice.preset import REST, Preset, Structure, is_bias, is_weight
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import is_norm
from keras_inits.schemes.constant import Constant, Zero
from keras_inits.schemes.uniform_normal import Normal, RandomUniform, TruncatedNormal
from keras_inits.schemes.variance_scaling import TRUNCATED_STDDEV, VarianceScaling


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


def gemma(std: float = 0.01) -> Preset:
    """N(0, std^2) for every weight and table; biases 0; the scales of normalizations as their layers say.

    Gemma multiplies by 1 + scale, and starts the scale at 0. Its authors' code for inference and
    fine-tuning has these values; what the published weights were trained from is not published.

    Args:
        std: > 0.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Source: google-deepmind/gemma, `gemma/gm/nn/_layers.py` and `_modules.py`: `nn.initializers.normal()`, which is 0.01.
    """
    std = checks.number("presets.gemma", "std", std, above=0)
    rules = [Rule(is_weight, Normal(std), exact=True), Rule(is_bias, Zero(), exact=True)]
    return Preset("gemma", {"std": std}, lambda found: rules)


def t5(factor: float = 1.0) -> Preset:
    """By role, each times `factor`: T5 does not scale its logits, and so its queries are small.

    Keys, values and outputs of attention N(0, 1/fan_in), queries divided by sqrt(head size) on top; other
    weights, an untied head too, N(0, 1/fan_in) cut at 2 standard deviations, not corrected; tables
    N(0, 1); relative positions U(-L, L), L = sqrt(6/(heads + buckets)); scales 1, biases 0.

    Args:
        factor: > 0.

    Returns:
        A preset, for `initialize(model, preset)`. A model without an attention layer whose projections are
        known by their names (query, q_proj, wq, ...) is a problem in the report.

    Raises:
        ValueError, TypeError: `factor` is no number > 0.

    Source: tensorflow/mesh, `mesh_tensorflow/transformer/attention.py`, `transformer_layers.py` and
    `mesh_tensorflow/layers.py` (Raffel et al. 2020). Hugging Face's port draws an untied head N(0, 1) and relative
    positions N(0, 1/width), and cuts nothing.
    """
    factor = checks.number("presets.t5", "factor", factor, above=0)

    def make(found: Structure) -> list[Rule]:
        layers: set[int] = set()  # of attention
        kernels: dict[
            int, int
        ] = {}  # and what divides a kernel's variance: a query's size of heads
        for place, own in attentions("presets.t5", found.model, None):
            layers.add(id(place.layer))
            try:
                kernels[id(own.kernel("query"))] = own.shape("query")[2]
                kernels.update({id(own.kernel(role)): 1 for role in ("key", "value", "output")})
            except ValueError as error:
                found.problem(f"does not know the projections of {place.path}: {error}")
        if not kernels:
            found.problem("finds no attention layer by the names of its projections")

        def positions(slot: Slot) -> Any:
            limit = factor * math.sqrt(6 / sum(slot.shape))
            return RandomUniform(-limit, limit)

        def projection(slot: Slot) -> Any:
            scale = factor**2 / kernels[id(slot.variable)]
            return VarianceScaling(scale, "fan_in", "untruncated_normal")

        def scale(slot: Slot) -> bool:
            return is_norm(slot.layer) and slot.variable.trainable and not is_bias(slot)

        cut = VarianceScaling((factor * TRUNCATED_STDDEV) ** 2, "fan_in", "truncated_normal")
        return [
            Rule(
                lambda slot: id(slot.layer) in layers and is_weight(slot),
                each=positions,
                exact=True,
            ),
            Rule(lambda slot: id(slot.variable) in kernels, each=projection),
            Rule(lambda slot: slot.role == "embeddings", Normal(factor), exact=True),
            Rule(is_weight, cut),
            Rule(scale, Constant(factor), exact=True),
            *REST,
        ]

    return Preset("t5", {"factor": factor}, make)


def _one_law(name: str, std: float, law: Callable[[float], Scheme]) -> Preset:
    std = checks.number(f"presets.{name}", "std", std, above=0)
    rules = [Rule(is_weight, law(std), exact=True), *REST]
    return Preset(name, {"std": std}, lambda found: rules)
