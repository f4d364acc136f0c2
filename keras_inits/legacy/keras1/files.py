"""Models from the files of Keras 1."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits.configs import DEEPEST, children, is_too_deep
from keras_inits.legacy.keras1.port.common import OWNER, Origin, Port, keras_name
from keras_inits.legacy.keras1.port.graph import port

Group = tuple[str, list[tuple[str, np.ndarray]]]

_CONVOLUTIONS = re.compile(r"(?:Conv|Deconv|SeparableConv|AtrousConv)[A-Za-z]*[123]D")


def load_keras1(
    path: Path,
    config: dict[str, Any],
    version: str,
    backend: str,
    weights: Path | None,
    custom_objects: dict[str, Any],
    safe_mode: bool,
) -> keras.Model:
    """The model of a file that Keras 1 wrote, uncompiled.

    Args:
        path: the `.h5` or JSON file.
        config: the model's config in it, a dict of `class_name` and `config`.
        version: the `keras_version` in it; "1" where there is none, as before 1.0.5.
        backend: "theano" or "tensorflow", which computed the model; "" where nobody says. Then the
            names of the weights tell, for those of TensorFlow's variables end in ":0".
        weights: the file of the weights; None for those in `path`, or if there are none, for ones
            drawn with Keras 1's laws.
        custom_objects: classes and functions by their names, of a Lambda also by the layer's name.
        safe_mode: whether a layer that holds code is an error.

    Returns:
        The model, whose initializers are those of `keras_inits.keras1` wherever one was named.

    Raises:
        ValueError: where the file is damaged, holds what Keras 3 has no counterpart for, named in
            the message, or weights that are not the model's.
    """
    if is_too_deep(config):
        raise ValueError(f"{OWNER}: {path.name} must hold a config at most {DEEPEST} deep")
    source = weights or (path if _is_hdf5(path) else None)
    groups = None if source is None else _read_groups(source)
    try:
        origin = _origin(config, version, backend, groups)
        whole = port(config, Origin(**origin, custom_objects=custom_objects, safe_mode=safe_mode))
    except (LookupError, TypeError, AttributeError, OverflowError, ValueError) as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{OWNER}: "):
            raise
        raise ValueError(
            f"{OWNER}: {path.name} must hold the config of a model of Keras 1, got {error!r}"
        ) from error
    if not whole.parts:
        raise ValueError(f"{OWNER}: path must be a model's file, got a {config['class_name']!r}")
    if source is not None and groups is not None:
        _assign(whole, groups, source.name)
    _tell_names(config)
    return whole.layers[0]


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever reading a damaged file raises, as a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ValueError(
            f"{OWNER}: file {path.name} cannot be read as the model's weights: {reason[:200]}"
        ) from error


def _read_groups(path: Path) -> list[Group]:
    """The weights of each layer, in the file's order."""
    import h5py

    def text(value: Any) -> str:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)

    with _readable(path), h5py.File(path, "r") as file:
        inside = "layer_names" not in file.attrs and "model_weights" in file
        root = file["model_weights"] if inside else file
        if "nb_layers" in root.attrs:  # as Keras wrote them before 1.0
            counts = [
                (f"layer_{k}", int(root[f"layer_{k}"].attrs["nb_params"]))
                for k in range(int(root.attrs["nb_layers"]))
            ]
            written = {name: [f"param_{p}" for p in range(count)] for name, count in counts}
        else:
            names = [text(name) for name in root.attrs["layer_names"]]
            written = {name: list(map(text, root[name].attrs["weight_names"])) for name in names}
        return [
            (name, [(weight, np.asarray(root[name][weight])) for weight in weights])
            for name, weights in written.items()
        ]


def _nodes(config: Any) -> Iterator[dict[str, Any]]:
    """Every layer's node in a config, outermost first."""
    if isinstance(config, dict) and {"class_name", "config"} <= config.keys():
        yield config
    for child in children(config):
        yield from _nodes(child)


def _origin(
    config: dict[str, Any], version: str, backend: str, groups: list[Group] | None
) -> dict[str, Any]:
    """What holds for the whole file."""
    numbers = re.match(r"1\.(\d{1,4})(?:\.(\d{1,4}))?", version)
    release = (1, int(numbers[1]), int(numbers[2] or 0)) if numbers else (1, 0, 4)
    layers = [n for n in _nodes(config) if isinstance(n["config"], dict)]
    kinds = {str(n["class_name"]) for n in layers}
    if numbers is None and "BatchNormalization" in kinds and groups is not None:
        warnings.warn(
            f"{OWNER}: the file does not say which Keras wrote it, as before 1.0.5; its "
            "BatchNormalization layers are read as of then, with standard deviations",
            stacklevel=4,
        )
    return {
        "version": release,
        "backend": backend or _backend(kinds, groups),
        "ordering": _ordering(layers, release),
        "masked": any(n["config"].get("mask_zero") or n["class_name"] == "Masking" for n in layers),
        "shapes": {weight: array.shape for _, found in groups or () for weight, array in found},
    }


def _backend(kinds: set[str], groups: list[Group] | None) -> str:
    """Which backend wrote the weights: the names of TensorFlow's variables end in ":0"."""
    names = [weight for _, found in groups or () for weight, _ in found]
    if not names or any(name.endswith(":0") for name in names):
        return "tensorflow"
    told = not all(re.fullmatch(r"param_\d+", name) for name in names)
    if not told and any(_CONVOLUTIONS.fullmatch(kind) for kind in kinds):
        warnings.warn(
            f"{OWNER}: the file does not say which backend computed its convolutions, and Theano is "
            'taken, whose kernels are flipped; say backend="tensorflow" where it was not',
            stacklevel=4,
        )
    return "theano"


_UNSAID = re.compile(r"(?:ZeroPadding|UpSampling|Cropping|SpatialDropout)[23]D")


def _ordering(layers: list[dict[str, Any]], release: tuple[int, ...]) -> str:
    """The dim_ordering of the layers whose config does not say theirs: that of those that do."""
    said = {n["config"]["dim_ordering"] for n in layers if n["config"].get("dim_ordering")}
    if len(said) == 1:
        return str(said.pop())
    default = "tf" if release >= (1, 1, 0) else "th"
    unsaid = [
        n["config"].get("name")
        for n in layers
        if _UNSAID.fullmatch(str(n["class_name"])) and "dim_ordering" not in n["config"]
    ]
    if unsaid:
        warnings.warn(
            f"{OWNER}: Keras 1 did not write the dim_ordering of the layers {unsaid}, and "
            f"{default!r} is taken, the default of that release",
            stacklevel=4,
        )
    return default


def _assign(whole: Port, groups: list[Group], file: str) -> None:
    """Set the model's weights, all or none, by the layers' names or else by their order."""
    parts = [(part, [s for slots in part.slots() for s in slots]) for part in whole.parts]
    wanted = [(part, slots) for part, slots in parts if slots]
    written = [(name, weights) for name, weights in groups if weights]
    if len(wanted) != len(written):
        raise ValueError(
            f"{OWNER}: file {file} must hold the weights of {len(wanted)} layers, got those of "
            f"{len(written)}"
        )
    by_name = dict(written)
    if {part.name for part, _ in wanted} == by_name.keys():
        written = [(part.name, by_name[part.name]) for part, _ in wanted]
    found: dict[Port, dict[str, np.ndarray]] = {}
    for (part, slots), (name, weights) in zip(wanted, written, strict=True):
        if len(slots) != len(weights):
            raise ValueError(
                f"{OWNER}: layer {part.name!r} ({part.kind}) must have {len(slots)} weights, got "
                f"the {len(weights)} of {name!r} in {file}"
            )
        for (leaf, key), (_, array) in zip(slots, weights, strict=True):
            found.setdefault(leaf, {})[key] = array
    pairs = [pair for leaf, arrays in found.items() for pair in _checked(leaf, arrays, file)]
    for variable, array in pairs:
        variable.assign(array)


def _checked(leaf: Port, arrays: dict[str, np.ndarray], file: str) -> list[tuple[Any, np.ndarray]]:
    where = f"{OWNER}: layer {leaf.name!r} ({leaf.kind})"
    try:
        pairs = leaf.values(arrays)
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{where} cannot have the weights in {file}: {error}") from error
    for variable, array in pairs:
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"{where} must have a {variable.name} of shape {tuple(variable.shape)}, got "
                f"{array.shape} in {file}"
            )
    return pairs


def _tell_names(config: dict[str, Any]) -> None:
    names = {n["config"].get("name") for n in _nodes(config) if isinstance(n["config"], dict)}
    renamed = sorted(str(name) for name in names if name and keras_name(str(name)) != name)
    if renamed:
        warnings.warn(
            f'{OWNER}: "/" became "_" in the names of the layers {renamed}, for Keras 3 forbids it',
            stacklevel=3,
        )
