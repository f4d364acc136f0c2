"""attention_init: pairs of projections, by their exact products."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.attention.projections import Projections, by_names, read
from keras_inits.models.attention.start import attention_init


def keras_attention(width=32, heads=4, size=8):
    x = keras.Input((5, width))
    return keras.Model(x, L.MultiHeadAttention(heads, size, name="attention")(x, x))


def grouped(width=32, heads=4, groups=2, size=8):
    x = keras.Input((5, width))
    attention = L.GroupQueryAttention(size, heads, groups, name="attention")
    return keras.Model(x, attention(x, x))


class Own(L.Layer):
    """A user's attention layer whose projections are named as it likes."""

    def __init__(self, names, heads=4):
        super().__init__(name="attention")
        self.num_heads = heads
        self.parts = [L.Dense(32, name=name) for name in names]

    def build(self, shape):
        for part in self.parts:
            part.build(shape)

    def call(self, x):
        q, k, v = (part(x) for part in self.parts[:3])
        return self.parts[3](keras.ops.softmax(q @ keras.ops.swapaxes(k, 1, 2)) @ v)


def own(names=("wq", "wk", "wv", "wo")):
    return keras.Sequential([keras.Input((5, 32)), Own(names)])


def kernels(model, parts=None):
    parts = parts or by_names(model.get_layer("attention"))
    return {role: read(parts, role) for role in ("query", "key", "value", "output")}


MODELS = {"MultiHeadAttention": keras_attention, "grouped": grouped, "own": own}


@pytest.mark.parametrize("name", MODELS)
def test_mimetic_products(name):
    """The targets without noise are multiples of I: then products are exact."""
    model = MODELS[name]()
    before = [to_numpy(v) for v in model.variables if v.name == "bias"]
    (row,) = attention_init(model, query_key=(0, 0.7), value_output=(0, -0.4), seed=0).rows
    found = kernels(model)
    heads = found["query"].shape[1]
    each = heads // found["key"].shape[1]
    for head in range(heads):
        product = found["query"][:, head] @ found["key"][:, head // each].T
        singular = np.linalg.svd(product, compute_uv=False)
        np.testing.assert_allclose(singular[:8], 0.7, rtol=1e-5)
        assert singular[8:].max() < 1e-6
    spread = np.repeat(found["value"], each, axis=1)
    total = np.einsum("ihk,hko->io", spread, found["output"])
    rank = found["value"].shape[1] * 8
    np.testing.assert_allclose(np.linalg.svd(total, compute_uv=False)[:rank], 0.4, rtol=1e-5)
    assert row.query_key == pytest.approx(0.7 * 8 / 32, rel=1e-4)
    assert row.value_output == pytest.approx(-0.4 * rank / 32, rel=1e-4)
    for a, b in zip(before, (v for v in model.variables if v.name == "bias"), strict=True):
        np.testing.assert_array_equal(a, to_numpy(b))


def test_mimetic_is_the_best_approximation_and_its_noise_has_its_size():
    model = keras_attention(256, 4, 64)
    attention_init(model, seed=0)
    found = kernels(model)
    total = np.einsum("ihk,hko->io", found["value"], found["output"])
    noise = (total + 0.4 * np.eye(256)) / 0.4
    assert noise.std() == pytest.approx(256**-0.5, rel=0.02)
    assert abs(noise.mean()) < 4 / 256 / 16
    for head in range(4):
        product = found["query"][:, head] @ found["key"][:, head].T
        singular = np.linalg.svd(product, compute_uv=False)
        # Random Z + I over sqrt 2 at least: the first 64 of 256 singular values are its largest.
        assert singular[63] > 0.7 > 1e-4 > singular[64]
    heads = [found["query"][:, head] for head in range(4)]
    assert np.abs(heads[0] - heads[1]).max() > 0.1


def test_heads_that_share_a_key_have_queries_of_their_own():
    model = grouped()
    attention_init(model, seed=0)
    found = kernels(model)
    assert np.abs(found["query"][:, 0] - found["query"][:, 1]).max() > 0.05


@pytest.mark.parametrize("name", MODELS)
def test_identity_passes_values_through(name):
    model = MODELS[name]()
    before = kernels(model)
    attention_init(model, "identity", seed=0)
    after = kernels(model)
    np.testing.assert_array_equal(before["query"], after["query"])
    np.testing.assert_array_equal(before["key"], after["key"])
    spread = np.repeat(after["value"], 4 // after["value"].shape[1], axis=1)
    total = np.einsum("ihk,hko->io", spread, after["output"])
    np.testing.assert_allclose(total @ total, total, atol=1e-6)  # a projection
    if name != "grouped":
        np.testing.assert_allclose(total, np.eye(32), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_orthogonal_head_by_head(name):
    model = MODELS[name]()
    attention_init(model, "orthogonal", seed=0)
    found = kernels(model)
    for role in ("query", "key", "value"):
        for head in range(found[role].shape[1]):
            one = found[role][:, head]
            np.testing.assert_allclose(one.T @ one, np.eye(8), atol=1e-6)
    for one in found["output"]:
        np.testing.assert_allclose(one @ one.T, np.eye(8), atol=1e-6)


def test_a_rule_says_what_names_do_not():
    model = own(("one", "two", "three", "four"))

    def rule(layer):
        return Projections(*layer.parts, heads=4) if isinstance(layer, Own) else None

    with pytest.raises(
        ValueError, match="must have an attention layer, got none whose projections"
    ):
        attention_init(model)
    (row,) = attention_init(model, "identity", projections=rule, seed=0).rows
    assert (row.path, row.heads, row.head_size) == ("attention", 4, 8)
    assert row.value_output == pytest.approx(1)


@pytest.mark.once  # the newest keras-hub needs a newer Keras than the oldest
def test_keras_hub_layers_are_found():
    keras_hub = pytest.importorskip("keras_hub")
    model = keras_hub.models.LlamaBackbone(50, 2, 4, 32, 64, 2)
    report = attention_init(model, seed=0)
    assert [row.heads for row in report.rows] == [4, 4]
    assert not report.problems


def test_seeds():
    values = []
    for seed in (1, 1, 2):
        model = keras_attention()
        attention_init(model, seed=seed)
        values.append(kernels(model)["query"])
    np.testing.assert_array_equal(values[0], values[1])
    assert np.abs(values[0] - values[2]).max() > 0.01


def test_what_does_not_fit_is_listed_and_stays():
    model = keras_attention(32, 4, 16)  # heads of 64 together
    before = kernels(model)
    (problem,) = attention_init(model, seed=0).problems
    assert problem.reason == "its heads together are 64 wide, wider than 32; left as it was"
    for role, value in kernels(model).items():
        np.testing.assert_array_equal(value, before[role])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "svd"}, ValueError, "method must be one of 'mimetic', 'identity', 'orthogonal'"),
        ({"query_key": 0.7}, TypeError, "query_key must be a pair of numbers, got 0.7"),
        ({"value_output": (0.4, np.nan)}, ValueError, r"value_output\[1\] must be a finite number"),
        ({"projections": "query"}, TypeError, "projections must be a function"),
        ({"projections": lambda layer: 3}, TypeError, "projections must be a function of a layer that gives"),
        ({"seed": -1}, ValueError, "seed must be"),
    ],
)  # fmt: skip
def test_errors(arguments, error, message):
    with pytest.raises(error, match=f"attention_init: {message}"):
        attention_init(keras_attention(), **arguments)
