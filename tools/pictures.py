"""The picture of the README: a network that does not train, and the same one after one line.

    KERAS_BACKEND=torch python tools/pictures.py

Also trains both, on scikit-learn's digits, and prints what became of them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers as L
from PIL import Image
from sklearn.datasets import load_digits

import keras_inits

OUT = Path(__file__).parents[1] / "docs" / "images" / "inspect.png"
DEPTH, EPOCHS = 30, 10


def built() -> keras.Model:
    """As Keras draws it, compiled."""
    keras.utils.set_random_seed(0)
    layers = [L.Dense(64, activation="relu") for _ in range(DEPTH)]
    model = keras.Sequential([keras.Input((64,)), *layers, L.Dense(10, activation="softmax")])
    keras_inits.initialize(model, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained(model: keras.Model, x: Any, y: Any) -> str:
    """The accuracy after some epochs, in words."""
    model.fit(x[360:], y[360:], epochs=EPOCHS, batch_size=64, verbose=0)
    return f"{model.evaluate(x[:360], y[:360], verbose=0)[1]:.1%} on 360 digits that were kept"


def picture(report: Any) -> Image.Image:
    """The report's figure."""
    figure, file = report.plot(), io.BytesIO()
    figure.set_size_inches(7.4, 4.0)
    figure.savefig(file, dpi=100)
    return Image.open(file).convert("RGB")


def main() -> None:
    """Both reports side by side."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype("float32") / 16, y[order]
    shown = []
    for rules in (None, {"kernel$": "keras_inits>he_normal"}):
        model = built()
        if rules:
            keras_inits.initialize(model, rules, seed=0)
        report = keras_inits.inspect(model, x[:64], seed=0)
        shown.append(picture(report))
        print(report.summary(), "|", trained(model, x, y))
    gap = 16
    both = Image.new("RGB", (sum(i.width for i in shown) + gap, shown[0].height), "white")
    both.paste(shown[0], (0, 0))
    both.paste(shown[1], (shown[0].width + gap, 0))
    both.quantize(64, dither=Image.Dither.NONE).save(OUT, optimize=True)
    print(OUT.name, OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
