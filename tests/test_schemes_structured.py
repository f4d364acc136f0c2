"""What the structured schemes of the literature promise, seen on data pushed through them."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from conftest import to_numpy
from numpy.polynomial import legendre
from scipy import stats

import keras_inits as ki

RNG = np.random.default_rng


def _float64(scheme: ki.Scheme, shape: tuple[int, ...]) -> np.ndarray:
    """Also on JAX, which has no float64 unless told."""
    return scheme.draw(shape, ki.DefaultStream(1), "float64")


@pytest.mark.parametrize(
    "shape", [(5, 2, 4), (3, 4, 6), (4, 5, 5), (2, 2, 3, 4), (3, 3, 4, 4), (3, 3, 3, 2, 3)]
)
def test_convolution_orthogonal_keeps_the_norm(shape: tuple[int, ...]) -> None:
    """With circular padding, of the whole input, whatever the input."""
    *field, inputs, outputs = shape
    kernel = to_numpy(ki.ConvolutionOrthogonal(1.5, seed=2)(shape))
    # P + (1 - P) = 1, so that a constant signal meets Q.
    q = to_numpy(ki.Orthogonal(1.5, seed=2)((outputs, outputs)))[:inputs]
    np.testing.assert_allclose(kernel.reshape(-1, inputs, outputs).sum(axis=0), q, atol=3e-6)
    taps = np.abs(kernel).reshape(-1, inputs * outputs).sum(axis=1)
    assert (taps > 0.01).sum() > 1
    x = RNG(0).normal(size=(4, *(7,) * len(field), inputs))
    around = [(0, 0), *((0, extent - 1) for extent in field), (0, 0)]
    y = keras.ops.conv(np.pad(x, around, mode="wrap").astype("float32"), kernel.astype("float32"))
    before, after = (np.linalg.norm(a.reshape(4, -1), axis=1) for a in (x, to_numpy(y)))
    np.testing.assert_allclose(after, 1.5 * before, rtol=3e-6)


@pytest.mark.parametrize("shape", [(5, 3, 4), (3, 4, 20, 6), (3, 3, 3, 4, 2)])
def test_convolution_aware_has_orthonormal_coefficients(shape: tuple[int, ...]) -> None:
    *field, inputs, outputs = shape
    axes = range(len(field))
    kernel = ki.ConvolutionAware().draw(shape, ki.DefaultStream(1), "float64")
    assert kernel.var() == pytest.approx(2 / (math.prod(field) * inputs), rel=1e-12)
    even = ki.ConvolutionAware(noise=0.0).draw(shape, ki.DefaultStream(1), "float64")
    mirrored = np.roll(np.flip(even, axes), 1, axes)
    np.testing.assert_allclose(even, mirrored, atol=1e-9)
    assert np.abs(kernel - np.roll(np.flip(kernel, axes), 1, axes)).max() > 1e-3
    if (
        len(field) == 1
    ):  # in more dimensions the inverse keeps the even part of the first axes alone
        rows = np.fft.rfftn(even, axes=axes).real.reshape(-1, inputs, outputs)[
            :, : len(even) // 2 + 1
        ]
        for output in range(outputs):
            gram = rows[..., output].T @ rows[..., output]
            np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-9 * gram[0, 0])


@pytest.mark.parametrize("shape", [(5, 12), (12, 5), (6, 6), (3, 3, 2, 40)])
def test_idinit_reaches_every_output(shape: tuple[int, ...]) -> None:
    kernel = to_numpy(ki.IDInit(seed=1)(shape)).reshape(-1, shape[-1])
    rows, columns = kernel.shape
    x = RNG(0).normal(size=rows)
    np.testing.assert_allclose(x @ kernel, np.resize(x, columns), atol=5e-5)
    assert 0 < np.abs(kernel - np.round(kernel)).max() < 6e-6
    last = to_numpy(ki.IDInit(last=True, epsilon=0.25)(shape)).reshape(rows, columns)
    assert not (np.ones(rows) @ last).any(), "a constant input gives 0"
    assert (np.abs(last).sum(axis=0) == 0.5).all(), "no output is dead"


def test_idinit_starts_a_residual_network_at_the_identity() -> None:
    x = inputs = keras.Input((16,))
    for _ in range(20):
        h = keras.layers.Dense(64, kernel_initializer=ki.IDInit(seed=1))(x)
        h = keras.layers.Dense(16, kernel_initializer=ki.IDInit(last=True))(keras.ops.tanh(h))
        x = keras.layers.Add()([x, h])
    data = RNG(0).normal(size=(8, 16)).astype("float32")
    np.testing.assert_allclose(to_numpy(keras.Model(inputs, x)(data)), data, atol=1e-4)


def test_chain_hands_the_state_on() -> None:
    n = 6
    kernel = to_numpy(ki.Chain()((n, n)))
    state, inputs = np.zeros(n), RNG(0).normal(size=n)
    for value in inputs:
        state = state @ kernel
        state[0] += value
    np.testing.assert_allclose(state, inputs[::-1] * 1.02 ** np.arange(n), rtol=1e-6)
    both = to_numpy(ki.Chain(0.99, 0.04)((n, n)))
    np.testing.assert_allclose(np.diag(both, 1), 0.99, rtol=1e-6)
    np.testing.assert_allclose(np.diag(both, -1), 0.04, rtol=1e-6)
    assert np.count_nonzero(both) == 2 * n - 2


@pytest.mark.parametrize("sparsity", [0.0, 0.5])
def test_signed_constant_keeps_the_second_moment_of_what_is_kept(sparsity: float) -> None:
    n = 1000
    x = RNG(0).normal(size=(50, n))
    for layer in range(2):
        kernel = to_numpy(ki.SignedConstant(sparsity=sparsity, seed=layer)((n, n)))
        np.testing.assert_allclose(np.abs(kernel), math.sqrt(2 / (n * (1 - sparsity))), rtol=1e-6)
        assert abs(np.sign(kernel).mean()) < 5 / n
        x = np.maximum(x @ (kernel * (RNG(layer).random((n, n)) >= sparsity)), 0)
    assert 2 * (x**2).mean() == pytest.approx(2, rel=0.45)  # 5 standard errors, 2 sqrt(5 / n)


@pytest.mark.parametrize(
    ("cls", "variance"), [(ki.ComplexGlorot, 1 / 500), (ki.ComplexHe, 1 / 300)]
)
def test_complex_weights_have_rayleighs_modulus(cls: Any, variance: float) -> None:
    scheme = cls()
    keras.utils.set_random_seed(3)
    w = to_numpy(scheme((300, 200))) + 1j * to_numpy(scheme((300, 200)))
    assert stats.kstest(np.abs(w).ravel(), stats.rayleigh(0, math.sqrt(variance)).cdf).pvalue > 1e-4
    phase = np.angle(w).ravel()
    assert stats.kstest(phase, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-4


def test_hippo_is_a_skew_matrix_and_a_decay() -> None:
    n = 12
    a = _float64(ki.HiPPO(), (n, n)).T
    b = _float64(ki.HiPPO("input"), (1, n)).T
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(a)), -np.arange(n, 0, -1), rtol=1e-9)
    skew = a + b @ b.T / 2 + np.eye(n) / 2
    np.testing.assert_allclose(skew, -skew.T, atol=1e-12)


def test_hippo_rebuilds_the_past() -> None:
    """The state of a linear SimpleRNN holds the Legendre coefficients of u(t - log(1/z)), 0 < z <= 1."""
    n, step = 24, 0.01
    layer = keras.layers.SimpleRNN(
        n,
        activation="linear",
        kernel_initializer=ki.HiPPO("input", step),
        recurrent_initializer=ki.HiPPO("state", step),
    )
    time = step * np.arange(1, 801)
    u = np.sin(0.5 * time) + 0.5 * np.cos(0.35 * time)
    state = to_numpy(layer(u[None, :, None].astype("float32")))[0]
    ago = np.array([0.2, 0.5, 1.0, 1.5])
    scaled = state * np.sqrt(2 * np.arange(n) + 1)
    rebuilt = legendre.legval(2 * np.exp(-ago) - 1, scaled)
    expected = np.interp(time[-1] - ago, time, u)
    np.testing.assert_allclose(rebuilt, expected, atol=0.01)


def test_s4d_eigenvalues() -> None:
    for variant, first in (
        ("lin", [-0.5, -0.5 + 1j * math.pi, -0.5 + 2j * math.pi]),
        ("inv", [-0.5 + 6j / math.pi * (6 / (2 * k + 1) - 1) for k in range(3)]),
        ("real", [-1, -2, -3]),
    ):
        real, imaginary = _float64(ki.S4D(variant), (2, 3))
        np.testing.assert_allclose(real + 1j * imaginary, first, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("r_min", "r_max", "phase"), [(0.0, 1.0, 2 * math.pi), (0.9, 0.99, 0.3)])
def test_lru_eigenvalues_are_uniform_on_the_ring(r_min: float, r_max: float, phase: float) -> None:
    nu, theta, gamma = _float64(ki.LRURing(r_min, r_max, phase), (3, 20_000))
    eigenvalues = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    square = np.abs(eigenvalues) ** 2
    law = stats.uniform(r_min**2, r_max**2 - r_min**2)
    assert stats.kstest(square, law.cdf).pvalue > 1e-4
    assert stats.kstest(np.exp(theta), stats.uniform(0, phase).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(square, theta)[0, 1]) < 5 / math.sqrt(20_000)
    np.testing.assert_allclose(np.exp(gamma) ** 2 + square, 1, atol=1e-12)
    # So the state of white noise has variance 1: gamma^2 / (1 - |lambda|^2).


def test_values_may_lie_in_memory_in_any_order() -> None:
    class Turned(ki.Scheme):
        random = False

        def values(self, shape: Any, dtype: str, stream: Any, index: Any = None) -> np.ndarray:
            return np.arange(math.prod(shape), dtype=dtype).reshape(shape[::-1]).T

    np.testing.assert_array_equal(to_numpy(Turned()((2, 3))), [[0, 2, 4], [1, 3, 5]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ki.ConvolutionOrthogonal()((3, 5, 2, 4)), "ConvolutionOrthogonal: shape must be a kernel of equal extents"),
        (lambda: ki.ConvolutionOrthogonal()((3, 3, 4, 2)), "ConvolutionOrthogonal: shape must be a kernel of equal extents"),
        (lambda: ki.ConvolutionOrthogonal()((4, 2)), "ConvolutionOrthogonal: shape must be of rank 3 to 5"),
        (lambda: ki.ConvolutionAware(-0.1), "ConvolutionAware: noise must be a finite number >= 0, got -0.1"),
        (lambda: ki.ConvolutionAware(0.0)((1, 1, 1, 1)), "ConvolutionAware: shape must be of a kernel whose entries differ"),
        (lambda: ki.IDInit(scale=-1.0), "IDInit: scale must be a finite number >= 0, got -1.0"),
        (lambda: ki.IDInit(epsilon=-1.0), "IDInit: epsilon must be a finite number >= 0"),
        (lambda: ki.IDInit()((4,)), "IDInit: shape must be of rank 2 to 5"),
        (lambda: ki.Chain(math.inf), "Chain: gain must be a finite number, got inf"),
        (lambda: ki.Chain()((3, 4)), r"Chain: shape must be a square matrix, got \(3, 4\)"),
        (lambda: ki.Chain()((3, 3), "int32"), "Chain: dtype must be one of float16"),
        (lambda: ki.SignedConstant("gelu"), "SignedConstant: nonlinearity must be one of"),
        (lambda: ki.SignedConstant(sparsity=1.0), "SignedConstant: sparsity must be a finite number >= 0 and < 1, got 1.0"),
        (lambda: ki.HiPPO("output"), "HiPPO: part must be one of 'state', 'input'"),
        (lambda: ki.HiPPO(step=0.0), "HiPPO: step must be a finite number > 0, got 0.0"),
        (lambda: ki.HiPPO()((3, 4)), r"HiPPO: shape must be \(N, N\) for part 'state', got \(3, 4\)"),
        (lambda: ki.HiPPO("input")((3, 4)), r"HiPPO: shape must be \(1, N\) for part 'input', got \(3, 4\)"),
        (lambda: ki.S4D("legs"), "S4D: variant must be one of 'lin', 'inv', 'real'"),
        (lambda: ki.S4D()((3, 4)), r"S4D: shape must be \(2, states\), got \(3, 4\)"),
        (lambda: ki.LRURing(0.9, 0.9), "LRURing: r_max must be a finite number > 0.9 and <= 1, got 0.9"),
        (lambda: ki.LRURing(max_phase=7.0), "LRURing: max_phase must be a finite number > 0 and <= 6.28319, got 7.0"),
        (lambda: ki.LRURing()((2, 4)), r"LRURing: shape must be \(3, states\), got \(2, 4\)"),
    ],
)  # fmt: skip
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
