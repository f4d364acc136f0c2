"""A kernel that holds several maps has the fans of each, and each is drawn by itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L
from keras import ops
from test_models_residual import backend_add

import keras_inits as ki
from keras_inits.models.initialize import initialize
from keras_inits.models.weights.geometry import Geometry, register_geometry

WIDTH, HEADS, SIZE = 24, 4, 6
GLOROT = ki.VarianceScaling(1.0, "fan_avg", "untruncated_normal")


class Fused(L.Layer):
    """One projection, and a function that makes an attention or a gated unit of what it gives."""

    def __init__(self, units, use, **options):
        super().__init__(**options)
        self.project, self.use = L.Dense(units, name="project"), use

    def call(self, x):
        return self.use(self.project(x))


def attend(q, k, v):
    """Of (batch, heads, places, size)."""
    scores = ops.softmax(ops.matmul(q, ops.swapaxes(k, 2, 3)) / SIZE**0.5)
    y = ops.transpose(ops.matmul(scores, v), (0, 2, 1, 3))
    return ops.reshape(y, (-1, y.shape[1], y.shape[2] * y.shape[3]))


def heads(x):
    return ops.transpose(ops.reshape(x, (-1, x.shape[1], x.shape[2] // SIZE, SIZE)), (0, 2, 1, 3))


def split(y):
    return attend(*map(heads, ops.split(y, 3, axis=-1)))


def sliced(y):
    return attend(*(heads(y[..., i * WIDTH : (i + 1) * WIDTH]) for i in range(3)))


def unstacked(y):
    y = ops.transpose(ops.reshape(y, (-1, y.shape[1], 3, HEADS, SIZE)), (2, 0, 3, 1, 4))
    return attend(*ops.unstack(y, 3))


def indexed(y):
    y = ops.reshape(y, (-1, y.shape[1], 3, HEADS, SIZE))
    return attend(*(ops.transpose(ops.take(y, i, axis=2), (0, 2, 1, 3)) for i in range(3)))


def by_head(y):
    """Megatron's order: each head's query, key and value beside one another."""
    y = ops.swapaxes(ops.reshape(y, (-1, y.shape[1], HEADS, 3 * SIZE)), 1, 2)
    return attend(y[..., :SIZE], y[..., SIZE : 2 * SIZE], y[..., 2 * SIZE :])


def interleaved(y):
    y = ops.reshape(y, (-1, y.shape[1], HEADS, SIZE, 3))
    return attend(*(ops.transpose(y[..., i], (0, 2, 1, 3)) for i in range(3)))


def rotated(x):
    a, b = ops.split(x, 2, axis=-1)
    return x * 0.8 + ops.concatenate([-b, a], axis=-1) * 0.6


def rotary(y):
    q, k, v = map(heads, ops.split(y, 3, axis=-1))
    return attend(rotated(q), rotated(k), v)


def one_head_at_a_time(y):
    """A loop over heads: these are no maps of their own."""
    q, k, v = (
        [p[:, None] for p in ops.split(part, HEADS, axis=-1)] for part in ops.split(y, 3, axis=-1)
    )
    return ops.concatenate([attend(*head) for head in zip(q, k, v, strict=True)], axis=-1)


def attention_op(y):
    q, k, v = (ops.reshape(p, (-1, p.shape[1], HEADS, SIZE)) for p in ops.split(y, 3, axis=-1))
    return ops.dot_product_attention(q, k, v)


def grouped(y):
    """Two heads of keys and values for four of queries."""
    q, k, v = map(heads, ops.split(y, [WIDTH, WIDTH + WIDTH // 2], axis=-1))
    return attend(q, *(ops.repeat(part, 2, axis=1) for part in (k, v)))


def gated(y):
    up, gate = ops.split(y, 2, axis=-1)
    return up * ops.silu(gate)


def every_other(y):
    return ops.silu(y[..., ::2]) * (y[..., 1::2] + 1)


def glu(y):
    return keras.activations.glu(y, axis=-1)


def parallel(y):
    """Attention and a feed-forward part from one projection."""
    qkv, up = ops.split(y, [3 * WIDTH], axis=-1)
    return ops.concatenate([split(qkv), ops.gelu(up)], axis=-1)


W = WIDTH
FUSED = {
    "split": (split, (W, W, W)),
    "sliced": (sliced, (W, W, W)),
    "unstacked": (unstacked, (W, W, W)),
    "indexed": (indexed, (W, W, W)),
    "by_head": (by_head, (SIZE, SIZE, SIZE)),
    "interleaved": (interleaved, (1, 1, 1)),
    "rotary": (rotary, (W, W, W)),
    "one_head_at_a_time": (one_head_at_a_time, (W, W, W)),
    "attention_op": (attention_op, (W, W, W)),
    "grouped": (grouped, (W, W // 2, W // 2)),
    "gated": (gated, (W, W)),
    "every_other": (every_other, (1, 1)),
    "glu": (glu, (W, W)),
    "parallel": (parallel, (W, W, W, 2 * W)),
}  # fmt: skip


def model_of(use, units):
    return keras.Sequential([keras.Input((5, 16)), Fused(units, use)])


def units_of(parts):
    return sum(parts) if max(parts) >= W else len(parts) * W


def maps_of(kernel, parts):
    """The kernel's parts as the test's own bookkeeping has them."""
    blocks = kernel.reshape(len(kernel), -1, sum(parts))
    ends = np.cumsum(parts)
    return [
        blocks[..., end - n : end].reshape(len(kernel), -1)
        for end, n in zip(ends, parts, strict=True)
    ]


@pytest.mark.parametrize("name", FUSED)
def test_fans_and_draws_part_by_part(name):
    use, parts = FUSED[name]
    model = model_of(use, units_of(parts))
    kernel, bias = model.layers[0].project.kernel, model.layers[0].project.bias
    report = initialize(model, {"kernel$": GLOROT, "bias$": GLOROT}, seed=0)
    outs = [units_of(parts) // sum(parts) * n for n in parts]
    stds = [(2 / (16 + n)) ** 0.5 for n in outs]
    row, bias_row = report.rows[:2]
    assert row.fans == (16, *(outs if len({*outs}) > 1 else outs[:1]))
    mean_square = np.average(np.square(stds), weights=outs)
    assert row.expected_std == pytest.approx(mean_square**0.5)
    assert bias_row.expected_std == pytest.approx(mean_square**0.5)
    for part, std in zip(maps_of(to_numpy(kernel), parts), stds, strict=True):
        assert part.std() == pytest.approx(std, abs=5 * std / (2 * part.size) ** 0.5)
    assert to_numpy(bias).shape == (units_of(parts),)
    report = initialize(model, {"kernel$": "keras_inits>orthogonal"}, seed=0)
    found = maps_of(to_numpy(kernel), parts)
    for part in found:
        small = part @ part.T if part.shape[0] <= part.shape[1] else part.T @ part
        np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)
    assert not np.allclose(found[0][:, :12], found[1][:, :12])
    assert report.rows[0].expected_std == pytest.approx(to_numpy(kernel).std(), rel=0.05)
    assert not report.problems


def moments(y):
    """Mean and variance of a code: taken apart, and not multiplied with one another."""
    mean, variance = ops.split(y, 2, axis=-1)
    return mean + ops.exp(variance / 2) * 0.1


def own_heads(y):
    return ops.concatenate([ops.relu(part) for part in ops.split(y, 4, axis=-1)], axis=-1)


def normalized(y):
    a = y[..., :W]
    return a / ops.sqrt(ops.mean(ops.square(a), axis=-1, keepdims=True))


@pytest.mark.parametrize("use", [moments, own_heads, normalized, lambda y: y * ops.sigmoid(y)])
def test_what_is_one_map(use):
    model = model_of(use, 2 * W)
    report = initialize(model, {"kernel$": GLOROT}, seed=0)
    assert report.rows[0].fans == (16, 2 * W)
    assert not report.problems


def test_a_law_by_fan_in_draws_the_same():
    """Its fans are those of a part, and no value changes."""
    model = model_of(split, 3 * W)
    (row, _) = initialize(model, {"kernel$": "keras_inits>he_normal"}, seed=0).rows
    assert row.fans == (16, W)
    fused = to_numpy(model.layers[0].project.kernel)
    initialize(model, {"kernel$": "keras_inits>he_normal"}, seed=0, structure=False)
    np.testing.assert_array_equal(fused, to_numpy(model.layers[0].project.kernel))


class Experts(L.Layer):
    """Kernels by add_weight: gate and value in one, for each of two experts."""

    num_experts = 2

    def build(self, shape):
        self.gate_up = self.add_weight(name="gate_up", shape=(2, shape[-1], 2 * W))
        self.plain = self.add_weight(name="plain", shape=(shape[-1], 2 * W))

    def call(self, x):
        up, gate = ops.split(ops.einsum("bld,edh->belh", x, self.gate_up), 2, axis=-1)
        return ops.sum(up * ops.silu(gate), axis=1) + gated(ops.matmul(x, self.plain))


def test_kernels_of_layers_of_ones_own():
    model = keras.Sequential([keras.Input((5, 16)), Experts()])
    report = initialize(model, {".*": GLOROT}, seed=0)
    assert [row.fans for row in report.rows] == [(16, W), (16, W)]
    initialize(model, {".*": "keras_inits>orthogonal"}, seed=0)
    gate_up, plain = map(to_numpy, model.weights)
    for part in (*np.split(gate_up[0], 2, -1), *np.split(gate_up[1], 2, -1), *np.split(plain, 2, -1)):  # fmt: skip
        np.testing.assert_allclose(part @ part.T, np.eye(16), atol=1e-5)
    assert not report.problems


def test_a_functional_model_and_a_convolution():
    inputs = keras.Input((6, 6, 16))
    y = L.Conv2D(3 * W, 1, name="qkv")(inputs)
    model = keras.Model(inputs, split(ops.reshape(y, (-1, 36, 3 * W))))
    (row, _) = initialize(model, {"kernel$": GLOROT}, seed=0).rows
    assert row.fans == (16, W)


def irregular(y):
    """The halves of one head beside another's: no order that repeats."""
    a, b = y[..., :W], y[..., W : 2 * W]
    c = y[..., 2 * W :]
    return ops.concatenate([a, c], axis=-1) * ops.repeat(b, 2, axis=-1)


def test_what_cannot_be_told_is_said():
    report = initialize(model_of(irregular, 3 * W), {"kernel$": GLOROT}, seed=0)
    (problem,) = report.problems
    assert problem.path == "fused/project/kernel"
    assert "in no regular order: drawn as one map" in problem.reason
    assert report.rows[0].fans == (16, 3 * W)
    assert not initialize(model_of(irregular, 3 * W), {"kernel$": "he_normal"}, seed=0).problems


def test_a_layer_that_cannot_be_followed_is_said():
    model = model_of(lambda y: backend_add()(y, y), 3 * W)
    (problem,) = initialize(model, {"kernel$": GLOROT}, seed=0).problems
    assert (problem.path, "cannot be followed" in problem.reason) == ("fused", True)
    assert "register_geometry" in problem.why
    assert not initialize(model, {"kernel$": "he_normal"}, seed=0).problems


class Packed(Fused):
    """What a user says of its projection."""


def test_a_user_says_the_parts():
    model = keras.Sequential([keras.Input((5, 16)), Packed(2 * W, moments)])
    register_geometry(
        L.Dense,
        "kernel",
        lambda layer, shape: (
            Geometry(shape, (0,), (1,), parts=(W, W)) if layer is model.layers[0].project else None
        ),
    )
    assert initialize(model, {"kernel$": GLOROT}, seed=0).rows[0].fans == (16, W)
    # Gates that a rule names prevail: six maps, not two.
    report = initialize(model, {"kernel$": ki.Gated(GLOROT, 6)}, seed=0)
    assert report.rows[0].expected_std == pytest.approx((2 / (16 + 8)) ** 0.5)


def test_lsuv_draws_orthonormal_parts():
    model = model_of(split, 3 * W)
    geometry = Geometry((16, 3 * W), (0,), (1,), parts=(W, W, W))
    layer = model.layers[0].project
    register_geometry(L.Dense, "kernel", lambda one, shape: geometry if one is layer else None)
    x = np.random.default_rng(0).normal(size=(32, 5, 16)).astype("float32")
    ki.lsuv(model, x, seed=0, progress=False)
    for part in np.split(to_numpy(layer.kernel), 3, axis=1):
        square = part @ part.T
        np.testing.assert_allclose(square, square[0, 0] * np.eye(16), atol=1e-4)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "pattern", "fans"),
    [
        ("GPTNeoXBackbone", "query_key_value/kernel$", (32, 32)),
        ("QwenMoeBackbone", "expert_feedforward_gate_dense$", (32, 16)),
        ("GptOssBackbone", "gate_up_proj$", (32, 64)),
    ],
)
def test_keras_hub(name, pattern, fans):
    from test_models_residual_hub import built

    require("keras_hub")
    rows = initialize(built(name), {pattern: GLOROT}, seed=0).rows
    found = [row.fans for row in rows if row.source.startswith("rule")]
    assert found == [fans] * 2
