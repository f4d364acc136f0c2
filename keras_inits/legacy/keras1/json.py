"""The JSON of a Keras 1 model: its layers, and what their paths are in a port to Keras 3."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inits import checks
from keras_inits.configs import is_too_deep

_MODELS = ("Sequential", "Model")
EXPECTED = "the JSON of a Keras 1 model"


def parse(source: Any) -> Mapping[str, Any]:
    """The model in a text, a file or a dict; an error for what is none."""
    found: Any = source
    if not isinstance(source, (Mapping, str, PathLike)):
        raise checks.type_error("rules", "source", EXPECTED, source)
    if not isinstance(source, Mapping):
        is_text = isinstance(source, str) and source.lstrip()[:1] in ("{", "[")
        try:
            text = str(source) if is_text else Path(source).read_text(encoding="utf-8")
            found = json.loads(text)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, RecursionError) as error:
            raise checks.value_error("rules", "source", EXPECTED, source) from error
    is_model = isinstance(found, Mapping) and found.get("class_name") in _MODELS
    if not is_model or is_too_deep(found) or not _is_layer(found):
        raise checks.value_error("rules", "source", EXPECTED, found)
    return found


def _is_layer(node: Any) -> bool:
    if not isinstance(node, Mapping) or not isinstance(node.get("class_name"), str):
        return False
    kinds = (Mapping, list) if node["class_name"] in _MODELS else Mapping
    return isinstance(node.get("config"), kinds) and isinstance(_name(node), str)


def _layers(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The model's layers, those of the branches that a Sequential's Merge joins before it."""
    inner = model["config"]
    layers: Any = inner.get("layers") if isinstance(inner, Mapping) else inner
    found = []
    for layer in layers if isinstance(layers, list) else [layers]:
        if not _is_layer(layer):
            raise checks.value_error("rules", "source", f"{EXPECTED}, of layers", layer)
        if layer["class_name"] == "Merge":
            branches = layer["config"].get("layers") or []
            for branch in branches if isinstance(branches, list) else [branches]:
                is_model = _is_layer(branch) and branch["class_name"] in _MODELS
                found += _layers(branch if is_model else {"config": [branch]})
        found.append(layer)
    return found


def leaves(model: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every layer that has no layers inside, with a regular expression of its path."""
    return _walk(_layers(model), "")


def _walk(layers: list[dict[str, Any]], above: str) -> Iterator[tuple[dict[str, Any], str]]:
    for layer, name in zip(layers, _segments(layers), strict=True):
        path = f"{above}{name}/"
        if layer["class_name"] in _MODELS:
            yield from _walk(_layers(layer), path)
        elif layer["class_name"] == "TimeDistributed":
            yield from _walk(_wrapped(layer), path)
        elif layer["class_name"] == "Bidirectional":
            yield _wrapped(layer)[-1], f"{path}(?:forward|backward)_[^/]+/"
        else:
            yield layer, path


def _wrapped(layer: dict[str, Any]) -> list[dict[str, Any]]:
    return _layers({"config": [layer["config"].get("layer")]})


def _segments(layers: list[dict[str, Any]]) -> list[str]:
    """What the path has for each layer: its own name, or Keras 3's automatic one counted anew."""
    parsed = [_automatic(layer) for layer in layers]
    ranks: dict[tuple[str, int], int] = {}
    counts: Counter[str] = Counter()
    for key in sorted({key for key in parsed if key[1]}):
        ranks[key] = counts[key[0]]
        counts[key[0]] += 1
    segments = []
    for layer, (stem, number) in zip(layers, parsed, strict=True):
        name = _name(layer)
        if not name:
            segments.append("[^/]+")
            continue
        rank = ranks[stem, number] if number else 0
        fresh = f"{stem}_{rank}" if rank else stem
        # "dense_1" would be counted anew like Keras 3's own; "convolution2d_1" stays.
        own = [] if re.fullmatch(rf"{re.escape(stem)}_\d+", name) else [name]
        choices = [re.escape(n) for n in ([*own, fresh] if number else [name])]
        segments.append(choices[0] if len(choices) == 1 else f"(?:{'|'.join(choices)})")
    return segments


def _name(layer: Mapping[str, Any]) -> Any:
    inner = layer["config"]
    return layer.get("name") or (isinstance(inner, Mapping) and inner.get("name")) or ""


def _automatic(layer: dict[str, Any]) -> tuple[str, int]:
    """(Keras 3's stem for such a layer, the number that Keras 1 gave it, 0 if the user named it)."""
    old = layer["class_name"]
    stem = _STEMS.get(old, old.lower())
    match = re.fullmatch(rf"{re.escape(old.lower())}_(\d{{1,9}})", _name(layer))
    return stem, int(match[1]) if match else 0


_STEMS = {
    **{f"{kind}Convolution2D": "conv2d" for kind in ("", "Atrous")},
    **{"Convolution1D": "conv1d", "AtrousConvolution1D": "conv1d", "Convolution3D": "conv3d"},
    **{"Deconvolution2D": "conv2d_transpose", "SeparableConvolution2D": "separable_conv2d"},
    **{"BatchNormalization": "batch_normalization", "PReLU": "p_re_lu", "SimpleRNN": "simple_rnn"},
    **{"ConvLSTM2D": "conv_lstm2d", "TimeDistributed": "time_distributed", "Model": "functional"},
}
