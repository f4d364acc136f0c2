"""Arguments as TensorFlow's functions take them, for those of `keras.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def alike(*values: Any) -> list[Any]:
    """Tensors and constants, the constants in the dtype of the first tensor, as TensorFlow has it."""
    tensors = [value for value in values if hasattr(value, "dtype")]
    return [_in(value, tensors[0].dtype) if tensors else value for value in values]


def _in(value: Any, dtype: Any) -> Any:
    return value if hasattr(value, "dtype") else keras.ops.convert_to_tensor(value, dtype)


def axes(value: Any) -> Any:
    """Axes as keras.ops takes them; a list becomes a tuple."""
    return tuple(value) if isinstance(value, list) else value


def cuts(sizes: Any) -> Any:
    """Where to cut, for the sizes of the parts, the last of them -1 or known; a number stays."""
    if not isinstance(sizes, list):
        return sizes
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    if -1 in sizes[:-1]:
        raise ValueError(f"tf.split: sizes must be known but for the last, got {sizes}")
    return ends


def index(spec: Any) -> Any:
    """What to index with, for what tf.keras wrote: dicts are slices."""
    if isinstance(spec, list):
        return tuple(index(item) for item in spec)
    if isinstance(spec, dict) and spec.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(spec, dict):
        return slice(*(spec[key] for key in ("start", "stop", "step")))
    return spec


def item(tensor: Any, spec: Any) -> Any:
    """tensor[spec]; steps backwards are taken apart, for PyTorch has none."""
    parts = list(spec) if isinstance(spec, tuple) else [spec]
    axis = 0
    for place, part in enumerate(parts):
        if part is Ellipsis:
            axis = len(tensor.shape) - sum(p is not None for p in parts[place + 1 :])
        elif isinstance(part, slice) and part.step is not None and part.step < 0:
            tensor = _backwards(tensor, part, axis)
            parts[place] = slice(None)
        axis += part is not None and part is not Ellipsis
    return tensor[tuple(parts)]


def _backwards(tensor: Any, part: slice, axis: int) -> Any:
    if (part.start, part.stop, part.step) == (None, None, -1):
        return keras.ops.flip(tensor, axis)
    size = tensor.shape[axis]
    if size is None:
        raise ValueError(f"tf.Tensor.__getitem__: {part} needs an axis whose size is known")
    return keras.ops.take(tensor, list(range(*part.indices(size))), axis=axis)


def channels_last(name: str, data_format: str) -> None:
    """An error for images whose channels come first."""
    if data_format != "NHWC":
        raise ValueError(f"{name}: data_format must be 'NHWC', got {data_format!r}")


def block_shape(tensor: Any) -> Sequence[Any]:
    """The shape of images, the batch of any size."""
    return (-1, *keras.ops.shape(tensor)[1:])


_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "bool": "bool"}


def dtype_name(dtype: Any) -> str:
    """A dtype's name in Keras, for TensorFlow's."""
    name = str(dtype).removeprefix("DT_").lower()
    return _DTYPES.get(name, name)
