"""Functions of TensorFlow in models of tf_keras: each of the loader's table, by its arguments."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

#: Functions of one tensor, by their public names in TensorFlow.
SINGLE = (
    *(f"math.{name}" for name in ["abs", "exp", "sign", "floor", "ceil", "round", "sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1", "sigmoid", "negative", "erf", "softplus", "square", "log_sigmoid", "atan", "asinh", "is_nan", "is_finite", "reciprocal"]),
    *(f"nn.{name}" for name in ["relu", "relu6", "elu", "selu", "silu", "softsign", "softmax", "log_softmax", "gelu"]),
    *("nn.leaky_relu", "identity", "stop_gradient", "zeros_like", "ones_like", "math.l2_normalize"),
)  # fmt: skip
#: Functions of one tensor whose values are positive and below 1, and of one above 1.
POSITIVE = (
    "math.log",
    "math.sqrt",
    "math.rsqrt",
    "math.log1p",
    "math.asin",
    "math.acos",
    "math.atanh",
)
#: Functions of two tensors.
PAIRS = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "truediv",
    "maximum",
    "minimum",
    "floormod",
    "floordiv",
    "squared_difference",
    "divide_no_nan",
    "atan2",
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
]
REDUCED = ["mean", "sum", "max", "min", "prod", "std", "variance", "logsumexp"]


def build(tk: Any, tf: Any) -> tuple[Any, list[Any]]:
    """One model whose outputs are all functions."""
    x, y, p, s = tk.Input((4,)), tk.Input((4,)), tk.Input((4,)), tk.Input((4, 4, 4))

    def named(name: str) -> Any:
        found = tf
        for part in name.split("."):
            found = getattr(found, part)
        return found

    flags, others = x > 0.1, y < 0.2
    outputs = [named(name)(x) for name in SINGLE]
    outputs += [named(name)(p) for name in POSITIVE]
    outputs += [tf.math.acosh(p + 1.0), tf.math.pow(p, y), tf.math.l2_normalize(x, 1), tf.pow(x, 2)]
    outputs += [named(f"math.{name}")(x, y) for name in PAIRS]
    outputs += [named(f"math.reduce_{n}")(s, axis=[1, 2], keepdims=True) for n in REDUCED]
    outputs += [tf.reduce_mean(x), tf.math.argmax(x, 1), tf.math.argmin(s, axis=-1)]
    outputs += [tf.reduce_any(flags, 1), tf.reduce_all(flags, axis=1), tf.logical_not(flags)]
    outputs += [flags & others, flags | others, tf.math.logical_xor(flags, others)]
    # Operators, with constants on both sides.
    outputs += [x + 1, 1 - x, x * [1.0, 2.0, 3.0, 4.0], 2 / p, x // 0.3, x % 0.3, x**2, -x, x / y]
    outputs += [x @ np.ones((4, 2), "float32"), tf.matmul(s, s, transpose_b=True), abs(x), x > y]
    # Shapes, slices, parts.
    outputs += [
        s[:, 0],
        s[..., tf.newaxis],
        s[:, 1:3, ::-1, -1],
        x[:, ::2],
        s[:, :-1],
        s[:, ::2, 3:0:-2],
    ]
    outputs += [
        tf.concat([x, y], 1),
        tf.stack([x, y], axis=1),
        tf.reshape(s, [-1, 16]),
        *tf.unstack(x, axis=1),
    ]
    outputs += [*tf.split(x, 2, axis=1), *tf.split(x, [1, 3], axis=1), tf.squeeze(x[:, None], 1)]
    outputs += [tf.expand_dims(x, -1), tf.transpose(s, [0, 2, 1, 3]), tf.tile(x, [1, 2])]
    outputs += [tf.repeat(x, 2, axis=1), tf.reverse(s, [1, 2]), tf.pad(x, [[0, 0], [1, 2]])]
    outputs += [
        tf.pad(s, [[0, 0], [1, 1], [0, 0], [0, 0]], "REFLECT"),
        tf.gather(x, [0, 2], axis=1),
    ]
    outputs += [
        tf.broadcast_to(tf.reduce_sum(x, 0), [3, 4]),
        tf.nn.bias_add(x, np.arange(4.0, dtype="float32")),
    ]
    outputs += [tf.nn.depth_to_space(s, 2), tf.nn.space_to_depth(s, 2), tf.image.resize(s, (8, 8))]
    outputs += [tf.image.resize(s, (2, 2), "nearest"), tf.norm(x, axis=1), tf.math.add_n([x, y, p])]
    outputs += [tf.clip_by_value(x, -0.2, 0.3), tf.where(flags, x, y), tf.where(flags, x, 0.0)]
    outputs += [
        tf.cast(x * 4, tf.int32),
        tf.cast(flags, "float32"),
        tf.one_hot(tf.cast(p * 4, "int32"), 5),
    ]
    outputs += [tf.cumsum(x, 1), tf.cumsum(x, axis=1, reverse=True), tf.math.cumprod(x, axis=1)]
    outputs += [
        tk.backend.mean(x, axis=1),
        tk.backend.l2_normalize(x, 1),
        tk.activations.gelu(x, True),
    ]
    rng = np.random.default_rng(3)
    arrays = [rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))]
    arrays.append(rng.uniform(-1, 1, (3, 4, 4, 4)))
    return tk.Model([x, y, p, s], outputs), [array.astype("float32") for array in arrays]


#: Raw operations: name -> (inputs, constants by place, attributes). "x", "y", "s" are tensors.
RAW: dict[str, tuple[str, dict[int, Any], dict[str, Any]]] = {
    **{op: ("xy", {}, {}) for op in ["Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Maximum", "Minimum", "FloorDiv", "FloorMod", "SquaredDifference", "DivNoNan"]},
    **{f"{op}-": ("xy", {}, {}) for op in ["Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"]},
    **{op: ("x", {}, {}) for op in ["Neg", "Abs", "Exp", "Square", "Sign", "Floor", "Ceil", "Round", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Softplus", "Erf", "Expm1", "Reciprocal", "Relu", "Relu6", "Elu", "Selu", "Softsign", "Softmax", "LogSoftmax", "Identity", "StopGradient", "ZerosLike", "OnesLike"]},
    **{op: ("p", {}, {}) for op in ["Log", "Sqrt", "Rsqrt", "Log1p"]},
    **{op: ("s", {1: [1, 2]}, {"keep_dims": keep}) for op, keep in (
        ("Mean", True), ("Sum", False), ("Max", True), ("Min", False), ("Prod", False)
    )},
    "Mul#": ("x", {1: 2.5}, {}), "Sub#": ("x", {0: 1.0}, {}), "Pow": ("p", {1: 2.0}, {}),
    "Reshape": ("s", {1: [-1, 16]}, {}), "ExpandDims": ("x", {1: 1}, {}),
    "Transpose": ("s", {1: [0, 3, 1, 2]}, {}), "Tile": ("x", {1: [1, 2]}, {}),
    "BiasAdd": ("x", {1: [1.0, 2.0, 3.0, 4.0]}, {}), "ReverseV2": ("x", {1: [1]}, {}),
    "ClipByValue": ("x", {1: -0.2, 2: 0.3}, {}), "Pad": ("x", {1: [[0, 0], [1, 1]]}, {}),
    "MatMul": ("x", {1: [[1.0, 0.0], [2.0, 1.0], [0.0, 3.0], [1.0, 1.0]]}, {}),
    "MatMul#": ("xy", {}, {"transpose_b": True}), "BatchMatMulV2": ("ss", {}, {"adj_y": True}),
    "BatchMatMul": ("ss", {}, {"adj_x": True}),
    "StridedSlice": ("s", {1: [0, 1, 0], 2: [0, 3, 1], 3: [1, 1, 1]},
                     {"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 4}),
    "StridedSlice#": ("s", {1: [0, 0, 1], 2: [0, 0, 3], 3: [1, 1, 1]},
                      {"ellipsis_mask": 1, "new_axis_mask": 2}),
    "ConcatV2": ("xy", {2: 1}, {"N": 2}), "Pack": ("xy", {}, {"axis": 1, "N": 2}),
    "AddN": ("xyp", {}, {"N": 3}), "Unpack": ("x", {}, {"axis": 1, "num": 4}),
    "Split": ("x", {0: 1}, {"num_split": 2}), "SplitV": ("x", {1: [1, 3], 2: 1}, {"num_split": 2}),
    "Squeeze": ("u", {}, {"squeeze_dims": [1]}), "Cast": ("x", {}, {"DstT": "int32"}),
    "LeakyRelu": ("x", {}, {"alpha": 0.3}), "GatherV2": ("x", {1: [0, 2], 2: 1}, {}),
    "SelectV2": ("bxy", {}, {}), "LogicalNot": ("b", {}, {}), "LogicalAnd": ("bb", {}, {}),
    "LogicalOr": ("bb", {}, {}),
}  # fmt: skip


def build_raw(tk: Any, tf: Any, *, binary: bool) -> tuple[Any, list[Any]]:
    """One model of layers as tf.keras 2.0 to 2.3 wrote them, the node a text or a dict."""
    from google.protobuf import json_format

    ends = {key: tk.Input((4,)) for key in "xyp"}
    ends |= {"s": tk.Input((4, 4, 4)), "u": tk.Input((1, 4)), "b": tk.Input((4,), dtype="bool")}
    rng = np.random.default_rng(3)
    arrays = {key: rng.uniform(-1, 1, (3, 4)).astype("float32") for key in "xyp"}
    arrays["p"] = abs(arrays["p"]) + 0.1
    arrays |= {"s": rng.uniform(-1, 1, (3, 4, 4, 4)).astype("float32"), "u": arrays["x"][:, None]}
    arrays["b"] = arrays["y"] > 0
    outputs = []
    for number, (key, (inputs, constants, attributes)) in enumerate(RAW.items()):
        op = key.rstrip("-#")
        with tf.Graph().as_default() as graph:
            given: list[Any] = [tf.constant(arrays[name]) for name in inputs]
            for index, constant in sorted(constants.items()):
                given.insert(index, tf.constant(constant))
            node = _node(tf, graph, op, given, attributes)
        found = json_format.MessageToDict(node) if not binary else node.SerializeToString()
        config = {"node_def": found, "name": f"{op}_{number}", "constants": dict(constants)}
        layer = tk.layers.deserialize({"class_name": "TensorFlowOpLayer", "config": config})
        tensors = [ends[name] for name in inputs]
        made = layer(tensors[0] if len(tensors) == 1 else tensors)
        outputs += made if isinstance(made, list) else [made]
    return tk.Model(list(ends.values()), outputs), list(arrays.values())


def _node(tf: Any, graph: Any, op: str, given: list[Any], attributes: dict[str, Any]) -> Any:
    """TensorFlow's own node of a raw operation."""
    function = getattr(tf.raw_ops, op)
    names = list(inspect.signature(function).parameters)
    kwargs = {key: value for key, value in attributes.items() if key not in ("N",)}
    if "squeeze_dims" in kwargs:
        kwargs["axis"] = kwargs.pop("squeeze_dims")
    if op == "Cast":
        kwargs["DstT"] = tf.int32
    if "N" in attributes:  # one list of inputs
        last = {"axis": given.pop()} if op == "ConcatV2" else {}
        function(**{names[0]: given}, **last, **({} if op == "ConcatV2" else kwargs))
    else:
        function(**dict(zip(names, given, strict=False)), **kwargs)
    return graph.get_operations()[-1].node_def
