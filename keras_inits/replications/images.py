"""Images: SIREN, ICNR."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_inits.models.initialize import initialize
from keras_inits.replications.result import Curves, Replication
from keras_inits.replications.training import digits, train
from keras_inits.schemes.resampling import ICNR
from keras_inits.schemes.variance_scaling import Siren

_L = keras.layers


def _sine(x: Any) -> Any:
    return keras.ops.sin(30.0 * x)


def _coordinates(side: int, shift: float = 0.0) -> np.ndarray:
    axis = np.linspace(-1, 1, side) + shift
    return (
        np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2).astype("float32")
    )


def _siren(depth: int, width: int, seed: int) -> keras.Sequential:
    hidden = [_L.Dense(width, _sine) for _ in range(depth)]
    model = keras.Sequential([keras.Input((2,)), *hidden, _L.Dense(1)])
    first = model.layers[0].kernel
    rules = [(lambda slot: slot.variable is first, Siren(first=True)), ("kernel$", Siren())]
    initialize(model, rules, seed=seed)
    return model


def siren(seed: int = 0) -> Replication:
    """Sitzmann et al. 2020 (arXiv 2006.09661), sections 3.2 and 4.1: variances by depth, an image."""
    deep = _siren(20, 512, seed)
    taken = keras.Model(deep.inputs, [layer.output for layer in deep.layers[:-1]])
    outputs = taken.predict(_coordinates(24), verbose=0)
    before = [
        (30 * (h @ keras.ops.convert_to_numpy(layer.kernel))).var()
        for h, layer in zip(outputs, deep.layers[1:-1], strict=False)
    ]
    rows = [("deep sine layers", "variance of the pre-activation", np.mean(before[-10:]))]
    panels = [
        Curves(
            "variance by depth",
            "layer",
            "variance of the pre-activation",
            [
                ("measured", np.arange(2, len(before) + 2), before),
                ("fixed point 0.797", [2, len(before) + 1], [0.7968, 0.7968]),
            ],
        )
    ]
    image, steps, lines = _image(), 500, []
    target = image.reshape(-1, 1)
    side = len(image)
    for name in ("sine", "relu"):
        if name == "sine":
            model = _siren(3, 128, seed)
        else:
            hidden = [_L.Dense(128, "relu") for _ in range(3)]
            model = keras.Sequential([keras.Input((2,)), *hidden, _L.Dense(1)])
            initialize(model, {"kernel$": "keras_inits>he_normal"}, seed=seed)
        x = _coordinates(side)
        adam = keras.optimizers.Adam(5e-4 if name == "sine" else 2e-3)
        losses = train(model, lambda step, x=x: (x, target), adam, "mse", steps)
        psnr = 10 * np.log10(4 / losses)  # the image spans [-1, 1]
        rows += [(name, "peak signal to noise, dB", psnr[-1])]
        rows += [(name, "correlation with the image's gradient", _gradient(model, image))]
        lines.append((name, np.arange(steps), psnr))
    panels.append(Curves("fit of an image", "step", "peak signal to noise, dB", lines))
    claim = "sine layers keep their variance at any depth, and fit an image and its gradient"
    return Replication("siren", claim, rows, panels)


def _image() -> np.ndarray:
    """48 x 48 pixels of scikit-learn's picture of a flower, in [-1, 1]."""
    from sklearn import datasets

    grey = datasets.load_sample_image("flower.jpg").mean(axis=-1)[:384, 128:512]
    small = grey.reshape(48, 8, 48, 8).mean(axis=(1, 3))
    return (2 * (small - small.min()) / (small.max() - small.min()) - 1).astype("float32")


def _gradient(model: keras.Model, image: np.ndarray) -> float:
    """Correlation of the network's horizontal differences at the pixels' middles with the image's."""
    side = len(image)
    shown = model.predict(_coordinates(side), verbose=0).reshape(side, side)
    return float(np.corrcoef(np.diff(shown).ravel(), np.diff(image).ravel())[0, 1])


def icnr(seed: int = 0) -> Replication:
    """Aitken et al. 2017 (arXiv 1707.02937): the spectrum of sub-pixel convolutions at the start."""
    x = digits()[0][:200].reshape(-1, 8, 8, 1)
    rows, lines = [], []
    for name, scheme in (("ICNR", ICNR("keras_inits>he_normal")), ("He", "keras_inits>he_normal")):
        layer = _L.Conv2D(4 * 8, 3, padding="same")
        model = keras.Sequential([keras.Input((8, 8, 1)), layer])
        initialize(model, {"kernel$": scheme}, seed=seed)
        h = model.predict(x, verbose=0).reshape(-1, 8, 8, 2, 2, 8)
        h = h.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 16, 16, 8)  # depth_to_space
        blocks = h.reshape(-1, 8, 2, 8, 2, 8)
        within = blocks - blocks.mean(axis=(2, 4), keepdims=True)
        power = (np.abs(np.fft.fft(h, axis=2)) ** 2).mean(axis=(0, 1, 3))
        rows.append((name, "power of the checkerboard", (within**2).mean() / (h**2).mean()))
        lines.append((name, np.arange(9), np.maximum(power[:9] / power.sum(), 1e-12)))
    claim = "no checkerboard at the start where the filters of a block are equal"
    panel = Curves(
        "spectrum along a row", "cycles in 16 pixels", "share of the power", lines, log=True
    )
    return Replication("icnr", claim, rows, [panel])
