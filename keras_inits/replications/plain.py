"""Plain deep networks: He et al. 2015, Saxe et al. 2013, Xiao et al. 2018, LSUV."""

from __future__ import annotations

import keras
import numpy as np

from keras_inits.models.initialize import initialize
from keras_inits.models.lsuv import lsuv
from keras_inits.replications.result import Curves, Replication
from keras_inits.replications.training import (
    CLASSES,
    accuracy,
    digits,
    shuffled,
    smooth,
    train,
)

_L = keras.layers


def _network(depth: int, width: int, activation: str) -> keras.Sequential:
    hidden = [_L.Dense(width, activation) for _ in range(depth - 1)]
    return keras.Sequential([keras.Input((64,)), *hidden, _L.Dense(10)])


def _scheme(name: str) -> dict[str, str]:
    return {"kernel$": f"keras_inits>{name}"}


def he2015(seed: int = 0) -> Replication:
    """He et al. 2015 (arXiv 1502.01852), figure 3: 30 rectified layers on digits, SGD."""
    x, y = digits()
    steps, rows, lines = 280, [], []
    for name in ("he_normal", "glorot_normal"):
        model = _network(30, 64, "relu")
        initialize(model, _scheme(name), seed=seed)
        sgd = keras.optimizers.SGD(0.01, momentum=0.9)
        losses = smooth(train(model, shuffled(x, y, seed), sgd, CLASSES, steps))
        rows += [
            (name, "loss at the end", losses[-1]),
            (name, "training accuracy", accuracy(model, x, y)),
        ]
        lines.append((name, np.arange(steps), losses))
    claim = "30 rectified layers train from He's law and stall from Glorot's"
    return Replication("he2015", claim, rows, [Curves("30 layers", "step", "loss", lines)])


def saxe2013(seed: int = 0) -> Replication:
    """Saxe et al. 2013 (arXiv 1312.6120), section 3: steps that deep linear networks need, by depth.

    At each depth the best of the rates counts, as in the paper; 100 stands for 100 steps or more.
    """
    x, y = digits()
    depths, most = (2, 8, 32), 100
    target = np.eye(10, dtype="float32")[y]
    rows, lines = [], []
    for name in ("orthogonal", "lecun_normal"):
        needed = []
        for depth in depths:
            found = [most]
            for rate in (0.1, 0.03, 0.01):
                model = _network(depth, 64, "linear")
                initialize(model, _scheme(name), seed=seed)
                sgd = keras.optimizers.SGD(rate)
                losses = train(model, lambda step: (x, target), sgd, "mse", found[-1])
                below = np.flatnonzero(losses < 0.06)
                found.append(int(below[0]) + 1 if below.size else found[-1])
            needed.append(min(found))
            rows.append((name, f"steps, {depth} layers", needed[-1]))
        lines.append((name, depths, needed))
    claim = "learning time does not depend on depth from orthogonal starts"
    panel = Curves("steps until the squared error is 0.06", "layers", "steps", lines)
    return Replication("saxe2013", claim, rows, [panel])


def xiao2018(seed: int = 0) -> Replication:
    """Xiao et al. 2018 (arXiv 1806.05393): how many directions pass through 200 convolutions."""
    x = digits()[0][:300].reshape(-1, 8, 8, 1)
    depth, channels, every = 200, 16, 25
    rows, lines = [], []
    for name in ("delta_orthogonal", "lecun_normal"):
        inputs = h = keras.Input((8, 8, 1))
        taken = []
        for i in range(depth):
            h = _L.Conv2D(channels, 3, padding="same", activation="tanh")(h)
            if i % every == every - 1:
                taken.append(h)
        model = keras.Model(inputs, taken)
        initialize(model, _scheme(name), seed=seed)
        outputs = model.predict(x, verbose=0, batch_size=300)
        counts = [_directions(y.reshape(len(x), -1)) for y in (x, *outputs)]
        rows += [(name, "directions in", counts[0]), (name, "directions out", counts[-1])]
        lines.append((name, every * np.arange(len(counts)), counts))
    claim = "200 plain layers pass the signal from delta-orthogonal, not from Gaussian kernels"
    panel = Curves("directions that images differ in", "layer", "directions", lines)
    return Replication("xiao2018", claim, rows, [panel])


def _directions(features: np.ndarray) -> float:
    """The participation ratio: as many directions of equal variance would be as concentrated."""
    z = features - features.mean(axis=0)
    variances = np.linalg.svd(z.astype("float64"), compute_uv=False) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum())


def lsuv2015(seed: int = 0) -> Replication:
    """Mishkin & Matas 2015 (arXiv 1511.06422): a thin deep network, by activation and start."""
    x, y = digits()
    steps, rows, panels = 200, [], []
    for activation in ("relu", "tanh"):
        lines = []
        for name in ("lsuv", "glorot_uniform", "he_normal"):
            model = _network(20, 24, activation)
            if name == "lsuv":
                lsuv(model, x[:512], tolerance=0.1, criterion="variance", seed=seed, progress=False)
            else:
                initialize(model, _scheme(name), seed=seed)
            sgd = keras.optimizers.SGD(0.01, momentum=0.9)
            losses = smooth(train(model, shuffled(x, y, seed), sgd, CLASSES, steps))
            rows.append((name, f"training accuracy, {activation}", accuracy(model, x, y)))
            lines.append((name, np.arange(steps), losses))
        panels.append(Curves(f"20 layers of 24, {activation}", "step", "loss", lines))
    claim = "a thin deep network trains from LSUV whatever its activation"
    return Replication("lsuv", claim, rows, panels)
