"""Fans and gains against the definitions."""

import functools
import math

import keras
import numpy as np
import pytest
from scipy.integrate import quad

import keras_inits as ki
from keras_inits.fans import einsum_axes
from keras_inits.gains import torch_gain


@pytest.mark.parametrize(
    ("shape", "axes", "fans"),
    [
        ((), {}, (1, 1)),
        ((7,), {}, (7, 7)),
        ((3, 5), {}, (3, 5)),
        ((3, 5, 7), {}, (15, 21)),
        ((3, 3, 64, 128), {}, (576, 1152)),
        ((2, 3, 4, 5, 6), {}, (120, 144)),
        ((64, 8, 16), {"input_axes": [0], "output_axes": [1, 2]}, (64, 128)),
        ((8, 16, 64), {"input_axes": [0, 1], "output_axes": [-1]}, (128, 64)),
        ((8, 16, 64), {"input_axes": [-3], "output_axes": [-2, 2]}, (8, 1024)),
        ((3, 3, 8, 4), {"input_axes": (0, 1, 2), "output_axes": (0, 1, 3)}, (72, 36)),
        ((0, 5), {}, (0, 5)),
    ],
)
def test_compute_fans(shape: tuple[int, ...], axes: dict, fans: tuple[int, int]) -> None:
    assert ki.compute_fans(shape, **axes) == fans


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (3, 4), "input_axes": [0]}, ValueError, "must be given together"),
        ({"shape": (3, 4), "output_axes": [0]}, ValueError, "must be given together"),
        ({"shape": (3, 4), "input_axes": [2], "output_axes": [0]}, ValueError, "from -2 to 1"),
        ({"shape": (3, 4), "input_axes": [-3], "output_axes": [0]}, ValueError, "from -2 to 1"),
        ({"shape": (3, 4), "input_axes": [0, -2], "output_axes": [1]}, ValueError, "distinct"),
        ({"shape": (3, 4), "input_axes": [0, 0], "output_axes": [1]}, ValueError, "distinct"),
        ({"shape": (3, 4), "input_axes": [0.5], "output_axes": [1]}, TypeError, "an integer"),
        ({"shape": (3, 4), "input_axes": 0, "output_axes": [1]}, TypeError, "list of distinct"),
        ({"shape": (3, None)}, ValueError, "integers >= 0"),
        ({"shape": (3, -1)}, ValueError, "integers >= 0"),
        ({"shape": "34"}, TypeError, "integers >= 0"),
    ],
)
def test_compute_fans_errors(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        ki.compute_fans(**arguments)
    assert str(caught.value).startswith("compute_fans: ")


@pytest.mark.parametrize(
    ("equation", "axes"),
    [
        ("ab,bc->ac", ([0], [1])),
        ("abc,cde->abde", ([0], [1, 2])),
        ("abcd,cde->abe", ([0, 1], [2])),
        ("...x, xy -> ...y", ([0], [1])),
    ],
)
def test_axes_of_equations(equation: str, axes: tuple[list[int], list[int]]) -> None:
    assert einsum_axes(equation) == axes


def test_einsum_layers_give_their_axes() -> None:
    """Keras gives EinsumDense's axes since 3.15; under older releases this library does."""
    n = 300
    layer = keras.layers.EinsumDense(
        "abc,cde->abde", output_shape=(None, 2, n), kernel_initializer=ki.HeNormal(seed=0)
    )
    layer.build((None, 5, n))
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    assert abs(kernel.std() - math.sqrt(2 / n)) <= 5 * math.sqrt(1 / n / kernel.size)
    assert layer.get_config()["kernel_initializer"]["config"]["input_axes"] is None


def test_attention_gives_its_axes() -> None:
    heads, size, width = 4, 50, 200
    layer = keras.layers.MultiHeadAttention(heads, size, kernel_initializer=ki.LecunNormal(seed=1))
    layer.build((None, 6, width), (None, 6, width))
    fan_in = {"query": width, "key": width, "value": width, "attention_output": heads * size}
    for variable in layer.weights:
        owner, name = variable.path.split("/")[-2:]
        if name == "kernel":
            kernel = keras.ops.convert_to_numpy(variable)
            expected = fan_in[owner] ** -0.5
            assert abs(kernel.std() - expected) <= 5 * expected / math.sqrt(2 * kernel.size)


def _moment(f: object) -> float:
    def integrand(z: float) -> float:
        return f(z) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return quad(integrand, -13, 13, points=[-3, -1, -0.5, 0, 0.5, 1, 3], limit=400, epsabs=1e-13)[0]


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
FORWARD = {
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda z: math.log1p(math.exp(z)),
    "silu": lambda z: z * _sigmoid(z),
    "elu": lambda z: z if z > 0 else math.expm1(z),
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2)) / 2,
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * math.expm1(z)),
    "hard_shrink": lambda z: z if abs(z) > 0.5 else 0.0,
    "hard_sigmoid": lambda z: min(max(z / 6 + 0.5, 0), 1),
    "softsign": lambda z: z / (1 + abs(z)),
    "exponential": math.exp,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else 0.2 * z,
    "linear": lambda z: z,
}
BACKWARD = {
    "tanh": lambda z: 1 - math.tanh(z) ** 2,
    "sigmoid": lambda z: _sigmoid(z) * _sigmoid(-z),
    "softplus": _sigmoid,
    "elu": lambda z: 1.0 if z > 0 else math.exp(z),
    "selu": lambda z: SELU_SCALE * (1.0 if z > 0 else SELU_ALPHA * math.exp(z)),
    "relu": lambda z: float(z > 0),
    "leaky_relu": lambda z: 1.0 if z > 0 else 0.2,
    "exponential": math.exp,
    "linear": lambda z: 1.0,
    "gelu": lambda z: (
        math.erfc(-z / math.sqrt(2)) / 2 + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    ),
    "hard_sigmoid": lambda z: (abs(z) < 3) / 6,
}


@pytest.mark.parametrize("name", FORWARD)
def test_gain_forward(name: str) -> None:
    assert ki.gain(name) == pytest.approx(_moment(FORWARD[name]) ** -0.5, rel=1e-12)


@pytest.mark.parametrize("name", BACKWARD)
def test_gain_backward(name: str) -> None:
    gain = ki.gain(name, direction="backward")
    assert gain == pytest.approx(_moment(BACKWARD[name]) ** -0.5, rel=1e-12)


def test_gain_of_every_elementwise_activation_of_keras() -> None:
    mixing = {"softmax", "log_softmax", "sparsemax", "glu"}
    for name, function in vars(keras.activations).items():
        if name in ("get", "serialize", "deserialize") or not callable(function):
            continue
        if name in mixing:
            with pytest.raises(ValueError, match="entry by entry"):
                ki.gain(name)
        elif name == "threshold":
            with pytest.raises(TypeError):
                ki.gain(name)
        else:
            assert 0.3 < ki.gain(name) < 5, name


def test_gain_takes_callables() -> None:
    assert ki.gain(None) == 1.0
    assert ki.gain(lambda x: 2 * x) == pytest.approx(0.5, rel=1e-6)
    assert ki.gain(keras.layers.LeakyReLU(0.5)) == pytest.approx((2 / 1.25) ** 0.5, rel=1e-6)
    jump = ki.gain(lambda x: keras.ops.where(x > 1 / 3, 1.0, 0.0 * x))
    assert jump == pytest.approx((math.erfc(1 / 3 / math.sqrt(2)) / 2) ** -0.5, rel=1e-5)
    pole = ki.gain(lambda x: keras.ops.abs(x) ** -0.25)
    moment = math.gamma(0.25) / (2**0.25 * math.sqrt(math.pi))  # E|z|^(-1/2)
    assert pole == pytest.approx(moment**-0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("activation", "error", "message"),
    [
        ("nope", ValueError, "gain: activation must be None, the name of a Keras activation"),
        (3, TypeError, "gain: activation must be None"),
        ("softmax", ValueError, "got 'softmax', which mixes entries"),
        (keras.layers.Softmax(), ValueError, "got <Softmax name=.*>, which mixes entries"),
        (pow, TypeError, "a function of one tensor, got 'pow': "),
        (functools.partial(pow), TypeError, "a function of one tensor, got functools.partial"),
        (lambda x: 0 * x, ValueError, "second moment > 0"),
        (keras.ops.sqrt, ValueError, "finite second moment > 0, got nan"),
    ],
)
def test_gain_errors(activation: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        ki.gain(activation)
    with pytest.raises(ValueError, match="'forward', 'backward'"):
        ki.gain("relu", direction="sideways")


@pytest.mark.parametrize(
    "nonlinearity",
    [
        *("linear", "sigmoid", "tanh", "relu", "selu"),
        *(f"{kind}{rank}d" for kind in ("conv", "conv_transpose") for rank in (1, 2, 3)),
    ],
)
def test_kaiming_takes_torchs_gains(nonlinearity: str) -> None:
    from conftest import require

    require("torch")
    import torch

    assert ki.KaimingNormal(nonlinearity=nonlinearity).law((16, 8)).std == pytest.approx(
        torch.nn.init.calculate_gain(nonlinearity) / 4, rel=1e-12
    )
    assert ki.KaimingNormal(a=0.3).law((16, 8)).std == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.3) / 4, rel=1e-12
    )
    assert np.isclose(ki.HeNormal().law((16, 8)).std, math.sqrt(2 / 16))


@pytest.mark.once
def test_scale_is_variance_times_fan() -> None:
    """What code that reads a VarianceScaling takes from one: variance = scale / fan."""
    for scheme, scale in (
        (ki.XavierUniform(3.0), 9.0),
        (ki.XavierNormal(3.0), 9.0),
        (ki.FanInUniform(3.0), 3.0),
        (ki.KaimingUniform(a=0.5), 1.6),
        (ki.KaimingNormal(nonlinearity="tanh"), 25 / 9),
        (ki.HeNormal(), 2.0),
    ):
        assert scheme.scale == pytest.approx(scale)
        n = {"fan_in": 16, "fan_avg": 12}[scheme.mode]
        assert scheme.law((16, 8)).std ** 2 == pytest.approx(scale / n)


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_gain_is_computed_in_double_precision(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        for layer, exact in (
            (keras.layers.Activation("exponential"), math.exp(-1)),
            (keras.layers.LeakyReLU(0.5), math.sqrt(1.6)),
            (keras.layers.PReLU(keras.initializers.Constant(0.5)), math.sqrt(1.6)),
        ):
            assert ki.gain(layer) == pytest.approx(exact, rel=1e-9)
        backward = ki.gain(keras.layers.Activation("tanh"), direction="backward")
        assert backward == pytest.approx(1.467413591630795, rel=1e-7)
    finally:
        keras.config.set_dtype_policy(before)


def test_the_slope_of_leaky_relu_is_0_unless_it_is_given() -> None:
    assert torch_gain("leaky_relu") == math.sqrt(2.0)
    assert torch_gain("leaky_relu", 1.0) == 1.0
