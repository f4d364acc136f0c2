"""Presets of published models: standard deviations by role, against the figures in their authors' code."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L
from scipy import stats

import keras_inits as ki
from keras_inits import presets


class Scale(L.Layer):
    """x times a vector, as ConvNeXt's layer scale."""

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

    def call(self, x: Any) -> Any:
        return x * self.gamma


def image_model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(16, 3, padding="same", name="stem")(inputs)
    y = L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = L.LayerNormalization(name="norm")(y)
    y = L.Conv2D(16, 1, name="pointwise")(y)
    x = L.Add()([x, Scale(name="scale")(y)])
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10, name="head")(x))


def text_model() -> keras.Model:
    inputs = keras.Input((12,), dtype="int32")
    x = L.Embedding(50, 32, name="table")(inputs)
    y = L.MultiHeadAttention(2, 16, name="attention")(x, x)
    x = L.LayerNormalization(name="norm")(L.Add()([x, y]))
    return keras.Model(inputs, L.Dense(7, name="head")(x))


def stds(model: keras.Model, preset: Any) -> dict[str, float]:
    report = ki.initialize(model, preset, seed=0)
    assert not report.problems
    return {row.path: row.expected_std for row in report.rows}


@pytest.mark.parametrize(("name", "cut"), [("bert", 2.0), ("olmo2", 3.0)])
def test_one_cut_law(name: str, cut: float) -> None:
    model = text_model()
    found = stds(model, name)
    expected = 0.02 * stats.truncnorm(-cut, cut).std()
    for path in ("table/embeddings", "attention/query/kernel", "attention/attention_output/kernel", "head/kernel"):  # fmt: skip
        assert found[path] == pytest.approx(expected)
    assert found["head/bias"] == found["norm/beta"] == found["attention/query/bias"] == 0
    values = to_numpy(model.get_layer("table").embeddings)
    assert np.abs(values).max() <= 0.02 * cut
    assert np.abs(values).max() > 0.02 * cut * 0.9
    (row,) = (r for r in ki.initialize(model, getattr(presets, name)(std=0.1)).rows if r.path == "head/kernel")  # fmt: skip
    assert row.expected_std == pytest.approx(5 * expected)


def test_convnext() -> None:
    model = image_model()
    found = stds(model, "convnext")
    for layer in ("stem", "pointwise", "head"):
        assert found[f"{layer}/kernel"] == pytest.approx(0.02)
        assert found[f"{layer}/bias"] == 0
    assert found["depthwise/kernel"] == pytest.approx(0.02)
    np.testing.assert_array_equal(to_numpy(model.get_layer("scale").gamma), np.float32(1e-6))
    np.testing.assert_array_equal(to_numpy(model.get_layer("norm").gamma), 1)


def test_resnet_torchvision() -> None:
    model = image_model()
    found = stds(model, "resnet_torchvision")
    assert found["stem/kernel"] == pytest.approx(math.sqrt(2 / (9 * 16)))
    assert found["pointwise/kernel"] == pytest.approx(math.sqrt(2 / 16))
    bound = 1 / math.sqrt(16)
    assert found["head/kernel"] == found["head/bias"] == pytest.approx(bound / math.sqrt(3))
    ki.initialize(model, presets.resnet_torchvision(zero_init_residual=True), seed=0)
    np.testing.assert_array_equal(to_numpy(model.get_layer("scale").gamma), 0)


def test_efficientnet() -> None:
    found = stds(image_model(), "efficientnet")
    assert found["stem/kernel"] == pytest.approx(math.sqrt(2 / (9 * 16)))
    assert found["depthwise/kernel"] == pytest.approx(math.sqrt(2 / 9))
    assert found["head/kernel"] == pytest.approx(1 / math.sqrt(10) / math.sqrt(3))
    assert found["head/bias"] == found["stem/bias"] == 0


def test_mlp_mixer() -> None:
    model = image_model()
    found = stds(model, "mlp_mixer")
    assert found["stem/kernel"] == pytest.approx(1 / math.sqrt(27))
    assert found["pointwise/kernel"] == pytest.approx(1 / math.sqrt(16))
    assert found["head/kernel"] == found["head/bias"] == 0


def test_deepseek() -> None:
    model = text_model()
    found = stds(model, "deepseek")
    for path in ("table/embeddings", "attention/query/kernel", "head/kernel"):
        assert found[path] == 0.006
    assert found["head/bias"] == 0


class Tokens(L.Layer):
    """Positions and a class token, as weights of one's own."""

    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="class_token")
        self.place = self.add_weight(shape=(1, shape[1], shape[-1]), name="position_embedding")

    def call(self, x: Any) -> Any:
        return x + self.place + self.token


def vit_model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(16, 4, 4, name="patches")(inputs)
    x = Tokens(name="tokens")(L.Reshape((4, 16))(x))
    y = L.MultiHeadAttention(2, 8, name="attention")(x, x)
    x = L.LayerNormalization(name="norm")(L.Add()([x, y]))
    x = L.Add()([x, L.Dense(16, name="down")(L.Dense(64, activation="gelu", name="up")(x))])
    return keras.Model(inputs, L.Dense(10, name="head")(L.Dense(24, name="logits")(x)))


def test_vit_timm() -> None:
    found = stds(vit_model(), "vit_timm")
    for path in ("attention/query/kernel", "attention/attention_output/kernel", "up/kernel", "head/kernel", "tokens/position_embedding"):  # fmt: skip
        assert found[path] == pytest.approx(0.02)
    assert found["tokens/class_token"] == 1e-6
    assert found["patches/kernel"] == found["patches/bias"] == pytest.approx(1 / math.sqrt(3 * 48))
    assert found["head/bias"] == found["attention/query/bias"] == found["norm/beta"] == 0


def test_vit() -> None:
    model = vit_model()
    found = stds(model, "vit")
    for path in ("attention/query/kernel", "attention/attention_output/kernel"):
        assert found[path] == pytest.approx(math.sqrt(2 / (16 + 16)))
    assert found["up/kernel"] == found["down/kernel"] == pytest.approx(math.sqrt(2 / (16 + 64)))
    assert found["patches/kernel"] == pytest.approx(1 / math.sqrt(48))
    assert found["logits/kernel"] == pytest.approx(1 / math.sqrt(16))
    assert found["tokens/position_embedding"] == 0.02
    assert found["up/bias"] == found["down/bias"] == 1e-6
    for path in ("tokens/class_token", "head/kernel", "head/bias", "logits/bias", "attention/query/bias", "norm/beta"):  # fmt: skip
        assert found[path] == 0
    queries = to_numpy(model.get_layer("attention").query_dense.kernel)
    assert np.abs(queries).max() <= math.sqrt(6 / 32)  # each for itself, not (16, 48)
    ki.initialize(model, presets.vit(head_bias="-log(classes)"), seed=0)
    np.testing.assert_array_equal(to_numpy(model.get_layer("head").bias), np.float32(-math.log(10)))
    ki.initialize(model, presets.vit(head_bias=-2.0), seed=0)
    np.testing.assert_array_equal(to_numpy(model.get_layer("head").bias), -2)
    with pytest.raises(ValueError, match=r"presets.vit: head_bias must be a finite number or '-log\(classes\)', got 'log'"):  # fmt: skip
        presets.vit(head_bias="log")


class Sequence(L.Layer):
    """A class token, and a table of which the model uses as many rows as it has; both start at 0."""

    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="zeros", name="first")
        self.table = self.add_weight(shape=(50, shape[-1]), initializer="zeros", name="table")

    def call(self, x: Any) -> Any:
        first = keras.ops.tile(self.token, (keras.ops.shape(x)[0], 1, 1))
        x = keras.ops.concatenate([first, x], axis=1)
        return x + self.table[: x.shape[1]]


class Whole(keras.Model):
    """All weights in one layer, the head at 0: what a tensor was cut out of cannot be told from its values."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.head = L.Dense(16, name="down"), L.Dense(10, "softmax", kernel_initializer="zeros", name="head")  # fmt: skip

    def build(self, shape: Any) -> None:
        Sequence.build(self, shape)  # type: ignore[arg-type]
        self.down.build(shape)
        self.head.build((None, 16))

    def call(self, x: Any) -> Any:
        x = Sequence.call(self, x)  # type: ignore[arg-type]
        return self.head((x + self.down(x))[:, 0])


def test_vit_tells_tokens_and_positions_that_start_at_0() -> None:
    whole = Whole()
    whole(np.zeros((2, 16, 16), "float32"))
    for _ in range(2):  # the second time of other values
        rows = ki.initialize(whole, "vit_timm", seed=0).rows
        found = {row.path: (row.use, row.expected_std) for row in rows}
        assert found["first"] == ("class token", 1e-6)
        assert found["table"] == ("position", pytest.approx(0.02))
        assert found["head/kernel"][1] == pytest.approx(0.02)
    inputs = keras.Input((16, 16))
    x = Sequence(name="tokens")(inputs)
    x = L.Add()([x, L.Dense(16, name="down")(x)])
    outputs = [L.Dense(10, name="head")(x[:, 0]), L.Add()([x, L.Dense(16, name="last")(x)])]
    model = keras.Model(inputs, outputs)
    stds_found = stds(model, presets.vit(head_bias=-3.0))
    assert stds_found["tokens/table"] == 0.02
    assert stds_found["tokens/first"] == stds_found["head/kernel"] == 0
    np.testing.assert_array_equal(to_numpy(model.get_layer("head").bias), -3)


def test_vit_of_a_fused_kernel() -> None:
    """Its branch is attention: no bias of it is drawn."""
    inputs = keras.Input((6, 16))
    parts = keras.ops.split(L.Dense(48, name="qkv")(inputs), 3, axis=-1)
    weights = keras.ops.softmax(
        keras.ops.matmul(parts[0], keras.ops.transpose(parts[1], (0, 2, 1)))
    )
    x = L.Add()([inputs, L.Dense(16, name="out")(keras.ops.matmul(weights, parts[2]))])
    found = stds(keras.Model(inputs, L.Dense(10, name="head")(x)), "vit")
    assert found["qkv/kernel"] == pytest.approx(math.sqrt(2 / 32))
    assert found["qkv/bias"] == found["out/bias"] == 0


@pytest.mark.skipif(not hasattr(L, "ReversibleEmbedding"), reason="this Keras has no such layer")
@pytest.mark.parametrize("name", ["fixup", "vit", "mlp_mixer"])
def test_a_tied_table_does_not_start_at_0(name: str) -> None:
    inputs = keras.Input((8,), dtype="int32")
    table = L.ReversibleEmbedding(50, 16, name="table")
    x = table(inputs)
    x = L.Add()([x, L.Dense(16, name="down")(L.Dense(32, "relu", name="up")(x))])
    model = keras.Model(inputs, table(x, reverse=True))
    report = ki.initialize(model, name, seed=0)
    assert to_numpy(table.embeddings).std() > 0
    (problem,) = (p for p in report.problems if p.path == "table/embeddings")
    assert "which is a table of the inputs here: not at 0" in problem.reason


@pytest.mark.slow
def test_vit_of_keras_hub() -> None:
    """Its classifier's head, its tokens and positions."""
    require("keras_hub")
    import keras_hub

    backbone = keras_hub.models.ViTBackbone((32, 32, 3), 16, 2, 2, 32, 64)
    model = keras_hub.models.ViTImageClassifier(backbone, 10, preprocessor=None)
    found = stds(model, "vit")
    tokens, block = (
        "vi_t_backbone/vit_patching_and_embedding",
        "vi_t_backbone/vit_encoder/transformer_block_1",
    )
    assert found[f"{tokens}/class_token"] == found["predictions/kernel"] == 0
    assert found[f"{tokens}/position_embedding/embeddings"] == 0.02
    assert found[f"{tokens}/patch_embedding/kernel"] == pytest.approx(1 / math.sqrt(16 * 16 * 3))
    assert found[f"{block}/mha/query/kernel"] == pytest.approx(math.sqrt(2 / (32 + 32)))
    assert found[f"{block}/mlp/dense/kernel"] == pytest.approx(math.sqrt(2 / (32 + 64)))
    assert found[f"{block}/mlp/dense/bias"] == 1e-6


def test_t5() -> None:
    inputs = keras.Input((12,), dtype="int32")
    x = L.Embedding(50, 32, name="table")(inputs)
    x = L.Add()([x, L.MultiHeadAttention(2, 24, name="attention")(x, x)])
    x = L.Add()([x, L.Dense(32, name="down")(L.Dense(96, activation="relu", name="up")(x))])
    model = keras.Model(inputs, L.Dense(7, name="head")(L.RMSNormalization(name="norm")(x)))
    cut = stats.truncnorm(-2, 2).std()
    for factor, preset in ((1.0, "t5"), (0.5, presets.t5(factor=0.5))):
        found = {path: std and std / factor for path, std in stds(model, preset).items()}
        assert found["table/embeddings"] == pytest.approx(1.0)
        assert found["attention/query/kernel"] == pytest.approx((32 * 24) ** -0.5)
        assert found["attention/key/kernel"] == pytest.approx(32**-0.5)
        assert found["attention/value/kernel"] == pytest.approx(32**-0.5)
        assert found["attention/attention_output/kernel"] == pytest.approx((2 * 24) ** -0.5)
        assert found["up/kernel"] == found["head/kernel"] == pytest.approx(cut * 32**-0.5)
        assert found["down/kernel"] == pytest.approx(cut * 96**-0.5)
        assert np.abs(to_numpy(model.get_layer("up").kernel)).max() <= 2 * factor * 32**-0.5
        assert found["up/bias"] == 0
        np.testing.assert_array_equal(to_numpy(model.get_layer("norm").scale), factor)
    without = keras.Sequential([keras.Input((4,)), L.Dense(4, name="d")])
    reasons = [p.reason for p in ki.initialize(without, "t5", seed=0).problems]
    assert any("finds no attention layer" in reason for reason in reasons)


@pytest.mark.slow
def test_t5_of_keras_hub() -> None:
    """Its queries, keys, values and relative positions, each by its role."""
    require("keras_hub")
    import keras_hub

    found = stds(keras_hub.models.T5Backbone(50, 1, 4, 32, 64), "t5")
    layer = "transformer_encoder_layer_0/self_attention"
    assert found[f"{layer}/query_projector/kernel"] == pytest.approx((32 * 8) ** -0.5)
    assert found[f"{layer}/key_projector/kernel"] == pytest.approx(32**-0.5)
    assert found[f"{layer}/embeddings"] == pytest.approx((2 / (32 + 4)) ** 0.5)
    assert found["token_embedding/embeddings"] == 1.0


def test_gemma() -> None:
    model = text_model()
    found = stds(model, "gemma")
    for path in ("table/embeddings", "attention/query/kernel", "head/kernel"):
        assert found[path] == 0.01
    assert found["head/bias"] == 0
    np.testing.assert_array_equal(to_numpy(model.get_layer("norm").gamma), 1)


@pytest.mark.slow
def test_gemma_of_keras_hub() -> None:
    """It multiplies by 1 + scale: scales start at 0, and nothing is left over."""
    require("keras_hub")
    import keras_hub

    model = keras_hub.models.GemmaBackbone(50, 2, 2, 1, 32, 64, 16)
    rows = ki.initialize(model, "gemma", seed=0).rows
    assert {row.expected_std for row in rows if row.role != "scale"} == {0.01}
    for variable in model.variables:
        if variable.name == "scale":
            np.testing.assert_array_equal(to_numpy(variable), 0)


@pytest.mark.parametrize("name", ["bert", "olmo2", "convnext", "deepseek", "gemma", "vit_timm"])
def test_bad_std(name: str) -> None:
    with pytest.raises(ValueError, match=f"presets.{name}: std must be a finite number > 0"):
        getattr(presets, name)(std=0.0)


@pytest.mark.parametrize("name", ["deepnorm", "t_fixup", "fixup", "vit"])
def test_a_model_is_followed_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Branches, uses and the parts of kernels are all read from one run."""
    from keras_inits.models.residual import branches

    counted: list[Any] = []

    def trace(*args: Any) -> Any:
        counted.append(args)
        return original(*args)

    original = branches.trace
    monkeypatch.setattr(branches, "trace", trace)
    ki.initialize(vit_model(), name, seed=0)
    assert len(counted) == 1
