"""lora_init: adapters start as their papers say, and the model's outputs stay."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L
from scipy.stats import kstest

from keras_inits.laws import Normal, Uniform
from keras_inits.models.adapters.factors import METHODS
from keras_inits.models.adapters.lora import lora_init
from keras_inits.models.variables.walk import walk

RNG = np.random.default_rng(0)
X = RNG.normal(0.3, 1.0, (32, 6, 16)).astype("float32")
IDS = RNG.integers(0, 20, (32, 6))
PEFT = json.loads((Path(__file__).parent / "data" / "lora_peft.json").read_text())["cases"]
FROM_DATA = ("eva", "corda")


def attention_like(rank=4, alpha=8.0, dtype="float32"):
    """Every way in which Keras's LoRA meets an input: dense, heads out, heads in, a convolution."""
    x = keras.Input((6, 16))
    y = L.Dense(24, name="dense", dtype=dtype)(x)
    y = L.EinsumDense("abc,cde->abde", (None, 3, 8), bias_axes="de", name="query", dtype=dtype)(y)
    y = L.EinsumDense("abcd,cde->abe", (None, 12), name="output", dtype=dtype)(y)
    y = L.Conv1D(5, 3, name="conv", dtype=dtype)(y)
    model = keras.Model(x, y)
    for layer in model.layers[1:]:
        layer.enable_lora(rank, lora_alpha=alpha)
    return model


def one(layer, shape=(16,), rank=4, alpha=None, **input_arguments):
    model = keras.Sequential([keras.Input(shape, **input_arguments), layer])
    layer.enable_lora(rank, lora_alpha=alpha)
    return model


def start(model, method, x=X, seed=0):
    return lora_init(model, method, x=x if method in FROM_DATA else None, seed=seed)


def variable(model, role, layer=None):
    (slot,) = [s for s in walk(model) if s.role == role and layer in (None, s.layer.name)]
    return to_numpy(slot.variable)


def values(model):
    return [to_numpy(v) for v in model.variables]


def outputs(model, x=X):
    return to_numpy(model(x))


@pytest.mark.parametrize("method", [*METHODS, "pissa_niter_2"])
def test_outputs_stay(method):
    model = attention_like()
    before = outputs(model)
    report = start(model, method)
    assert np.abs(outputs(model) - before).max() < 2e-6 * np.abs(before).max()
    assert [row.path for row in report.rows] == ["dense", "query", "output", "conv"]
    assert all(row.change is None or row.change < 1e-7 for row in report.rows)
    left = ["conv"] if method in FROM_DATA else []
    assert [problem.path for problem in report.problems] == left


@pytest.mark.parametrize("method", METHODS)
def test_what_an_adapter_has_learned_stays_too(method):
    model = attention_like()
    for slot in walk(model):
        if slot.role == "lora_kernel_b":
            slot.variable.assign(RNG.normal(0, 0.1, slot.shape))
    before = outputs(model)
    start(model, method)
    assert np.abs(outputs(model) - before).max() < 4e-6 * np.abs(before).max()


def test_factors_that_add_nothing_leave_the_kernel_bit_for_bit():
    for method in ("default", "kaiming", "gaussian", "eva"):
        model = attention_like()
        before = variable(model, "kernel", "dense")
        start(model, method)
        np.testing.assert_array_equal(variable(model, "kernel", "dense"), before)
        assert not variable(model, "lora_kernel_b", "dense").any()


def projector(a):
    return a @ np.linalg.pinv(a)


@pytest.mark.parametrize("case", PEFT, ids=lambda case: f"{case['method']}, {case['rank']}")
def test_as_peft(case):
    method, rank = case["method"], case["rank"]
    theirs = {name: np.array(case[name]) for name in ("a", "b", "kernel", "kernel_after")}
    layer = L.Dense(8, use_bias=False)
    model = one(layer, (12,), rank, case["alpha"])
    kernel = next(s.variable for s in walk(model) if s.role == "kernel")
    kernel.assign(theirs["kernel"])
    start(model, method, np.array(case.get("x"), "float32"))
    a, b = variable(model, "lora_kernel_a"), variable(model, "lora_kernel_b")
    # PEFT's EVA decomposes step by step and keeps no more than the rank in between.
    close = 0.01 if method == "eva" else 1e-5
    assert np.abs(projector(a) - projector(theirs["a"])).max() < close
    for ours, expected in (
        (a @ b, theirs["a"] @ theirs["b"]),
        (to_numpy(kernel), theirs["kernel_after"]),
    ):
        np.testing.assert_allclose(ours, expected, atol=1e-4 if method == "corda" else 1e-5)
    if method != "corda":  # whose factors' sizes hang on the number of samples there
        sizes = np.linalg.norm(a, axis=0) / np.linalg.norm(theirs["a"], axis=0)
        np.testing.assert_allclose(sizes, 1, atol=1e-5)


def test_pissa_by_iteration_finds_what_pissa_does():
    kernel = RNG.normal(size=(120, 80)) * np.geomspace(1, 0.05, 80)
    found = []
    for method in ("pissa", "pissa_niter"):
        layer = L.Dense(80)
        model = one(layer, (120,), 8)
        next(s.variable for s in walk(model) if s.role == "kernel").assign(kernel)
        start(model, method)
        found.append(variable(model, "lora_kernel_a") @ variable(model, "lora_kernel_b"))
    assert np.abs(found[0] - found[1]).max() < 1e-3 * np.abs(found[0]).max()


def test_pissa_takes_the_best_part_of_low_rank():
    model = one(L.Dense(40), (60,), 5, 15.0)
    singular = np.linalg.svd(variable(model, "kernel"), compute_uv=False)
    start(model, "pissa")
    left = np.linalg.svd(variable(model, "kernel"), compute_uv=False)
    np.testing.assert_allclose(left[:35], singular[5:], rtol=1e-4)
    assert np.abs(left[35:]).max() < 1e-4


@pytest.mark.parametrize(
    ("method", "law"),
    [
        ("default", Uniform(-np.sqrt(6 / 400), np.sqrt(6 / 400))),
        ("kaiming", Uniform(-1 / 20, 1 / 20)),
        ("gaussian", Normal(0, 1 / 8)),
    ],
)
def test_laws(method, law):
    model = one(L.Dense(10), (400,), 8)
    start(model, method)
    a = variable(model, "lora_kernel_a")
    assert kstest(a.ravel(), law.cdf).statistic < 1.95 / np.sqrt(a.size)  # p = 0.001


def test_an_embedding_starts_at_zero_rows():
    model = one(L.Embedding(300, 16), (6,), 8, dtype="int32")
    before = outputs(model, IDS)
    for method in ("kaiming", "gaussian"):
        start(model, method)
        b = variable(model, "lora_embeddings_b")
        assert not variable(model, "lora_embeddings_a").any()
        assert kstest(b.ravel(), Normal(0, 1).cdf).statistic < 1.95 / np.sqrt(b.size)
    for method in ("pissa", "olora", "orthogonal", "default"):
        start(model, method)
        np.testing.assert_allclose(outputs(model, IDS), before, atol=1e-6)
    (problem,) = start(model, "eva", IDS).problems
    assert "not simply multiplied" in problem.reason


def test_orthogonal_factors_are_orthogonal():
    model = one(L.Dense(24), (40,), 6)
    start(model, "orthogonal")
    a, b = variable(model, "lora_kernel_a"), variable(model, "lora_kernel_b")
    assert np.abs(a @ b).max() < 1e-7
    assert np.linalg.matrix_rank(a, 1e-5) == np.linalg.matrix_rank(b, 1e-5) == 3
    assert abs(a.std() - 0.1 * np.sqrt(3 / 6)) < 0.01


def test_eva_gives_each_head_the_same_inputs_turned():
    model = attention_like()
    start(model, "eva")
    a = variable(model, "lora_kernel_a", "query")
    assert a.shape == (24, 3, 4)
    hidden = outputs(keras.Model(model.input, model.get_layer("dense").output)).reshape(-1, 24)
    _, _, directions = np.linalg.svd(hidden - hidden.mean(axis=0), full_matrices=False)
    expected = projector(directions[:4].T)
    for head in range(3):
        np.testing.assert_allclose(projector(a[:, head]), expected, atol=1e-4)
    assert np.abs(a[:, 0] - a[:, 1]).max() > 0.1
    wide = variable(model, "lora_kernel_a", "output")
    assert wide.shape == (3, 8, 4)
    np.testing.assert_allclose(wide.reshape(24, 4).T @ wide.reshape(24, 4), np.eye(4), atol=1e-5)


def test_corda_keeps_the_outputs_best_approximation():
    """With C the second moments, C (W - s A B) is the best of its rank: compare with C W's tail."""
    model = one(L.EinsumDense("abc,cde->abde", (None, 3, 8)), (6, 16), 4, 8.0)
    kernel = variable(model, "kernel").reshape(16, 24)
    start(model, "corda")
    left = variable(model, "kernel")
    rows = X.reshape(-1, 16).astype("float64")
    c = rows.T @ rows
    c = c / np.trace(c) * 16 + 0.01 * np.eye(16)
    weighted = np.linalg.svd((c @ kernel).reshape(48, 8), compute_uv=False)
    remaining = np.linalg.norm((c @ left.reshape(16, 24)).reshape(48, 8))
    assert abs(remaining / np.linalg.norm(weighted[4:]) - 1) < 1e-5


# Keras has int4 since 3.11.
@pytest.mark.parametrize(
    "mode", ["int8", "int4"] if hasattr(keras.quantizers, "pack_int4") else ["int8"]
)
@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: L.Dense(8), X[:, 0]),
        (lambda: L.EinsumDense("abc,cde->abde", (None, 3, 8)), X),
        (lambda: L.Embedding(20, 8), IDS),
    ],
    ids=["Dense", "EinsumDense", "Embedding"],
)
def test_quantized_kernels_take_what_adds_nothing(make, x, mode):
    lookup = x is IDS
    for method, fits in (
        ("gaussian", True),
        ("eva", not lookup),
        ("pissa", False),
        ("olora", False),
    ):
        model = keras.Sequential([keras.Input(x.shape[1:], dtype=x.dtype.name), make()])
        model.quantize(mode)
        model.layers[0].enable_lora(4)
        before = outputs(model, x)
        report = start(model, method, x)
        np.testing.assert_array_equal(outputs(model, x), before)
        assert bool(report.problems) != fits
    for slot in walk(model):
        if "lora" in slot.role:
            slot.variable.assign(np.ones(slot.shape))
    before = outputs(model, x)
    (problem,) = start(model, "gaussian").problems
    assert "learned" in problem.reason
    np.testing.assert_array_equal(outputs(model, x), before)


def test_half_precision():
    model = attention_like(dtype="bfloat16")
    before = outputs(model)
    report = start(model, "pissa")
    assert max(row.change for row in report.rows) < 2**-8
    assert np.abs(outputs(model) - before).max() < 0.1 * np.abs(before).max()


def test_seeds_and_paths():
    first, second = (variable(m, "lora_kernel_a", "dense") for m in _twice(seed=1))
    np.testing.assert_array_equal(first, second)
    other = attention_like()
    start(other, "gaussian", seed=2)
    assert np.abs(variable(other, "lora_kernel_a", "dense") - first).max() > 0.1


def _twice(seed):
    for _ in range(2):
        model = attention_like()
        start(model, "gaussian", seed=seed)
        yield model


def test_training_starts_and_a_saved_model_holds_the_whole_kernel(tmp_path):
    model = attention_like()
    start(model, "pissa")
    before = outputs(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.abs(outputs(loaded) - before).max() < 1e-5 * np.abs(before).max()
    # Keras merges A B into the kernel of the file and leaves zeros, from which no gradient leads.
    assert not variable(loaded, "lora_kernel_a", "dense").any()
    start(loaded, "pissa")
    assert np.abs(outputs(loaded) - before).max() < 1e-5 * np.abs(before).max()
    loaded.compile("sgd", "mse")
    loaded.fit(X, np.zeros_like(before), epochs=1, verbose=0)
    assert np.abs(outputs(loaded) - before).max() > 1e-4 * np.abs(before).max()


def test_layers_that_did_not_run_are_listed():
    class Half(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = L.Dense(8), L.Dense(8)

        def build(self, shape):
            self.used.build(shape)
            self.unused.build(shape)

        def call(self, x):
            return self.used(x)

    model = Half()
    model.build((None, 16))
    model.used.enable_lora(2)
    model.unused.enable_lora(2)
    (problem,) = lora_init(model, "eva", x=X[:, 0], seed=0).problems
    assert problem.reason == "not reached by the run on x; left as it was"


NAN = np.full((16, 8), np.nan)
ERRORS = {
    "no LoRA": (lambda m: keras.Sequential([keras.Input((16,)), L.Dense(8)]), "pissa", {}, ValueError, "must have a layer with LoRA enabled, got none"),
    "method": (None, "svd", {}, ValueError, "method must be one of 'default', .*, got 'svd'"),
    "counted method": (None, "PiSSA_niter_4", {}, ValueError, "'pissa_niter', 'pissa_niter_4', .* got 'PiSSA_niter_4'"),
    "method type": (None, 3, {}, TypeError, "method must be one of"),
    "not a model": (lambda m: "model", "pissa", {}, TypeError, "model must be a Keras model"),
    "no data": (None, "eva", {}, ValueError, "x must be given for the method 'eva', got None"),
    "idle data": (None, "pissa", {"x": X[:, 0]}, ValueError, "x must be left out for the method 'pissa'"),
    "data's shape": (None, "eva", {"x": X}, ValueError, "x must have shape"),
    "seed": (None, "gaussian", {"seed": -1}, ValueError, "seed must be"),
    "rank": (lambda m: one(L.Dense(8), rank=9), "pissa", {}, ValueError, "lora_init: dense: rank must be at most 8, that of its kernel of 16 x 8, got 9"),
    "rank of inputs": (None, "eva", {"x": X[:4, 0]}, ValueError, "lora_init: dense: rank must be at most 3, that of its inputs on x, got 4"),
    "odd": (lambda m: one(L.Dense(8), rank=3), "orthogonal", {}, ValueError, "rank must be even for the method orthogonal, got 3"),
    "alpha": (lambda m: one(L.Dense(8), alpha=-1.0), "pissa", {}, ValueError, "lora_alpha must be above 0"),
    "NaN": (lambda m: (next(s.variable for s in walk(m) if s.role == "kernel").assign(NAN), m)[1], "pissa", {}, ValueError, "lora_init: dense: its weights must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    make, method, arguments, error, message = ERRORS[name]
    model = one(L.Dense(8))
    model = model if make is None else make(model)
    before = values(model) if isinstance(model, keras.Model) else []
    with pytest.raises(error, match=message):
        lora_init(model, method, **arguments)
    for now, then in zip(values(model) if before else [], before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_nothing_changes_where_a_later_layer_fails():
    model = attention_like(rank=6)  # the convolution has five outputs
    before = values(model)
    with pytest.raises(ValueError, match="conv: rank must be at most 5"):
        start(model, "pissa")
    for now, then in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
