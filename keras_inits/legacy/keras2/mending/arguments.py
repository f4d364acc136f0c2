"""Arguments of layers that Keras 3 has no more: which change nothing, and which would."""

from __future__ import annotations

import inspect
from typing import Any

import keras

_ALWAYS: tuple[Any, ...] = ("at any value",)

#: Arguments that Keras 2 and tf.keras wrote, Keras 3 does not take, and at which values they
#: change nothing of what the layer computes. At any other value they are an error, and so is an
#: argument that is not here, unless it is None or False.
IDLE: dict[str, tuple[Any, ...]] = {
    # How the layer computes, what it was built for, or what its other arguments say already.
    **dict.fromkeys(("implementation", "input_length", "fused", "input_dtype"), _ALWAYS),
    **dict.fromkeys(("dtype_policy", "rng_type", "dynamic", "autocast"), _ALWAYS),
    **dict.fromkeys(("query_shape", "key_shape", "value_shape", "vocabulary_size"), _ALWAYS),
    **dict.fromkeys(("batch_input_shape", "has_input_vocabulary", "trainable"), _ALWAYS),
    # These count where renorm is True only, which is an error itself.
    **dict.fromkeys(("renorm_momentum", "renorm_clipping"), _ALWAYS),
    "groups": (1,),
    "num_constants": (0, None),
    "time_major": (False, None),
    "ragged": (False, None),
    "causal": (False,),
}
# tf.keras wrote these arguments of a base class, which the layer itself had no use for.
_UNUSED = {
    **dict.fromkeys(("groups", "kernel_initializer"), ("DepthwiseConv", "SeparableConv")),
    **dict.fromkeys(
        ("kernel_regularizer", "kernel_constraint"), ("DepthwiseConv", "SeparableConv")
    ),
}
_LAYER_ARGUMENTS = frozenset({"name", "trainable", "dtype", "activity_regularizer", "autocast"})


def without_lost(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """The arguments that Keras 3's layer takes; an error for one that it lost and that mattered."""
    known = arguments_of(getattr(keras.layers, name))
    kept = {}
    for key, value in inner.items():
        if key in known:
            kept[key] = value
        elif not changes_nothing(name, key, value):
            raise ValueError(
                f"upgrade_model: layer {inner.get('name')!r} ({name}) must have no argument that "
                f"Keras 3 lost, got {key}={value!r}"
            )
    return kept


def changes_nothing(name: str, key: str, value: Any) -> bool:
    """Whether a layer of class `name` computes the same without an argument of this value."""
    values = IDLE.get(key, ())
    return (
        value is None
        or value is False
        or values is _ALWAYS
        or any(value == idle and type(value) is type(idle) for idle in values)
        or name.startswith(_UNUSED.get(key, ("-",)))
    )


def arguments_of(cls: type) -> frozenset[str]:
    """The arguments of a layer's constructor and of those that it passes the rest on to."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base is keras.layers.Layer:
            return frozenset(names | _LAYER_ARGUMENTS)
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters  # type: ignore[misc]
            names.update(parameters)
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return frozenset(names)
