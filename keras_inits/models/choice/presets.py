"""The defaults of frameworks and papers, as lists of rules; the first that matches a variable counts."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras

from keras_inits import checks
from keras_inits.fans import compute_fans
from keras_inits.host import is_keras
from keras_inits.models.choice import blocks, depth, families, zero
from keras_inits.models.choice.computation import Computation
from keras_inits.models.choice.keras1 import keras1
from keras_inits.models.choice.preset import KERNELS, Preset
from keras_inits.models.choice.rules import Rule, parse_rules
from keras_inits.models.variables.origin import attributes, sublayers
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import ATTENTION, TRANSPOSED, geometry_of
from keras_inits.registry import get
from keras_inits.reports.report import Problem
from keras_inits.schemes.constant import Constant, Identity, One, Zero
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.schemes.recurrent import ForgetGateBias
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import FanInUniform, VarianceScaling, XavierUniform

_L = keras.layers
WEIGHTS = (*KERNELS, "bias")
_INPUTS = ("query", "key", "value")
_SCALES, _SHIFTS = ("gamma", "scale"), ("bias", "beta")

Rules = Sequence[Any]
PRESETS: dict[str, Rules | Callable[[list[Slot]], Rules] | Preset] = {}


def register_preset(name: str, rules: Rules | Callable[[list[Slot]], Rules] | Preset) -> None:
    """Make `initialize(model, name)` take these rules.

    Args:
        name: What users write; letters, digits, "-", "_" and ".".
        rules: (pattern, initializer) pairs as `initialize` takes them, the first match counting, or
            a function that makes such pairs of the model's slots, or what a function of
            `keras_inits.presets` gives. A rule that matches nothing is no
            error here; a variable that no rule matches is drawn from its layer's own initializer.

    Raises:
        ValueError: The name is taken, or a rule is none.
        TypeError: The name is no string, or the rules are neither pairs nor a function.

    Example:
        >>> register_preset("docs-small", [("kernel$", "keras_inits>normal"), ("bias$", "zeros")])
    """
    if not isinstance(name, str):
        raise checks.type_error("register_preset", "name", "a string", name)
    if name in PRESETS or not re.fullmatch(r"[\w.-]+", name):
        raise checks.value_error("register_preset", "name", "a free name without spaces", name)
    made = callable(rules) or isinstance(rules, Preset)
    PRESETS[name] = rules if made else parse_rules(rules)


def preset(name: str | Preset, computation: Computation) -> tuple[list[Rule], list[Problem]]:
    """The rules of a preset for a model, and what of it does not hold there."""
    if isinstance(name, Preset):
        return name.rules(computation)
    if name not in PRESETS and _is_initializer(name):
        raise ValueError(
            f"initialize: rules must name a preset, got the initializer {name!r}; to draw every kernel "
            f'from it: initialize(model, {{"kernel$": {name!r}}})'
        )
    checks.one_of("initialize", "rules (a preset's name)", name, tuple(PRESETS))
    rules = PRESETS[name]
    if isinstance(rules, Preset):
        return rules.rules(computation)
    made = rules(computation.slots) if callable(rules) else rules
    return list(made) if all(isinstance(rule, Rule) for rule in made) else parse_rules(made), []


def _is_initializer(name: str) -> bool:
    try:
        return callable(get(name))
    except ValueError:
        return False


def _role(*roles: str) -> Callable[[Slot], bool]:
    return lambda slot: slot.role in roles


def _keras(slot: Slot) -> Any:
    """The layer class's own default arguments, read from its signature."""
    native = next(filter(is_keras, type(slot.layer).__mro__))
    parameters = inspect.signature(native.__init__).parameters  # type: ignore[misc]
    for attribute in attributes(slot.variable.name):
        default = getattr(parameters.get(attribute), "default", None)
        if isinstance(default, (str, keras.initializers.Initializer)):
            forget = slot.role == "bias" and "unit_forget_bias" in parameters
            initializer = keras.initializers.get(default)
            return ForgetGateBias(1.0, initializer) if forget else initializer
    return None


def _torch_attention(slot: Slot) -> Any:
    """One Xavier matrix (3 d, d) for query, key and value where they read the same width."""
    if slot.role == "bias":
        return Zero()
    geometry = geometry_of(slot.layer, slot.role, slot.shape)
    if slot.role != "kernel" or geometry is None:
        return None
    if slot.layer.name not in _INPUTS:
        return FanInUniform().with_fans(geometry.fan_in, geometry.fan_out)
    inputs = [layer for layer in sublayers(_around(slot, ATTENTION)) if layer.name in _INPUTS]
    fans = [geometry_of(layer, "kernel", tuple(layer.kernel.shape)) for layer in inputs]
    fused = all(f is not None and f.fan_in == geometry.fan_in for f in fans)
    fan_out = sum(f.fan_out for f in fans if f is not None) if fused else geometry.fan_out
    return XavierUniform().with_fans(geometry.fan_in, fan_out)


def _torch_cell(slot: Slot) -> Any:
    # Weights and biases alike by the number of units; convolutional cells are not in PyTorch.
    units = getattr(slot.layer, "units", None)
    return FanInUniform().with_fans(units, units) if units else None


def _torch_transposed(slot: Slot) -> Any:
    # PyTorch reads a transposed kernel's axes as if it were not: fan_in counts the outputs.
    return FanInUniform().with_fans(*compute_fans(tuple(slot.layer.kernel.shape)))


def _torch_by_fans(slot: Slot) -> Any:
    geometry = geometry_of(slot.layer, slot.role, slot.shape)
    return geometry and FanInUniform().with_fans(geometry.fan_in, geometry.fan_out)


def _in_attention(slot: Slot) -> bool:
    return _around(slot, ATTENTION) is not None


def _is_cell_weight(slot: Slot) -> bool:
    return slot.role in WEIGHTS and getattr(slot.layer, "recurrent_kernel", None) is not None


def _is_transposed_weight(slot: Slot) -> bool:
    return slot.role in WEIGHTS and isinstance(slot.layer, TRANSPOSED)


def _is_norm_scale(slot: Slot) -> bool:
    return slot.role in _SCALES and type(slot.layer).__name__.endswith("Normalization")


#: PyTorch 2: torch/nn/modules/{linear,conv,rnn,activation,sparse}.py, reset_parameters.
_TORCH = [
    Rule(_in_attention, each=_torch_attention),
    Rule((_L.Embedding, "embeddings"), Normal(1.0)),
    Rule(_role("alpha"), Constant(0.25)),
    Rule(_is_norm_scale, One()),
    Rule(_role("beta"), Zero()),
    Rule(_is_cell_weight, each=_torch_cell),
    Rule(_is_transposed_weight, each=_torch_transposed),
    Rule(_role(*WEIGHTS), each=_torch_by_fans),
]

#: Flax linen: default_kernel_init lecun_normal, zeros; recurrent kernels orthogonal.
_FLAX = [
    Rule(
        lambda slot: slot.role == "recurrent_kernel" and getattr(slot.layer, "units", None),
        Orthogonal(),
    ),
    Rule(_role(*KERNELS), VarianceScaling(1.0, "fan_in", "truncated_normal")),
    Rule(_role("embeddings"), each=lambda slot: Normal(1.0 / math.sqrt(slot.shape[-1]))),
    Rule(_role("alpha"), Constant(0.01)),
    Rule(_is_norm_scale, One()),
    Rule(_role(*_SHIFTS), Zero()),
]


#: Le et al. 2015 (arXiv 1504.00941); the other layers keep their own initializers.
_IRNN = [
    Rule((_L.SimpleRNNCell, "recurrent_kernel"), Identity()),
    Rule((_L.SimpleRNNCell, "kernel"), Normal(0.001)),
    Rule((_L.SimpleRNNCell, "bias"), Zero()),
]


PRESETS.update(
    {
        "keras": [Rule(lambda slot: True, each=_keras)],
        "keras1": [Rule(lambda slot: True, each=keras1, exact=True)],
        "torch": [replace(rule, exact=True) for rule in _TORCH],
        "flax": _FLAX,
        "gpt2": depth.gpt2(),
        "irnn": _IRNN,
        "small_init": depth.small_init(),
        "wang": depth.wang(),
        "fixup": depth.fixup(),
        "zero_residual": zero.zero_residual(),
        "layer_scale": zero.layer_scale(),
        "deepnorm": blocks.deepnorm(),
        "t_fixup": blocks.t_fixup(),
        "bert": families.bert(),
        "olmo2": families.olmo2(),
        "convnext": families.convnext(),
        "resnet_torchvision": families.resnet_torchvision(),
        "efficientnet": families.efficientnet(),
        "mlp_mixer": families.mlp_mixer(),
        "deepseek": families.deepseek(),
        "gemma": families.gemma(),
        "vit": families.vit(),
        "vit_timm": families.vit_timm(),
        "t5": families.t5(),
    }
)


def _around(slot: Slot, classes: tuple[type, ...]) -> Any:
    return next((layer for layer in slot.layers if isinstance(layer, classes)), None)
