"""Which layers hand masks on, or use them, otherwise than in tf.keras, and what stands for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_inits.configs import nodes

#: What a layer becomes in a model with masks, by the name of its class.
MASKED: dict[str, type] = {}


def has_masks(config: Any) -> bool:
    """Whether a model of tf.keras has masks: a layer makes them, or a call is given one."""
    given = ("mask", "attention_mask")
    return any(
        node.get("mask_zero") or node.get("class_name") == "Masking" or any(map(node.get, given))
        for node in nodes(config)
    )


def with_masks(config: Any) -> Any:
    """An upgraded config whose layers hand masks on as they did."""
    return replaced(config, MASKED)


def replaced(config: Any, classes: Mapping[str, type]) -> Any:
    """An upgraded config with these subclasses of Keras's layers instead of the layers."""
    if isinstance(config, list):
        return [replaced(item, classes) for item in config]
    if not isinstance(config, dict):
        return config
    inner = {key: replaced(value, classes) for key, value in config.items()}
    name = inner.get("class_name")
    if inner.get("module") == "keras.layers" and name in classes:
        inner |= {"module": None, "registered_name": f"keras2>{name}"}
        if inner["config"].get("unroll"):
            inner["config"]["unroll"] = False  # the same values; with masks it fails on PyTorch
    return inner


def registered(*bases: type, table: dict[str, type] = MASKED) -> Callable[[type], type]:
    """Makes a subclass of each layer with these methods, by the layer's name."""

    def decorate(methods: type) -> type:
        for base in bases:
            made = type(base.__name__, (methods, base), {"__module__": __name__})
            table[base.__name__] = keras.saving.register_keras_serializable("keras2")(made)
        return methods

    return decorate


def eager(compute_mask: Callable[..., Any]) -> Callable[..., Any]:
    """No mask while a model's graph is made, lest its operations become the graph's.

    Their automatic names could be those of layers. The model makes its masks when it runs.
    """

    def compute(self: Any, inputs: Any, mask: Any = None) -> Any:
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if any(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
            return None
        return compute_mask(self, inputs, mask)

    return compute
