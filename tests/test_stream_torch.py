"""TorchStream against the installed PyTorch."""

from __future__ import annotations

import importlib
import math
import os
import time
from fractions import Fraction

import keras
import numpy as np
import pytest

from keras_inits.streams import TorchStream
from keras_inits.streams.torch.fused import fma

pytestmark = pytest.mark.once

torch = importlib.import_module("torch") if os.environ.get("CI") else pytest.importorskip("torch")
init = torch.nn.init

# Without fused multiply-add PyTorch's own numbers are others by rounding.
FUSED = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
REJECTION = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 13)

SEEDS = (0, 1337, 2**32 + 5)
SIZES = (1, 15, 16, 17, 24, 31, 32, 100, 10007)
SHAPES = ((5,), (40,), (3, 4), (6, 17), (3, 4, 5), (3, 3, 4, 8), (2, 3, 3, 4, 5))
DTYPES = ("float32", "float64")


def empty(shape, dtype="float32"):
    """A tensor of PyTorch's order for a shape of Keras's."""
    ordered = (shape[-1], shape[-2], *shape[:-2]) if len(shape) > 1 else shape
    return torch.empty(ordered, dtype=getattr(torch, dtype))


def to_keras(tensor):
    array = tensor.numpy()
    return array.transpose(*range(2, array.ndim), 1, 0) if array.ndim > 1 else array


def assert_same(actual, expected, ulps=0):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.flags.c_contiguous
    if not FUSED:
        np.testing.assert_allclose(actual, expected, rtol=0, atol=4e-6 * np.abs(expected).max())
    elif ulps:
        np.testing.assert_array_max_ulp(actual, expected, ulps, actual.dtype)
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_sequence_of_uniforms_and_normals(seed, dtype):
    torch.manual_seed(seed)
    stream = TorchStream(seed)
    for size in SIZES:
        tensor = empty((size,), dtype)
        for low, high in ((0.0, 1.0), (-0.05, 0.05), (-0.3, 0.31), (1000.0, 1000.1)):
            init.uniform_(tensor, low, high)
            assert_same(stream.uniform((size,), low, high, dtype), tensor.numpy())
        for mean, stddev in ((0.0, 1.0), (0.0, 0.05)):
            init.normal_(tensor, mean, stddev)
            # float32 is made of exactly rounded steps alone, float64 has a libm's functions.
            ulps = 0 if dtype == "float32" else 4
            assert_same(stream.normal((size,), mean, stddev, dtype), tensor.numpy(), ulps)
        init.normal_(tensor, 3.0, 0.5)
        np.testing.assert_allclose(stream.normal((size,), 3.0, 0.5, dtype), tensor, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_xavier_and_kaiming_in_torch_order(shape):
    torch.manual_seed(1337)
    stream = TorchStream(1337)
    tensor = empty(shape)
    if len(shape) == 1:
        bound = 1 / math.sqrt(7)
        init.uniform_(tensor, -bound, bound)
        assert_same(stream.uniform(shape, -bound, bound), tensor.numpy())
        init.normal_(tensor)
        assert_same(stream.normal(shape), tensor.numpy())
        return
    field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * field, shape[-1] * field
    for gain in (1.0, 5 / 3):
        std = gain * math.sqrt(2.0 / (fan_in + fan_out))
        bound = math.sqrt(3.0) * std
        init.xavier_uniform_(tensor, gain)
        assert_same(stream.uniform(shape, -bound, bound), to_keras(tensor))
        init.xavier_normal_(tensor, gain)
        assert_same(stream.normal(shape, 0.0, std), to_keras(tensor))
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        std = math.sqrt(2.0 / (1 + 5.0)) / math.sqrt(fan)
        bound = math.sqrt(3.0) * std
        init.kaiming_uniform_(tensor, math.sqrt(5), mode)
        assert_same(stream.uniform(shape, -bound, bound), to_keras(tensor))
        init.kaiming_normal_(tensor, math.sqrt(5), mode)
        assert_same(stream.normal(shape, 0.0, std), to_keras(tensor))


def test_layers_of_a_model_in_their_order():
    torch.manual_seed(7)
    linear, embedding, head = (
        torch.nn.Linear(6, 9),
        torch.nn.Embedding(11, 5),
        torch.nn.Linear(5, 3),
    )
    stream = TorchStream(7)

    def assert_linear(layer):
        bound = 1 / math.sqrt(layer.in_features)
        kernel = stream.uniform((layer.in_features, layer.out_features), -bound, bound)
        assert_same(kernel, layer.weight.detach().numpy().T)
        bias = stream.uniform((layer.out_features,), -bound, bound)
        assert_same(bias, layer.bias.detach().numpy())

    assert_linear(linear)
    assert_same(stream.as_is().normal((11, 5)), embedding.weight.detach().numpy())
    assert_linear(head)


@pytest.mark.skipif(not REJECTION, reason="PyTorch before 2.13 inverts the distribution function")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [5, 16, 10007])
@pytest.mark.parametrize(
    ("low", "high"),  # the method changes where 0.3 of the law lies between them
    [(-2.0, 2.0), (-0.4, 0.4), (-math.inf, 1.0), (-0.37, 0.37), (1.5, 2.5)],
)
def test_truncated_normal(low, high, size, dtype):
    torch.manual_seed(3)
    tensor = empty((size,), dtype)
    init.trunc_normal_(tensor, 0.1, 0.5, 0.1 + 0.5 * low, 0.1 + 0.5 * high)
    stream = TorchStream(3)
    values = stream.truncated_normal((size,), 0.1, 0.5, low, high, dtype)
    np.testing.assert_allclose(values, tensor, rtol=0, atol=1e-6 if dtype == "float32" else 1e-14)
    init.uniform_(tensor)
    assert_same(stream.uniform((size,), dtype=dtype), tensor.numpy())


def test_truncated_normal_without_a_bound():
    with pytest.raises(ValueError, match="cannot replay so rare a truncated normal"):
        TorchStream(1).truncated_normal((3,), low=2.0, high=math.inf)


@pytest.mark.parametrize("high", [1, 10, 2**28 - 1, 2**28, 2**40])
def test_integers(high):
    torch.manual_seed(2**63)
    expected = torch.randint(high, (31, 7))
    actual = TorchStream(2**63).integers((7, 31), high)
    np.testing.assert_array_equal(actual, expected.numpy().T)
    assert actual.dtype == np.int64


def test_permutation():
    torch.manual_seed(5)
    stream = TorchStream(5)
    for n in (0, 1, 2, 3, 100, 20000):
        np.testing.assert_array_equal(stream.permutation(n), torch.randperm(n).numpy())
    assert_same(stream.uniform((9,)), torch.empty(9).uniform_().numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (8, 8), (64, 32), (5, 2, 7), (3, 3, 4, 8)])
def test_orthogonal(shape, dtype):
    torch.manual_seed(11)
    tensor = init.orthogonal_(empty(shape, dtype), 1.3)
    values = TorchStream(11).orthogonal(shape, 1.3, dtype)
    assert values.dtype == dtype
    assert values.flags.c_contiguous
    np.testing.assert_allclose(values, to_keras(tensor), rtol=0, atol=1e-5)


def test_large_tensors_in_time():
    """4096 x 4096 uniforms take about half a second."""
    torch.manual_seed(1)
    stream = TorchStream(1)
    start = time.process_time()
    values = stream.uniform((4096, 4096), -0.1, 0.1)
    assert time.process_time() - start < 5
    assert_same(values, torch.empty(4096, 4096).uniform_(-0.1, 0.1).numpy().T)
    size = 2**20 + 9
    assert_same(stream.normal((size,)), torch.empty(size).normal_().numpy(), 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_rounds_once(dtype):
    """Against exact rationals, cancellation and ties between two floats included."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 1000).astype(dtype)
    real = x.dtype.type
    for factor, term in ((0.7, 1.0), (1 / 3, 1e6), (3.0, 1e-9), (-1.1, 0.55), (1e-9, 1.0)):
        factor, term = real(factor), real(term)
        x[:9] = -term / factor * (1 + np.arange(-4, 5) * np.finfo(dtype).eps)
        exact = [Fraction(float(v)) * Fraction(float(factor)) + Fraction(float(term)) for v in x]
        for value, truth in zip(fma(x, factor, term), exact, strict=True):
            error = abs(Fraction(float(value)) - truth)
            for other in (np.nextafter(value, real(np.inf)), np.nextafter(value, real(-np.inf))):
                assert error <= abs(Fraction(float(other)) - truth)
    # The exact value lies less than any double sum can tell below the middle of two floats.
    eps = np.finfo(dtype).eps
    near = fma(np.array([1 + eps], dtype), eps / 2 * (1 - eps), 1 + eps)
    assert near == 1 + eps


def test_index_draws_the_whole():
    block, whole = TorchStream(3), TorchStream(3)
    part = block.normal((6, 4), index=(slice(1, 3), slice(0, 2)))
    np.testing.assert_array_equal(part, whole.normal((6, 4))[1:3, :2])
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(block.uniform((5,)), whole.uniform((5,)))
    assert block.uniform((), index=()).shape == ()
    assert block.uniform((0, 4)).shape == (0, 4)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "1", None])
def test_bad_seeds(seed):
    with pytest.raises((ValueError, TypeError), match="TorchStream: seed must be an integer"):
        TorchStream(seed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.truncated_normal((2,), stddev=0.0), "cannot replay a truncated normal law of"),
        (lambda s: s.permutation(2**32 // 20), "cannot replay a permutation of 214748364"),
        (lambda s: TorchStream(1, "caffe"), "order must be one of"),
    ],
)
def test_bad_arguments(call, message):
    stream = TorchStream(1)
    with pytest.raises(ValueError, match=f"TorchStream: {message}"):
        call(stream)
    np.testing.assert_array_equal(stream.uniform((4,)), TorchStream(1).uniform((4,)))


def test_serialization_starts_at_the_beginning():
    stream = TorchStream(2**64 - 1)
    first = stream.uniform((2, 3))
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(stream))
    assert loaded == stream
    assert hash(loaded) == hash(stream)
    np.testing.assert_array_equal(loaded.uniform((2, 3)), first)
    assert not np.array_equal(loaded.uniform((2, 3)), first)
    assert loaded.as_is() == TorchStream(2**64 - 1, order="keras") != loaded
    with pytest.raises(TypeError, match="does not fit"):
        TorchStream.from_config({"seed": 1, "colour": "red"})
