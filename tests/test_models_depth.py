"""Presets that scale residual branches: the figures of their papers, on branches read from the model."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L
from keras import ops

from keras_inits import presets
from keras_inits.models.initialize import initialize
from keras_inits.models.residual.branches import residual_branches

WIDTH, DEPTHS = 64, (2, 8, 32)
ALL = ("gpt2", "small_init", "wang", "fixup", "zero_residual", "layer_scale", "deepnorm", "t_fixup")


class Branch(L.Layer):
    """x + scale * down(up(norm(x)))."""

    def __init__(self, up=True, norm=True, scale=False, **options):
        super().__init__(**options)
        self.norm = L.LayerNormalization(epsilon=0.0) if norm else None
        self.up = L.Dense(2 * WIDTH, activation="relu") if up else None
        self.down = L.Dense(WIDTH)
        self.scale = self.add_weight(shape=(WIDTH,), name="layer_scale") if scale else None

    def call(self, x):
        y = x if self.norm is None else self.norm(x)
        y = self.down(y if self.up is None else self.up(y))
        return x + (y if self.scale is None else self.scale * y)


def stack(count, head=True, **options):
    inputs = x = keras.Input((WIDTH,))
    for _ in range(count):
        x = Branch(**options)(x)
    return keras.Model(inputs, L.Dense(3, name="head")(x) if head else x)


def stds(model, preset):
    report = initialize(model, preset, seed=0)
    return {row.path: row.expected_std for row in report.rows}, report.problems


def test_gpt2():
    found, problems = stds(stack(8), presets.gpt2(std=0.1))
    assert not problems
    assert found["branch_3/dense/kernel"] == 0.1
    assert found["branch_3/dense_1/kernel"] == pytest.approx(0.1 / math.sqrt(8))
    assert found["head/kernel"] == 0.1
    assert stds(stack(8), "gpt2")[0]["branch/dense_1/kernel"] == pytest.approx(0.02 / math.sqrt(8))


def test_small_init_and_wang():
    small = math.sqrt(2 / (5 * WIDTH))
    found, problems = stds(stack(6), "wang")
    assert not problems
    assert found["branch/dense/kernel"] == pytest.approx(small)
    assert found["branch/dense_1/kernel"] == pytest.approx(2 / (3 * math.sqrt(WIDTH)))
    found, _ = stds(stack(6), "small_init")
    assert found["branch/dense_1/kernel"] == found["head/kernel"] == pytest.approx(small)


def test_fixup():
    found, problems = stds(stack(16, norm=False), "fixup")
    assert found["branch/dense/kernel"] == pytest.approx(16**-0.5 * math.sqrt(2 / (2 * WIDTH)))
    assert found["branch/dense_1/kernel"] == found["head/kernel"] == found["head/bias"] == 0
    assert ["scalar biases" in p.reason for p in problems] == [True]
    _, problems = stds(stack(2), "fixup")
    assert "in the place of normalizations" in problems[0].reason


def test_zero_residual_makes_every_branch_nothing():
    x = np.random.default_rng(0).normal(size=(4, WIDTH)).astype("float32")
    for options in ({}, {"scale": True}):
        model = stack(3, head=False, **options)
        report = initialize(model, "zero_residual", seed=0)
        assert not report.problems
        np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), x)
        zero = "layer_scale" if options else "dense_1/kernel"
        values = {row.path: row.measured_std for row in report.rows}
        assert {values[f"branch_{i}/{zero}"] for i in (1, 2)} == {0.0}
        assert values["branch/dense/kernel"] > 0
    inputs = keras.Input((8, 8, 4))
    y = L.BatchNormalization(name="norm")(L.Conv2D(4, 3, padding="same", name="conv")(inputs))
    model = keras.Model(inputs, L.Add()([inputs, y]))
    initialize(model, presets.skipinit(), seed=0)
    values = {v.path: to_numpy(v) for v in model.variables}
    assert not values["norm/gamma"].any()
    assert values["conv/kernel"].any()


def test_layer_scale():
    model = stack(2, scale=True)
    _, problems = stds(model, presets.layer_scale(1e-6))
    assert not problems
    values = [to_numpy(v) for v in model.variables if v.path.endswith("layer_scale")]
    np.testing.assert_allclose(values, 1e-6)
    _, problems = stds(stack(2), "layer_scale")
    assert "finds no scale in 2 of 2 branches" in problems[0].reason


def transformer(blocks, decoder_blocks=0, alpha=(1.0, 1.0)):
    """Post-norm blocks as in DeepNorm, with attention written by hand."""

    def block(x, factor, memory=None):
        for source in [None, memory] if memory is not None else [None]:
            y = L.MultiHeadAttention(2, 8)(x, x if source is None else source)
            x = L.LayerNormalization()(factor * x + y)
        y = L.Dense(16)(L.Dense(32, activation="relu")(x))
        return L.LayerNormalization()(factor * x + y)

    source = x = keras.Input((6, 16), name="source")
    for _ in range(blocks):
        x = block(x, alpha[0])
    if not decoder_blocks:
        return keras.Model(source, x)
    target = y = keras.Input((5, 16), name="target")
    for _ in range(decoder_blocks):
        y = block(y, alpha[1], x)
    return keras.Model([source, target], y)


def test_deepnorm():
    model = transformer(12, alpha=(2.2134, 1.0))
    found, problems = stds(model, "deepnorm")
    assert not problems
    beta = 0.3195
    assert found["multi_head_attention/query/kernel"] == pytest.approx(1 / 4)
    assert found["multi_head_attention/key/kernel"] == pytest.approx(1 / 4)
    for path in (
        "multi_head_attention/value/kernel",
        "multi_head_attention/attention_output/kernel",
    ):
        assert found[path] == pytest.approx(beta / 4, rel=1e-3)
    assert found["dense/kernel"] == pytest.approx(beta * math.sqrt(2 / 48), rel=1e-3)
    _, problems = stds(transformer(12), "deepnorm")
    (problem,) = problems
    assert "expects the stream times 2.2134 before" in problem.reason
    assert "finds 1.0000; 24 of 24 branches are so" in problem.reason


def test_deepnorm_of_an_encoder_and_a_decoder():
    encoder, decoder = 0.81 * (3**4 * 2) ** 0.0625, 6**0.25
    found, problems = stds(transformer(3, 2, (encoder, decoder)), "deepnorm")
    assert not problems
    value = "multi_head_attention{}/value/kernel"
    assert found[value.format("")] == pytest.approx(0.87 * (3**4 * 2) ** -0.0625 / 4)
    for number in ("_3", "_4"):  # its own, and the one that looks at the encoder
        assert found[value.format(number)] == pytest.approx(24**-0.25 / 4)


def test_t_fixup():
    found, problems = stds(transformer(3, 2), "t_fixup")
    value = "multi_head_attention{}/value/kernel"
    assert found[value.format("")] == pytest.approx(0.67 * 3**-0.25 / 4)
    assert found[value.format("_4")] == pytest.approx(18**-0.25 / 4)
    assert found["multi_head_attention/query/kernel"] == pytest.approx(1 / 4)
    assert "without normalization" in problems[0].reason


def moments(model, x):
    """The mean square of the stream at the start and at the end."""
    y = ops.convert_to_numpy(model(x))
    return float((x**2).mean()), float((y**2).mean())


@pytest.mark.parametrize("count", DEPTHS)
def test_the_stream_s_second_moment(count):
    """Each branch adds WIDTH std^2: of unit variance after the norm, through one kernel."""
    x = np.random.default_rng(1).normal(size=(512, WIDTH)).astype("float32")
    model = stack(count, head=False, up=False)
    for preset, added in (
        (presets.gpt2(0.1), WIDTH * 0.1**2),
        (presets.wang(), count * (2 / (count / 2)) ** 2),
        (presets.small_init(), count * 2 / 5),
    ):
        initialize(model, preset, seed=3)
        before, after = moments(model, x)
        # 2 * WIDTH^2 * count products of normal numbers: 4 standard errors of the mean square, and
        # the branches' correlation with the stream.
        assert after - before == pytest.approx(added, rel=0.15), preset


class PostNorm(L.Layer):
    """LN(alpha x + w x): `sums` has the mean square before the norm."""

    def __init__(self, alpha, **options):
        super().__init__(**options)
        self.alpha, self.w = alpha, L.Dense(WIDTH)
        self.norm = L.LayerNormalization(epsilon=0.0)

    def call(self, x):
        return self.norm(self.alpha * x + self.w(x))


@pytest.mark.parametrize("count", DEPTHS)
def test_the_stream_s_second_moment_under_the_other_rules(count):
    """Nothing at the start; the scale's square for each branch; a factor for each, where nothing is normalized."""
    x = np.random.default_rng(1).normal(size=(512, WIDTH)).astype("float32")
    model = stack(count, head=False)
    for preset in ("fixup", "zero_residual"):
        initialize(model, preset, seed=3)
        np.testing.assert_array_equal(to_numpy(model(x)), x)
    model = stack(count, head=False, up=False, scale=True)
    initialize(model, presets.layer_scale(2.0), seed=3)
    before, after = moments(model, x)
    # Glorot's law has variance 1/WIDTH in a square kernel.
    assert after - before == pytest.approx(count * 2.0**2, rel=0.15)
    model = stack(count, head=False, up=False, norm=False)
    initialize(model, "t_fixup", seed=3)
    before, after = moments(model, x)
    factor = 1 + 0.67**2 * (count // 2) ** -0.5
    assert after / before == pytest.approx(factor**count, rel=0.05 * count**0.5)


@pytest.mark.parametrize("count", DEPTHS)
def test_deepnorm_s_second_moment(count):
    """Before each norm alpha^2 + beta^2, of a stream of second moment 1."""
    blocks = count // 2
    alpha, beta = (2 * blocks) ** 0.25, (8 * blocks) ** -0.25
    inputs = x = keras.Input((WIDTH,))
    sums = []
    for _ in range(count):
        layer = PostNorm(alpha)
        sums.append(alpha * x + layer.w(x))
        x = layer(x)
    model = keras.Model(inputs, x)
    assert not initialize(model, "deepnorm", seed=3).problems
    data = np.random.default_rng(1).normal(size=(512, WIDTH)).astype("float32")
    data = (data - data.mean(1, keepdims=True)) / data.std(1, keepdims=True)
    found = [float((to_numpy(y) ** 2).mean()) for y in keras.Model(inputs, sums)(data)]
    assert np.mean(found) == pytest.approx(alpha**2 + beta**2, rel=0.03)


def test_deepnorm_says_that_it_scales_queries_too():
    class Attention(L.Layer):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = L.Dense(3 * WIDTH, name="qkv"), L.Dense(WIDTH)

        def call(self, x):
            q, k, v = ops.split(self.qkv(x), 3, axis=-1)
            scores = ops.softmax(ops.matmul(q, ops.swapaxes(k, 1, 2)))
            return 2**0.25 * x + self.out(ops.matmul(scores, v))

    model = keras.Sequential([keras.Input((5, WIDTH)), Attention(), Branch(norm=False)])
    reasons = [problem.reason for problem in initialize(model, "deepnorm", seed=0).problems]
    assert any("hold several maps as a whole, attention/qkv/kernel" in text for text in reasons)


@pytest.mark.parametrize("name", ALL)
def test_a_model_without_branches_is_a_problem(name):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)], name="plain")
    (problem,) = initialize(model, name, seed=0).problems
    assert problem.path == "plain"
    assert f"{name}(" in problem.reason
    assert "expects residual branches and finds none" in problem.reason


def test_a_preset_says_what_it_cannot_follow():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = L.Dense(4)

        def call(self, inputs):
            return inputs["a"] + self.inner(inputs["a"])

    model = Model()
    x = {"a": np.ones((2, 4), "float32")}
    model(x)
    report = initialize(model, presets.gpt2(x=x), seed=0)
    assert not report.problems
    assert report.rows[0].expected_std == 0.02
    assert len(residual_branches(model, x).rows) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: presets.gpt2(std=0.0), "presets.gpt2: std must be a finite number > 0, got 0.0"),
        (
            lambda: presets.gpt2(std=math.nan),
            "presets.gpt2: std must be a finite number > 0, got nan",
        ),
        (
            lambda: presets.layer_scale(math.inf),
            "presets.layer_scale: value must be a finite number",
        ),
    ],
)
def test_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_preset_s_name_shows_its_arguments():
    assert repr(presets.gpt2(std=0.01)) == "gpt2(std=0.01)"
    report = initialize(stack(2), presets.gpt2(std=0.01), seed=0)
    assert report.rows[0].source == "preset gpt2(std=0.01)"
