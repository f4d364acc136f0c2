"""TensorFlow's functions that tf.keras wrote into models, by those of `keras.ops`: one table.

Each entry takes TensorFlow's arguments, by their names there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_inits.legacy.keras2.operations import values
from keras_inits.legacy.keras2.operations.values import alike

_o = keras.ops


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one tensor, whatever TensorFlow calls that."""
    return lambda x: function(x)


def _pair(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: function(*alike(x, y))


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    """In the dtype of the tensor, also where keras.ops takes a wider one."""
    return lambda input_tensor, axis=None, keepdims=False: _o.cast(
        function(input_tensor, axis=axis, keepdims=keepdims), input_tensor.dtype
    )


def _mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean; of integers what is left of it without the fraction."""
    if "int" not in keras.backend.standardize_dtype(x.dtype):
        return _o.mean(x, axis=axis, keepdims=keepdims)
    total = _o.sum(x, axis=axis, keepdims=keepdims)
    count = _o.sum(_o.ones_like(x, "int32"), axis=axis, keepdims=keepdims)
    return _o.sign(total) * (_o.abs(total) // _o.cast(count, total.dtype))


def _arg(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda input, axis=None, output_type="int64": _o.cast(
        function(input, axis=0 if axis is None else axis), output_type
    )


def _divided(x: Any, y: Any) -> Any:
    return _o.divide(*alike(x, y))


def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
) -> Any:
    a, b = alike(a, b)
    a = _o.swapaxes(a, -1, -2) if transpose_a or adjoint_a else a
    return _o.matmul(a, _o.swapaxes(b, -1, -2) if transpose_b or adjoint_b else b)


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    squares = _o.sum(_o.square(x), axis=axis, keepdims=True)
    return x * _o.rsqrt(_o.maximum(squares, _o.cast(epsilon, x.dtype)))


def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in ("euclidean", 2) or isinstance(axis, list):
        raise ValueError(f"tf.norm: ord must be 'euclidean' and axis one, got {ord!r}, {axis!r}")
    return _o.sqrt(_o.sum(_o.square(tensor), axis=axis, keepdims=keepdims))


def _where(condition: Any, x: Any, y: Any) -> Any:
    return _o.where(condition, *alike(x, y))


def _clip(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return _o.clip(t, clip_value_min, clip_value_max)


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise ValueError(f"tf.gather: batch_dims must be 0, got {batch_dims}")
    return _o.take(params, _o.convert_to_tensor(indices, "int32"), axis=axis or 0)


def _one_hot(
    indices: Any,
    depth: int,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
) -> Any:
    """An index that is out of range has no place."""
    hot = _o.equal(_o.expand_dims(indices, -1), _o.arange(depth, dtype=indices.dtype))
    hot = hot if axis in (None, -1) else _o.moveaxis(hot, -1, axis)
    is_int = type(on_value) is int or type(off_value) is int
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    found = _o.where(hot, on, off)
    return _o.cast(found, dtype or ("int32" if is_int else "float32"))


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    kind = mode.lower()
    value = {"constant_values": constant_values} if kind == "constant" else {}
    return _o.pad(tensor, paddings, mode=kind, **value)


def _depth_to_space(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    values.channels_last("tf.nn.depth_to_space", data_format)
    n, h, w, c = values.block_shape(input)
    x = _o.reshape(input, (n, h, w, block_size, block_size, c // block_size**2))
    x = _o.transpose(x, (0, 1, 3, 2, 4, 5))
    return _o.reshape(x, (n, h * block_size, w * block_size, c // block_size**2))


def _space_to_depth(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    values.channels_last("tf.nn.space_to_depth", data_format)
    n, h, w, c = values.block_shape(input)
    x = _o.reshape(input, (n, h // block_size, block_size, w // block_size, block_size, c))
    x = _o.transpose(x, (0, 1, 3, 2, 4, 5))
    return _o.reshape(x, (n, h // block_size, w // block_size, c * block_size**2))


def _resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Any:
    if preserve_aspect_ratio or antialias or method not in ("bilinear", "nearest"):
        got = f"{method}, {preserve_aspect_ratio}, {antialias}"
        raise ValueError(f"tf.image.resize: must be plain bilinear or nearest, got {got}")
    return _o.image.resize(images, size, method, data_format="channels_last")


def _cast(x: Any, dtype: Any) -> Any:
    name = values.dtype_name(dtype)
    return x if keras.backend.standardize_dtype(x.dtype) == name else _o.cast(x, name)


def _concat(values: Any, axis: int) -> Any:
    return _o.concatenate(alike(*values), axis=axis)


def _stack(values: Any, axis: int = 0) -> Any:
    return _o.stack(alike(*values), axis=axis)


def _softmax(logits: Any, axis: int | None = -1) -> Any:
    return _o.softmax(logits, axis=-1 if axis is None else axis)


def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return _o.leaky_relu(features, alpha)


def _cumulative(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
        if exclusive:
            raise ValueError("tf.cumsum: exclusive must be False, got True")
        return _o.flip(function(_o.flip(x, axis), axis), axis) if reverse else function(x, axis)

    return call


_PAIRS = {
    **{"__operators__.add": _o.add, "math.add": _o.add, "math.subtract": _o.subtract},
    **{"math.multiply": _o.multiply, "math.pow": _o.power, "math.maximum": _o.maximum},
    **{"math.minimum": _o.minimum, "floor_div": _o.floor_divide, "math.floormod": _o.mod},
    **{"math.equal": _o.equal, "math.not_equal": _o.not_equal, "math.greater": _o.greater},
    **{"math.greater_equal": _o.greater_equal, "math.less": _o.less},
    **{"math.less_equal": _o.less_equal, "math.logical_and": _o.logical_and},
    **{"math.logical_or": _o.logical_or, "math.divide_no_nan": _o.divide_no_nan},
    "math.squared_difference": lambda x, y: _o.square(x - y),
}
#: Functions of one tensor.
SINGLE: dict[str, Callable[..., Any]] = {
    **{f"math.{name}": getattr(_o, name) for name in ("abs", "exp", "log", "sqrt", "square")},
    **{f"math.{name}": getattr(_o, name) for name in ("sign", "floor", "ceil", "round", "rsqrt")},
    **{f"math.{name}": getattr(_o, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"math.{name}": getattr(_o, name) for name in ("log1p", "expm1", "sigmoid", "reciprocal")},
    **{
        f"math.{name}": getattr(_o, name) for name in ("negative", "erf", "logical_not", "softplus")
    },
    **{"math.log_sigmoid": _o.log_sigmoid, "math.asin": _o.arcsin, "math.acos": _o.arccos},
    **{"math.atan": _o.arctan, "math.asinh": _o.arcsinh, "math.acosh": _o.arccosh},
    **{"math.atanh": _o.arctanh, "math.is_nan": _o.isnan, "math.is_finite": _o.isfinite},
    **{f"nn.{name}": getattr(_o, name) for name in ("relu", "relu6", "elu", "selu", "silu")},
    **{"nn.softsign": _o.softsign, "identity": _first(lambda x: x)},
    **{"stop_gradient": _o.stop_gradient, "zeros_like": _o.zeros_like, "ones_like": _o.ones_like},
}
_REDUCED = {
    **{"math.reduce_mean": _mean, "math.reduce_sum": _o.sum, "math.reduce_max": _o.max},
    **{"math.reduce_min": _o.min, "math.reduce_prod": _o.prod, "math.reduce_all": _o.all},
    **{"math.reduce_any": _o.any, "math.reduce_std": _o.std, "math.reduce_variance": _o.var},
    **{"math.reduce_logsumexp": _o.logsumexp},
}
_OTHER: dict[str, Callable[..., Any]] = {
    **{"math.truediv": _divided, "linalg.matmul": _matmul},
    **{"math.l2_normalize": _l2_normalize, "norm": _norm, "where": _where},
    **{"clip_by_value": _clip, "gather": _gather, "one_hot": _one_hot, "pad": _pad},
    **{"nn.depth_to_space": _depth_to_space, "nn.space_to_depth": _space_to_depth},
    **{"image.resize": _resize, "nn.softmax": _softmax, "nn.leaky_relu": _leaky_relu},
    **{"math.argmax": _arg(_o.argmax), "math.argmin": _arg(_o.argmin)},
    **{"math.cumsum": _cumulative(_o.cumsum), "math.cumprod": _cumulative(_o.cumprod)},
    "nn.log_softmax": lambda logits, axis=-1: _o.log_softmax(logits, -1 if axis is None else axis),
    "nn.gelu": lambda features, approximate=False: _o.gelu(features, approximate),
    "math.atan2": lambda y, x: _o.arctan2(*alike(y, x)),
    "math.add_n": lambda inputs: sum(inputs[1:], inputs[0]),
    "cast": _cast,
    "concat": _concat,
    "stack": _stack,
    "unstack": lambda value, num=None, axis=0: _o.unstack(value, num, axis),
    "split": lambda value, num_or_size_splits, axis=0, num=None: _o.split(
        value, values.cuts(num_or_size_splits), axis
    ),
    "reshape": lambda tensor, shape: _o.reshape(tensor, shape),
    "expand_dims": lambda input, axis: _o.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: _o.squeeze(input, values.axes(axis)),
    "transpose": lambda a, perm=None, conjugate=False: _o.transpose(a, perm),
    "tile": lambda input, multiples: _o.tile(input, multiples),
    "repeat": lambda input, repeats, axis=None: _o.repeat(input, repeats, axis),
    "reverse": lambda tensor, axis: _o.flip(tensor, values.axes(axis)),
    "broadcast_to": lambda input, shape: _o.broadcast_to(input, shape),
    "nn.bias_add": lambda value, bias: _o.add(*alike(value, bias)),
    "__operators__.getitem": lambda tensor, slice_spec: values.item(
        tensor, values.index(slice_spec)
    ),
}

#: What each function of TensorFlow, by its public name, is in `keras.ops`.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _pair(function) for name, function in _PAIRS.items()},
    **{name: _first(function) for name, function in SINGLE.items()},
    **{name: _reduce(function) for name, function in _REDUCED.items()},
    **_OTHER,
}
