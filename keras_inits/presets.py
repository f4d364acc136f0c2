"""Presets with arguments, for `initialize(model, presets.gpt2(std=0.01))`."""

from keras_inits.models.choice.blocks import deepnorm, t_fixup
from keras_inits.models.choice.depth import fixup, gpt2, small_init, wang
from keras_inits.models.choice.families import (
    bert,
    convnext,
    deepseek,
    efficientnet,
    gemma,
    mlp_mixer,
    olmo2,
    resnet_torchvision,
    t5,
    vit,
    vit_timm,
)
from keras_inits.models.choice.zero import layer_scale, skipinit, zero_residual

__all__ = [
    "bert",
    "convnext",
    "deepnorm",
    "deepseek",
    "efficientnet",
    "fixup",
    "gemma",
    "gpt2",
    "layer_scale",
    "mlp_mixer",
    "olmo2",
    "resnet_torchvision",
    "skipinit",
    "small_init",
    "t5",
    "t_fixup",
    "vit",
    "vit_timm",
    "wang",
    "zero_residual",
]
