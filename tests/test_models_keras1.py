"""The preset "keras1": ports of models recorded from Keras 1.2.2 start from the recorded weights."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.legacy.keras1 import schemes as k1
from keras_inits.models.initialize import initialize
from keras_inits.models.variables.walk import walk
from keras_inits.schemes.recurrent import ForgetGateBias
from keras_inits.streams import Keras1Stream

DATA = Path(__file__).parent / "data" / "keras1"


def dense(units, init="glorot_uniform", **options):
    return L.Dense(units, kernel_initializer=init, **options)


def mlp():
    return keras.Sequential(
        [
            keras.Input((5,)),
            dense(8, "uniform"),
            dense(6, "he_normal"),
            dense(6, "lecun_uniform"),
            dense(6, "orthogonal", use_bias=False),
            dense(6, "identity"),
            dense(4, "normal"),
            dense(4, "ones"),
            dense(3, "glorot_normal"),
        ]
    )


def cnn_tf():
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            L.Conv2D(4, (3, 2), kernel_initializer="he_uniform"),
            L.MaxPooling2D(2),
            L.Dropout(0.25),
            L.Conv2D(6, 3, padding="same", kernel_initializer="glorot_normal"),
            L.Flatten(),
            L.Dropout(0.5),
            dense(4),
        ]
    )


def cnn_th():
    first = {"data_format": "channels_first"}
    x = inputs = keras.Input((3, 9, 8))
    x = L.Conv2D(4, (3, 2), kernel_initializer="glorot_uniform", **first)(x)
    x = L.BatchNormalization(axis=1)(x)
    x = L.AveragePooling2D(2, **first)(x)
    x = L.Conv2D(5, 2, strides=2, kernel_initializer="orthogonal", use_bias=False, **first)(x)
    return keras.Model(inputs, dense(3, "lecun_uniform")(L.Flatten()(x)))


def embedding_lstm():
    forget = ForgetGateBias(k1.Uniform())
    return keras.Sequential(
        [
            keras.Input((6,)),
            L.Embedding(12, 5),
            L.LSTM(4, return_sequences=True, implementation=1),
            L.LSTM(
                3, kernel_initializer="he_normal", unit_forget_bias=False, bias_initializer=forget
            ),
            dense(2),
        ]
    )


def gru_simplernn():
    sequence = {"return_sequences": True}
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            L.SimpleRNN(5, kernel_initializer="lecun_uniform", **sequence),
            L.GRU(
                4,
                kernel_initializer="glorot_normal",
                implementation=1,
                reset_after=False,
                **sequence,
            ),
            L.GRU(3, kernel_initializer="normal", implementation=1, reset_after=False, **sequence),
            L.GRU(3, kernel_initializer="uniform", reset_after=False),
            dense(2),
        ]
    )


def two_branches():
    left, right = keras.Input((4,)), keras.Input((3,))
    right_in = dense(4, "uniform")(right)
    shared = dense(5, "he_uniform")
    one, other = shared(left), shared(right_in)
    tower = keras.Sequential(
        [keras.Input((10,)), dense(4, "lecun_uniform"), dense(3, "orthogonal")]
    )
    together = tower(L.Concatenate()([one, other]))
    extra = dense(3, "glorot_normal")(one)
    return keras.Model([left, right], [L.Add()([together, extra]), extra])


def conv1d_timedistributed():
    return keras.Sequential(
        [
            keras.Input((10, 4)),
            L.Conv1D(6, 3),
            L.MaxPooling1D(2),
            L.Conv1D(4, 3, padding="same", kernel_initializer="he_normal"),
            L.TimeDistributed(dense(3, "orthogonal")),
            L.Flatten(),
            dense(2, "lecun_uniform"),
        ]
    )


class Highway(L.Layer):
    """Keras 3 has no such layer; this is one in its manner."""

    def build(self, shape):
        for name, start in (("W", "lecun_uniform"), ("W_carry", "lecun_uniform")):
            self.add_weight(shape=(shape[-1], shape[-1]), initializer=start, name=name)
        for name, start in (("b", "zeros"), ("b_carry", "ones")):
            self.add_weight(shape=(shape[-1],), initializer=start, name=name)

    def call(self, x):
        return x


class MaxoutDense(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(3, shape[-1], 4), initializer="glorot_uniform", name="W")
        self.b = self.add_weight(shape=(3, 4), initializer="zeros", name="b")

    def call(self, x):
        return keras.ops.max(keras.ops.tensordot(x, self.w, ((1,), (1,))) + self.b, axis=1)


def bn_highway_maxout():
    return keras.Sequential(
        [
            keras.Input((5,)),
            dense(6),
            L.BatchNormalization(gamma_initializer="uniform", beta_initializer="normal"),
            L.PReLU(alpha_initializer="uniform"),
            L.GaussianNoise(0.1),
            Highway(),
            MaxoutDense(),
            dense(2, "zeros"),
        ]
    )


#: The gates in Keras 3's order. Keras 1 listed an LSTM's weights as i, c, f, o and drew i, f, c, o.
GATES = {"LSTM": "ifco", "GRU": "zrh"}


def recorded(name, entry):
    """The recorded weights in the order and shapes of the Keras 3 port."""
    arrays = np.load(DATA / f"{name}.npz")
    by_name = {w["name"].removesuffix(":0"): arrays[w["key"]] for w in entry["weights"]}
    kinds = {w["layer"]: w["class"] for w in entry["weights"]}
    result = []
    for layer, kind in kinds.items():
        prefix = f"{layer}_"
        own = {n.removeprefix(prefix): a for n, a in by_name.items() if n.startswith(prefix)}
        if kind in GATES and "W" not in own:
            for letter in "WUb":
                result.append(np.concatenate([own[f"{letter}_{g}"] for g in GATES[kind]], -1))
        elif kind in ("Sequential", "TimeDistributed"):
            result += [arrays[w["key"]] for w in entry["weights"] if w["layer"] == layer]
        elif kind == "Convolution1D":
            result += [own["W"][:, 0], own["b"]]
        elif kind == "Convolution2D" and name == "cnn_th":
            result += [own["W"].transpose(2, 3, 1, 0), *([own["b"]] if "b" in own else [])]
        else:
            result += list(own.values())
    return result


def align_signs(found, expected):
    """SVD leaves the signs of singular vectors open: per column of a tall matrix, else per row."""
    flat = found.reshape(found.shape[0], -1)
    axis = 0 if flat.shape[0] >= flat.shape[1] else 1
    signs = np.sign((flat * expected.reshape(flat.shape)).sum(axis, keepdims=True))
    return (flat * signs).reshape(found.shape)


def cases():
    for file in ("models", "models_tf"):
        for entry in json.loads((DATA / f"{file}.json").read_text())["models"]:
            yield pytest.param(entry["name"], entry, id=entry["name"])


@pytest.mark.parametrize(("name", "entry"), list(cases()))
def test_port_starts_from_the_recorded_weights(name, entry):
    backend = "tensorflow" if name.startswith("tfbackend_") else "theano"
    model = globals()[name.removeprefix("tfbackend_")]()
    report = initialize(model, "keras1", seed=Keras1Stream(entry["seed"], backend))
    assert not report.problems
    found = [to_numpy(s.variable).astype("float32") for s in walk(model) if s.role != "seed_state"]
    expected = recorded(name, entry)
    assert len(found) == len(expected)
    for slot, ours, theirs in zip(
        [s for s in walk(model) if s.role != "seed_state"], found, expected, strict=True
    ):
        if isinstance(slot.initializer, keras.initializers.Orthogonal) and slot.role != "bias":
            if name == "cnn_th":  # aligned in the shape that it was drawn in
                ours, theirs = ours.transpose(3, 2, 0, 1), theirs.transpose(3, 2, 0, 1)
            ours = align_signs(ours, theirs)
        if backend == "tensorflow":
            np.testing.assert_array_max_ulp(ours, theirs, maxulp=2)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=slot.path)


def test_nested_dropout_draws_again_when_the_model_around_it_is_called():
    inner = keras.Sequential([keras.Input((4,)), dense(4), L.Dropout(0.5)])
    model = keras.Sequential([keras.Input((4,)), inner, dense(3)])
    initialize(model, "keras1", seed=Keras1Stream(7))
    random = np.random.RandomState(7)
    first = random.uniform(-np.sqrt(0.75), np.sqrt(0.75), (4, 4))
    for _ in range(2):
        random.randint(1, 10e6)
    second = random.uniform(-np.sqrt(6 / 7), np.sqrt(6 / 7), (4, 3))
    np.testing.assert_array_equal(to_numpy(inner.layers[0].kernel), first.astype("float32"))
    np.testing.assert_array_equal(to_numpy(model.layers[1].kernel), second.astype("float32"))


def test_recurrent_dropouts_draw_once_a_gate_after_both_directions():
    lstm = L.LSTM(3, dropout=0.1, recurrent_dropout=0.1, implementation=1)
    model = keras.Sequential([keras.Input((5, 2)), L.Bidirectional(lstm), dense(3)])
    stream = Keras1Stream(7)
    initialize(model, "keras1", seed=stream)
    again = Keras1Stream(7)
    for _ in range(2):
        for _ in range(4):
            again.uniform((2, 3))
            again.uniform((3, 3))
    for _ in range(2 * 4 * 2):
        again.noise_seed()
    expected = k1.GlorotUniform().draw((6, 3), again)
    np.testing.assert_array_equal(to_numpy(model.layers[1].kernel), expected)


def test_law_without_a_replay():
    model = keras.Sequential(
        [keras.Input((200,)), dense(300, "he_normal"), dense(300, "orthogonal")]
    )
    report = initialize(model, "keras1", seed=0)
    kernel = to_numpy(model.layers[0].kernel)
    assert abs(kernel.std() / 0.1 - 1) < 0.02
    assert abs(kernel).max() > 0.35  # not cut at two standard deviations
    q = to_numpy(model.layers[1].kernel) / 1.1
    np.testing.assert_allclose(q @ q.T, np.eye(300), atol=1e-5)
    assert report.rows[0].scheme == "HeNormal()"
