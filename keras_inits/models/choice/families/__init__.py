"""Presets of published models: the figures of their authors' code."""

from keras_inits.models.choice.families.language import bert, deepseek, gemma, olmo2, t5
from keras_inits.models.choice.families.vision import (
    convnext,
    efficientnet,
    mlp_mixer,
    resnet_torchvision,
    vit,
    vit_timm,
)

__all__ = [
    "bert",
    "convnext",
    "deepseek",
    "efficientnet",
    "gemma",
    "mlp_mixer",
    "olmo2",
    "resnet_torchvision",
    "t5",
    "vit",
    "vit_timm",
]
