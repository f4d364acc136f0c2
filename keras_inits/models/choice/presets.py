"""The defaults of frameworks and papers: for each layer type and role, a scheme."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import keras

from keras_inits import checks
from keras_inits.fans import compute_fans
from keras_inits.models.choice.keras1 import keras1
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.origin import attributes, sublayers
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import TRANSPOSED, geometry_of
from keras_inits.schemes.constant import Constant, One, Zero
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.schemes.recurrent import ForgetGateBias
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import FanInUniform, VarianceScaling, XavierUniform

_L = keras.layers
ATTENTION = (_L.MultiHeadAttention, _L.GroupQueryAttention)
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")
_INPUTS = ("query", "key", "value")
_SCALES, _SHIFTS = ("gamma", "scale"), ("bias", "beta")

#: What a preset says of one variable: a rule, or None where it says nothing.
Chooser = Callable[[Slot], Rule | None]


def preset(name: str, slots: list[Slot]) -> Chooser:
    """The preset of this name for a model with these variables."""
    checks.one_of("initialize", "rules (a preset's name)", name, tuple(PRESETS))
    return PRESETS[name](slots)


def _by(choose: Callable[[Slot], Any], name: str, exact: bool = False) -> Callable[[Any], Chooser]:
    def chooser(slot: Slot) -> Rule | None:
        scheme = choose(slot)
        return None if scheme is None else Rule(name, scheme, exact)

    return lambda slots: chooser


def _keras(slot: Slot) -> Any:
    """The layer class's own default arguments, read from its signature."""
    native = next(c for c in type(slot.layer).__mro__ if c.__module__.split(".")[0] == "keras")
    parameters = inspect.signature(native.__init__).parameters  # type: ignore[misc]
    for attribute in attributes(slot.variable.name):
        default = getattr(parameters.get(attribute), "default", None)
        if isinstance(default, (str, keras.initializers.Initializer)):
            forget = slot.role == "bias" and "unit_forget_bias" in parameters
            initializer = keras.initializers.get(default)
            return ForgetGateBias(1.0, initializer) if forget else initializer
    return None


def _torch(slot: Slot) -> Any:
    """PyTorch 2: torch/nn/modules/{linear,conv,rnn,activation,sparse}.py, reset_parameters."""
    layer, role = slot.layer, slot.role
    if _around(slot, ATTENTION):
        return _torch_attention(slot)
    if isinstance(layer, _L.Embedding):
        return Normal(1.0) if role == "embeddings" else None
    if role == "alpha":
        return Constant(0.25)
    if role in _SCALES and _is_normalization(layer):
        return One()
    if role == "beta":
        return Zero()
    if role not in (*KERNELS, "bias"):
        return None
    if _is_cell(layer):
        # Weights and biases alike by the number of units; convolutional cells are not in PyTorch.
        units = getattr(layer, "units", None)
        return FanInUniform().with_fans(units, units) if units else None
    if isinstance(layer, TRANSPOSED):
        # PyTorch reads a transposed kernel's axes as if it were not: fan_in counts the outputs.
        return FanInUniform().with_fans(*compute_fans(tuple(layer.kernel.shape)))
    structure = geometry_of(layer, role, slot.shape)
    return structure and FanInUniform().with_fans(structure.fan_in, structure.fan_out)


def _torch_attention(slot: Slot) -> Any:
    """One Xavier matrix (3 d, d) for query, key and value where they read the same width."""
    if slot.role == "bias":
        return Zero()
    structure = geometry_of(slot.layer, slot.role, slot.shape)
    if slot.role != "kernel" or structure is None:
        return None
    if slot.layer.name not in _INPUTS:
        return FanInUniform().with_fans(structure.fan_in, structure.fan_out)
    inputs = [layer for layer in sublayers(_around(slot, ATTENTION)) if layer.name in _INPUTS]
    fans = [geometry_of(layer, "kernel", tuple(layer.kernel.shape)) for layer in inputs]
    fused = all(f is not None and f.fan_in == structure.fan_in for f in fans)
    fan_out = sum(f.fan_out for f in fans if f is not None) if fused else structure.fan_out
    return XavierUniform().with_fans(structure.fan_in, fan_out)


def _flax(slot: Slot) -> Any:
    """Flax linen: default_kernel_init lecun_normal, zeros; recurrent kernels orthogonal."""
    layer, role = slot.layer, slot.role
    if role == "recurrent_kernel" and getattr(layer, "units", None):
        return Orthogonal()
    if role in KERNELS:
        return VarianceScaling(1.0, "fan_in", "truncated_normal")
    if role == "embeddings":
        return Normal(1.0 / math.sqrt(slot.shape[-1]))
    if role == "alpha":
        return Constant(0.01)
    if role in _SCALES and _is_normalization(layer):
        return One()
    return Zero() if role in _SHIFTS else None


def _gpt2(slots: list[Slot]) -> Chooser:
    """GPT-2: N(0, 0.02^2), biases 0; what writes to the residual stream / sqrt(2 blocks).

    A block is an attention layer. Its output projection writes to the stream, and so does each
    dense map outside attention that narrows to the attention's width.
    """
    around = [_around(slot, ATTENTION) for slot in slots]
    blocks = len({id(layer) for layer in around if layer is not None})
    widths = {
        slot.shape[0]
        for slot, layer in zip(slots, around, strict=True)
        if layer is not None and slot.role == "kernel" and slot.layer.name == "query"
    }

    def writes_to_stream(slot: Slot) -> bool:
        if _around(slot, ATTENTION):
            return slot.layer.name == "attention_output"
        structure = geometry_of(slot.layer, slot.role, slot.shape)
        if structure is None or not isinstance(slot.layer, (_L.Dense, _L.EinsumDense)):
            return False
        return structure.fan_out in widths and structure.fan_in > structure.fan_out

    def choose(slot: Slot) -> Any:
        if slot.role in (*KERNELS, "embeddings"):
            residual = blocks and slot.role == "kernel" and writes_to_stream(slot)
            return Normal(0.02 / math.sqrt(2 * blocks) if residual else 0.02)
        if slot.role in _SCALES and _is_normalization(slot.layer):
            return One()
        return Zero() if slot.role in _SHIFTS else None

    return _by(choose, "gpt2", exact=True)(slots)


PRESETS: dict[str, Callable[[list[Slot]], Chooser]] = {
    "keras": _by(_keras, "keras"),
    "keras1": _by(keras1, "keras1", exact=True),
    "torch": _by(_torch, "torch", exact=True),
    "flax": _by(_flax, "flax"),
    "gpt2": _gpt2,
}


def _around(slot: Slot, classes: tuple[type, ...]) -> Any:
    return next((layer for layer in slot.layers if isinstance(layer, classes)), None)


def _is_cell(layer: Any) -> bool:
    return getattr(layer, "recurrent_kernel", None) is not None


def _is_normalization(layer: Any) -> bool:
    return type(layer).__name__.endswith("Normalization")
