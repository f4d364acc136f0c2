"""Whether every layer's output has variance 1 after `autoinit`, and after anyinit's analytic start.

KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/autoinit.py [DRAWS [ARCHITECTURE ...]]

The mean square of each layer's output before its activation, in training mode on inputs of N(0, 1). Over the
draws of a start its mean is 0, so that the mean over draws (a tenth of them for anyinit's) is the variance. One draw of a
network of finite width is off at random, by more the deeper it is. anyinit is left out where it is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
from keras import layers as L

import keras_inits
from keras_inits.models.flow.guards import shadow
from keras_inits.models.flow.places import places
from keras_inits.models.variables.walk import walk


def sequence(shape: tuple[int, ...], *layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers, L.Dense(64)])


def repeated(count: int, *make: Callable[[], Any]) -> list[Any]:
    return [one() for _ in range(count) for one in make]


def convolution(filters: int, activation: str | None = "relu", size: int = 3, **more: Any) -> Any:
    return L.Conv2D(filters, size, padding="same", activation=activation, **more)


def plain() -> keras.Model:
    return sequence(
        (16, 16, 16),
        *repeated(2, lambda: convolution(128)),
        L.MaxPooling2D(),
        *repeated(2, lambda: convolution(128)),
        L.GlobalAveragePooling2D(),
    )


def residual(normalized: bool) -> keras.Model:
    inputs = keras.Input((32, 32, 8))
    x = L.MaxPooling2D(3, 2, "same")(convolution(64)(inputs))
    for filters, stride in ((64, 1), (128, 2), (128, 1)):
        h = x
        for i in range(2):
            h = L.BatchNormalization()(h) if normalized else h
            h = L.Activation("silu")(h)
            h = convolution(filters, None, strides=1 if i else stride)(h)
        x = L.Add()([convolution(filters, None, 1, strides=stride)(x) if stride > 1 else x, h])
    return keras.Model(inputs, L.Dense(64)(L.GlobalAveragePooling2D()(L.ReLU()(x))))


def inception() -> keras.Model:
    inputs = keras.Input((16, 16, 16))
    x = convolution(64)(inputs)
    for _ in range(2):
        parts = [
            convolution(64, "relu", 1)(x),
            convolution(64, "tanh")(convolution(64, "relu", 1)(x)),
            convolution(64, "elu", 1)(L.MaxPooling2D(3, 1, "same")(x)),
        ]
        x = L.Concatenate()(parts)
    return keras.Model(inputs, L.Dense(64)(L.Flatten()(L.AveragePooling2D(2)(x))))


def unet() -> keras.Model:
    inputs = keras.Input((16, 16, 16))
    a = convolution(64, "elu")(inputs)
    b = convolution(128, "elu")(L.AveragePooling2D(2)(a))
    c = L.Conv2DTranspose(64, 3, 2, padding="same", activation="elu")(b)
    d = convolution(64, "elu")(L.Concatenate()([a, c]))
    e = convolution(64, None)(L.UpSampling2D()(b))
    return keras.Model(inputs, convolution(8, None, 1)(L.Add()([d, e])))


def mobile() -> keras.Model:
    return sequence(
        (32, 32, 16),
        convolution(64, "silu", strides=2),
        L.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        L.ReLU(6.0),
        convolution(64, None, 1),
        L.SeparableConv2D(128, 5, padding="same", activation="mish"),
        L.SpatialDropout2D(0.2),
        L.SeparableConv2D(128, 3, strides=2, activation="relu"),
        L.GlobalAveragePooling2D(),
    )


def mixer() -> keras.Model:
    inputs = keras.Input((32, 64))
    x = L.Dense(128)(inputs)
    for _ in range(3):
        h = L.Permute((2, 1))(L.LayerNormalization()(x))
        x = x + L.Permute((2, 1))(L.Dense(32)(L.Dense(128, "gelu")(h)))
        x = x + L.Dense(128)(L.Dense(256, "gelu")(L.LayerNormalization()(x)))
    return keras.Model(inputs, L.Dense(64)(L.Flatten()(L.LayerNormalization()(x))))


def gated() -> keras.Model:
    inputs = keras.Input((16, 64))
    x = L.Dense(128)(inputs)
    for _ in range(3):
        h = L.LayerNormalization()(x)
        x = x + L.Dense(128)(L.Dense(256, "silu")(h) * L.Dense(256)(h))
    return keras.Model(inputs, L.Dense(64)(x))


def squeezed() -> keras.Model:
    inputs = keras.Input((16, 16, 16))
    x = convolution(128)(inputs)
    for _ in range(2):
        gate = L.Dense(64, "relu")(L.GlobalAveragePooling2D()(x))
        x = L.Multiply()([x, L.Reshape((1, 1, 128))(L.Dense(128, "sigmoid")(gate))])
        x = L.Conv2D(128, 3, activation="relu")(x)
    return keras.Model(inputs, L.Dense(64)(L.GlobalMaxPooling2D()(x)))


def dilated() -> keras.Model:
    layers = [
        layer
        for rate in (1, 2, 4)
        for layer in (
            L.Conv1D(128, 3, padding="causal", dilation_rate=rate, activation="relu"),
            L.SpatialDropout1D(0.1),
        )
    ]
    last = (L.Conv1D(128, 4, groups=4), L.LeakyReLU(), L.MaxPooling1D(4), L.Flatten())
    return sequence((64, 16), L.GaussianNoise(0.3), *layers, L.GaussianDropout(0.2), *last)


ARCHITECTURES: dict[str, Callable[[], keras.Model]] = {
    "6 Dense(512), relu": lambda: sequence((64,), *repeated(6, lambda: L.Dense(512, "relu"))),
    "4 Dense(512), gelu, Dropout(0.3)": lambda: sequence(
        (64,), *repeated(4, lambda: L.Dense(512, "gelu"), lambda: L.Dropout(0.3))
    ),
    "8 Dense(512), selu, AlphaDropout(0.1)": lambda: sequence(
        (64,), *repeated(8, lambda: L.Dense(512, "selu"), lambda: L.AlphaDropout(0.1))
    ),
    "Conv2D, MaxPooling, global average": plain,
    "residual Conv2D, no normalization": lambda: residual(False),
    "residual Conv2D, BatchNormalization": lambda: residual(True),
    "Inception blocks": inception,
    "U-Net, transposed and enlarged": unet,
    "separable and depthwise Conv2D": mobile,
    "MLP-Mixer": mixer,
    "gated units, residual": gated,
    "squeeze and excitation": squeezed,
    "dilated and grouped Conv1D, noise": dilated,
}


def moments(
    model: keras.Model, start: Callable[[int], Any], draws: int, samples: int = 8
) -> dict[str, np.ndarray]:
    """By layer, the mean square of its output before the activation, of each draw."""
    found: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)
    layers = [p for p in places(model) if hasattr(p.layer, "activation") and p.layer.weights]
    for seed in range(draws):
        start(seed)
        with ExitStack() as stack:
            for place in layers:
                look = _looking(found.setdefault(place.path, []), place.layer.activation)
                stack.enter_context(shadow(place.layer, activation=look))
            shape = (samples, *model.inputs[0].shape[1:])
            model(rng.standard_normal(shape, "float32"), training=True)
    return {path: np.array(values) for path, values in found.items()}


def _looking(values: list[float], activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def look(y: Any) -> Any:
        values.append(float(np.square(keras.ops.convert_to_numpy(y), dtype="float64").mean()))
        return activation(y)

    return look


def farthest(found: dict[str, np.ndarray]) -> tuple[str, float, float]:
    """(the layer whose mean over the draws is farthest from 1, that mean, its standard error)."""
    path = max(found, key=lambda path: abs(np.log(found[path].mean())))
    values = found[path]
    return path, float(values.mean()), float(values.std() / len(values) ** 0.5)


def ours(model: keras.Model) -> Callable[[int], Any]:
    """Draws as `autoinit` makes them, whose scales are the same for every seed."""
    rows = keras_inits.autoinit(model, seed=0, progress=False).rows
    schemes = {row.path: keras_inits.Normal(row.expected_std) for row in rows if row.expected_std}
    drawn = [
        (p.variable, schemes[p.path]) for p in walk(model, "benchmark").slots if p.path in schemes
    ]

    def start(seed: int) -> None:
        for i, (variable, scheme) in enumerate(drawn):
            stream = keras_inits.DefaultStream(seed).child(i)
            variable.assign(scheme.draw(variable.shape, stream, variable.dtype))

    return start


def theirs(model: keras.Model) -> Callable[[int], Any] | None:
    try:
        import anyinit
    except ModuleNotFoundError:
        return None
    shape = (8, *model.inputs[0].shape[1:])
    return lambda seed: anyinit.initialize(model, "analytic", shape, seed=seed)


def shown(model: keras.Model, start: Callable[[int], Any] | None, draws: int) -> str:
    if start is None:
        return "-"
    try:
        path, mean, error = farthest(moments(model, start, draws))
    except Exception as failed:  # of another library's
        return type(failed).__name__
    return f"{mean:.3f} ({error:.3f}), {path}"


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"{keras.backend.backend()}, Keras {keras.__version__}, {draws} draws\n")
    print("| model | layers | farthest from 1: autoinit | anyinit |")
    print("|---|---|---|---|")
    for name in sys.argv[2:] or ARCHITECTURES:
        keras.utils.clear_session()
        model = ARCHITECTURES[name]()
        assert not keras_inits.autoinit(model, dry_run=True, progress=False).problems
        count = sum(hasattr(p.layer, "activation") and bool(p.layer.weights) for p in places(model))
        cells = [shown(model, ours(model), draws), shown(model, theirs(model), max(draws // 10, 5))]
        print(f"| {name} | {count} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
