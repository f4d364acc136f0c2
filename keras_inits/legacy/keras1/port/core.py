"""Layers of Keras 1 that are no convolution and not recurrent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.legacy.keras1 import layers as own
from keras_inits.legacy.keras1.port.common import Arrays, Node, Pairs, Port

L = keras.layers


def _rate(node: Node) -> float:
    """What is not between 0 and 1 dropped nothing."""
    p = float(node["p"])
    return p if 0 < p < 1 else 0.0


_PLAIN: dict[str, Callable[[Node], keras.Layer]] = {
    "Activation": lambda n: L.Activation(n.activation(), **n.base()),
    "ActivityRegularization": lambda n: L.ActivityRegularization(n["l1"], n["l2"], **n.base()),
    "Dropout": lambda n: L.Dropout(_rate(n), **n.base()),
    "SpatialDropout1D": lambda n: L.SpatialDropout1D(_rate(n), **n.base()),
    "SpatialDropout2D": lambda n: L.SpatialDropout2D(_rate(n), n.data_format, **n.base()),
    "SpatialDropout3D": lambda n: L.SpatialDropout3D(_rate(n), n.data_format, **n.base()),
    "GaussianDropout": lambda n: L.GaussianDropout(_rate(n), **n.base()),
    "GaussianNoise": lambda n: L.GaussianNoise(n["sigma"], **n.base()),
    "Masking": lambda n: L.Masking(n["mask_value"], **n.base()),
    # Keras 1 flattened in the order of the axes, whatever they were.
    "Flatten": lambda n: L.Flatten("channels_last", **n.base()),
    "Reshape": lambda n: L.Reshape(tuple(n["target_shape"]), **n.base()),
    "Permute": lambda n: L.Permute(tuple(n["dims"]), **n.base()),
    "RepeatVector": lambda n: L.RepeatVector(n["n"], **n.base()),
    "LeakyReLU": lambda n: L.LeakyReLU(n["alpha"], **n.base()),
    "ELU": lambda n: L.ELU(n["alpha"], **n.base()),
    "ThresholdedReLU": lambda n: L.ReLU(threshold=n["theta"], **n.base()),
}


def _plain(node: Node) -> Port:
    return node.port([_PLAIN[node.kind](node)])


def _dense(node: Node) -> Port:
    """Also a TimeDistributedDense, which Keras 3's Dense is where its input has a time axis."""
    as_dense = Node("Dense", node.config, node.origin)
    layer = L.Dense(node["output_dim"], **as_dense.affine())

    def values(arrays: Arrays) -> Pairs:
        return with_bias([(layer.kernel, arrays["W"])], layer, arrays)

    return node.port([layer], ["W", "b"] if node.bias else ["W"], values=values)


def with_bias(pairs: Pairs, layer: Any, arrays: Arrays) -> Pairs:
    """The pairs and that of the bias, if there is one."""
    return [*pairs, (layer.bias, arrays["b"])] if "b" in arrays else pairs


def _embedding(node: Node) -> Port:
    dropout = float(node.get("dropout", 0.0))
    options = {
        **node.base(),
        "embeddings_initializer": node.scheme("embeddings"),
        "embeddings_regularizer": node.regularizer("W_regularizer"),
        "embeddings_constraint": node.constraint("W_constraint"),
        "activity_regularizer": node.regularizer("activity_regularizer"),
        "mask_zero": bool(node["mask_zero"]),
    }
    sizes = (node["input_dim"], node["output_dim"])
    if 0 < dropout < 1:
        layer = own.Embedding(*sizes, dropout=dropout, **options)
    else:
        layer = L.Embedding(*sizes, **options)
    return node.port([layer], ["W"], values=lambda arrays: [(layer.embeddings, arrays["W"])])


def _batch_normalization(node: Node) -> Port:
    version, mode, epsilon = node.origin.version, node.get("mode", 0), float(node["epsilon"])
    # Until 1.0.5, with Theano until 1.0.6, "running_std" held a standard deviation and epsilon
    # was added to it once more; then it held a variance.
    deviation = version < (1, 0, 6) or (version < (1, 0, 7) and node.origin.theano)
    options = {
        **node.base(),
        **{f"{role}_regularizer": node.regularizer(f"{role}_regularizer") for role in _AFFINE},
        **{
            f"{role}_initializer": node.scheme(role) for role in _AFFINE if node.get(f"{role}_init")
        },
    }
    if mode == 0:
        layer = L.BatchNormalization(
            node.get("axis", -1), momentum=node.get("momentum", 0.99), epsilon=epsilon, **options
        )
    elif mode in (1, 2):
        twice = mode == 1 or deviation
        inner = 0.0 if mode == 1 and version < (1, 0, 5) else epsilon
        axis = -1 if mode == 1 else node.get("axis", -1)
        layer = own.BatchNormalization(mode, axis, inner, epsilon if twice else 0.0, **options)
    else:
        raise ValueError(f"mode must be 0, 1 or 2, got {mode!r}")

    def values(arrays: Arrays) -> Pairs:
        pairs = [(layer.gamma, arrays["gamma"]), (layer.beta, arrays["beta"])]
        if mode != 0:
            return pairs
        spread = arrays["running_std"]
        if deviation:
            spread = (spread.astype("float64") + epsilon) ** 2 - epsilon
        moving = [(layer.moving_mean, arrays["running_mean"]), (layer.moving_variance, spread)]
        return pairs + moving

    return node.port([layer], _AFFINE, ["running_mean", "running_std"], values)


_AFFINE = ["gamma", "beta"]


def _shared_axes(node: Node, weight: str) -> list[int] | None:
    """The axes that `shared_axes` named, which the config does not say: the recorded weight's."""
    shape = node.recorded_shape(weight)
    shared = [axis for axis, size in enumerate(shape or (), 1) if size == 1]
    return shared or None


def _prelu(node: Node) -> Port:
    layer = L.PReLU(node.scheme("alpha"), shared_axes=_shared_axes(node, "alphas"), **node.base())
    return node.port([layer], ["alphas"], values=lambda arrays: [(layer.alpha, arrays["alphas"])])


def _softplus(node: Node) -> Port:
    layer = own.ParametricSoftplus(
        node["alpha_init"], node["beta_init"], _shared_axes(node, "alphas"), **node.base()
    )
    return _by_order(node, layer, ["alphas", "betas"])


def _srelu(node: Node) -> Port:
    names = ["t_left", "a_left", "t_right", "a_right"]
    starts = {f"{name}_initializer": node.named_scheme(f"{name}_init") for name in names}
    axes, bounded = _shared_axes(node, "t_left"), node.origin.theano
    layer = own.SReLU(**starts, shared_axes=axes, bounded=bounded, **node.base())
    return _by_order(node, layer, names)


def _by_order(node: Node, layer: keras.Layer, names: list[str]) -> Port:
    def values(arrays: Arrays) -> Pairs:
        return list(zip(layer.weights, [arrays[name] for name in names], strict=True))

    return node.port([layer], names, values=values)


def _affine_of_one_init(node: Node) -> dict[str, Any]:
    return {
        **node.base(),
        "use_bias": node.bias,
        "kernel_initializer": node.named_scheme("init"),
        "kernel_regularizer": node.regularizer("W_regularizer"),
        "kernel_constraint": node.constraint("W_constraint"),
        "bias_regularizer": node.regularizer("b_regularizer"),
        "bias_constraint": node.constraint("b_constraint"),
        "activity_regularizer": node.regularizer("activity_regularizer"),
    }


def _highway(node: Node) -> Port:
    layer = own.Highway(node.activation(), **_affine_of_one_init(node))

    def values(arrays: Arrays) -> Pairs:
        # W, W_carry, b, b_carry from 1.2.0 on, before it W, b, W_carry, b_carry.
        found = list(arrays.values())
        kernels, biases = ([a for a in found if a.ndim == rank] for rank in (2, 1))
        return list(zip(layer.weights, kernels + biases, strict=True))

    return node.port([layer], [str(i) for i in range(4 if node.bias else 2)], values=values)


def _maxout(node: Node) -> Port:
    layer = own.MaxoutDense(node["output_dim"], node["nb_feature"], **_affine_of_one_init(node))
    return _by_order(node, layer, ["W", "b"] if node.bias else ["W"])


def _lambda(node: Node) -> Port:
    layer = L.Lambda(
        function_of(node, "function", node.get("function_type")),
        arguments=node.get("arguments") or {},
        **node.base(),
    )
    return node.port([layer])


def function_of(node: Node, key: str, kind: Any) -> Any:
    """The function that stands in a layer for code, which the user has to give."""
    if node.origin.safe_mode:
        raise ValueError(
            f"the file must hold no code, got a {node.kind} of one; pass safe_mode=False if you "
            "trust the file"
        )
    name = node[key] if kind == "function" else node.name
    found = node.origin.custom_objects.get(name)
    if not callable(found):
        raise ValueError(
            f"custom_objects must have the function {name!r} of the {node.kind}; the file holds "
            "its name or the bytecode of another Python, which does not run in this one"
        )
    return found


def custom(node: Node) -> Port:
    """A layer whose class the user gives; its weights come in the order that it adds them."""
    cls = node.origin.custom_objects[node.kind]
    dropped = ("batch_input_shape", "input_dtype")
    config = {key: value for key, value in node.config.items() if key not in dropped}
    layer = cls.from_config({**config, "name": node.base()["name"]})

    def names(variables: list[Any]) -> list[str]:
        every = [id(v) for v in layer.weights]
        return [str(every.index(id(v))) for v in variables]

    def values(arrays: Arrays) -> Pairs:
        return [(layer.weights[int(key)], np.asarray(array)) for key, array in arrays.items()]

    return Port(
        *(node.name, node.kind, [layer]),
        keys=lambda: (names(layer.trainable_weights), names(layer.non_trainable_weights)),
        values=values,
    )


PORTS: dict[str, Callable[[Node], Port]] = {
    **dict.fromkeys(_PLAIN, _plain),
    "Dense": _dense,
    "TimeDistributedDense": _dense,
    "Embedding": _embedding,
    "BatchNormalization": _batch_normalization,
    "PReLU": _prelu,
    "ParametricSoftplus": _softplus,
    "SReLU": _srelu,
    "Highway": _highway,
    "MaxoutDense": _maxout,
    "Lambda": _lambda,
}
