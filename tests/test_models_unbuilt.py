"""Layers that are not built: listed, unless the config of the layer around them rules out that they ever are."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

from keras_inits import initialize
from keras_inits.models.variables.walk import walk

L = keras.layers


class Base(L.Layer):
    """Makes two layers, of which a call with the ratio of 0 needs one."""

    def __init__(self, ratio=0.0, mode="plain", **kwargs):
        super().__init__(**kwargs)
        self.ratio, self.mode = ratio, mode
        self.main, self.extra = L.Dense(3, name="main"), L.Dense(3, name="extra")

    def build(self, shape):
        self.main.build(shape)

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio, "mode": self.mode}


class Positive(Base):
    def call(self, x):
        x = self.main(x)
        return self.extra(x) if self.ratio > 0 else x


class Branches(Base):
    def call(self, x):
        if 0 < self.ratio <= 1:
            x = self.extra(x)
        elif self.mode == "plain":
            x = self.main(x)
        else:
            for _ in range(2):
                x = self.extra(x)
        return x


class Together(Base):
    def call(self, x, training=None):
        x = self.main(x)
        if training and not (self.ratio is None or self.ratio == 0):
            x = self.extra(x)
        return x


class Listed(Base):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.more = [L.Dense(3, name="more_0"), {"last": L.Dense(3, name="more_1")}]

    def call(self, x):
        x = self.main(x)
        if self.ratio:
            x = self.extra(self.more[1]["last"](self.more[0](x)))
        return x


def wrapped(function):
    @functools.wraps(function)
    def wrapper(self, x):
        return function(self, x)

    return wrapper


class Decorated(Base):
    @functools.cached_property
    def size(self):
        return self.ratio

    @wrapped
    def call(self, x):
        return self.main(x) if not self.ratio else self.extra(x)


@pytest.mark.parametrize("cls", [Positive, Branches, Together, Listed])
def test_what_the_config_rules_out_is_no_problem(cls):
    model = keras.Sequential([keras.Input((3,)), cls()])
    assert not initialize(model, seed=0).problems
    model.layers[0].ratio = 0.5  # otherwise than when its call was recorded
    assert [p.path.rpartition("/")[2] for p in initialize(model, seed=0).problems] != []


class Training(Base):
    def call(self, x, training=None):
        return self.extra(self.main(x)) if training else self.main(x)


class Given(Base):
    def call(self, x, mask=None):
        if mask is not None:
            x = self.extra(x)
        return self.main(x)


class Long(Base):
    def call(self, x):
        if x.shape[-1] > 100:
            x = self.extra(x)
        return self.main(x)


class Flag(Base):
    flag = False

    def call(self, x):
        if self.flag:  # not in the config
            x = self.extra(x)
        return self.main(x)


class Generates(Positive):
    def generate(self, x):
        return self.extra(x)


class Either(Base):
    def call(self, x):
        return self.extra(x) if self.ratio > 0 or x.shape[-1] > 100 else self.main(x)


class Unread(Base):
    def call(self, x):
        return self.main(x)


class ByName(Positive):
    def generate(self, x, name):
        return getattr(self, name)(x)


class Handed(Positive):
    def generate(self, x, function):
        return function(self, x)


class InPlace(Positive):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.late = lambda x: self.extra(x)


class SecondName(Positive):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.other = self.extra

    def generate(self, x):
        return self.other(x)


class InProperty(Positive):
    @property
    def head(self):
        return self.extra


class All(Positive):
    def generate(self, x):
        for layer in self._layers:
            x = layer(x)
        return x


class Wrong(Base):
    def call(self, x):
        return self.extra(x) if self.mode > 0 else self.main(x)  # a text is no number


NOT_TOLD = [Training, Given, Long, Flag, Generates, Either, Unread, ByName, Handed, InPlace]
NOT_TOLD += [SecondName, InProperty, All, Decorated]


@pytest.mark.parametrize("cls", NOT_TOLD)
def test_what_a_later_call_may_build_is_listed(cls):
    layer = cls(name="layer")
    model = keras.Sequential([keras.Input((3,)), layer])
    assert [path for path, _ in walk(model).problems] == ["layer/extra"]


class Holder(keras.Model):
    def __init__(self, **held):
        super().__init__()
        self.dense = L.Dense(3)
        for name, layer in held.items():
            setattr(self, name, layer)

    def call(self, x):
        return self.dense(x)


def held_by_a_model(**held):
    model = Holder(**held)
    model(np.zeros((1, 3)))
    return model


def test_a_test_that_fails_to_compare_tells_nothing():
    layer = Wrong(name="layer")
    layer.build((None, 3))
    model = held_by_a_model(held=layer)
    assert [path for path, _ in walk(model).problems] == ["layer/extra"]


def test_another_layer_that_holds_it_or_reads_its_name_may_call_it():
    class Outer(L.Layer):
        def __init__(self, block, **kwargs):
            super().__init__(**kwargs)
            self.block = block

        def build(self, shape):
            self.block.build(shape)

        def call(self, x):
            return self.block(x)

    class Reaches(Outer):
        def generate(self, x):
            return self.block.extra(x)

    class Shares(Outer):
        def generate(self, x):
            return self.again(x)

    paths = []
    for cls in (Outer, Reaches, Shares):
        block = Positive(name="block")
        outer = cls(block, name="outer")
        if cls is Shares:
            outer.again = getattr(block, "ext" + "ra")
        model = keras.Sequential([keras.Input((3,)), outer])
        paths.append([path for path, _ in walk(model).problems])
    assert paths == [[], ["outer/block/extra"], ["outer/extra"]]


def test_a_class_without_its_source_is_not_told():
    names = {"Base": Base}
    exec(
        "class Made(Base):\n def call(self, x): return self.extra(x) if self.ratio else self.main(x)",
        names,
    )
    model = keras.Sequential([keras.Input((3,)), names["Made"](name="made")])
    assert [path for path, _ in walk(model).problems] == ["made/extra"]


class Inner(L.Layer):
    """No build of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = L.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


def test_layers_inside_of_what_has_no_variables_are_seen():
    built = Inner(name="built")
    built.built = True
    model = held_by_a_model(never_called=Inner(name="never_called"), only_marked=built)
    assert [path for path, _ in walk(model).problems] == ["never_called", "built/dense"]
    model.never_called(np.zeros((1, 3)))
    built(np.zeros((1, 3)))
    assert not walk(model).problems
    assert len(walk(model)) == 6
