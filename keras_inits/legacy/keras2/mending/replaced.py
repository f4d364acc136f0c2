"""Layers that Keras 3 has under another name, or with other arguments, and computes alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_Config = dict[str, Any]


def mended(name: str, inner: _Config) -> tuple[str, _Config] | None:
    """(class, arguments) of the layer that computes the same, or None where nothing changed."""
    mend = _MENDED.get(name)
    return mend(dict(inner)) if mend else None


def is_mended(name: str) -> bool:
    """Whether a layer of this name has another counterpart."""
    return name in _MENDED


def _thresholded_relu(inner: _Config) -> tuple[str, _Config]:
    """x where x > theta, else 0."""
    inner["threshold"] = inner.pop("theta", 1.0)
    return "ReLU", inner


def _leaky_relu(inner: _Config) -> tuple[str, _Config]:
    if "alpha" in inner:
        inner["negative_slope"] = inner.pop("alpha")
    return "LeakyReLU", inner


def _before_reset_after(name: str) -> Callable[[_Config], tuple[str, _Config]]:
    """Before 2.1.4 a GRU had no choice."""
    return lambda inner: (name, {"reset_after": False, **inner})


def _cudnn_gru(inner: _Config) -> tuple[str, _Config]:
    return "GRU", {**inner, "reset_after": True}


def _cudnn_lstm(inner: _Config) -> tuple[str, _Config]:
    return "LSTM", inner


def _batch_normalization(inner: _Config) -> tuple[str, _Config]:
    if isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
        (inner["axis"],) = inner["axis"]
    if isinstance(inner.get("axis"), list):
        raise ValueError(
            f"upgrade_model: layer {inner.get('name')!r} (BatchNormalization) must have one axis, "
            f"which Keras 3 takes, got axis={inner['axis']}"
        )
    return "BatchNormalization", inner


def _sync_batch_normalization(inner: _Config) -> tuple[str, _Config]:
    return _batch_normalization({**inner, "synchronized": True})


def _bidirectional(inner: _Config) -> tuple[str, _Config]:
    """A layer that goes backwards has its backward half go forwards; Keras 3 has both go back."""
    layer = inner.get("layer")
    is_reversed = isinstance(layer, dict) and layer["config"].get("go_backwards")
    if layer is not None and is_reversed and inner.get("backward_layer") is None:
        name = f"backward_{layer['config'].get('name', 'layer')}"
        config = {**layer["config"], "go_backwards": False, "name": name}
        inner["backward_layer"] = {**layer, "config": config}
    return "Bidirectional", inner


def _random_crop(inner: _Config) -> tuple[str, _Config]:
    """tf.keras resized the images where it did not train; Keras 3 leaves them as they are."""
    raise ValueError(
        f"upgrade_model: layer {inner.get('name')!r} (RandomCrop) must be one that Keras 3 computes "
        "alike, got one that crops in training alone; CenterCrop or Resizing can take its place"
    )


def _loss(inner: _Config) -> tuple[str, _Config]:
    """A loss or metric of a tensor that goes on."""
    return "Identity", {"name": inner.get("name")}


_MODES = {
    **{"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"},
    **{"concat": "Concatenate", "dot": "Dot"},
}


def _merge(inner: _Config) -> tuple[str, _Config]:
    """The layer that Keras 2.0 still had from Keras 1."""
    mode = inner.get("mode")
    if not isinstance(mode, str) or mode not in _MODES or inner.get("mode_type") == "lambda":
        raise ValueError(
            f"upgrade_model: layer {inner.get('name')!r} (Merge) must have a mode of "
            f"{', '.join(map(repr, _MODES))}, got {mode!r}"
        )
    kept: _Config = {key: inner[key] for key in ("name", "trainable", "dtype") if key in inner}
    if mode == "concat":
        kept["axis"] = inner.get("concat_axis", -1)
    if mode == "dot":
        kept["axes"] = inner.get("dot_axes", -1)
    return _MODES[mode], kept


_MENDED: dict[str, Callable[[_Config], tuple[str, _Config]]] = {
    "ThresholdedReLU": _thresholded_relu,
    "LeakyReLU": _leaky_relu,
    "GRU": _before_reset_after("GRU"),
    "GRUCell": _before_reset_after("GRUCell"),
    "CuDNNGRU": _cudnn_gru,
    "CuDNNLSTM": _cudnn_lstm,
    "BatchNormalization": _batch_normalization,
    "SyncBatchNormalization": _sync_batch_normalization,
    "Bidirectional": _bidirectional,
    "Merge": _merge,
    "RandomCrop": _random_crop,
    "AddLoss": _loss,
    "AddMetric": _loss,
}
#: Classes that Keras 3 does not have, and what each becomes.
REPLACED = {
    **{"ThresholdedReLU": "ReLU", "CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM"},
    **{"SyncBatchNormalization": "BatchNormalization", "Merge": ", ".join(_MODES.values())},
}
