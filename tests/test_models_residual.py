"""Residual branches are read from what a model computes, however it is written."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import require
from keras import layers as L
from keras import ops

import keras_inits as ki

WIDTH = 8


class Block(L.Layer):
    """A block of a user's own: two branches, one normalized before."""

    def __init__(self, width=WIDTH, **options):
        super().__init__(**options)
        self.norm = L.LayerNormalization()
        self.wq, self.wo = L.Dense(width), L.Dense(width)
        self.up, self.down = L.Dense(2 * width, activation="gelu"), L.Dense(width)

    def call(self, x):
        x = x + self.wo(self.wq(self.norm(x)))
        return x + self.down(self.up(x))


class RootMeanSquare(L.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")

    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6) * self.gain


class Weights(L.Layer):
    """Kernels by add_weight, a transposed one, variables on the left of operators."""

    def build(self, shape):
        width = shape[-1]
        self.norm = RootMeanSquare()
        self.norm.build(shape)
        self.w1 = self.add_weight(shape=(width, 2 * width), name="w1")
        self.w2 = self.add_weight(shape=(width, 2 * width), name="w2")
        self.bias = self.add_weight(shape=(width,), name="bias")
        self.scale = self.add_weight(shape=(), name="scale")

    def call(self, x):
        hidden = ops.relu(ops.matmul(self.norm(x), self.w1))
        return 2.0 * x + self.scale * (self.bias + ops.matmul(hidden, ops.transpose(self.w2)))


class Stack(keras.Model):
    def __init__(self, blocks):
        super().__init__()
        self.embed, self.blocks, self.head = L.Dense(WIDTH), blocks, L.Dense(3)

    def call(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def stack(*blocks):
    model = Stack(list(blocks))
    model(np.ones((2, 5), "float32"))
    return model


def functional(*functions):
    """x -> functions one after another on a tensor of WIDTH features."""
    inputs = x = keras.Input((WIDTH,))
    for function in functions:
        x = function(x)
    return keras.Model(inputs, x)


def test_a_block_of_a_users_own():
    report = ki.residual_branches(stack(Block(), Block()))
    assert [row.path for row in report.rows] == [
        "block/dense_1/kernel",
        "block/dense_3/kernel",
        "block_1/dense_1/kernel",
        "block_1/dense_3/kernel",
    ]
    assert [row.depth for row in report.rows] == [1, 2, 3, 4]
    assert [row.norm for row in report.rows] == ["pre", "none"] * 2
    assert report.rows[1].weights == ("block/dense_2/kernel", "block/dense_3/kernel")
    assert not report.problems
    assert report.depth_of(report.rows[0]) == 4


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_kernels_by_add_weight(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        report = ki.residual_branches(stack(Weights(), Weights()))
    finally:
        keras.config.set_dtype_policy(before)
    (row, other) = report.rows
    assert (row.path, other.path) == ("weights/w2", "weights_1/w2")
    assert row.weights == ("weights/w1", "weights/w2")
    assert row.scales == ("weights/scale",)
    assert (row.norm, row.stream_factor, other.depth) == ("pre", 2.0, 2)


def branch(x, name, norm=None):
    x = x if norm is None else norm()(x)
    return L.Dense(WIDTH, name=f"{name}_down")(L.Dense(16, activation="relu", name=f"{name}_up")(x))


def post_norm(x):
    return L.LayerNormalization()(L.Add()([branch(x, "post"), x]))


def parallel(x):
    return L.Add()([x, branch(x, "left"), branch(x, "right", L.LayerNormalization)])


def parallel_first(x):
    return (branch(x, "left") + branch(x, "right")) + x


def parallel_last(x):
    return (x + branch(x, "left")) + branch(x, "right")


def squeezed(x):
    y = branch(x, "value")
    return x + y * L.Dense(WIDTH, activation="sigmoid", name="gate")(y)


def projected(x):
    return L.Dense(WIDTH, name="shortcut")(x) + L.BatchNormalization(name="norm")(branch(x, "main"))


def scaled(x):
    return x + 0.1 * branch(x, "small")


def inline_norm(x):
    y = (x - ops.mean(x, -1, keepdims=True)) / ops.sqrt(ops.var(x, -1, keepdims=True) + 1e-5)
    return x + branch(y, "inner")


def separable(x):
    image = L.Reshape((4, 4, 3))(L.Dense(48)(x))
    image = image + L.SeparableConv2D(3, 3, padding="same", name="separable")(image)
    return L.GlobalAveragePooling2D()(image)


@pytest.mark.parametrize(
    ("function", "ends", "norms"),
    [
        (post_norm, ["post_down"], ["post"]),
        (parallel, ["left_down", "right_down"], ["none", "pre"]),
        (parallel_first, ["left_down", "right_down"], ["none", "none"]),
        (parallel_last, ["left_down", "right_down"], ["none", "none"]),
        (squeezed, ["value_down"], ["none"]),
        (projected, ["main_down"], ["end"]),
        (scaled, ["small_down"], ["none"]),
        (inline_norm, ["inner_down"], ["pre"]),
    ],
)
def test_ways_to_write_a_branch(function, ends, norms):
    report = ki.residual_branches(functional(function))
    assert [row.path for row in report.rows] == [f"{end}/kernel" for end in ends]
    assert [row.norm for row in report.rows] == norms
    assert {row.stream for row in report.rows} == {1}
    assert not report.problems


def test_what_stands_before_the_addition():
    (row,) = ki.residual_branches(functional(squeezed)).rows
    assert row.gates == ("gate/kernel",)
    assert (row.weights, row.scores) == (
        ("value_up/kernel", "value_down/kernel"),
        ("gate/kernel",),
    )
    (row,) = ki.residual_branches(functional(projected)).rows
    assert (row.shortcut, row.scales) == (("shortcut/kernel",), ("norm/gamma",))
    (row,) = ki.residual_branches(functional(scaled)).rows
    assert row.factor == pytest.approx(0.1)
    (row,) = ki.residual_branches(functional(separable)).rows
    assert row.path == "separable/pointwise_kernel"


class Adapted(L.Layer):
    """LoRA's sum of two maps: no stream."""

    def __init__(self, **options):
        super().__init__(**options)
        self.w, self.a, self.b = L.Dense(WIDTH), L.Dense(2), L.Dense(WIDTH)

    def call(self, x):
        return self.w(x) + self.b(self.a(x))


class Additive(L.Layer):
    """Scores with a bias that comes from the input, as in relative positions."""

    def __init__(self, **options):
        super().__init__(**options)
        self.q, self.k, self.v = L.Dense(WIDTH), L.Dense(WIDTH), L.Dense(WIDTH)

    def call(self, x):
        scores = ops.matmul(self.q(x), ops.transpose(self.k(x))) + ops.matmul(x, ops.transpose(x))
        return ops.matmul(ops.softmax(scores), self.v(x))


@pytest.mark.parametrize(
    "function",
    [
        L.Dense(WIDTH),
        lambda x: L.Concatenate()([x, L.Dense(3)(x)]),
        lambda x: L.Dense(WIDTH)(x) + ops.ones((WIDTH,)),
        lambda x: x * L.Dense(WIDTH, activation="sigmoid")(x),
        Adapted(),
        Additive(),
    ],
)
def test_sums_that_are_no_branches(function):
    assert not ki.residual_branches(functional(function)).rows


def conv(x, channels, size=3, strides=1, name=None):
    return L.Conv2D(channels, size, strides, padding="same", name=name)(x)


def unet(block, attention=lambda x: x):
    """Two levels down, a middle, two up; what goes across is concatenated."""
    inputs = keras.Input((16, 16, 3))
    x, across = conv(inputs, 8, name="stem"), []
    for level, channels in enumerate((8, 16)):
        x = block(x, channels, f"down_{level}")
        across.append(x)
        x = conv(x, channels, strides=2)
    x = block(attention(block(x, 16, "middle_0")), 16, "middle_1")
    for level, channels in ((1, 16), (0, 8)):
        x = conv(L.UpSampling2D()(x), channels)
        x = block(L.Concatenate()([x, across[level]]), channels, f"up_{level}")
    return keras.Model(inputs, conv(x, 3, 1, name="head"))


def plain_block(x, channels, name):
    return conv(conv(x, channels, name=name + "_a"), channels, name=name + "_b")


def residual_block(x, channels, name):
    """Normalized before; a projection in the stream where the width changes."""
    shortcut = x if x.shape[-1] == channels else conv(x, channels, 1, name=name + "_shortcut")
    y = conv(ops.silu(L.GroupNormalization(4)(x)), channels, name=name + "_a")
    y = conv(ops.silu(L.GroupNormalization(4)(y)), channels, name=name + "_b")
    return L.Add()([shortcut, y])


def middle_attention(x):
    y = L.Reshape((16, 16))(L.GroupNormalization(4)(x))
    return x + L.Reshape((4, 4, 16))(L.MultiHeadAttention(2, 8, name="attention")(y, y))


def test_unet():
    """Its concatenations are no branches; those of a residual one: two down, two and an attention, two up."""
    plain = ki.residual_branches(unet(plain_block))
    assert (plain.rows, plain.problems, plain.heads) == ([], [], ("head/kernel",))
    report = ki.residual_branches(unet(residual_block, middle_attention))
    blocks = ("down_0", "down_1", "middle_0", "attention", "middle_1", "up_1", "up_0")
    ends = ("_b/kernel", "/attention_output/kernel")
    assert [row.path for row in report.rows] == [b + ends[b == "attention"] for b in blocks]
    assert {row.norm for row in report.rows} == {"pre"}
    shortcuts = {row.path.partition("_b/")[0] for row in report.rows if row.shortcut}
    assert shortcuts == {"down_1", "up_1", "up_0"}
    assert not report.problems


def test_unclear_sums_are_said():
    report = ki.residual_branches(functional(L.Dense(WIDTH), Adapted(name="adapted")))
    ((problem),) = report.problems
    assert problem.path == "adapted"
    assert "1 addition of weighted paths, none of which is the stream" in problem.reason


class Foreign(L.Layer):
    """A call that leaves Keras."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = L.Dense(WIDTH)

    def call(self, x):
        return backend_add()(x, self.inner(x))


def backend_add():
    if keras.backend.backend() == "torch":
        import torch

        return torch.add
    if keras.backend.backend() == "jax":
        import jax

        return jax.numpy.add
    import tensorflow as tf

    return tf.add


def test_a_call_that_leaves_keras_is_said():
    report = ki.residual_branches(stack(Block(), Foreign(name="foreign"), Block()))
    assert len(report.rows) == 4
    ((problem),) = report.problems
    assert problem.path == "foreign"
    assert "cannot be followed" in problem.reason


def test_a_branch_whose_last_weight_is_unknown_is_no_row():
    def recurrent(x):
        x = L.Reshape((2, 4))(x)
        return L.Flatten()(x + L.LSTM(4, return_sequences=True, name="lstm")(x))

    report = ki.residual_branches(functional(recurrent))
    assert not report.rows
    ((problem),) = report.problems
    assert (problem.path, "cannot be told" in problem.reason) == ("lstm", True)


def test_nothing_changes():
    model = stack(Block(), Foreign())
    names = [v.path for v in model.variables]
    digest = [np.array(v) for v in map(ops.convert_to_numpy, model.variables)]
    ki.residual_branches(model)
    assert [v.path for v in model.variables] == names
    for before, after in zip(digest, model.variables, strict=True):
        np.testing.assert_array_equal(before, ops.convert_to_numpy(after))


def test_inputs():
    sequence = keras.Sequential([L.Dense(WIDTH), Block()])
    sequence.build((None, 5))
    assert len(ki.residual_branches(sequence).rows) == 2
    assert len(ki.residual_branches(stack(Block()), np.ones((3, 5), "float32")).rows) == 2


@pytest.mark.parametrize(
    ("make", "x", "error", "message"),
    [
        (lambda: "model", None, TypeError, "model must be a Keras model"),
        (lambda: keras.Sequential([L.Dense(2)]), None, ValueError, "model must be built"),
        (lambda: stack(Block()), "x", TypeError, "x must be an array"),
        (lambda: stack(Block()), np.ones((2, 7)), ValueError, "give x, inputs that it takes"),
    ],
)
def test_errors(make, x, error, message):
    with pytest.raises(error, match=f"residual_branches: .*{message}"):
        ki.residual_branches(make(), x)


class Counted(L.Layer):
    """Counts its calls in a variable."""

    def build(self, shape):
        self.calls = self.add_weight(
            shape=(), name="calls", initializer="zeros", dtype="int32", trainable=False
        )

    def call(self, x):
        self.calls.assign_add(1)
        return x


def test_following_a_model_leaves_its_states():
    """A layer may assign to its variables whenever it is called."""
    model = functional(Counted(), Block())
    for look in (
        ki.residual_branches,
        ki.audit,
        lambda model: ki.initialize(model, "gpt2", dry_run=True),
        lambda model: ki.autoinit(model, dry_run=True),
    ):
        look(model)
        assert int(model.layers[1].calls.value) == 0


@pytest.mark.once
def test_the_report_shows_itself(tmp_path):
    require("matplotlib")
    report = ki.residual_branches(stack(Block(), Block()))
    assert str(report).startswith("4 residual branches on 1 stream, no problems")
    assert report.to_dict()["rows"][0]["ends"] == ["block/dense_1/kernel"]
    report.plot().savefig(tmp_path / "figure.png")
    report.save_html(tmp_path / "page.html")
    with pytest.raises(ValueError, match="rows must have branches"):
        ki.residual_branches(functional(L.Dense(2))).plot()


def test_the_page_s_example_runs():
    page = (Path(__file__).parent.parent / "docs" / "residual.md").read_text()
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(example, {})
