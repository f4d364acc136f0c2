"""Weights scaled against each other until gradient descent changes all of them at one rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_inits import backend
from keras_inits.backend import differentiation
from keras_inits.models.flow.batch import failure
from keras_inits.models.flow.guards import assign_in_call, read, saved
from keras_inits.models.flow.visit import visit
from keras_inits.models.flow.visitor import Planned, Run, Visited
from keras_inits.models.weights.scalable import pre_activation, unit_moments
from keras_inits.streams import Stream

ops = keras.ops
ROUNDS, APART = 10, 0.01


@dataclass
class Rates:
    """By path of a layer: its rate at first and at last, and the units' moments that are left."""

    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    moments: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def equalize(owner: str, model: Any, x: Any, layers: list[Planned], stream: Stream) -> Rates:
    """Scale the weights of `layers` until their rates are within 1 % of their geometric mean.

    A rate is sqrt(mean(g^2)/mean(w^2)), g the gradient of the outputs' product with random numbers of
    N(0, 1). In each of at most 10 rounds w <- w sqrt(rate/mean), and biases take the factor by which
    what comes to them has changed: where activations are homogeneous the model's outputs stay.
    """
    result = Rates()
    found = _rates(owner, model, x, layers, stream)
    layers = [layer for layer in layers if 0 < found[layer.path] < math.inf]
    for path, rate in found.items():
        if not 0 < rate < math.inf:
            result.problems.append((path, "no finite gradient reaches it; its rate was not set"))
    if not layers:
        return result
    result.before = {layer.path: found[layer.path] for layer in layers}
    scaling = _Scaling({layer.path: 1.0 for layer in layers})
    visit(owner, model, x, scaling, progress=False)  # the sizes of what comes to biases
    for _ in range(ROUNDS):
        mean = math.exp(np.mean([math.log(found[layer.path]) for layer in layers]))
        apart = {layer.path: found[layer.path] / mean for layer in layers}
        if max(abs(math.log(ratio)) for ratio in apart.values()) < APART:
            break
        scaling.factors = {path: math.sqrt(ratio) for path, ratio in apart.items()}
        visit(owner, model, x, scaling, progress=False)
        found = _rates(owner, model, x, layers, stream)
    result.after = {layer.path: found[layer.path] for layer in layers}
    most, least = max(result.after.values()), min(result.after.values())
    if most > 1.1 * least:
        reason = f"rates of change differ by a factor of {most / least:.3g} after {ROUNDS} rounds"
        result.problems.append((model.name, reason))
    result.moments = scaling.moments
    return result


def _rates(
    owner: str, model: Any, x: Any, layers: list[Planned], stream: Stream
) -> dict[str, float]:
    weights = [layer.scalable.weight.variable for layer in layers]

    def run(mark: Any) -> tuple[Any, None]:
        outputs = [y for y in keras.tree.flatten(model(x, training=False)) if _is_float(y)]
        products = [
            ops.sum(ops.cast(y, "float32") * ops.convert_to_tensor(stream.child(i).normal(y.shape)))
            for i, y in enumerate(outputs)
        ]
        return sum(products[1:], products[0]), None

    with saved(model.variables, set()), backend.eager(gradients=True):
        try:
            gradients = differentiation.gradients(run, weights).at_variables
        except Exception as error:
            raise failure(owner, model, x, error, "cannot be differentiated") from error
    rates = {}
    for layer, gradient, weight in zip(layers, gradients, weights, strict=True):
        size = float(np.mean(np.square(read(weight), dtype="float64")))
        square = 0.0
        if gradient is not None:
            g = ops.convert_to_numpy(ops.cast(gradient, "float32"))
            square = float(np.mean(np.square(g, dtype="float64")))
        rates[layer.path] = math.sqrt(square / size) if size else 0.0
    return rates


def _is_float(y: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(y.dtype)


@dataclass
class _Scaling:
    """Multiplies each layer's weight by its factor, and its bias by how much its product has grown."""

    factors: dict[str, float]
    sizes: dict[str, float] = field(default_factory=dict)
    moments: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def prepare(self, planned: Planned) -> None:
        """Nothing is drawn."""

    def visit(self, planned: Planned, run: Run) -> Visited:
        scalable, path = planned.scalable, planned.path
        weight, bias = scalable.weight, scalable.bias
        if path not in self.factors:
            return Visited(path)
        offsets = read(bias) if bias is not None and bias.trainable else None
        if offsets is not None:
            assign_in_call(bias, np.zeros_like(offsets))
        assign_in_call(weight.variable, read(weight.variable) * np.float32(self.factors[path]))
        size = float(ops.mean(ops.abs(pre_activation(run()))))
        if offsets is not None:
            assign_in_call(bias, offsets * np.float32(size / self.sizes.get(path, size)))
        self.sizes[path] = size
        count = weight.geometry.unit_count
        self.moments[path] = unit_moments(run(), scalable.channels, count)
        return Visited(path, current=True)

    def left(self, path: str, layer: str, reason: str) -> str:
        return path
