"""Residual networks: Fixup, GPT-2's scaling."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_inits.models.initialize import initialize
from keras_inits.replications.result import Curves, Replication
from keras_inits.replications.training import CLASSES, accuracy, digits, shuffled, smooth, train
from keras_inits.schemes.depth import Scaled, depth_factor
from keras_inits.schemes.uniform_normal import Normal

_L = keras.layers


class _Scalar(keras.layers.Layer):
    """Adds one trained number, and multiplies by another if it is to."""

    def __init__(self, multiplies: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiplies = multiplies

    def build(self, shape: Any) -> None:
        self.added = self.add_weight(name="added", shape=(), initializer="zeros")
        if self.multiplies:
            self.multiplier = self.add_weight(name="multiplier", shape=(), initializer="ones")

    def call(self, x: Any) -> Any:
        return (x * self.multiplier if self.multiplies else x) + self.added


def fixup(seed: int = 0) -> Replication:
    """Zhang et al. 2019 (arXiv 1901.09321): 100 branches without normalization, rate 0.1."""
    x, y = digits()
    blocks, width, steps = 100, 32, 80
    rows, lines = [], []
    factor = depth_factor("fixup", blocks)
    inside = Scaled("keras_inits>he_normal", factor)
    starts = {
        "Fixup": {"inside/kernel": inside, "last/kernel|head/kernel": "keras_inits>zero"},
        "He": {},
    }
    for name, rules in starts.items():
        inputs = keras.Input((64,))
        h = _L.Dense(width, "relu", name="stem")(inputs)
        for i in range(blocks):
            b = _Scalar()(h)
            b = _L.Dense(width, use_bias=False, name=f"{i}_inside")(b)
            b = _Scalar()(_L.ReLU()(_Scalar()(b)))
            b = _Scalar(multiplies=True)(_L.Dense(width, use_bias=False, name=f"{i}_last")(b))
            h = _L.ReLU()(_L.Add()([h, b]))
        model = keras.Model(inputs, _L.Dense(10, name="head")(_Scalar()(h)))
        initialize(model, rules | {"kernel$": "keras_inits>he_normal"}, seed=seed)
        sgd = keras.optimizers.SGD(0.1)
        losses = train(model, shuffled(x, y, seed), sgd, CLASSES, steps)
        rows += [(name, "first loss", losses[0]), (name, "last loss", smooth(losses)[-1])]
        rows += [(name, "training accuracy", accuracy(model, x, y))]
        lines.append((name, np.arange(steps), losses))
    claim = "100 residual branches without normalization train from Fixup at rate 0.1"
    panel = Curves("100 branches, SGD at 0.1", "step", "loss", lines, log=True)
    return Replication("fixup", claim, rows, [panel])


def gpt2(seed: int = 0) -> Replication:
    """GPT-2 (Radford et al. 2019, section 2.3): the variance that the branches add, by depth."""
    depths, width = (6, 12, 24, 48), 64
    plain = {"kernel$|embeddings$": Normal(0.02), "gamma$": "ones", "bias$|beta$": "zeros"}
    tokens = np.random.default_rng(seed).integers(0, 100, (16, 24))
    rows: list[tuple[str, str, float]] = []
    added: dict[str, list[float]] = {"scaled": [], "not scaled": []}
    for depth in depths:
        model = _transformer(depth, width)
        for name, rules in (("scaled", "gpt2"), ("not scaled", plain)):
            initialize(model, rules, seed=seed)
            first, last = model.predict(tokens, verbose=0)
            added[name].append(float((last - first).var()))
            rows.append((name, f"added variance, {depth} blocks", added[name][-1]))
    lines = [(name, depths, values) for name, values in added.items()]
    claim = "residual projections over sqrt(2 blocks) keep the stream's variance whatever the depth"
    panel = Curves("residual stream", "blocks", "variance added by all branches", lines, log=True)
    return Replication("gpt2", claim, rows, [panel])


def _transformer(depth: int, width: int) -> keras.Model:
    inputs = keras.Input((24,), dtype="int32")
    x = first = _L.Embedding(100, width)(inputs)
    for _ in range(depth):
        h = _L.LayerNormalization()(x)
        x = _L.Add()([x, _L.MultiHeadAttention(4, width // 4)(h, h)])
        h = _L.Dense(4 * width, "gelu")(_L.LayerNormalization()(x))
        x = _L.Add()([x, _L.Dense(width)(h)])
    return keras.Model(inputs, [first, x])
