"""Models of tf_keras with masks: where Keras 3 hands them on otherwise, or takes them off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MODELS: dict[str, Callable[[Any, Any], tuple[Any, list[Any]]]] = {}


def _model(build: Callable[[Any, Any], tuple[Any, list[Any]]]) -> Any:
    MODELS[build.__name__] = build
    return build


def _ids(*shape: int, seed: int = 0) -> np.ndarray:
    """Three samples of words, the last ones missing: 0."""
    ids = np.random.default_rng(seed).integers(1, 9, (3, *shape)).astype("int32")
    for row in range(3):
        ids[row, ..., shape[-1] - row - seed % 2 :] = 0
    return ids


def _masked(tk: Any, *shape: int) -> tuple[Any, Any]:
    x = tk.Input(shape or (5,), dtype="int32")
    return x, tk.layers.Embedding(9, 4, mask_zero=True)(x)


@_model
def masks_of_states(tk: Any, tf: Any) -> Any:
    """Recurrence over words that are missing, from given states."""
    x, e = _masked(tk)
    s, t = tk.Input((4,)), tk.Input((4,))
    layers = tk.layers
    cells = layers.RNN([layers.LSTMCell(4), layers.GRUCell(4)], return_sequences=True)
    outputs = [
        layers.GRU(4)(e, initial_state=s),
        layers.LSTM(4)(e, initial_state=[s, t]),
        layers.SimpleRNN(4)(layers.GRU(4, return_sequences=True)(e, initial_state=s)),
        layers.Bidirectional(layers.GRU(4))(e, initial_state=[s, t]),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True))(e, initial_state=[s, t, t, s]),
        layers.RNN(layers.GRUCell(4))(e, initial_state=s),
        layers.GRU(3)(cells(e)),
        layers.LSTM(4, unroll=True, go_backwards=True)(e),
    ]
    _, h, c = layers.LSTM(4, return_state=True)(e)
    outputs.append(layers.LSTM(4)(e, initial_state=[h, c]))
    rng = np.random.default_rng(3)
    states = [rng.uniform(-1, 1, (3, 4)).astype("float32") for _ in range(2)]
    return tk.Model([x, s, t], outputs), [_ids(5), *states]


@_model
def masks_merged(tk: Any, tf: Any) -> Any:
    """Layers of two tensors, whose masks differ, or one of which has none."""
    x, e = _masked(tk)
    y, f = _masked(tk)
    layers = tk.layers
    kinds = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum)
    plain = layers.Dense(4)(layers.Reshape((5, 4))(f))
    outputs = [layers.LSTM(2)(kind()([e, f])) for kind in (*kinds, layers.Minimum)]
    outputs += [layers.LSTM(2)(kind()([e, plain])) for kind in kinds]
    outputs += [layers.LSTM(2)(layers.Concatenate(axis)([e, f])) for axis in (-1, 1)]
    outputs.append(layers.LSTM(2)(layers.Concatenate()([plain, f])))
    outputs.append(layers.LSTM(2)(layers.add([e, f, layers.Dense(4)(e)])))
    return tk.Model([x, y], outputs), [_ids(5), _ids(5, seed=1)]


@_model
def masks_of_attention(tk: Any, tf: Any) -> Any:
    """Attention of heads twice on one tensor, and what else reads it; positions without any key."""
    x, e = _masked(tk)
    y, f = _masked(tk)
    layers = tk.layers
    heads = layers.MultiHeadAttention
    h, scores = heads(2, 3)(e, e, return_attention_scores=True)
    outputs = [h, scores, heads(2, 3)(e, e), heads(2, 3)(e, e), layers.LSTM(3)(e)]
    outputs += [heads(2, 3, dropout=0.1)(e, f), heads(2, 3, dropout=0.1)(f, e, e)]
    outputs += [layers.LSTM(3)(h), heads(2, 3)(e, f, use_causal_mask=True)]
    outputs += [layers.Attention()([e, f]), layers.LSTM(3)(layers.AdditiveAttention()([f, e]))]
    m = tk.Input((5, 5), dtype="bool")
    outputs += [
        heads(2, 3, dropout=0.1)(e, f, attention_mask=m),
        layers.Softmax()(scores[:, 0], mask=m),
    ]
    mask = np.random.default_rng(1).uniform(size=(3, 5, 5)) > 0.5
    mask[:, 1] = False
    return tk.Model([x, y, m], outputs), [_ids(5), _ids(5, seed=1), mask]


@_model
def masks_in_time(tk: Any, tf: Any) -> Any:
    """Words of sentences: a layer or a model within time, whose mask has an axis more."""
    x, z = tk.Input((3, 5), dtype="int32"), tk.Input((3, 5, 2))
    layers = tk.layers
    timed = layers.TimeDistributed
    words = timed(layers.Embedding(9, 4, mask_zero=True))(x)
    one, w = _masked(tk)
    sentence = tk.Model(one, layers.GRU(4, return_sequences=True)(w))
    chain = tk.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.GRU(4)])
    outputs = [
        timed(layers.LSTM(3))(words),
        layers.LSTM(3)(timed(layers.Bidirectional(layers.GRU(2)))(words)),
        timed(layers.LSTM(3))(timed(layers.Dense(4))(words)),
        timed(layers.LSTM(3))(timed(sentence)(x)),
        layers.LSTM(3)(timed(chain)(x)),
        layers.LSTM(3)(timed(layers.Dense(3))(layers.Masking()(timed(layers.Flatten())(z)))),
        timed(layers.LSTM(3))(timed(layers.Masking())(z)),
    ]
    values = np.random.default_rng(1).uniform(-1, 1, (3, 3, 5, 2)).astype("float32")
    values[0, 2], values[:, :, 3:] = 0, 0
    return tk.Model([x, z], outputs), [_ids(3, 5), values]


@_model
def masks_that_end(tk: Any, tf: Any) -> Any:
    """Layers that handed no mask on, and functions."""
    x, e = _masked(tk)
    layers = tk.layers
    ends = [layers.Rescaling(2.0), layers.Identity(), layers.Normalization(mean=1.0, variance=2.0)]
    ends += [layers.Reshape((5, 4)), layers.ZeroPadding1D(0), layers.Cropping1D(0)]
    ends += [layers.UpSampling1D(1), layers.Permute((1, 2)), layers.MaxPooling1D(1)]
    ends += [layers.Conv1D(4, 1), layers.GaussianNoise(0.1), layers.LayerNormalization()]
    outputs = [layers.GlobalAveragePooling1D()(layer(e)) for layer in ends]
    functions = (tf.identity, tf.stop_gradient, lambda t: tf.cast(t, "float32"), tf.abs)
    outputs += [layers.GlobalAveragePooling1D()(function(e)) for function in functions]
    outputs.append(layers.GlobalAveragePooling1D()(e))
    return tk.Model(x, outputs), [_ids(5)]


@_model
def masks_given(tk: Any, tf: Any) -> Any:
    """Masks given by hand go on as those of the tensors do."""
    x, m = tk.Input((5, 4)), tk.Input((5,), dtype="bool")
    s = tk.Input((4,))
    layers = tk.layers
    h = layers.GRU(4, return_sequences=True)(x, mask=m)
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x, mask=m)
    outputs = [layers.LSTM(3)(h), layers.LSTM(3)(both), layers.GRU(4)(x, mask=m, initial_state=s)]
    outputs.append(layers.GlobalAveragePooling1D()(x, mask=m))
    xs = [
        np.random.default_rng(1).uniform(-1, 1, (3, *k)).astype("float32") for k in ((5, 4), (4,))
    ]
    return tk.Model([x, m, s], outputs), [xs[0], _ids(5) > 0, xs[1]]
