"""Each scheme on data: every class of the catalogue says what it makes of numbers that are pushed through it.

Its exact law, round trip, files, backends and dtypes follow from its row in the table of cases (test_laws, test_reload,
test_backends), its page and card from its entry in the catalogue (test_site).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import test_schemes_meaning as meaning
import test_schemes_structured as structured
import test_structured as plain
from cases import ONE_EACH, Case
from conftest import to_numpy

from keras_inits.registry import CATALOGUE

RNG = np.random.default_rng


def second_moment(case: Case) -> None:
    """Of uncorrelated entries of mean 0: E[y^2] = n E[w^2] E[x^2]."""
    kernel = drawn(case)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    square = (kernel**2).mean() if case.class_name == "ConvolutionAware" else entry_square(case)
    y = RNG(0).normal(size=(2000, len(kernel))) @ kernel
    # 2000 samples, the norm of each with relative variance 2/n, on some hundred units.
    assert (y**2).mean() == pytest.approx(len(kernel) * square, rel=0.03)


def entry_square(case: Case) -> float:
    if case.law:
        return float(case.law(case.shape).moment(2))
    return case.std(case.shape) ** 2


def drawn(case: Case) -> np.ndarray:
    return to_numpy(case.make(case.shape, 1)(case.shape)).astype("float64")


def adds_up(case: Case) -> None:
    kernel = drawn(case)
    x = RNG(0).normal(size=(9, len(kernel)))
    expected = np.repeat(x.sum(axis=1, keepdims=True), kernel.shape[1], axis=1) * kernel[0, 0]
    np.testing.assert_allclose(x @ kernel, expected, atol=1e-9)
    assert kernel[0, 0] == {"Zero": 0, "One": 1, "Constant": 0}[CATALOGUE[case.class_name].name]


def passes_on(case: Case) -> None:
    """As much of the input as there are units, times the gain."""
    kernel = drawn(case)
    x = RNG(0).normal(size=(9, len(kernel)))
    gain = case.arguments.get("scale", 1.0)
    np.testing.assert_allclose(x @ kernel, gain * x[:, : kernel.shape[1]], rtol=1e-6)


def keeps_lengths(case: Case) -> None:
    """A signal of as many numbers as there are units comes through as it was, times the gain."""
    kernel = drawn(case)
    parts = np.split(kernel, 4, axis=1) if case.class_name == "Gated" else [kernel]
    gain = case.arguments.get("gain", {"keras1>Orthogonal": 1.1}.get(case.class_name, 1.0))
    for part in parts:
        signal = RNG(0).normal(size=(9, part.shape[1]))
        basis = part / np.linalg.norm(part, axis=0)
        np.testing.assert_allclose(signal @ basis.T @ part, gain * signal, atol=1e-4)


def is_the_array(case: Case) -> None:
    x = RNG(0).normal(size=(9, case.shape[0]))
    expected = x @ case.arguments["array"](case.shape)
    np.testing.assert_allclose(x @ drawn(case), expected, rtol=1e-5, atol=1e-2)


def forgets_at_its_rate(case: Case) -> None:
    """An LSTM without input keeps sigmoid(forget bias) of its state at each step."""
    bias = drawn(case)
    units, steps = len(bias) // 4, 20
    layer = keras.layers.LSTM(units, return_state=True, unit_forget_bias=False)
    x = np.zeros((1, steps, 3), "float32")
    layer.build(x.shape)
    layer.set_weights([0 * w if w.ndim > 1 else bias for w in layer.get_weights()])
    start = np.ones((1, units), "float32")
    kept = to_numpy(layer(x, initial_state=[0 * start, start])[2])[0]
    inputs, forget, candidate = np.split(bias, 4)[:3]
    gate, added = 1 / (1 + np.exp(-forget)), np.tanh(candidate) / (1 + np.exp(-inputs))
    expected = gate**steps + added * (1 - gate**steps) / (1 - gate)
    np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-6)


def echoes(case: Case) -> None:
    """A state shrinks by the spectral radius at each step, in the long run."""
    kernel, state, sizes = drawn(case), RNG(0).normal(size=case.shape[0]), []
    for _ in range(400):
        state = state @ kernel
        sizes.append(math.log(np.linalg.norm(state)))
        state = state / np.linalg.norm(state)
    assert math.exp(np.mean(sizes[100:])) == pytest.approx(case.arguments["spectral_radius"], 0.01)


def rings(case: Case) -> None:
    """The responses of S4D-Lin's modes to an impulse fade as exp(-t/2) and turn k half turns in 1."""
    modes = drawn(case)[0] + 1j * drawn(case)[1]
    np.testing.assert_allclose(np.abs(np.exp(modes)), math.exp(-0.5), rtol=1e-5)
    np.testing.assert_allclose(np.exp(modes + 0.5), (-1.0) ** np.arange(len(modes)), atol=2e-5)


def keeps_white_noise(case: Case) -> None:
    """The state of unit white noise has variance 1 in each mode."""
    nu, theta, gamma = drawn(case)[:, :20]
    state, square = np.zeros(20, complex), np.zeros(20)
    for u in RNG(0).normal(size=20_000):
        state = np.exp(-np.exp(nu) + 1j * np.exp(theta)) * state + np.exp(gamma) * u
        square += np.abs(state) ** 2 / 20_000
    np.testing.assert_allclose(square, 1, atol=0.2)  # 5 standard errors of the slowest mode


def one_feature_a_row(case: Case) -> None:
    """An input of one feature alone gives numbers of that feature's law."""
    y = np.eye(case.shape[0]) @ drawn(case)
    n = case.shape[1]
    assert np.abs(y.mean(axis=1) - 0.5).max() < 5 * 0.1 / math.sqrt(n)
    assert np.abs(y.std(axis=1) / 0.1 - 1).max() < 5 / math.sqrt(2 * n)


# What is no kernel of uncorrelated entries of mean 0; in a test elsewhere, or here.
ON_DATA: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("Zero", "One", "Constant", "keras1>Zero", "keras1>One"), adds_up),
    **dict.fromkeys(("Identity", "ZerO", "keras1>Identity"), passes_on),
    **dict.fromkeys(("Orthogonal", "Gated", "keras1>Orthogonal"), keeps_lengths),
    **dict.fromkeys(("ForgetGateBias", "Chrono"), forgets_at_its_rate),
    "FromArray": is_the_array,
    "DataNormal": one_feature_a_row,
    "EchoState": echoes,
    "S4D": rings,
    "LRURing": keeps_white_noise,
    "DeltaOrthogonal": plain.test_delta_orthogonal_keeps_the_norm,
    "ConvolutionOrthogonal": structured.test_convolution_orthogonal_keeps_the_norm,
    "Dirac": plain.test_dirac_returns_its_input,
    "IDInit": structured.test_idinit_starts_a_residual_network_at_the_identity,
    "Chain": structured.test_chain_hands_the_state_on,
    "HiPPO": structured.test_hippo_rebuilds_the_past,
    "StepBias": meaning.test_steps_are_log_uniform,
    "PriorBias": meaning.test_prior_bias_gives_the_prior,
    "Bilinear": meaning.test_bilinear_keeps_a_constant,
    "ICNR": meaning.test_icnr_has_no_checkerboard_after_depth_to_space,
}


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.class_name)
def test_each_scheme_on_data(case: Case) -> None:
    shown = ON_DATA.get(case.class_name, second_moment)
    if not shown.__name__.startswith("test_"):
        shown(case)
    else:
        assert f"ki.{case.class_name}(" in inspect.getsource(shown)


def test_the_table_knows_no_other_schemes() -> None:
    assert {case.class_name for case in ONE_EACH} == set(CATALOGUE) >= set(ON_DATA)
