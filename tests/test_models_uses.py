"""What a model uses a variable for, in the rows of `initialize`."""

from __future__ import annotations

import keras
import pytest
from conftest import require
from keras import layers as L
from keras import ops

import keras_inits as ki

WIDTH = 16


class Tokens(L.Layer):
    """A class token before the sequence, then positions; a bias along the sequence is none."""

    def build(self, shape):
        self.first = self.add_weight(name="first", shape=(1, 1, WIDTH), initializer="zeros")
        self.where = self.add_weight(name="where", shape=(shape[1] + 1, WIDTH))
        self.bias = self.add_weight(name="bias", shape=(shape[1] + 1, WIDTH))

    def call(self, x):
        first = ops.broadcast_to(self.first, (ops.shape(x)[0], 1, WIDTH))
        return ops.concatenate([first, x], axis=1) + self.where + self.bias


class Mixture(L.Layer):
    """x + scale * the chosen experts of norm(x)."""

    num_experts = 4

    def __init__(self, **options):
        super().__init__(**options)
        self.norm, self.choose = L.RMSNormalization(name="norm"), L.Dense(4, name="choose")

    def build(self, shape):
        self.norm.build(shape)
        self.choose.build(shape)
        self.experts = self.add_weight(name="experts", shape=(4, WIDTH, WIDTH))
        self.small = self.add_weight(name="small", shape=(WIDTH,), initializer="ones")

    def call(self, x):
        y = self.norm(x)
        values, chosen = ops.top_k(ops.softmax(self.choose(y)), 2)
        shares = ops.sum(ops.expand_dims(values, -1) * ops.one_hot(chosen, 4), axis=-2)
        outputs = ops.einsum("bld,edh->bleh", y, self.experts)
        return x + self.small * ops.einsum("bleh,ble->blh", outputs, shares)


class Language(keras.Model):
    """One table for the tokens and the logits."""

    def __init__(self):
        super().__init__()
        self.table, self.tokens = L.Embedding(30, WIDTH, name="table"), Tokens(name="tokens")
        self.mixture, self.free = Mixture(name="mixture"), L.Embedding(5, WIDTH, name="free")

    def call(self, x):
        y = self.table(x) + self.free(x % 5)
        y = self.mixture(self.tokens(y))
        return ops.matmul(y, ops.transpose(self.table.embeddings))


def test_uses():
    inputs = keras.Input((6,), dtype="int32")
    language = Language()
    model = keras.Model(inputs, language(inputs))
    report = ki.initialize(model, seed=0)
    found = {row.path.partition("/")[2]: row.use for row in report.rows}
    assert found == {
        "table/embeddings": "embedding, head",
        "free/embeddings": "embedding",
        "tokens/first": "class token",
        "tokens/where": "position",
        "tokens/bias": "bias",
        "mixture/norm/scale": "norm",
        "mixture/choose/kernel": "router",
        "mixture/choose/bias": "bias",
        "mixture/experts": "experts",
        "mixture/small": "layer scale",
    }
    # A tied table is one variable, drawn once, as the table that it is.
    report = ki.initialize(model, {"table": "keras_inits>lecun_normal"}, seed=0)
    (row,) = (row for row in report.rows if row.use == "embedding, head")
    assert row.fans == (1, WIDTH)
    assert report.to_dict()["rows"][0]["use"] in set(found.values())


def test_layers_of_keras_need_no_following():
    model = keras.Sequential(
        [keras.Input((4,)), L.Embedding(9, 8), L.LayerNormalization(), L.LSTM(3)]
    )
    uses = [row.use for row in ki.initialize(model, seed=0).rows]
    assert uses == ["embedding", "norm", "norm", "kernel", "recurrent_kernel", "bias", "seed_state"]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MixtralBackbone", {"router": 2, "embedding": 1}),
        ("GptOssBackbone", {"router": 2, "embedding": 1, "position": 0}),
        ("GPT2Backbone", {"position": 1, "embedding": 1}),
        ("BertBackbone", {"position": 1, "embedding": 2}),
        ("ViTBackbone", {"position": 1, "class token": 1}),
        ("DeiTBackbone", {"position": 1, "class token": 2}),
        ("WhisperBackbone", {"position": 2, "embedding": 1}),
    ],
)
def test_keras_hub(name, expected):
    from test_models_residual_hub import built

    require("keras_hub")
    uses = [row.use for row in ki.initialize(built(name), seed=0).rows]
    assert {use: uses.count(use) for use in expected} == expected


@pytest.mark.slow
@pytest.mark.once
def test_a_layer_of_keras_applications():
    """ConvNeXt's layer scales, whose layer `keras.layers` has not."""
    model = keras.applications.ConvNeXtTiny(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    rows = ki.initialize(model, seed=0, dry_run=True).rows
    assert sum(row.use == "layer scale" for row in rows) == 18
