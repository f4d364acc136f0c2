"""Schemes and initializers of a user's own beside the fans of the layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as ki
from keras_inits.models.initialize import initialize


class Asks(ki.Scheme):
    """N(0, 1/(fan_in + 3 fan_out)) by the fans that it is given."""

    def __init__(self, seed=None):
        self.seed = seed

    def law(self, shape):
        fan_in, fan_out = self.fans(shape)
        return ki.laws.Normal(0.0, (fan_in + 3 * fan_out) ** -0.5)


class Counts(Asks):
    """The same, by the shape alone."""

    def law(self, shape):
        fan_in, fan_out = ki.compute_fans(shape)
        return ki.laws.Normal(0.0, (fan_in + 3 * fan_out) ** -0.5)


class Values(Asks):
    """Entries that depend on one another, of the same size, by the fans that it is given."""

    def law(self, shape):
        return None

    def values(self, shape, dtype, stream, index=None):
        fan_in, fan_out = self.fans(shape)
        return stream.signs(shape, dtype) * np.asarray((fan_in + 3 * fan_out) ** -0.5, dtype)


class ValuesByShape(Values):
    def fans(self, shape):
        return ki.compute_fans(shape)


class Hers(keras.initializers.HeNormal):
    """Another library's, drawn by its own code."""


class Plain(keras.initializers.Initializer):
    """Another library's, whatever the shape."""

    def __init__(self, seed=0):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, stddev=0.1, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {"seed": self.seed}


def attention():
    inputs = keras.Input((5, 24))
    return keras.Model(inputs, L.MultiHeadAttention(4, 6, name="attention")(inputs, inputs))


#: A layer with other fans than its shape's: model, path, fans.
LAYERS = {
    "depthwise": (lambda: keras.Sequential([keras.Input((9, 9, 64)), L.DepthwiseConv2D(3)]), "/kernel$", (9, 9)),
    "transposed": (lambda: keras.Sequential([keras.Input((9, 9, 6)), L.Conv2DTranspose(40, 3)]), "/kernel$", (54, 360)),
    "grouped": (lambda: keras.Sequential([keras.Input((9, 9, 32)), L.Conv2D(64, 3, groups=8)]), "/kernel$", (36, 72)),
    "attention": (attention, "query/kernel$", (24, 24)),
    "embedding": (lambda: keras.Sequential([keras.Input((5,)), L.Embedding(500, 40)]), "embeddings$", (1, 40)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("scheme", [Asks, Values])
def test_a_scheme_that_asks_gets_the_layers_fans(name, scheme):
    build, pattern, fans = LAYERS[name]
    model = build()
    report = initialize(model, {pattern: scheme()}, seed=0)
    (row,) = (row for row in report.rows if row.source.startswith("rule"))
    std = (fans[0] + 3 * fans[1]) ** -0.5
    assert row.fans == fans
    assert row.measured_std == pytest.approx(std, rel=0.15)
    if scheme is Asks:
        assert row.expected_std == pytest.approx(std)
    assert not report.problems
    # Asked by itself, it counts the shape's.
    assert scheme().fans((3, 3, 4, 8)) == (36, 72)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "scheme", [Counts(), ValuesByShape(), Hers(), ki.Scaled(Counts(), 2.0), ki.Scaled(Hers(), 2.0)]
)
def test_one_that_does_not_is_said(name, scheme):
    build, pattern, fans = LAYERS[name]
    report = initialize(build(), {pattern: scheme}, seed=0)
    (problem,) = report.problems
    assert problem.reason.startswith(type(scheme).__name__)
    assert " counts the fans " in problem.reason
    assert f"the layer's are {fans}" in problem.reason


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("scheme", [Plain(), ki.Normal(0.1), keras.initializers.HeNormal()])
def test_nothing_is_said_of_others(name, scheme):
    build, pattern, _ = LAYERS[name]
    assert not initialize(build(), {pattern: scheme}, seed=0).problems


@pytest.mark.parametrize("layer", [L.Dense(8), L.Conv2D(8, 3), L.LSTM(8)])
def test_fans_of_the_shape_are_right_here(layer):
    shape = {"Dense": (4,), "Conv2D": (9, 9, 4), "LSTM": (5, 4)}[type(layer).__name__]
    model = keras.Sequential([keras.Input(shape), layer])
    assert not initialize(model, {"/kernel$": Counts()}, seed=0).problems


def test_inside_of_wrappers():
    model = keras.Sequential([keras.Input((9, 9, 64)), L.DepthwiseConv2D(3)])
    row = initialize(model, {"/kernel$": ki.Scaled(Asks(), 2.0)}, seed=0).rows[0]
    assert row.expected_std == pytest.approx(2 * (9 + 27) ** -0.5)
    model = keras.Sequential([keras.Input((5, 16)), L.LSTM(8)])
    row = initialize(model, {"/kernel$": Asks()}, seed=0).rows[0]
    assert row.expected_std == pytest.approx((16 + 24) ** -0.5)


def test_fans_are_no_part_of_the_config():
    scheme = Asks(seed=3)
    given = scheme.with_fans(100, 50)
    assert given.fans((4, 4)) == (100, 50)
    assert given.get_config() == scheme.get_config()
    assert scheme.fans((4, 4)) == (4, 4)
    assert to_numpy(given((200, 200))).std() == pytest.approx(250**-0.5, rel=0.02)
