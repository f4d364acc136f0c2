"""From a Keras 1 model's JSON to the rules that give a port of it the same start."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from keras_inits import checks
from keras_inits.legacy.keras1.json import EXPECTED, leaves, parse
from keras_inits.legacy.keras1.schemes import NAMES
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
    The port's layers have the names in there, or Keras 3's automatic names, in the same order, the
    layers of the branches that a first `Merge` joins being layers of the port itself; otherwise
    `initialize` says which rule matches nothing. Each pair is a regular expression on a
    variable's path and a scheme. Biases that Keras 1 filled with zeros have no rule.

    The laws are those of the version and of the layer's `dim_ordering` and `consume_less`, the
    quirks of Keras 1's layers included. A layer that Keras 3 does not have gets no rule but a
    warning. Raises ValueError for what is no Keras 1 model and for an unknown initialization.
    """
    model = parse(source)
    version = str(model.get("keras_version", "1.2.2"))
    numbers = re.match(r"1\.\d{1,4}(\.\d{1,4})?", version)
    if numbers is None:
        raise checks.value_error("rules", "keras_version", "1.x", version)
    pairs: Pairs = []
    skipped: list[str] = []
    for layer, path in leaves(model):
        pairs += _of_layer(layer, path, tuple(map(int, numbers[0].split("."))), skipped)
    if skipped:
        warnings.warn(
            f"rules: Keras 3 does not have the layers {', '.join(skipped)}; no rules for them",
            stacklevel=2,
        )
    return pairs


def schemes(kind: str, config: Mapping[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    """The scheme of each weight that a layer of Keras 1 drew, by its role in Keras 3.

    What is no initialization of Keras 1 stays as it is. KeyError where the config lacks one.
    """
    reader = _READERS.get(kind)
    return {} if reader is None else reader(dict(config), version)


def _of_layer(
    layer: dict[str, Any], path: str, version: tuple[int, ...], skipped: list[str]
) -> Pairs:
    config = layer["config"]
    where = f"{layer['class_name']} {config.get('name')!r}"
    if layer["class_name"] not in _READERS:
        if "init" in config:
            skipped.append(where)
        return []
    try:
        found = schemes(layer["class_name"], config, version)
    except KeyError as error:
        raise ValueError(
            f"rules: source must be {EXPECTED}, got {where} without {error}"
        ) from error
    for role, scheme in found.items():
        if not callable(scheme):
            raise ValueError(
                f"rules: {role} of {where} must have an initialization of Keras 1, got {scheme!r}"
            )
    return [(f"^{path}(?:[^/]+/)?{role}$", scheme) for role, scheme in found.items()]


Reader = Callable[[dict[str, Any], tuple[int, ...]], dict[str, Any]]


def _scheme(name: Any, axes: Axes | None = None, *, th: bool = False) -> Any:
    """The scheme of a Keras 1 string for a kernel of Keras 3, or what is none."""
    if not isinstance(name, str):
        return name
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
            found = {k: Gated(v, drawn) if callable(v) else v for k, v in found.items()}
        if "forget_bias_init" in config:
            found["bias"] = _forget_bias(config["forget_bias_init"])
        return found

    return read


def _forget_bias(name: str) -> Any:
    if name in ("one", "zero"):
        return ForgetGateBias(1.0 if name == "one" else 0.0)
    scheme = _scheme(name)
    return ForgetGateBias(scheme) if callable(scheme) else scheme


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
