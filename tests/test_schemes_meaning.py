"""What the schemes of the literature promise, seen on data pushed through them."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from conftest import to_numpy
from scipy import integrate, special, stats

import keras_inits as ki

RNG = np.random.default_rng


def _moment(f: Any) -> float:
    def integrand(z: float) -> float:
        return f(z) ** 2 * stats.norm.pdf(z)

    parts = [integrate.quad(integrand, *ab, epsabs=1e-13)[0] for ab in ((-12, 0), (0, 12))]
    return math.fsum(parts)


PHI = special.ndtr
GATED = {
    "swiglu": ("silu", lambda z: z / (1 + math.exp(-z))),
    "geglu": ("gelu", lambda z: z * PHI(z)),
    "reglu": ("relu", lambda z: max(z, 0.0)),
    "bilinear": ("linear", lambda z: z),
}


@pytest.mark.parametrize("name", GATED)
def test_gains_of_gated_units(name: str) -> None:
    activation, function = GATED[name]
    expected = _moment(function) ** -0.5
    assert ki.gain(name) == pytest.approx(expected, rel=1e-6)
    assert ki.gain(activation, gate=True) == ki.gain(name)
    a, b = RNG(0).normal(size=(2, 400_000))
    y = np.vectorize(function)(a) * b * ki.gain(name)
    assert np.mean(y**2) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("gelu", 1.53353),
        ("silu", 1.67653),
        ("mish", 1.48685),
        ("elu", 1.24520),
        (lambda x: keras.ops.square(keras.ops.relu(x)), 0.81650),
    ],
)
def test_gains_stated(activation: Any, expected: float) -> None:
    assert ki.gain(activation) == pytest.approx(expected, abs=5e-6)


def test_closed_forms_are_exact_and_forward_alone() -> None:
    assert ki.gain("gelu") == pytest.approx(_moment(lambda z: z * PHI(z)) ** -0.5, rel=1e-12)
    elu = _moment(lambda z: z if z > 0 else math.expm1(z)) ** -0.5
    assert ki.gain("elu") == pytest.approx(elu, rel=1e-12)
    slope = _moment(lambda z: PHI(z) + z * stats.norm.pdf(z)) ** -0.5
    assert ki.gain("gelu", direction="backward") == pytest.approx(slope, rel=1e-6)


def test_a_gated_unit_has_no_backward_gain() -> None:
    for given in ({"activation": "swiglu"}, {"activation": "silu", "gate": True}):
        with pytest.raises(ValueError, match="gain: direction must be 'forward' for a gated unit"):
            ki.gain(direction="backward", **given)
    with pytest.raises(TypeError, match="gain: gate must be True or False, got 1"):
        ki.gain("silu", gate=1)


@pytest.mark.parametrize(("cut", "left"), [(2.0, 0.879626), (3.0, 0.986578)])
def test_truncated_with_and_without_correction(cut: float, left: float) -> None:
    for corrected, std in ((False, 0.02 * left), (True, 0.02)):
        scheme = ki.TruncatedNormal(0, 0.02, seed=1, low=-cut, high=cut, corrected=corrected)
        assert scheme.law((4,)).std == pytest.approx(std, rel=1e-6)
        x = to_numpy(scheme((500, 500)))
        assert x.std() == pytest.approx(std, rel=5e-3)
        assert np.abs(x).max() <= 0.02 * cut / (left if corrected else 1.0) * (1 + 1e-6)


def test_siren_has_a_fixed_point() -> None:
    """Pre-activations settle at v = 1 - exp(-2 v), not at the arcsine law's first approximation."""
    fixed = 0.79681213
    x = np.sin(
        30 * RNG(0).uniform(-1, 1, (4000, 256)) @ to_numpy(ki.Siren(first=True, seed=0)((256, 256)))
    )
    for layer in range(12):
        z = 30 * x @ to_numpy(ki.Siren(seed=layer + 1)((256, 256)))
        x = np.sin(z)
    assert z.var() == pytest.approx(fixed, rel=0.05)
    assert x.var() == pytest.approx(fixed / 2, rel=0.05)


def test_siren_follows_the_fans_of_the_layer() -> None:
    layer = keras.layers.EinsumDense(
        "abc,cde->abde", (None, 8, 50), kernel_initializer=ki.Siren(first=True, seed=0)
    )
    layer.build((None, None, 40))
    assert np.abs(to_numpy(layer.kernel)).max() == pytest.approx(1 / 40, rel=1e-3)
    model = keras.Sequential([keras.Input((9, 9, 64)), keras.layers.DepthwiseConv2D(3)])
    (row, *_) = ki.initialize(model, {"kernel$": ki.Siren(first=True)}, seed=0).rows
    assert "0.111111" in str(row)
    assert np.abs(model.get_weights()[0]).max() == pytest.approx(1 / 9, rel=0.02)


@pytest.mark.parametrize("nonlinearity", ["linear", "relu"])
def test_random_walk_has_no_drift(nonlinearity: str) -> None:
    """Mean change of log length a layer: the scheme's is near 0, He's or LeCun's is not."""
    width, count = 40, 4000

    def drift(scheme: Any) -> tuple[float, float]:
        kernels = to_numpy(scheme((width, width * count))).reshape(width, count, width)
        x = RNG(0).normal(size=(count, width))
        before = x if nonlinearity == "linear" else np.maximum(x, 0)
        z = np.einsum("nw,wno->no", before, kernels)
        after = z if nonlinearity == "linear" else np.maximum(z, 0)
        logs = np.log(np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1))
        return float(logs.mean()), float(logs.std() / math.sqrt(count))

    mean, error = drift(ki.RandomWalk(nonlinearity, seed=1, input_axes=[0], output_axes=[1]))
    assert abs(mean) < 5 * error
    plain = ki.LecunNormal(seed=1) if nonlinearity == "linear" else ki.HeNormal(seed=1)
    mean, error = drift(plain)
    assert mean < -2.5 * error
    assert ki.RandomWalk(nonlinearity).law((100, 7)).std * 10 == pytest.approx(
        {"linear": math.exp(0.005), "relu": 1.4317}[nonlinearity], rel=1e-4
    )


def test_prior_bias_gives_the_prior() -> None:
    shares = [0.7, 0.2, 0.1]
    x = RNG(0).normal(size=(4, 5)).astype("float32")
    for activation in ("sigmoid", "softmax"):
        layer = keras.layers.Dense(
            3,
            activation,
            kernel_initializer="zeros",
            bias_initializer=ki.PriorBias(shares, activation),
        )
        np.testing.assert_allclose(to_numpy(layer(x)), np.tile(shares, (4, 1)), rtol=1e-5)
    assert float(ki.PriorBias(0.01)((5,))[4]) == pytest.approx(-4.59512, abs=1e-5)
    tiny = float(ki.PriorBias(1e-300)((1,), "float64")[0])
    assert tiny == pytest.approx(-690.7755, rel=1e-6)


def test_depth_factors() -> None:
    factor = ki.depth_factor
    assert factor("gpt2", 12) == pytest.approx(1 / math.sqrt(24))
    assert factor("fixup", 54) == pytest.approx(54**-0.5)
    assert factor("fixup", 16, layers=3) == pytest.approx(0.5)
    assert factor("t_fixup", 6, part="encoder") == pytest.approx(0.67 * 6**-0.25)
    assert factor("t_fixup", 6, part="decoder") == pytest.approx(54**-0.25)
    assert factor("deepnorm", 12) == pytest.approx(0.3195, abs=5e-5)
    assert factor("deepnorm", 12, part="encoder", other_depth=3) == pytest.approx(
        0.87 * (12**4 * 3) ** (-1 / 16)
    )
    assert factor("deepnorm", 12, part="decoder", other_depth=3) == pytest.approx(144**-0.25)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("gpt3", 2), {}, "depth_factor: method must be one of 'gpt2', 'fixup'"),
        (("gpt2", 0), {}, "depth_factor: depth must be an integer >= 1, got 0"),
        (("gpt2", 2), {"layers": 2}, "depth_factor: layers must be None for 'gpt2', got 2"),
        (("gpt2", 2), {"part": "encoder"}, "depth_factor: part must be None for 'gpt2'"),
        (("fixup", 2), {"layers": 1}, "depth_factor: layers must be an integer >= 2, got 1"),
        (
            ("t_fixup", 2),
            {"part": "both"},
            "depth_factor: part must be one of 'encoder', 'decoder'",
        ),
        (
            ("t_fixup", 2),
            {"part": "encoder", "other_depth": 2},
            "other_depth must be None for 't_fixup'",
        ),
        (("deepnorm", 2), {"part": "encoder"}, "depth_factor: part must be None for 'deepnorm'"),
        (
            ("deepnorm", 2),
            {"part": "encoder", "other_depth": 0},
            "other_depth must be an integer >= 1",
        ),
    ],
)
def test_depth_factor_errors(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ki.depth_factor(*arguments, **options)
    with pytest.raises(
        TypeError, match="depth_factor: part must be one of 'encoder', 'decoder', got None"
    ):
        ki.depth_factor("t_fixup", 2)


def test_gpt2_scaling_keeps_the_stream() -> None:
    """What 2 L branches add to the stream does not grow with L once scaled."""
    width, rng = 128, RNG(0)
    added = {}
    for depth in (6, 48):
        for factor in (1.0, ki.depth_factor("gpt2", depth)):
            stream = np.zeros((200, width))
            for seed in range(2 * depth):
                kernel = to_numpy(ki.Scaled(ki.Normal(0.02), factor, seed=seed)((width, width)))
                stream += rng.normal(size=(200, width)) @ kernel
            added[depth, factor == 1.0] = stream.var()
    assert added[48, True] / added[6, True] == pytest.approx(8, rel=0.1)
    assert added[48, False] / added[6, False] == pytest.approx(1, rel=0.1)


def test_scaled_is_the_draw_times_the_factor() -> None:
    for dtype in ("float32", "float64"):
        drawn = to_numpy(ki.Normal(0.3, seed=7)((30, 40), dtype))
        scaled = to_numpy(ki.Scaled("keras_inits>normal", 0.5, seed=7)((30, 40), dtype))
        same = to_numpy(ki.Scaled(ki.Normal(0.3), 0.5, seed=7)((30, 40), dtype))
        np.testing.assert_array_equal(same, drawn * 0.5)  # exact: a power of two
        assert scaled.std() == pytest.approx(0.025, rel=0.1)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_sparse_counts(sparsity: float) -> None:
    x = to_numpy(ki.Sparse(sparsity, 1.0, seed=3)((60, 37)))
    assert ((x == 0).sum(axis=1) == math.ceil(sparsity * 37)).all()
    if 0 < sparsity < 0.9:
        assert np.ptp((x == 0).sum(axis=0)) > 0
        assert ((x == 0).sum(axis=0) > 0).all() or sparsity < 0.5


def test_sparse_inputs_counts_and_meaning() -> None:
    x = to_numpy(ki.SparseInputs(15, seed=3)((400, 300)))
    assert ((x != 0).sum(axis=0) == 15).all()
    assert np.ptp((x != 0).sum(axis=1)) > 0
    assert x[x != 0].std() == pytest.approx(1.0, rel=0.05)
    for inputs in (50, 800):  # the variance of a unit does not follow the width below
        kernel = to_numpy(ki.SparseInputs(15, seed=4)((inputs, 400)))
        assert (RNG(0).normal(size=(500, inputs)) @ kernel).var() == pytest.approx(15, rel=0.1)


@pytest.mark.parametrize("field", [(4,), (3,), (1,), (4, 4), (3, 4), (4, 3, 4), (6, 7)])
def test_bilinear_keeps_a_constant(field: tuple[int, ...]) -> None:
    strides = tuple(math.ceil(extent / 2) for extent in field)
    layer = getattr(keras.layers, f"Conv{len(field)}DTranspose")(
        2, field, strides=strides, padding="same", use_bias=False, kernel_initializer=ki.Bilinear()
    )
    x = np.ones((1, *(6,) * len(field), 2), "float32") * np.array([2.0, -3.0], "float32")
    y = to_numpy(layer(x))
    inside = y[(slice(None), *(slice(s, -s) for s in strides))]
    np.testing.assert_allclose(inside, np.broadcast_to([2.0, -3.0], inside.shape), rtol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_icnr_has_no_checkerboard_after_depth_to_space(data_format: str) -> None:
    if not hasattr(keras.ops, "depth_to_space"):  # Keras 3.15 has it, 3.10 not
        return
    first = data_format == "channels_first"
    repeated = first and keras.config.backend() != "tensorflow"
    kernel = to_numpy(
        ki.ICNR("keras_inits>he_normal", 2, order="repeat" if repeated else "tile", seed=1)(
            (3, 3, 4, 12)
        )
    )
    x = RNG(0).normal(size=(1, 8, 8, 4)).astype("float32")
    y = np.asarray(
        to_numpy(
            keras.ops.conv(x, kernel.astype("float32"), padding="same", data_format="channels_last")
        )
    )
    channels = np.moveaxis(y, -1, 1) if first else y
    image = to_numpy(
        keras.ops.depth_to_space(channels.astype("float32"), 2, data_format=data_format)
    )
    image = np.moveaxis(image, 1, -1) if first else image
    blocks = image.reshape(1, 8, 2, 8, 2, 3)
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :, :1, :, :1], blocks.shape))
    assert image.std() > 0.1


@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 3, 4, 12), (2, 2, 2, 3, 16)])
def test_icnr_repeats_filters(shape: tuple[int, ...]) -> None:
    copies = 2 ** (len(shape) - 2)
    for axis in (-1, -2):
        dims = shape if axis == -1 else (*shape[:-2], shape[-1], shape[-2])
        small = (*shape[:-2], shape[-2], shape[-1] // copies)
        small = small if axis == -1 else (*small[:-2], small[-1], small[-2])
        drawn = to_numpy(ki.Normal(seed=5)(small))
        tile = to_numpy(ki.ICNR(ki.Normal(), 2, "tile", axis, seed=5)(dims))
        repeat = to_numpy(ki.ICNR(ki.Normal(), 2, "repeat", axis, seed=5)(dims))
        np.testing.assert_array_equal(tile, np.concatenate([drawn] * copies, axis=axis))
        np.testing.assert_array_equal(repeat, np.repeat(drawn, copies, axis=axis))


@pytest.mark.parametrize("n", [1, 2, 10, 256, 257, 600])
@pytest.mark.parametrize("radius", [0.9, 1.3])
def test_echo_state_has_its_radius(n: int, radius: float) -> None:
    kernel = to_numpy(ki.EchoState(radius, seed=n)((n, n)))
    assert np.abs(np.linalg.eigvals(kernel)).max() == pytest.approx(radius, rel=1e-5)
    assert np.unique(kernel).size > 0.9 * n * n


@pytest.mark.large
@pytest.mark.slow
@pytest.mark.once
def test_echo_state_of_2048() -> None:
    kernel = to_numpy(ki.EchoState(0.9, seed=1)((2048, 2048)))
    assert np.abs(np.linalg.eigvals(kernel)).max() == pytest.approx(0.9, rel=1e-5)


def test_steps_are_log_uniform() -> None:
    for low, high in ((1e-3, 0.1), (0.5, 3.0)):
        bias = ki.StepBias(low, high, seed=2)((40_000,))
        step = to_numpy(keras.ops.softplus(keras.ops.cast(bias, "float32")))
        law = stats.loguniform(low, high)
        assert stats.kstest(np.clip(step, low, high), law.cdf).pvalue > 1e-4
        assert low * (1 - 1e-5) <= step.min()
        assert step.max() <= high * (1 + 1e-5)
        exact = ki.StepBias(low, high).law((1,))
        x = exact.quantile(np.linspace(0.01, 0.99, 9))
        np.testing.assert_allclose(exact.cdf(x), np.linspace(0.01, 0.99, 9), rtol=1e-9)
        slope = (exact.cdf(x + 1e-6) - exact.cdf(x - 1e-6)) / 2e-6
        np.testing.assert_allclose(exact.pdf(x), slope, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ki.Siren(0.0), "Siren: omega_0 must be a finite number > 0, got 0.0"),
        (lambda: ki.Siren()((4,)), r"Siren: shape must be of rank 2 or more, got \(4,\)"),
        (lambda: ki.RandomWalk("tanh"), "RandomWalk: nonlinearity must be one of 'linear', 'relu', got 'tanh'"),
        (lambda: ki.PriorBias(0.0), "PriorBias: probability must be a finite number > 0 and < 1, got 0.0"),
        (lambda: ki.PriorBias(1), "PriorBias: probability must be a finite number > 0 and < 1, got 1"),
        (lambda: ki.PriorBias([0.5, 1.0]), r"PriorBias: probability\[1\] must be a finite number > 0 and < 1"),
        (lambda: ki.PriorBias([]), "PriorBias: probability must be a number or a list, not empty"),
        (lambda: ki.PriorBias(0.5, "softmax"), "PriorBias: probability must be a list of one number per class"),
        (lambda: ki.PriorBias([0.5, 0.4], "softmax"), "PriorBias: probability must be a list that sums to 1"),
        (lambda: ki.PriorBias([0.5, 0.5])((3,)), r"PriorBias: shape must be \(2,\), one unit per probability, got \(3,\)"),
        (lambda: ki.PriorBias(0.5)((3, 2)), "PriorBias: shape must be of rank 1"),
        (lambda: ki.PriorBias(0.5)((3,), "int32"), "PriorBias: dtype must be one of float16"),
        (lambda: ki.Scaled("he_normal", 0.0), "Scaled: factor must be a finite number > 0, got 0.0"),
        (lambda: ki.Scaled("keras_inits>orthogonal", 1.0)((3,)), "Orthogonal: shape must be of rank 2 or more"),
        (lambda: ki.Scaled("keras_inits>normal", 1e6)((300, 300), "float16"), "Scaled: entries must be finite in float16"),
        (lambda: ki.SmallInit(0), "SmallInit: width must be an integer >= 1, got 0"),
        (lambda: ki.WangInit(0, 4), "WangInit: depth must be an integer >= 1, got 0"),
        (lambda: ki.Sparse(1.1), "Sparse: sparsity must be a finite number >= 0 and <= 1, got 1.1"),
        (lambda: ki.Sparse()((3, 3, 4)), "Sparse: shape must be of rank 2"),
        (lambda: ki.SparseInputs(0), "SparseInputs: connections must be an integer >= 1, got 0"),
        (lambda: ki.SparseInputs(5)((4, 3)), "SparseInputs: shape must be a matrix of at least connections=5 inputs"),
        (lambda: ki.Bilinear()((4, 4, 2, 3)), "Bilinear: shape must be a convolution kernel with as many inputs as outputs"),
        (lambda: ki.Bilinear()((4, 4, 2, 2), "int32"), "Bilinear: dtype must be one of float16"),
        (lambda: ki.ICNR("he_normal", 0), "ICNR: factor must be an integer >= 1, got 0"),
        (lambda: ki.ICNR("he_normal", order="shuffle"), "ICNR: order must be one of 'tile', 'repeat'"),
        (lambda: ki.ICNR("he_normal", axis=0), "ICNR: axis must be an integer >= -2 and <= -1, got 0"),
        (lambda: ki.ICNR("he_normal")((3, 3, 4, 6)), r"ICNR: shape must be one whose axis -1 is a multiple of 4 \(factor 2, 2 axes"),
        (lambda: ki.EchoState(0.0), "EchoState: spectral_radius must be a finite number > 0, got 0.0"),
        (lambda: ki.EchoState(0.9)((3, 4)), "EchoState: shape must be a square matrix"),
        (lambda: ki.StepBias(0.0), "StepBias: low must be a finite number > 0, got 0.0"),
        (lambda: ki.StepBias(0.1, 0.1), "StepBias: high must be a finite number > 0.1, got 0.1"),
    ],
)  # fmt: skip
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("cls", [ki.Scaled, ki.ICNR])
def test_wrapped_initializers_are_checked(cls: Any) -> None:
    with pytest.raises(TypeError, match=f"{cls.__name__}: initializer must be an initializer"):
        cls(None, 2)
    with pytest.raises(ValueError, match="nearest: 'he_normal'"):
        cls("he_nromal", 2)


@pytest.mark.parametrize("extent", [2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_one_tap_passes_its_input_on_where_the_docstring_says(extent: int, dilation: int) -> None:
    """At an even extent a dilated kernel has no tap that "same" padding aligns with the input."""
    x = RNG(0).normal(size=(1, 9, 9, 3)).astype("float32")
    layer = keras.layers.Conv2D(
        3,
        extent,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        kernel_initializer=ki.Dirac(),
    )
    aligned = extent % 2 == 1 or dilation == 1
    assert np.array_equal(keras.ops.convert_to_numpy(layer(x)), x) == aligned
