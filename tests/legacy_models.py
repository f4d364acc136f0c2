"""Models of tf_keras that are more than one layer: the cases of the files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import legacy_masks
import legacy_operations
import numpy as np

#: Those that are also written as `.keras`. tf_keras cannot write some, nor read a model that is
#: within two others (`autoencoder`), whose weights it writes once.
ARCHIVES = (
    *("transfer", "frozen", "siamese", "many_ends", "named_ends", "seq2seq", "deferred", "slashes"),
    *("policies", "activations"),
)
MODELS: dict[str, Callable[[Any, Any], tuple[Any, list[Any]]]] = {}


def _model(build: Callable[[Any, Any], tuple[Any, list[Any]]]) -> Any:
    MODELS[build.__name__] = build
    return build


def _x(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(seed)
    if "int" in dtype:
        return rng.integers(0, 5, (3, *shape)).astype(dtype)
    return rng.uniform(-1, 1, (3, *shape)).astype(dtype)


@_model
def transfer(tk: Any, tf: Any) -> Any:
    """A Functional as the base of a Sequential, partly frozen."""
    base_in = tk.Input((8, 8, 3))
    h = tk.layers.Conv2D(4, 3, name="stem/conv")(base_in)
    h = tk.layers.BatchNormalization(name="stem/bn")(h)
    h = tk.layers.ReLU(name="stem_conv")(h)
    h = tk.layers.Conv2D(4, 3, name="stem.conv2", trainable=False)(h)
    h = tk.layers.BatchNormalization(name="block/1/bn", trainable=False)(h)
    h = tk.layers.BatchNormalization(name="last")(h)
    base = tk.Model(base_in, h, name="base/net")
    top = [tk.layers.GlobalAveragePooling2D(), tk.layers.Dense(2, name="head/dense")]
    return tk.Sequential([base, *top]), [_x(8, 8, 3)]


@_model
def frozen(tk: Any, tf: Any) -> Any:
    """A frozen model in a model: its statistics and its kernels are saved layer by layer."""
    base_in = tk.Input((6,))
    h = base_in
    for _ in range(3):
        h = tk.layers.BatchNormalization()(tk.layers.Dense(6)(h))
    base = tk.Model(base_in, h)
    base.trainable = False
    x = tk.Input((6,))
    return tk.Model(x, tk.layers.Dense(2)(base(x, training=False))), [_x(6)]


@_model
def autoencoder(tk: Any, tf: Any) -> Any:
    """Two models after one another, and both in a third."""
    x = tk.Input((6,))
    encoder = tk.Model(x, tk.layers.Dense(3, activation="relu")(x), name="encoder")
    z = tk.Input((3,))
    decoder = tk.Sequential([z, tk.layers.Dense(6), tk.layers.PReLU()], name="decoder")
    both = tk.Model(x, decoder(encoder(x)), name="both")
    y = tk.Input((6,))
    return tk.Model(y, [both(both(y)), encoder(y)], name="outer"), [_x(6)]


@_model
def siamese(tk: Any, tf: Any) -> Any:
    """One model on two inputs, the difference of tensors by operators."""
    x = tk.Input((6,))
    tower = tk.Model(x, tk.layers.Dense(4, activation="tanh")(x))
    a, b = tk.Input((6,)), tk.Input((6,))
    distance = tf.abs(tower(a) - tower(b))
    return tk.Model([a, b], tk.layers.Dense(1)(distance)), [_x(6), _x(6, seed=1)]


@_model
def many_ends(tk: Any, tf: Any) -> Any:
    """A model of several inputs and outputs, within time and called twice."""
    a, b = tk.Input((6,)), tk.Input((4,))
    h = tk.layers.Concatenate()([a, b])
    inner = tk.Model([a, b], [tk.layers.Dense(4)(h), tk.layers.Dense(6)(h)])
    step_in = tk.Input((4,))
    step = tk.Model(step_in, tk.layers.Dense(3)(tk.layers.BatchNormalization()(step_in)))
    x, y, s = tk.Input((6,)), tk.Input((4,)), tk.Input((5, 4))
    first, second = inner([x, y])
    third, _ = inner([second, first])
    timed = tk.layers.TimeDistributed(step)(s)
    out = tk.layers.Dense(2)(tk.layers.Flatten()(timed))
    return tk.Model([x, y, s], [third, out, first]), [_x(6), _x(4), _x(5, 4)]


@_model
def named_ends(tk: Any, tf: Any) -> Any:
    """Inputs and outputs in dicts, also of the model within."""
    a, b = tk.Input((6,), name="a"), tk.Input((6,), name="b")
    inner = tk.Model(
        {"a": a, "b": b}, {"sum": tk.layers.Add()([a, b]), "mean": tk.layers.Dense(2)(a)}
    )
    x, y = tk.Input((6,), name="x"), tk.Input((6,), name="y")
    out = inner({"a": x, "b": y})
    return tk.Model([x, y], [out["sum"], out["mean"]]), [_x(6), _x(6, seed=2)]


@_model
def seq2seq(tk: Any, tf: Any) -> Any:
    """Encoders hand their states to decoders."""
    source, target = tk.Input((5, 4)), tk.Input((5, 3))
    _, *lstm = tk.layers.LSTM(3, return_state=True)(source)
    _, gru = tk.layers.GRU(3, return_state=True)(source)
    _, rnn = tk.layers.SimpleRNN(3, return_state=True)(source)
    _, *both = tk.layers.Bidirectional(tk.layers.LSTM(2, return_state=True))(source)
    _, *two = tk.layers.Bidirectional(tk.layers.GRU(2, return_state=True))(source)
    cells = tk.layers.RNN([tk.layers.LSTMCell(2), tk.layers.LSTMCell(3)], return_state=True)
    layers = tk.layers
    outputs = [
        layers.LSTM(3, return_sequences=True)(target, initial_state=lstm),
        layers.GRU(3)(target, initial_state=gru),
        layers.SimpleRNN(3)(target, initial_state=[rnn]),
        layers.Bidirectional(layers.LSTM(2))(target, initial_state=both),
        layers.Bidirectional(layers.GRU(2), merge_mode="sum")(target, initial_state=two),
        cells(source)[0],
    ]
    return tk.Model([source, target], outputs), [_x(5, 4), _x(5, 3, seed=1)]


@_model
def conv_states(tk: Any, tf: Any) -> Any:
    """The states of convolutional recurrence."""
    source, target = tk.Input((3, 6, 6, 2)), tk.Input((3, 6, 6, 2))
    kwargs = {"filters": 2, "kernel_size": 3, "padding": "same"}
    _, *states = tk.layers.ConvLSTM2D(return_state=True, **kwargs)(source)
    out = tk.layers.ConvLSTM2D(**kwargs)(target, initial_state=states)
    return tk.Model([source, target], out), [_x(3, 6, 6, 2), _x(3, 6, 6, 2, seed=1)]


@_model
def call_arguments(tk: Any, tf: Any) -> Any:
    """Arguments of calls: training, masks, those of attention."""
    x, m = tk.Input((5, 4)), tk.Input((5,), dtype="bool")
    h = tk.layers.BatchNormalization()(x, training=False)
    h = tk.layers.MultiHeadAttention(2, 3)(h, h, use_causal_mask=True)
    h = tk.layers.Dropout(0.5)(h, training=False)
    h = tk.layers.Attention()([h, x], use_causal_mask=True)
    h = tk.layers.LSTM(4)(h, mask=m)  # last: Keras releases differ in where a mask given goes on
    return tk.Model([x, m], tk.layers.Dense(2)(h)), [_x(5, 4), _x(5) > 0]


@_model
def masked(tk: Any, tf: Any) -> Any:
    """A mask goes through, and ends at an operation as it did."""
    x = tk.Input((5,), dtype="int32")
    e = tk.layers.Embedding(5, 4, mask_zero=True)(x)
    ends = [tk.layers.LSTM(3)(e), tk.layers.GRU(3)(e * 2.0), tk.layers.GlobalAveragePooling1D()(e)]
    ends.append(tk.layers.Bidirectional(tk.layers.GRU(2, return_sequences=True))(e))
    return tk.Model(x, ends), [_x(5, dtype="int32")]


@_model
def deferred(tk: Any, tf: Any) -> Any:
    """A Sequential that was built when it was called, with another within."""
    model = tk.Sequential(
        [tk.layers.Dense(4), tk.Sequential([tk.layers.Dense(3)]), tk.layers.ELU()]
    )
    model.build((None, 6))
    return model, [_x(6)]


@_model
def policies(tk: Any, tf: Any) -> Any:
    """Layers of several precisions."""
    policy = tk.mixed_precision.Policy
    x = tk.Input((6,))
    h = tk.layers.Dense(4, dtype=policy("mixed_float16"))(x)
    h = tk.layers.BatchNormalization(dtype=policy("mixed_bfloat16"))(h)
    h = tk.layers.Dense(4, dtype="float16")(h)
    return tk.Model(x, tk.layers.Dense(2, dtype="float32")(h)), [_x(6)]


@_model
def float64(tk: Any, tf: Any) -> Any:
    """A layer of double precision."""
    x = tk.Input((6,), dtype="float64")
    return tk.Model(x, tk.layers.Dense(2, dtype="float64")(x)), [_x(6, dtype="float64")]


@_model
def activations(tk: Any, tf: Any) -> Any:
    """Every activation by name, a layer as one, and functions of TensorFlow."""
    x = tk.Input((6,))
    skipped = ("deserialize", "get", "serialize")
    names = [n for n in dir(tk.activations) if n[0] != "_" and n not in skipped]
    outputs = [tk.layers.Activation(name)(x) for name in names]
    outputs.append(tk.layers.Dense(3, activation=tk.layers.LeakyReLU(alpha=0.1))(x))
    outputs += [tk.layers.Activation(f)(x) for f in (tf.nn.relu6, tf.nn.tanh, tf.nn.silu)]
    return tk.Model(x, outputs), [4 * _x(6)]


@_model
def slashes(tk: Any, tf: Any) -> Any:
    """Names with "/", two of which would become one, also of models and their ends."""
    x = tk.Input((6,), name="in/put")
    a = tk.layers.Dense(4, name="a/b")(x)
    b = tk.layers.Dense(4, name="a_b")(a)
    inner_in = tk.Input((4,), name="in/er")
    inner = tk.Model(inner_in, tk.layers.Dense(3, name="a/b")(inner_in), name="mo/del")
    merged = tk.layers.Add(name="a/b_1")([inner(a), inner(b)])
    timed = tk.layers.TimeDistributed(tk.layers.Dense(2, name="x/y"), name="t/d")
    return tk.Model(x, [merged, timed(tk.layers.Reshape((2, 2), name="r/s")(b))]), [_x(6)]


@_model
def functions(tk: Any, tf: Any) -> Any:
    """Every function of TensorFlow in the loader's table."""
    return legacy_operations.build(tk, tf)


@_model
def raw_dict(tk: Any, tf: Any) -> Any:
    """Every raw operation in the loader's table, as tf.keras 2.1 to 2.3 wrote them."""
    return legacy_operations.build_raw(tk, tf, binary=False)


@_model
def losses(tk: Any, tf: Any) -> Any:
    """Losses and metrics that were added to a model, and layers that led to them alone."""
    x = tk.Input((6,))
    mean, spread = tk.layers.Dense(3)(x), tk.layers.Dense(3)(x)
    model = tk.Model(x, tk.layers.Dense(2)(mean))
    model.add_loss(-0.5 * tf.reduce_mean(1 + spread - tf.square(mean) - tf.exp(spread)))
    noise = [1.3306282758712769, -0.19460822641849518, -0.538061797618866]
    model.add_metric(tf.reduce_mean(tf.constant(noise) * mean), name="noise")
    return model, [_x(6)]


@_model
def integers(tk: Any, tf: Any) -> Any:
    """Reductions of integers, which keep their type."""
    x, y = tk.Input((4,), dtype="int32"), tk.Input((4,), dtype="uint8")
    outputs = [f(x, 1) for f in (tf.reduce_mean, tf.reduce_sum, tf.reduce_prod, tf.reduce_max)]
    outputs += [f(y, 1) for f in (tf.reduce_mean, tf.reduce_sum, tf.reduce_prod)]
    outputs += [tf.one_hot(x, 3), tf.one_hot(x, 3, axis=1), tf.one_hot(x, 3, 2, 1)]
    values = np.array([[3, -7, 2, 0], [-1, -2, -3, -5], [2, 1, 9, -1]], "int32")
    return tk.Model([x, y], outputs), [values, np.abs(31 * values).astype("uint8")]


@_model
def pooled(tk: Any, tf: Any) -> Any:
    """Pooling at the border, by every parity of sizes, steps and lengths."""
    inputs = [tk.Input(shape) for shape in ((7, 2), (8, 7, 2), (5, 6, 7, 2))]
    kinds = [(3, 2), (4, 2), (5, 2), (2, 3), (4, 3), (3, 1)]
    outputs = [
        getattr(tk.layers, f"{kind}Pooling{rank}D")(size, step, "same")(x)
        for rank, x in enumerate(inputs, 1)
        for kind in ("Average", "Max")
        for size, step in kinds
    ]
    return tk.Model(inputs, outputs), [_x(*x.shape[1:]) for x in inputs]


@_model
def normalized(tk: Any, tf: Any) -> Any:
    """Normalization over axes that are not the last."""
    x = tk.Input((4, 5, 6))
    axes = [[1, 2], [2, 3], [1, -1], 1]
    outputs = [tk.layers.LayerNormalization(axis)(x) for axis in axes]
    outputs.append(tk.layers.LayerNormalization([1, 3], center=False, dtype="float16")(x))
    return tk.Model(x, outputs), [_x(4, 5, 6)]


@_model
def tensorflow_activations(tk: Any, tf: Any) -> Any:
    """Functions of TensorFlow as activations, also those that Keras knows by another name."""
    x = tk.Input((6,))
    nn, math = tf.nn, tf.math
    functions = [nn.log_softmax, nn.leaky_relu, nn.gelu, nn.softsign, nn.swish, math.sin, math.cos]
    functions += [math.exp, math.abs, math.square, math.erf, math.sign, math.log_sigmoid]
    return tk.Model(x, [tk.layers.Dense(3, activation=f)(x) for f in functions]), [_x(6)]


@_model
def global_policy(tk: Any, tf: Any) -> Any:
    """Functions of TensorFlow under a policy for all layers."""
    tk.mixed_precision.set_global_policy("mixed_float16")
    try:
        x = tk.Input((6,))
        h = tk.layers.Dense(3)(x) + 1.0
        return tk.Model(x, tk.layers.Dense(2, dtype="float32")(h * h)), [_x(6)]
    finally:
        tk.mixed_precision.set_global_policy("float32")


MODELS |= legacy_masks.MODELS
