"""Presets of published vision models: the figures of their authors' code."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_inits import checks
from keras_inits.models.choice.preset import (
    KERNELS,
    REST,
    Preset,
    Structure,
    is_bias,
    is_norm_scale,
    is_weight,
)
from keras_inits.models.choice.rules import Rule
from keras_inits.models.choice.zero import zero_residual
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import is_norm
from keras_inits.schemes.constant import Constant, One, Zero
from keras_inits.schemes.uniform_normal import Normal, TruncatedNormal
from keras_inits.schemes.variance_scaling import FanInUniform, VarianceScaling, XavierUniform

# Cut at -2 and 2 themselves, as PyTorch's trunc_normal_ does unless told: in effect not at all.
_UNCUT = 100.0
_CLASS_TOKENS = ("class_token", "cls_token", "reg_token", "register_tokens")
_BY_CLASSES = "-log(classes)"


def convnext(std: float = 0.02, layer_scale: float = 1e-6) -> Preset:
    """N(0, std^2) for every weight, biases 0, the vectors that multiply branches at `layer_scale`.

    The authors' call cuts the normal law at -2 and 2 themselves, 100 std from 0.

    Args:
        std: > 0.
        layer_scale: Start of the layers' scales.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0, or `layer_scale` no finite number.

    Source: facebookresearch/ConvNeXt, `models/convnext.py` (Liu et al. 2022).
    """
    std = checks.number("presets.convnext", "std", std, above=0)
    value = checks.number("presets.convnext", "layer_scale", layer_scale)

    def scales(slot: Slot) -> bool:
        return slot.role in ("gamma", "scale", "layer_scale") and not is_norm(slot.layer)

    law = TruncatedNormal(0.0, std, low=-_UNCUT, high=_UNCUT)
    rules = [Rule(scales, Constant(value)), Rule(is_weight, law, exact=True), *REST]
    return Preset("convnext", {"std": std, "layer_scale": value}, lambda found: rules)


def resnet_torchvision(zero_init_residual: bool = False, *, x: Any = None) -> Preset:
    """Convolutions N(0, 2/fan_out), scales 1; the head U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included.

    Args:
        zero_init_residual: The last scale of each branch is 0.
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        TypeError: `zero_init_residual` is no bool.

    Source: pytorch/vision, `torchvision/models/resnet.py`; the head is `torch.nn.Linear`'s.
    """
    checks.boolean("presets.resnet_torchvision", "zero_init_residual", zero_init_residual)
    head = Rule(_of(keras.layers.Dense, "kernel", "bias"), FanInUniform())
    kernels = Rule(_is_kernel, VarianceScaling(2.0, "fan_out", "untruncated_normal"))

    def make(found: Structure) -> list[Rule]:
        zeros = zero_residual(x=x).make(found) if zero_init_residual else []
        return [*zeros, head, kernels, *REST]

    return Preset("resnet_torchvision", {"zero_init_residual": zero_init_residual}, make, x)


def efficientnet() -> Preset:
    """Convolutions N(0, 2/fan_out), depthwise ones too; dense U(-1/sqrt(fan_out), 1/sqrt(fan_out)); biases 0.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: tensorflow/tpu, `models/official/efficientnet/efficientnet_model.py` (Tan & Le 2019).
    """
    dense = Rule(
        _of(keras.layers.Dense, "kernel"), VarianceScaling(1.0 / 3.0, "fan_out", "uniform")
    )
    kernels = Rule(_is_kernel, VarianceScaling(2.0, "fan_out", "untruncated_normal"))
    return Preset("efficientnet", {}, lambda found: [dense, kernels, *REST])


def mlp_mixer(*, x: Any = None) -> Preset:
    """LeCun's normal law, cut at 2 sigma and corrected, for every weight; biases and the head 0.

    Args:
        x: Inputs of the model, where `residual_branches`, which finds the head, needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: google-research/vision_transformer, `vit_jax/models_mixer.py` (Tolstikhin et al. 2021).
    """

    def make(found: Structure) -> list[Rule]:
        heads = found.heads
        law = VarianceScaling(1.0, "fan_in", "truncated_normal")
        return [Rule(lambda slot: slot.path in heads, Zero()), Rule(is_weight, law), *REST]

    return Preset("mlp_mixer", {}, make, x)


def vit_timm(std: float = 0.02, *, x: Any = None) -> Preset:
    """N(0, std^2) for dense weights and positions, class and register tokens N(0, 1e-12), biases 0; convolutions, the
    patches' projection, as PyTorch has them: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), bias included.

    The authors' call cuts the normal law at -2 and 2 themselves, 100 std from 0.

    Args:
        std: > 0.
        x: Inputs of the model, where it does not declare them: they show what its tokens are.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Source: huggingface/pytorch-image-models, `timm/models/vision_transformer.py`, `init_weights` and
    `init_weights_vit_timm`; the bounds of `trunc_normal_` are in `timm/layers/weight_init.py`.
    """
    std = checks.number("presets.vit_timm", "std", std, above=0)
    law = TruncatedNormal(0.0, std, low=-_UNCUT, high=_UNCUT)

    def make(found: Structure) -> list[Rule]:
        return [
            Rule(_of(keras.layers.Conv2D, "kernel", "bias"), FanInUniform()),
            Rule(_tokens(found), Normal(1e-6), exact=True),
            Rule(is_weight, law, exact=True),
            *REST,
        ]

    return Preset("vit_timm", {"std": std}, make, x)


def vit(head_bias: float | str = 0.0, *, x: Any = None) -> Preset:
    """Xavier's uniform law in residual branches, LeCun's normal law outside of them, the head's kernel 0.

    Positions N(0, 0.02^2), class tokens 0; biases of feed-forward branches N(0, 1e-12), the others 0. The
    start of the paper's authors, and of timm's `weight_init="jax"`.

    Args:
        head_bias: Of every class; "-log(classes)" starts each class's sigmoid near 1/classes (timm's "jax_nlhb").
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `head_bias` is neither a finite number nor "-log(classes)".

    Source: google-research/vision_transformer, `vit_jax/models_vit.py` (Dosovitskiy et al. 2021); Flax's `nn.Dense`
    and `nn.Conv` start at LeCun's law, cut at 2 sigma and corrected.
    """
    by_classes = isinstance(head_bias, str) and head_bias == _BY_CLASSES
    if isinstance(head_bias, str) and not by_classes:
        expected = f"a finite number or {_BY_CLASSES!r}"
        raise checks.value_error("presets.vit", "head_bias", expected, head_bias)
    value = 0.0 if by_classes else checks.number("presets.vit", "head_bias", head_bias)

    def make(found: Structure) -> list[Rule]:
        rows, heads = found.branches.rows, found.heads
        inside = {path for row in rows for path in (*row.weights, *row.scores)}
        fused = found.computation.fused_paths  # kernels of queries, keys and values
        forward = {
            path
            for row in rows
            if not row.scores and not any(fused.get(path, 0) > 2 for path in row.weights)
            for path in row.variables
        }
        layers = {id(slot.layer) for slot in found.slots if slot.path in heads}
        if not heads:
            found.problem("finds no head to start at 0")

        def start(slot: Slot) -> Any:
            return Constant(-math.log(slot.shape[-1]) if by_classes else value)

        def positions(slot: Slot) -> bool:
            return is_weight(slot) and found.computation.use(slot) in ("position", "embedding")

        return [
            Rule(lambda slot: slot.path in heads, Zero()),
            Rule(lambda slot: is_bias(slot) and id(slot.layer) in layers, each=start, exact=True),
            Rule(_tokens(found), Zero()),
            Rule(positions, Normal(0.02), exact=True),
            Rule(lambda slot: slot.path in inside, XavierUniform()),
            Rule(is_weight, VarianceScaling(1.0, "fan_in", "truncated_normal")),
            Rule(is_norm_scale, One(), exact=True),
            Rule(
                lambda slot: is_bias(slot) and slot.path in forward and not is_norm(slot.layer),
                Normal(1e-6),
                exact=True,
            ),
            Rule(is_bias, Zero(), exact=True),
        ]

    return Preset("vit", {"head_bias": head_bias}, make, x)


def _tokens(found: Structure) -> Any:
    """Class and register tokens, by what the model does with them or by their name."""
    return lambda slot: slot.role in _CLASS_TOKENS or found.computation.use(slot) == "class token"


def _of(layer: type, *roles: str) -> Any:
    return lambda slot: isinstance(slot.layer, layer) and slot.role in roles


def _is_kernel(slot: Slot) -> bool:
    return slot.role in KERNELS
