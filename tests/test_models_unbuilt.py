"""Layers that are not built: listed, unless the model calls them neither in inference nor in training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_inits import audit, initialize, residual_branches
from keras_inits.models.variables.walk import walk

L = keras.layers


class Block(L.Layer):
    """Makes two layers, of which its call needs one at first."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.main, self.extra = L.Dense(3, name="main"), L.Dense(3, name="extra")

    def build(self, shape):
        self.main.build(shape)

    def call(self, x):
        return self.main(x)


class Training(Block):
    def call(self, x, training=None):
        return self.extra(self.main(x)) if training else self.main(x)


class Outer(Block):
    """Its call says nothing of training, and what it calls asks for it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Training(name="inner")

    def build(self, shape):
        super().build(shape)
        self.inner.build(shape)

    def call(self, x):
        return self.inner(self.main(x))


class Later(Block):
    late = False

    def call(self, x):
        return self.extra(self.main(x)) if self.late else self.main(x)


class Values(Block):
    """It asks for values, which symbolic tensors have not."""

    def call(self, x):
        known = not isinstance(x, keras.KerasTensor)
        return self.main(x) * (float(keras.ops.sum(x)) if known else float(np.asarray(x).sum()))


def listed(model, **kwargs):
    return [p.path for p in initialize(model, seed=0, **kwargs).problems if "not built" in p.reason]


def around(layer):
    return keras.Sequential([keras.Input((3,)), layer, L.Dense(2)])


def test_what_the_model_never_calls_is_no_problem():
    model = around(Block(name="block"))
    assert not initialize(model, seed=0).problems
    assert not audit(model).problems
    assert [path for path, _ in walk(model).unbuilt] == ["block/extra"]


@pytest.mark.parametrize(("cls", "path"), [(Training, "layer/extra"), (Outer, "layer/inner/extra")])
def test_what_training_calls_is_listed(cls, path):
    layer = cls(name="layer")
    model = around(layer)
    assert path in listed(model)
    assert path in [p.path for p in audit(model).problems]
    assert not (layer.inner if cls is Outer else layer).extra.built


def test_what_the_model_calls_by_now_is_listed():
    model = around(Later(name="block"))
    assert listed(model) == []
    model.layers[0].late = True
    assert listed(model) == ["block/extra"]


def test_a_call_that_cannot_be_followed_tells_nothing():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(3)(inputs))
    model.head = Values(name="head")
    model.head.build((None, 3))
    assert listed(model) == []  # nothing calls it
    layer = Values(name="layer")

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def call(self, x):
            return self.layer(x)

    model = Own()
    model(np.ones((2, 3), "float32"))
    assert listed(model) == ["layer/extra"]


def test_inputs_that_are_not_known_tell_nothing():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = Block(name="block")

        def call(self, x, y):
            return self.block(x + y)

    model = Two()
    model(np.ones((2, 3), "float32"), np.ones((2, 3), "float32"))
    assert listed(model) == ["block/extra"]


class Inner(L.Layer):
    """No build of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = L.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


def test_layers_inside_of_what_has_no_variables_are_seen():
    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(3)
            self.never_called, self.only_marked = (
                Inner(name="never_called"),
                Inner(name="only_marked"),
            )
            self.only_marked.built = True

        def call(self, x):
            return self.dense(x)

    model = Holder()
    model(np.zeros((1, 3)))
    assert [path for path, _ in walk(model).unbuilt] == ["never_called", "only_marked/dense"]
    model.never_called(np.zeros((1, 3)))
    model.only_marked(np.zeros((1, 3)))
    assert not walk(model).unbuilt
    assert len(walk(model)) == 6


class Sums(L.Layer):
    """Makes the layer that adds where it calls it, as keras-hub's EfficientNet does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.up, self.down = L.Dense(6, activation="relu", name="up"), L.Dense(3, name="down")
        self.never = L.Dense(3, name="never")

    def build(self, shape):
        self.up.build(shape)
        self.down.build((*shape[:-1], 6))

    def call(self, x):
        return L.Add()([x, self.down(self.up(x))])


def test_a_layer_that_a_call_makes_is_followed():
    model = around(Sums(name="block"))
    assert listed(model) == []
    assert [row.path for row in residual_branches(model).rows] == ["block/down/kernel"]
