"""How much an activation shrinks the signal, and the factor that makes up for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.backend import derivatives, double_precision

DIRECTIONS = ("forward", "backward")

# Exact values of 1/sqrt(E[f(z)^2]), z ~ N(0, 1); for these f the derivative's moment is the same.
# Keras's leaky_relu has slope 0.2.
_CLOSED_FORMS = {
    "linear": 1.0,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0 / (1.0 + 0.2**2)),
    "exponential": math.exp(-1.0),
}


def _normal_cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2.0)) / 2.0


# Of these the derivative has another moment.
_FORWARD = {
    # By quadrature. Keras computes tanh in float32 on JAX, whatever it is given.
    "tanh": 1.5925374197228312,
    # 1/3 + 1/(2 sqrt(3) pi): E[z^2 Phi(z)^2], by parts.
    "gelu": (1.0 / 3.0 + 1.0 / (2.0 * math.sqrt(3.0) * math.pi)) ** -0.5,
    # 1/2 for z > 0; E[(e^z - 1)^2] for z < 0, by completing the square.
    "elu": (1.0 + math.exp(2.0) * _normal_cdf(-2.0) - 2.0 * math.exp(0.5) * _normal_cdf(-1.0))
    ** -0.5,
}
_BACKWARD = {
    "tanh": 1.467413591630795,
    # 1/3 + 2/(3 sqrt(3) pi): E[(Phi(z) + z phi(z))^2], by parts. TensorFlow's derivative is off by 2e-9.
    "gelu": (1.0 / 3.0 + 2.0 / (3.0 * math.sqrt(3.0) * math.pi)) ** -0.5,
    # 1/36 for |z| < 3. PyTorch's derivative has 1/6 in float32.
    "hard_sigmoid": ((1.0 - 2.0 * _normal_cdf(-3.0)) / 36.0) ** -0.5,
}

# f of the units f(a) * b, as Shazeer 2020 names them. Keras's own "glu" splits its input, so it
# stands under `gate=True` with "sigmoid".
GATED_UNITS = {"swiglu": "silu", "geglu": "gelu", "reglu": "relu", "bilinear": "linear"}

# torch.nn.init.calculate_gain. Its selu is 3/4; the second-moment gain of SELU is 1.
_TORCH_LINEAR = (
    "linear",
    *(f"{kind}{rank}d" for kind in ("conv", "conv_transpose") for rank in (1, 2, 3)),
    "sigmoid",
)
TORCH_NONLINEARITIES = (*_TORCH_LINEAR, "tanh", "relu", "leaky_relu", "selu")


def torch_gain(nonlinearity: str, a: float = 0.0) -> float:
    """PyTorch's recommended gain (`torch.nn.init.calculate_gain`); `a` is leaky_relu's slope."""
    if nonlinearity in _TORCH_LINEAR:
        return 1.0
    return {
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + float(a) * float(a))),
        "selu": 3.0 / 4.0,
    }[nonlinearity]


def gain(
    activation: str | Callable[[Any], Any] | None,
    *,
    direction: str = "forward",
    gate: bool = False,
) -> float:
    """The factor on a layer's standard deviation that keeps the signal's second moment.

    1/sqrt(E[f(z)^2]) with z ~ N(0, 1); `direction="backward"` takes the derivative f' for f, which
    keeps the gradient's second moment instead. Closed forms where they are exact (linear, relu,
    leaky_relu, exponential, gelu; forward also elu), else quadrature with a relative error below 1e-6.
    An activation of Keras has the same gain on every backend, to 12 digits.

    `gate=True` is for the layer after a gated unit f(a) * b, a and b independent with second moment
    1: 1/sqrt(E[f(a)^2] E[b^2]), so f's own gain. "swiglu", "geglu", "reglu" and "bilinear" name
    such units. Backward there are two gradients and no one factor: ValueError.

    `activation` is a name that Keras knows, a layer or function of tensors that acts entry by
    entry, or None (linear). Raises ValueError for an unknown name, for a function that mixes entries
    (softmax), and where the moment is zero or not finite.

    >>> gain("relu")
    1.4142135623730951
    >>> round(gain("tanh"), 4)
    1.5925

    >>> round(gain("swiglu"), 4)
    1.6765

    Source: He et al. 2015 (arXiv 1502.01852), section 2.2, for relu; the general form in
    Klambauer et al. 2017 (arXiv 1706.02515), section 2. Gated units: Shazeer 2020 (arXiv 2002.05202).
    """
    checks.one_of("gain", "direction", direction, DIRECTIONS)
    gate = checks.boolean("gain", "gate", gate)
    if isinstance(activation, str) and activation in GATED_UNITS:
        activation, gate = GATED_UNITS[activation], True
    if gate and direction == "backward":
        raise checks.value_error("gain", "direction", "'forward' for a gated unit", direction)
    function = _resolve(activation)
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", None)
    closed_forms = _CLOSED_FORMS | (_FORWARD if direction == "forward" else _BACKWARD)
    for closed, value in closed_forms.items():
        if function is getattr(keras.activations, closed):
            return value
    values = _values if direction == "forward" else derivatives
    with double_precision():
        function, dtype = _check_elementwise(function, name)
        moment = _second_moment(lambda z: values(function, z), dtype)
    if not (math.isfinite(moment) and moment > 1e-20):
        raise ValueError(
            f"gain: activation must have a finite second moment > 0, got {moment:g} for {activation!r}"
        )
    return 1.0 / math.sqrt(moment)


def _resolve(activation: Any) -> Callable[[Any], Any]:
    expected = "None, the name of a Keras activation or a callable"
    if activation is None or callable(activation):
        return keras.activations.get(activation)
    if not isinstance(activation, str):
        raise checks.type_error("gain", "activation", expected, activation)
    try:
        return keras.activations.get(activation)
    except ValueError as error:
        raise checks.value_error("gain", "activation", expected, activation) from error


def _values(function: Callable[[Any], Any], z: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(z)))


def _check_elementwise(
    function: Callable[[Any], Any], name: str | None
) -> tuple[Callable[[Any], Any], str]:
    """The function, a layer's without its casts to a narrow dtype, and the widest dtype it takes."""
    z = np.linspace(-2.0, 2.0, 8, dtype="float32")
    try:
        whole = _values(function, z)
    except TypeError as error:
        raise TypeError(
            f"gain: activation must be a function of one tensor, got {name or function!r}: {error}"
        ) from error
    if whole.shape != z.shape or not np.allclose(
        whole[:3], _values(function, z[:3]), rtol=1e-4, atol=1e-5, equal_nan=True
    ):
        raise ValueError(
            f"gain: activation must act entry by entry, got {name or function!r}, which mixes entries"
        )
    z = z.astype("float64")
    try:
        if isinstance(function, keras.layers.Layer):
            function = _in_double(function, z)
        _values(function, z)
    except Exception:  # one that holds constants in float32, say
        return function, "float32"
    return function, "float64"


def _in_double(layer: keras.Layer, z: np.ndarray) -> keras.Layer:
    """A copy of the layer that computes in float64, whatever its policy."""
    copy = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    _values(copy, z)
    copy.set_weights(layer.get_weights())
    return copy


def _second_moment(function: Callable[[np.ndarray], np.ndarray], dtype: str) -> float:
    """E[function(z)^2], z ~ N(0, 1), by Gauss-Legendre on panels halved where they disagree.

    Kinks and jumps cost a smooth rule its accuracy; halving closes in on them wherever they are.
    """
    nodes, weights = np.polynomial.legendre.leggauss(8)

    def integrate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        half = (right - left)[:, None] / 2
        z = (left + right)[:, None] / 2 + half * nodes
        # A length from few possible ones, so that a compiling backend compiles few times.
        flat = np.zeros(2 ** math.ceil(math.log2(z.size)), dtype)
        flat[: z.size] = z.ravel()
        values = function(flat)[: z.size].astype("float64").reshape(z.shape)
        density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return (half * weights * values * values * density).sum(axis=1)

    edges = np.linspace(-13.0, 13.0, 105)
    left, right = edges[:-1], edges[1:]
    coarse = integrate(left, right)
    total = 0.0
    for _ in range(24):
        middle = (left + right) / 2
        low, high = integrate(left, middle), integrate(middle, right)
        # The scale of what is settled already keeps the test relative; float32 noise is about 1e-7 of it.
        scale = total + float(np.abs(coarse).sum())
        open_ = np.abs(low + high - coarse) > 1e-9 * scale
        total += float((low + high)[~open_].sum())
        if not open_.any():
            return total
        left = np.concatenate([left[open_], middle[open_]])
        right = np.concatenate([middle[open_], right[open_]])
        coarse = np.concatenate([low[open_], high[open_]])
    return total + float(coarse.sum())
