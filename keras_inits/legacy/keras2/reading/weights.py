"""Weights from the HDF5 files of Keras 2 and tf.keras, into the model that Keras 3 built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_inits.legacy.keras2.mending.graph import (
    FUNCTIONS,
    is_model,
    name_of,
    new_names,
    without_losses,
)
from keras_inits.legacy.keras2.reading.stored import stored_weights

_FLIPPED = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.Conv2DTranspose, keras.layers.ConvLSTM2D),
)
Values = list[tuple[str, np.ndarray]]  # (name of the weight, value), in the order of the file


def load_weights(model: keras.Model, config: dict[str, Any], file: Any, backend: str) -> None:
    """Assign a file's weights, all or none. `config` is the model's, as Keras 2 wrote it.

    `file` is an open HDF5 file. Raises ValueError, which names the layer, where the file's weights
    are not those of the model.
    """
    layers = _top(model, config)
    if "layer_names" in file.attrs or "layer_names0" in file.attrs or "model_weights" in file:
        groups = _groups(file.get("model_weights", file))
        orders = [_parted, _in_turn]
    else:
        groups = stored_weights(file, config)
        orders = [_in_turn]
    for node in config["config"]["layers"] if "output_layers" in config["config"] else ():
        if node["class_name"] != "InputLayer" and name_of(node) not in layers:
            groups.pop(name_of(node), None)  # a layer of a loss alone
    values: dict[int, tuple[Any, np.ndarray]] = {}
    for name, (layer, node) in _matched(layers, groups):
        choices = [order(layer, node) for order in orders]
        values |= _assigned(name, choices, groups[name])
    for layer in all_layers(model):
        _rearranged(layer, values, flipped=backend == "theano")
    for variable, value in values.values():
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"weight {variable.path} must have shape {tuple(variable.shape)}, got {value.shape}"
            )
    for variable, value in values.values():
        variable.assign(value)
    for layer in all_layers(model):
        if hasattr(layer, "finalize_state") and layer.weights:
            layer.finalize_state()  # what Normalization computes from its weights


def _names(group: Any, key: str) -> list[str]:
    """A list of names in an attribute, or in several where it was too long for one."""
    found = list(group.attrs[key]) if key in group.attrs else []
    part = 0
    while key not in group.attrs and f"{key}{part}" in group.attrs:
        found += list(group.attrs[f"{key}{part}"])
        part += 1
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in found]


def _groups(root: Any) -> dict[str, Values]:
    found = {
        name: [(key, _array(root[name][key])) for key in _names(root[name], "weight_names")]
        for name in _names(root, "layer_names")
    }
    if "top_level_model_weights" in root and _names(
        root["top_level_model_weights"], "weight_names"
    ):
        raise ValueError("the model has weights of its own, outside its layers")
    return {name: values for name, values in found.items() if values}


def _array(dataset: Any) -> np.ndarray:
    """The value; h5py knows no bfloat16, and gives its bytes."""
    value = np.asarray(dataset)
    if value.dtype.kind == "V" and value.dtype.itemsize == 2:
        import ml_dtypes

        return value.view(ml_dtypes.bfloat16)
    return value


def _top(model: Any, config: dict[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The layers of a model with their configs, by their old names, in the order of the config."""
    nodes = _nodes(config)
    names = new_names(nodes)
    return {name_of(node): (model.get_layer(names[name_of(node)]), node) for node in nodes}


def _nodes(config: dict[str, Any]) -> list[dict[str, Any]]:
    inner = config["config"]
    if "output_layers" in inner:
        inner = without_losses(inner)
    return [
        node
        for node in (inner if isinstance(inner, list) else inner["layers"])
        if node["class_name"] not in ("InputLayer", *FUNCTIONS)
    ]


def _matched(
    layers: dict[str, tuple[Any, dict[str, Any]]], groups: dict[str, Values]
) -> Iterator[tuple[str, tuple[Any, dict[str, Any]]]]:
    """Each group of the file with its layer: by name, else in order, as Keras does."""
    holders = {name: pair for name, pair in layers.items() if pair[0].weights}
    if holders.keys() >= groups.keys():
        missing = sorted(holders.keys() - groups.keys())
        if missing:
            raise ValueError(f"layer {missing[0]!r} has weights in the model, and none in the file")
        yield from ((name, holders[name]) for name in groups)
        return
    if len(holders) != len(groups):
        raise ValueError(
            f"the model has {len(holders)} layers with weights, the file {len(groups)}"
        )
    yield from zip(groups, holders.values(), strict=True)


def _assigned(
    name: str, orders: list[list[Any]], values: Values
) -> dict[int, tuple[Any, np.ndarray]]:
    """The variable of each value, in the first order in which the names agree, else the first."""
    count = len(orders[0])
    if count != len(values):
        values = [pair for pair in values if not _is_state(pair[0])]
    if count != len(values):
        raise ValueError(
            f"layer {name!r} has {count} weights in the model, {len(values)} in the file"
        )
    plain = [key.split("/")[-1].split(":")[0] for key, _ in values]
    named = [order for order in orders if [v.name for v in order] == plain]
    order = (named or orders)[0]
    return {id(v): (v, value) for v, (_, value) in zip(order, values, strict=True)}


def _is_state(name: str) -> bool:
    """Whether a weight of tf.keras is none in Keras 3: what a generator of numbers is at, a count."""
    return name.split("/")[-1].split(":")[0] in ("StateVar", "count")


def _leaves(layer: Any, node: dict[str, Any]) -> Iterator[Any]:
    """The layers of a model, at any depth, in the order of the config; another layer is one."""
    inner = node["config"].get("layer") if isinstance(node["config"], dict) else None
    if is_model(node) and isinstance(layer, keras.Model):
        for pair in _top(layer, node).values():
            yield from _leaves(*pair)
    elif isinstance(inner, dict) and is_model(inner) and hasattr(layer, "layer"):
        yield from _leaves(layer.layer, inner)
    else:
        yield layer


def _parted(layer: Any, node: dict[str, Any]) -> list[Any]:
    """A layer's weights as Keras 2 had them: those that train, then those that do not."""
    leaves = list(_leaves(layer, node))
    trained = [weight for leaf in leaves for weight in leaf.trainable_weights]
    return _once([*trained, *(w for leaf in leaves for w in leaf.non_trainable_weights)])


def _in_turn(layer: Any, node: dict[str, Any]) -> list[Any]:
    """A layer's weights, layer by layer."""
    return _once([weight for leaf in _leaves(layer, node) for weight in leaf.weights])


def _once(weights: list[Any]) -> list[Any]:
    return list({id(weight): weight for weight in weights}.values())


def _rearranged(layer: Any, values: dict[int, tuple[Any, np.ndarray]], *, flipped: bool) -> None:
    """Bring what CuDNN and Theano stored otherwise into Keras 3's form."""
    cell: Any = getattr(layer, "cell", None)
    if isinstance(layer, (keras.layers.LSTM, keras.layers.GRU)) and cell.use_bias:
        parts = [cell.kernel, cell.recurrent_kernel, cell.bias]
        if all(id(v) in values for v in parts) and _is_cudnn(values[id(cell.bias)][1], cell):
            arrays = [values[id(v)][1] for v in parts]
            for variable, value in zip(parts, _from_cudnn(arrays, cell), strict=True):
                values[id(variable)] = (variable, value)
    if flipped and isinstance(layer, _FLIPPED):
        # Theano convolved where all others correlate: reverse the spatial axes, as Keras 2 did.
        for kernel in (layer.kernel, getattr(layer, "recurrent_kernel", None)):
            if kernel is not None and id(kernel) in values:
                value = values[id(kernel)][1]
                axes = tuple(range(value.ndim - 2))
                values[id(kernel)] = (kernel, np.flip(value, axes))


def _is_cudnn(bias: np.ndarray, cell: Any) -> bool:
    gates = 3 if isinstance(cell, keras.layers.GRUCell) else 4
    return bias.shape == (2 * gates * cell.units,)


def _from_cudnn(arrays: list[np.ndarray], cell: Any) -> list[np.ndarray]:
    """CuDNN keeps each gate's kernels transposed, and a bias for each of the two kernels."""
    kernel, recurrent, bias = arrays
    is_gru = isinstance(cell, keras.layers.GRUCell)
    gates = 3 if is_gru else 4
    kernels = [k.T.reshape(k.shape, order="F") for k in np.split(kernel, gates, axis=1)]
    recurrents = [k.T for k in np.split(recurrent, gates, axis=1)]
    both = bias.reshape(2, -1)
    return [
        np.concatenate(kernels, axis=1),
        np.concatenate(recurrents, axis=1),
        both if is_gru else both.sum(axis=0),
    ]


def all_layers(layer: keras.Layer, seen: set[int] | None = None) -> Iterator[keras.Layer]:
    """A layer and all within it, each once."""
    seen = set() if seen is None else seen
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    inside = [*getattr(layer, "layers", ()), getattr(layer, "layer", None)]
    both = [getattr(layer, name, None) for name in ("forward_layer", "backward_layer")]
    for child in (*inside, *both):
        if isinstance(child, keras.Layer):
            yield from all_layers(child, seen)
