"""From a Keras 1 model's JSON to the rules that give a port of it the same start."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inits import checks
from keras_inits.legacy.keras1 import NAMES
from keras_inits.schemes.orthogonal import Orthogonal
from keras_inits.schemes.recurrent import ForgetGateBias, Gated
from keras_inits.schemes.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunUniform,
)

Pairs = list[tuple[str, Any]]
Axes = tuple[list[int], list[int]]

# The laws of Keras 1 with fans that can be told by axes.
_BY_FANS: dict[str, type] = {
    "lecun_uniform": LecunUniform,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
}


def rules(source: str | PathLike[str] | Mapping[str, Any]) -> Pairs:
    """Rules for `initialize` that give a Keras 3 port of a Keras 1 model its laws.

    `source` is what Keras 1's `model.to_json()` gave: the text, the file's path or the parsed dict.
    The port's layers have the names in there, or Keras 3's automatic names, in the same order;
    otherwise `initialize` says which rule matches nothing. Each pair is a regular expression on a
    variable's path and a scheme. Biases that Keras 1 filled with zeros have no rule.

    The laws are those of the version and of the layer's `dim_ordering` and `consume_less`, the
    quirks of Keras 1's layers included. A layer that Keras 3 does not have gets no rule but a
    warning. Raises ValueError for what is no Keras 1 model and for an unknown initialization.
    """
    model = _parse(source)
    version = str(model.get("keras_version", "1.2.2"))
    if not version.startswith("1."):
        raise checks.value_error("rules", "keras_version", "1.x", version)
    pairs: Pairs = []
    skipped: list[str] = []
    for layer, path in _walk(_inside(model), ""):
        pairs += _of_layer(layer, path, tuple(map(int, re.findall(r"\d+", version)[:3])), skipped)
    if skipped:
        warnings.warn(
            f"rules: Keras 3 does not have the layers {', '.join(skipped)}; no rules for them",
            stacklevel=2,
        )
    return pairs


def _parse(source: Any) -> dict[str, Any]:
    if isinstance(source, Mapping):
        found = source
    else:
        is_text = isinstance(source, str) and source.lstrip()[:1] in ("{", "[")
        found = json.loads(source if is_text else Path(source).read_text(encoding="utf-8"))
    expected = "the JSON of a Keras 1 model"
    if not isinstance(found, Mapping) or found.get("class_name") not in ("Sequential", "Model"):
        raise checks.value_error("rules", "source", expected, found)
    return dict(found)


def _inside(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    inner = model["config"]
    return inner["layers"] if isinstance(inner, Mapping) else inner


def _walk(layers: list[dict[str, Any]], above: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every layer that has no layers inside, with a regular expression of its path."""
    for layer, name in zip(layers, _segments(layers), strict=True):
        path = f"{above}{name}/"
        if layer["class_name"] in ("Sequential", "Model"):
            yield from _walk(_inside(layer), path)
        elif layer["class_name"] == "TimeDistributed":
            yield from _walk([layer["config"]["layer"]], path)
        elif layer["class_name"] == "Bidirectional":
            yield layer["config"]["layer"], f"{path}(?:forward|backward)_[^/]+/"
        else:
            yield layer, path


def _segments(layers: list[dict[str, Any]]) -> list[str]:
    """What the path has for each layer: its own name, or Keras 3's automatic one counted anew."""
    parsed = [_automatic(layer) for layer in layers]
    numbers: dict[str, list[int]] = {}
    for stem, number in parsed:
        numbers.setdefault(stem, []).append(number)
    segments = []
    for layer, (stem, number) in zip(layers, parsed, strict=True):
        name = _name(layer)
        if not name:
            segments.append("[^/]+")
            continue
        rank = sorted(numbers[stem]).index(number) if number else 0
        fresh = f"{stem}_{rank}" if rank else stem
        # "dense_1" would be counted anew like Keras 3's own; "convolution2d_1" stays.
        own = [] if re.fullmatch(rf"{stem}_\d+", name) else [name]
        choices = [re.escape(n) for n in ([*own, fresh] if number else [name])]
        segments.append(choices[0] if len(choices) == 1 else f"(?:{'|'.join(choices)})")
    return segments


def _name(layer: dict[str, Any]) -> str:
    inner = layer["config"]
    return layer.get("name") or (inner.get("name", "") if isinstance(inner, Mapping) else "")


def _automatic(layer: dict[str, Any]) -> tuple[str, int]:
    """(Keras 3's stem for such a layer, the number that Keras 1 gave it, 0 if the user named it)."""
    old = layer["class_name"]
    stem = _STEMS.get(old, old.lower())
    match = re.fullmatch(rf"{old.lower()}_(\d+)", _name(layer))
    return stem, int(match[1]) if match else 0


_STEMS = {
    **{f"{kind}Convolution2D": "conv2d" for kind in ("", "Atrous")},
    **{"Convolution1D": "conv1d", "AtrousConvolution1D": "conv1d", "Convolution3D": "conv3d"},
    **{"Deconvolution2D": "conv2d_transpose", "SeparableConvolution2D": "separable_conv2d"},
    **{"BatchNormalization": "batch_normalization", "PReLU": "p_re_lu", "SimpleRNN": "simple_rnn"},
    **{"ConvLSTM2D": "conv_lstm2d", "TimeDistributed": "time_distributed", "Model": "functional"},
}


def _of_layer(
    layer: dict[str, Any], path: str, version: tuple[int, ...], skipped: list[str]
) -> Pairs:
    config = layer["config"]
    where = f"{layer['class_name']} {config.get('name')!r}"
    reader = _READERS.get(layer["class_name"])
    if reader is None:
        if "init" in config:
            skipped.append(where)
        return []
    found = reader(config, version)
    for role, scheme in found.items():
        if isinstance(scheme, str):
            raise ValueError(
                f"rules: {role} of {where} must have an initialization of Keras 1, got {scheme!r}"
            )
    return [(f"^{path}(?:[^/]+/)?{role}$", scheme) for role, scheme in found.items()]


Reader = Callable[[dict[str, Any], tuple[int, ...]], dict[str, Any]]


def _scheme(name: str, axes: Axes | None = None, *, th: bool = False) -> Any:
    """The scheme of a Keras 1 string for a kernel of Keras 3, or the string where unknown."""
    if axes is not None and name in _BY_FANS:
        return _BY_FANS[name](input_axes=axes[0], output_axes=axes[1])
    if th and name == "orthogonal":
        return Orthogonal(1.1)  # Keras 1 flattened to (outputs, rest), which Keras 3 has last
    return NAMES[name]() if name in NAMES else name


def _plain(role: str, key: str = "init") -> Reader:
    return lambda config, version: {role: _scheme(config[key])}


def _conv1d(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    # (length, 1, inputs, filters) read as "th", from 1.1.0; before, (filters, inputs, length, 1).
    if version >= (1, 1, 0):
        return {"kernel": _scheme(config["init"], ([1, 2], [0, 1, 2]))}
    return {"kernel": _scheme(config["init"], ([0, 1], [0, 2]), th=True)}


def _conv2d(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    th = config["dim_ordering"] == "th"
    # Before 1.2.1 a "tf" kernel was read as "th" as well.
    axes = ([1, 2, 3], [0, 2, 3]) if not th and version < (1, 2, 1) else None
    return {"kernel": _scheme(config["init"], axes, th=th)}


def _deconv2d(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    th = config["dim_ordering"] == "th"
    early = not th and version < (1, 2, 1)
    axes = ([2, 3, 1], [0, 2, 3]) if early else ([0, 1, 3], [0, 1, 2])
    return {"kernel": _scheme(config["init"], axes, th=th)}


def _conv3d(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    th = config["dim_ordering"] == "th"
    axes = ([0, 1, 2, 3], [0, 1, 2, 4]) if th else None
    return {"kernel": _scheme(config["init"], axes, th=th)}


def _separable(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    th = config["dim_ordering"] == "th"
    return {f"{part}_kernel": _scheme(config["init"], th=th) for part in ("depthwise", "pointwise")}


def _batch_normalization(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    found = {role: config.get(f"{role}_init") for role in ("gamma", "beta")}
    return {role: _scheme(name) for role, name in found.items() if name is not None}


def _recurrent(gates: int) -> Reader:
    def read(config: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
        th = config.get("dim_ordering") == "th"
        mode = config.get("consume_less", "cpu")
        init, inner = config["init"], config["inner_init"]
        if "nb_filter" not in config and gates > 1 and version >= (1, 2, 0) and mode != "gpu":
            inner = init  # 1.2.x forgot inner_init there
        found = {"kernel": _scheme(init, th=th), "recurrent_kernel": _scheme(inner, th=th)}
        if gates > 1:
            # "gpu" drew all gates as one matrix; Gated(..., 1) says so.
            drawn = 1 if mode == "gpu" else gates
            found = {k: v if isinstance(v, str) else Gated(v, drawn) for k, v in found.items()}
        if "forget_bias_init" in config:
            found["bias"] = _forget_bias(config["forget_bias_init"])
        return found

    return read


def _forget_bias(name: str) -> Any:
    if name in ("one", "zero"):
        return ForgetGateBias(1.0 if name == "one" else 0.0)
    scheme = _scheme(name)
    return scheme if isinstance(scheme, str) else ForgetGateBias(scheme)


_READERS: dict[str, Reader] = {
    "Dense": _plain("kernel"),
    "Embedding": _plain("embeddings"),
    "PReLU": _plain("alpha"),
    "Convolution1D": _conv1d,
    "AtrousConvolution1D": _conv1d,
    "Convolution2D": _conv2d,
    "AtrousConvolution2D": _conv2d,
    "Deconvolution2D": _deconv2d,
    "Convolution3D": _conv3d,
    "SeparableConvolution2D": _separable,
    "BatchNormalization": _batch_normalization,
    "SimpleRNN": _recurrent(1),
    "GRU": _recurrent(3),
    "LSTM": _recurrent(4),
    "ConvLSTM2D": _recurrent(4),
}
