"""Starts of attention layers by pairs of projections: mimetic, identity-like, orthogonal by head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.attention.projections import Projections, Rule, Unfit, attentions, read
from keras_inits.models.variables.assign import assign
from keras_inits.models.variables.together import in_one_process
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import walk
from keras_inits.reports.report import Report
from keras_inits.streams import Stream
from keras_inits.streams.narrow import numpy_dtype
from keras_inits.streams.seeds import as_stream

METHODS = ("mimetic", "identity", "orthogonal")
_ROLES = ("query", "key", "value", "output")
Kernels = dict[str, np.ndarray]


@dataclass(frozen=True)
class AttentionRow:
    """An attention layer; the mean diagonal of W_Q W_K' over its heads and of W_V W_O, as drawn."""

    path: str
    layer: str
    heads: int | None = None
    head_size: int | None = None
    query_key: float | None = None
    value_output: float | None = None
    note: str = ""


class AttentionReport(Report):
    """What `attention_init` did, attention layer by attention layer."""

    title: ClassVar[str] = "attention_init"
    drop: ClassVar = ("note", "layer")


def attention_init(
    model: Any,
    method: str = "mimetic",
    *,
    query_key: tuple[float, float] = (0.7, 0.7),
    value_output: tuple[float, float] = (0.4, -0.4),
    projections: Rule | None = None,
    seed: Any = None,
) -> AttentionReport:
    """Start the projections of attention layers together; all else stays.

    "mimetic": W_Q W_K' is the best approximation of its rank to a Z + b I for each head, and W_V W_O
    that to a Z + b I over all heads; the entries of Z are N(0, 1/inputs). "identity": W_V W_O = I, or a
    projection where the heads are narrower, from one random orthogonal matrix; queries and keys
    stay. "orthogonal": each head's kernels are orthonormal, each for itself.

    Where heads share keys and values, each query is the least-squares one for its head's target.

    Args:
        model: A built Keras model.
        method: "mimetic", "identity" or "orthogonal".
        query_key: (a, b) of "mimetic": 0.7 and 0.7 as in the paper's vision models.
        value_output: Likewise: 0.4 and -0.4 there.
        projections: A function of a layer that gives `Projections` where it is an attention layer
            and None elsewhere. By default layers with four Dense or EinsumDense named as in Keras
            (query, key, value, attention_output) or as usual elsewhere (q_proj, wq, ...).
        seed: As in every scheme; each layer's draw depends on it and on its path.

    Returns:
        A report with a row for each attention layer; `.problems` lists those left as they were.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: The model has no attention layer, or an argument does not fit; then
            nothing has changed.

    Example:
        >>> x = keras.Input((5, 16))
        >>> model = keras.Model(x, keras.layers.MultiHeadAttention(2, 8)(x, x))
        >>> round(attention_init(model, "identity", seed=0).rows[0].value_output, 5)
        1.0

    Source: Trockman & Kolter 2023 (arXiv 2305.09828), who published no code; the four numbers as
    a summary of the paper gives them.
    """
    checks.one_of("attention_init", "method", method, METHODS)
    pairs = [_pair("query_key", query_key), _pair("value_output", value_output)]
    if projections is not None and not callable(projections):
        raise checks.type_error("attention_init", "projections", "a function", projections)
    refuse_deferring("attention_init")
    slots = walk(model, "attention_init")
    found = list(attentions("attention_init", model, projections))
    if not found:
        raise ValueError(
            f"attention_init: model {model.name!r} must have an attention layer, got none whose "
            "projections are known; say which they are by projections="
        )
    stream = as_stream("attention_init", seed)
    same = {"method": method, "query_key": pairs[0], "value_output": pairs[1], "seed": stream}
    with in_one_process("attention_init", model, slots, **same):
        rows, problems, values = [], [], []
        for place, parts in found:
            name = type(place.layer).__name__
            try:
                drawn = _draw(parts, method, pairs, stream.child(place.path))
            except Unfit as unfit:
                problems.append((place.path, f"{unfit}; left as it was"))
                rows.append(AttentionRow(place.path, name, note=str(unfit)))
                continue
            rows.append(_row(place.path, name, {r: read(parts, r) for r in _ROLES} | drawn))
            for role, kernel in drawn.items():
                variable = parts.kernel(role)
                dtype = numpy_dtype(keras.backend.standardize_dtype(variable.dtype))
                values.append((variable, kernel.reshape(variable.shape).astype(dtype)))
        assign(values)
    return AttentionReport(rows, problems)


def _draw(
    parts: Projections, method: str, pairs: list[tuple[float, float]], stream: Stream
) -> Kernels:
    shapes = {role: parts.shape(role) for role in _ROLES}
    _check(shapes)
    if method == "orthogonal":
        return {
            role: _orthonormal(role, shape, stream.child(role)) for role, shape in shapes.items()
        }
    _, groups, size = shapes["value"]
    heads, _, outputs = shapes["output"]
    inputs, rank = shapes["value"][0], groups * size
    if rank > min(inputs, outputs):
        raise Unfit(f"its heads together are {rank} wide, wider than {min(inputs, outputs)}")
    if method == "identity":
        q = stream.child("value").orthogonal((max(inputs, outputs), rank), dtype="float64")
        value, output = q[:inputs], q[:outputs].T
    else:
        value, output = _factors(_target(pairs[1], inputs, outputs, stream.child("value")), rank)
    # Heads that share a value share what it gives.
    shared = output.reshape(groups, 1, size, outputs) / (heads // groups)
    drawn = {
        "value": value.reshape(inputs, groups, size),
        "output": np.repeat(shared, heads // groups, axis=1).reshape(heads, size, outputs),
    }
    return drawn if method == "identity" else drawn | _queries(shapes, pairs[0], stream)


def _queries(shapes: dict[str, Any], pair: tuple[float, float], stream: Stream) -> Kernels:
    inputs, heads, size = shapes["query"]
    others, groups, _ = shapes["key"]
    if size > min(inputs, others):
        raise Unfit(f"its heads are {size} wide, wider than {min(inputs, others)}")
    query, key = np.empty(shapes["query"]), np.empty(shapes["key"])
    each = heads // groups
    for head in range(heads):
        target = _target(pair, inputs, others, stream.child("query", head))
        if head % each == 0:
            key[:, head // each] = _factors(target, size)[1].T
        k = key[:, head // each]
        query[:, head] = np.linalg.solve(k.T @ k, k.T @ target.T).T
    return {"query": query, "key": key}


def _target(pair: tuple[float, float], rows: int, columns: int, stream: Stream) -> np.ndarray:
    z = stream.normal((rows, columns), stddev=rows**-0.5, dtype="float64")
    return pair[0] * z + pair[1] * np.eye(rows, columns)


def _factors(target: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    u, s, vh = np.linalg.svd(target, full_matrices=False)
    root = np.sqrt(s[:rank])
    return u[:, :rank] * root, root[:, None] * vh[:rank]


def _orthonormal(role: str, shape: tuple[int, int, int], stream: Stream) -> np.ndarray:
    heads = shape[0] if role == "output" else shape[1]
    one = shape[1:] if role == "output" else (shape[0], shape[2])
    drawn = [stream.child(i).orthogonal(one, dtype="float64") for i in range(heads)]
    return np.stack(drawn, axis=0 if role == "output" else 1)


def _check(shapes: dict[str, Any]) -> None:
    heads, groups = shapes["query"][1], shapes["key"][1]
    fits = (
        heads % groups == 0
        and groups == shapes["value"][1]
        and heads == shapes["output"][0]
        and shapes["query"][2] == shapes["key"][2]
        and shapes["value"][2] == shapes["output"][1]
    )
    if not fits:
        listed = ", ".join(f"{role} {shape}" for role, shape in shapes.items())
        raise Unfit(f"its projections do not fit together: {listed}")


def _row(path: str, name: str, kernels: Kernels) -> AttentionRow:
    query, key, value, output = (kernels[role] for role in _ROLES)
    each = query.shape[1] // key.shape[1]
    spread = np.repeat(key, each, axis=1), np.repeat(value, each, axis=1)
    inputs = min(len(query), len(key)), min(len(value), output.shape[-1])
    qk = np.einsum("ihk,ihk->", query[: inputs[0]], spread[0][: inputs[0]])
    vo = np.einsum("ihk,hki->", spread[1][: inputs[1]], output[..., : inputs[1]])
    heads, size = query.shape[1:]
    return AttentionRow(
        path, name, heads, size, float(qk / heads / inputs[0]), float(vo / inputs[1])
    )


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise checks.type_error("attention_init", name, "a pair of numbers", value)
    a, b = (checks.number("attention_init", f"{name}[{i}]", v) for i, v in enumerate(value))
    return a, b
