"""anyinit and `keras_inits` on the same ten models: what each start does to the signal, and its verdict.

pip install anyinit; KERAS_BACKEND=torch python benchmarks/peers.py [MODEL ...]

Each library draws the weights of an equal model: `anyinit.initialize(model, "empirical", x)`, and the
start to which `keras_inits.recommend` gives the best score. Both are measured by `keras_inits.inspect` on another batch. chi is
the factor of the second moment from one weighted layer to the next; its distance from 1 is compared as
|log chi|. anyinit's own verdict is its `assert_healthy()`, and its chi that of the activations.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import anyinit
import keras
from keras import layers as L
from recommendations import ARCHITECTURES, classifier, digits

import keras_inits


def separable() -> keras.Model:
    def body(x: Any) -> Any:
        for _ in range(6):
            x = L.SeparableConv2D(32, 3, padding="same", activation="relu")(x)
        return L.GlobalAveragePooling2D()(x)

    return classifier((8, 8, 1), body)


class Subclassed(keras.Model):
    """A plain ReLU network that no graph describes."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = L.Flatten()
        self.hidden = [L.Dense(64, activation="relu") for _ in range(10)]
        self.head = L.Dense(10, activation="softmax")

    def call(self, x: Any) -> Any:
        x = self.flatten(x)
        for layer in self.hidden:
            x = layer(x)
        return self.head(x)


MODELS: dict[str, Callable[[], keras.Model]] = {
    **ARCHITECTURES,
    "6 SeparableConv2D, relu": separable,
    "subclassed, 10 Dense(64), relu": Subclassed,
}


def built(name: str, x: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    model(x)
    return model


def figures(model: keras.Model, x: Any) -> tuple[float, float, int]:
    """(chi forward, chi backward, problems found)."""
    report = keras_inits.inspect(model, x, seed=0)
    forward, backward = (g.chi if g else math.nan for g in (report.forward, report.backward))
    return forward, backward, len(report.problems)


def theirs(name: str, x: Any, other: Any) -> tuple[str, tuple[float, float, int] | None]:
    """(anyinit's verdict, the figures of its start), or its error and no figures."""
    model = built(name, x)
    try:
        report = anyinit.initialize(model, "empirical", x)
    except Exception as error:
        return f"{type(error).__name__}", None
    try:
        report.assert_healthy()
        verdict = "healthy"
    except Exception:
        verdict = "not healthy"
    return verdict, figures(model, other)


def ours(name: str, x: Any, other: Any) -> tuple[str, tuple[float, float, int]]:
    model = built(name, x)
    found = min(keras_inits.recommend(model, x, seed=0).rows, key=lambda row: row.score)
    exec(found.code, {"keras_inits": keras_inits, "model": model, "x": x})
    return found.path, figures(model, other)


def shown(found: tuple[float, float, int] | None) -> str:
    if found is None:
        return "- | - | -"
    return f"{found[0]:.3f} | {found[1]:.3f} | {found[2]}"


def distance(found: tuple[float, float, int]) -> float:
    return sum(abs(math.log(chi)) for chi in found[:2] if not math.isnan(chi))


def main() -> None:
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, anyinit {anyinit.__version__}\n")
    print(
        "| model | anyinit's verdict | chi forward | backward | problems "
        "| keras_inits | chi forward | backward | problems | ratio of distances from 1 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    x, _, other, _ = digits()
    x, other = x[:64], other[:64]
    for name in sys.argv[1:] or MODELS:
        verdict, peer = theirs(name, x, other)
        start, own = ours(name, x, other)
        apart = distance(own)
        ratio = f"{distance(peer) / apart:.2f}" if peer and apart else "-"
        print(
            f"| {name} | {verdict} | {shown(peer)} | {start} | {shown(own)} | {ratio} |", flush=True
        )


if __name__ == "__main__":
    main()
