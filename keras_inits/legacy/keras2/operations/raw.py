"""TensorFlow's raw operations, which tf.keras before 2.4 wrote into models: one table.

Each entry takes the operation's inputs in their order, and its attributes by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_inits.legacy.keras2.operations import values
from keras_inits.legacy.keras2.operations.functions import FUNCTIONS

# The operation, and the function that takes the same inputs in the same order.
_ALIKE: dict[str, str] = {
    **{op: f"math.{name}" for op, name in (
        ("Add", "add"), ("AddV2", "add"), ("Sub", "subtract"), ("Mul", "multiply"),
        ("RealDiv", "truediv"), ("Div", "truediv"), ("Pow", "pow"), ("Maximum", "maximum"),
        ("Minimum", "minimum"), ("FloorMod", "floormod"),
        ("Greater", "greater"), ("GreaterEqual", "greater_equal"), ("Less", "less"),
        ("LessEqual", "less_equal"), ("Equal", "equal"), ("NotEqual", "not_equal"),
        ("LogicalAnd", "logical_and"), ("LogicalOr", "logical_or"), ("Neg", "negative"),
        ("SquaredDifference", "squared_difference"), ("DivNoNan", "divide_no_nan"),
        ("LogicalNot", "logical_not"),
    )},
    **{op: f"math.{op.lower()}" for op in (
        "Abs", "Exp", "Log", "Sqrt", "Square", "Rsqrt", "Sign", "Floor", "Ceil", "Round", "Sin",
        "Cos", "Tan", "Tanh", "Sigmoid", "Softplus", "Erf", "Log1p", "Expm1", "Reciprocal",
    )},
    **{op: f"nn.{op.lower()}" for op in ("Relu", "Relu6", "Elu", "Selu", "Softsign", "Softmax")},
    "FloorDiv": "floor_div", "Identity": "identity", "StopGradient": "stop_gradient", "LogSoftmax": "nn.log_softmax",
    "ZerosLike": "zeros_like", "OnesLike": "ones_like", "Reshape": "reshape",
    "ExpandDims": "expand_dims", "Transpose": "transpose", "Tile": "tile",
    "BiasAdd": "nn.bias_add", "ReverseV2": "reverse", "ClipByValue": "clip_by_value",
    "SelectV2": "where", "Pad": "pad",
}  # fmt: skip


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return FUNCTIONS["linalg.matmul"](a, b, transpose_a, transpose_b)


def _strided_slice(
    x: Any,
    begin: Any,
    end: Any,
    strides: Any,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Any:
    """x[begin:end:strides], bit i of a mask saying what holds of place i instead."""
    spec: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            spec.append(Ellipsis)
        elif new_axis_mask & bit:
            spec.append(None)
        elif shrink_axis_mask & bit:
            spec.append(int(start))
        else:
            first = None if begin_mask & bit else int(start)
            spec.append(slice(first, None if end_mask & bit else int(stop), int(step)))
    return values.item(x, tuple(spec))


_OTHER: dict[str, Callable[..., Any]] = {
    "MatMul": _matmul,
    **{
        op: lambda x, y, adj_x=False, adj_y=False: _matmul(x, y, adj_x, adj_y)
        for op in ("BatchMatMul", "BatchMatMulV2")
    },
    "StridedSlice": _strided_slice,
    "ConcatV2": lambda *x: FUNCTIONS["concat"](x[:-1], x[-1]),
    "Pack": lambda *x, axis=0: FUNCTIONS["stack"](x, axis),
    "Unpack": lambda x, axis=0: keras.ops.unstack(x, axis=axis),
    "Split": lambda axis, x, num_split: keras.ops.split(x, num_split, axis),
    "SplitV": lambda x, sizes, axis, num_split=None: keras.ops.split(x, values.cuts(sizes), axis),
    "Squeeze": lambda x, squeeze_dims=None: keras.ops.squeeze(x, values.axes(squeeze_dims or None)),
    "Cast": lambda x, DstT: keras.ops.cast(x, values.dtype_name(DstT)),
    "LeakyRelu": lambda x, alpha=0.2: keras.ops.leaky_relu(x, alpha),
    "GatherV2": lambda x, indices, axis, batch_dims=0: FUNCTIONS["gather"](
        x, indices, axis, batch_dims
    ),
    "AddN": lambda *x: sum(x[1:], x[0]),
}


def _reduction(name: str) -> Callable[..., Any]:
    return lambda x, axis, keep_dims=False: FUNCTIONS[name](x, values.axes(axis), keep_dims)


#: What each raw operation is.
RAW: dict[str, Callable[..., Any]] = {
    **{op: FUNCTIONS[name] for op, name in _ALIKE.items()},
    **{op: _reduction(f"math.reduce_{op.lower()}") for op in ("Mean", "Sum", "Max", "Min", "Prod")},
    **_OTHER,
}
# Attributes that say of what type or size the tensors are, or how to compute.
_OF_TYPES = frozenset(
    {"T", "N", "Tidx", "Tshape", "Tperm", "Tdim", "Tmultiples", "Index", "Tparams", "Tindices"}
    | {"Taxis", "SrcT", "Truncate", "_cloned", "_output_shapes", "num", "Tlen", "Tpaddings"}
    | {"data_format", "grad_a", "grad_b", "Tcond", "incompatible_shape_error", "grad_x", "grad_y"}
)


def parse(node_def: Any) -> tuple[str, dict[str, Any]]:
    """(operation, attributes) of a node of TensorFlow's graph, as a dict or in its binary form."""
    if not isinstance(node_def, dict):
        from google.protobuf import json_format  # type: ignore[import-untyped]
        from tensorflow.compat.v1 import NodeDef

        message = NodeDef.FromString(node_def.encode("utf-8"))
        node_def = json_format.MessageToDict(message)
    attributes = node_def.get("attr", {})
    return node_def["op"], {
        key: _attribute(value) for key, value in attributes.items() if key not in _OF_TYPES
    }


def _attribute(value: Mapping[str, Any]) -> Any:
    """The value of an attribute, which stands under the name of its kind."""
    if "i" in value:
        return int(value["i"])
    if "list" in value:
        return [int(x) for x in value["list"].get("i", [])]
    return next(iter(value.values()), None)


def takes(name: str, count: int, attributes: Mapping[str, Any]) -> bool:
    """Whether the table's function takes so many inputs and these attributes."""
    try:
        inspect.signature(RAW[name]).bind(*range(count), **attributes)
    except TypeError:
        return False
    return True
