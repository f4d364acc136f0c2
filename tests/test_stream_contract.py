"""What holds for every stream alike: checks before any number is drawn, narrow dtypes, hooks."""

from __future__ import annotations

import copy
import math
import warnings

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_inits.schemes.uniform_normal import RandomNormal, RandomUniform
from keras_inits.streams import DefaultStream, Keras1Stream, Stream, TorchStream
from keras_inits.streams import narrow as narrow_module
from keras_inits.streams.default import tiles
from keras_inits.streams.narrow import clip, limits, narrow
from keras_inits.streams.seeds import as_stream, check_seed, preview

pytestmark = pytest.mark.once

INF, NAN = math.inf, math.nan
NARROW = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


class Halton(Stream):
    """A stream written outside of the package: it draws uniforms and normals, and nothing else."""

    def _uniform(self, shape, low, high, dtype, index):
        points = (np.arange(1, math.prod(shape) + 1) * 0.6180339887498949) % 1
        whole = (low + (high - low) * points).reshape(shape).astype(dtype)
        return whole if index is None else whole[index]

    def _normal(self, shape, mean, stddev, dtype, index):
        rng = np.random.default_rng(self.seed)
        whole = (mean + stddev * rng.standard_normal(shape)).astype(dtype)
        return whole if index is None else whole[index]


MAKERS = {
    "DefaultStream": lambda: DefaultStream(3),
    "Keras1Stream": lambda: Keras1Stream(3),
    "Keras1Stream tensorflow": lambda: Keras1Stream(3, "tensorflow"),
    "TorchStream": lambda: TorchStream(3),
    "Halton": lambda: Halton(3),
}
BAD = [
    (lambda s: s.uniform((2,), 1.0, 0.0), "high must be >= low = 1.0, got 0.0"),
    (lambda s: s.uniform((2,), 0.0, INF), "high must be a finite number, got inf"),
    (lambda s: s.uniform((2,), -INF, 0.0), "low must be a finite number, got -inf"),
    (lambda s: s.uniform((2,), NAN, 0.0), "low must be a finite number, got nan"),
    (lambda s: s.uniform((2,), -3e38, 3e38), "high must be at most 3.4e+38 above low in float32"),
    (lambda s: s.uniform((2,), 0.0, 1e39), "low, high must be such that float32 can hold every"),
    (lambda s: s.uniform((2,), 1e39, 1e39), "low, high must be such that float32 can hold every"),
    (lambda s: s.uniform((2,), -7e4, 0.0, "float16"), "low, high must be such that float16 can"),
    (lambda s: s.normal((2,), NAN), "mean must be a finite number, got nan"),
    (lambda s: s.normal((2,), INF), "mean must be a finite number, got inf"),
    (lambda s: s.normal((2,), 0.0, INF), "stddev must be a finite number >= 0, got inf"),
    (lambda s: s.normal((2,), 0.0, -1.0), "stddev must be a finite number >= 0, got -1.0"),
    (lambda s: s.normal((2,), 0.0, 8e3, "float16"), "mean, stddev must be such that float16 can"),
    (lambda s: s.normal((2,), 7e4, 0.0, "float16"), "mean, stddev must be such that float16 can"),
    (lambda s: s.normal((2,), 0.0, 1e308, "float64"), "mean, stddev must be such that float64"),
    (lambda s: s.truncated_normal((2,), NAN), "mean must be a finite number, got nan"),
    (lambda s: s.truncated_normal((2,), 0.0, -1.0), "stddev must be a finite number >= 0"),
    (lambda s: s.truncated_normal((2,), low=2.0), "low, high must be low < high, got (2.0, 2.0)"),
    (lambda s: s.truncated_normal((2,), low=NAN), "low, high must be low < high, got (nan, 2.0)"),
    (lambda s: s.truncated_normal((2,), low=INF, high=INF), "low, high must be low < high"),
    (lambda s: s.truncated_normal((2,), low=-INF, high=-INF), "low, high must be low < high"),
    (lambda s: s.truncated_normal((2,), 0.0, 4e4, dtype="float16"), "such that float16 can hold"),
    (lambda s: s.truncated_normal((2,), -6e4, 1e4, -1.0, 0.0, "float16"), "such that float16 can"),
    (lambda s: s.truncated_normal((2,), 0.0, 1.0, 1e39, INF), "such that float32 can hold every"),
    (lambda s: s.truncated_normal((2,), 0.0, 1.0, -INF, -1e39), "such that float32 can hold"),
    (lambda s: s.normal((2,), dtype="float8"), "dtype must be one of 'float16', 'bfloat16', 'fl"),
    (lambda s: s.signs((2,), dtype="int32"), "dtype must be one of 'float16', 'bfloat16', 'float"),
    (lambda s: s.orthogonal((2, 2), dtype="int8"), "dtype must be one of 'float16', 'bfloat16', "),
    (lambda s: s.normal((2, -1)), "shape must be a sequence of integers >= 0"),
    (lambda s: s.integers((2, -1), 5), "shape must be a sequence of integers >= 0"),
    (lambda s: s.integers((2,), 0), "high must be an integer >= 1"),
    (
        lambda s: s.integers((2,), 2**63 + 1),
        "high must be an integer >= 1 and <= 92233720368547758",
    ),
    (lambda s: s.permutation(-1), "n must be an integer >= 0, got -1"),
    (lambda s: s.orthogonal((6,)), "shape must be of rank 2 or more"),
    (lambda s: s.orthogonal((2, 2), INF), "gain must be a finite number, got inf"),
]
INDICES = [
    (slice(0, 2),),
    (slice(0, 2), slice(0, 4)),
    (slice(0, 2), slice(2, 1)),
    (slice(0, 2), slice(-1, 1)),
    (slice(0, 2), slice(None)),
    (slice(0, 2), slice(0, 2, 2)),
    (0, slice(0, 2)),
    [slice(0, 2), slice(0, 2)],
]
BLOCKS = [
    lambda s, index: s.uniform((2, 3), index=index),
    lambda s, index: s.normal((2, 3), index=index),
    lambda s, index: s.truncated_normal((2, 3), index=index),
    lambda s, index: s.signs((2, 3), index=index),
    lambda s, index: s.integers((2, 3), 7, index=index),
]


@pytest.fixture(params=MAKERS)
def stream(request):
    return MAKERS[request.param]()


def next_number(stream):
    return stream.uniform((9,), dtype="float64").tolist()


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused_before_anything_is_drawn(stream, call, message):
    before = next_number(copy.deepcopy(stream))
    with pytest.raises(ValueError, match=f"^{type(stream).__name__}: ") as caught:
        call(stream)
    assert message in str(caught.value)
    assert next_number(stream) == before


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.uniform((2,), "0"),
        lambda s: s.uniform((2,), True),
        lambda s: s.normal((2,), None),
        lambda s: s.truncated_normal((2,), low="a"),
        lambda s: s.truncated_normal((2,), high=None),
        lambda s: s.normal("ab"),
        lambda s: s.normal((2,), dtype=np.float32),
        lambda s: s.integers((2,), 2.0),
        lambda s: s.permutation(2.0),
        lambda s: s.orthogonal((2, 2), "1"),
    ],
)
def test_bad_types(stream, call):
    with pytest.raises(TypeError, match=f"^{type(stream).__name__}: [a-z]+ must be "):
        call(stream)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("law", BLOCKS)
def test_a_block_is_within_the_whole(stream, law, index):
    with pytest.raises(ValueError, match=r"index must be a tuple of one slice\(start, stop\)"):
        law(stream, index)


@pytest.mark.parametrize("rows", [slice(0, 2), slice(0, 1), slice(1, 2), slice(0, 0), slice(2, 2)])
def test_a_block_may_be_empty_or_the_whole(stream, rows):
    whole = copy.deepcopy(stream).uniform((2, 3))
    block = stream.uniform((2, 3), index=(rows, slice(0, 3)))
    np.testing.assert_array_equal(block, whole[rows], strict=True)


@pytest.mark.parametrize(
    ("make", "lacking"),
    [
        ("Keras1Stream", ("truncated_normal", "signs", "integers", "permutation")),
        ("TorchStream", ("signs",)),
        ("Halton", ("truncated_normal", "signs", "integers", "permutation")),
    ],
)
def test_laws_that_a_stream_lacks(make, lacking):
    calls = {
        "uniform": lambda s: s.uniform((3, 4)),
        "normal": lambda s: s.normal((3, 4)),
        "truncated_normal": lambda s: s.truncated_normal((3, 4)),
        "signs": lambda s: s.signs((3, 4)),
        "integers": lambda s: s.integers((3, 4), 5),
        "permutation": lambda s: s.permutation(4),
        "orthogonal": lambda s: s.orthogonal((3, 4)),
    }
    for law, call in calls.items():
        stream = MAKERS[make]()
        if law in lacking:
            with pytest.raises(ValueError, match=f"^{make}: cannot replay "):
                call(stream)
        else:
            call(stream)


def test_nothing_at_all_can_be_replayed_by_the_base():
    for law in ("uniform", "normal", "truncated_normal", "signs"):
        with pytest.raises(ValueError, match="^Stream: cannot replay "):
            getattr(Stream(0), law)((3,))
    with pytest.raises(ValueError, match="^Stream: cannot replay a normal law"):
        Stream(0).orthogonal((3, 3))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 3, 4)])
def test_orthogonal_by_default_of_normal_numbers(shape):
    q = Halton(0).orthogonal(shape, -2.0, "float64").reshape(-1, shape[-1]) / -2
    gram = q.T @ q if len(q) >= shape[-1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)
    one, many = (DefaultStream(1).orthogonal(shape, gain) for gain in (1.0, 0.3))
    np.testing.assert_array_equal(many, one * np.float32(0.3))


# -- narrow dtypes ------------------------------------------------------------------------------


@pytest.fixture(params=["compiled", "numpy"])
def arithmetic(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(tiles, "compiled", None)
    else:
        request.getfixturevalue("compiled")


def reference(single, dtype, support):
    """Rounded by ml_dtypes or NumPy, then cut at the numbers of the dtype within the bounds."""
    values = single.astype(NARROW[dtype]).astype("float32")
    if support is None:
        return values
    every = np.arange(2**16, dtype=np.uint16).view(NARROW[dtype]).astype("float32")
    every = every[np.isfinite(every)].astype("float64")
    low = every[every >= support[0]].min(initial=INF)
    high = every[every <= support[1]].max(initial=-INF)
    return np.minimum(np.maximum(values, low), high).astype("float32")


LAWS = {
    "uniform": (lambda s, shape, **k: s.uniform(shape, -0.1, 0.7, **k), (-0.1, 0.7)),
    "point": (lambda s, shape, **k: s.uniform(shape, 0.1, 0.1, **k), (0.1, 0.1)),
    "thin": (lambda s, shape, **k: s.uniform(shape, 1.001, 1.0012, **k), (1.001, 1.0012)),
    "subnormal": (lambda s, shape, **k: s.uniform(shape, -9e-5, 2e-5, **k), (-9e-5, 2e-5)),
    "large": (lambda s, shape, **k: s.uniform(shape, -6e4, 65504.0, **k), (-6e4, 65504.0)),
    "normal": (lambda s, shape, **k: s.normal(shape, 0.0, 0.05, **k), None),
    "shifted": (lambda s, shape, **k: s.normal(shape, 3.0, 1e-3, **k), None),
}
TRUNCATED = {
    "inner": (0.0, 0.05, -2.0, 2.0),
    "wide": (0.1, 1.0, -3.0, 1.0),
    "half": (0.1, 1.0, -1.0, INF),
    "tail": (0.3, 2.0, 5.0, 6.0),
}
for name, (mean, stddev, low, high) in TRUNCATED.items():
    LAWS[name] = (
        lambda s, shape, a=(mean, stddev, low, high), **k: s.truncated_normal(shape, *a, **k),
        (mean + stddev * low, mean + stddev * high),
    )


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", [(), (7,), (300, 1001), (5, 90_000)])
def test_narrow_draws_are_float32_draws_rounded_once(law, shape, dtype, arithmetic):
    draw, support = LAWS[law]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = draw(DefaultStream(5), shape, dtype=dtype)
    assert values.dtype == NARROW[dtype]
    assert values.flags.c_contiguous
    expected = reference(draw(DefaultStream(5), shape), dtype, support)
    np.testing.assert_array_equal(values.astype("float32"), expected)
    if len(shape) == 2:
        index = (slice(1, 4), slice(3, shape[1] - 2))
        block = draw(DefaultStream(5), shape, dtype=dtype, index=index)
        np.testing.assert_array_equal(block.view(np.uint16), values[index].view(np.uint16))


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("make", ["TorchStream", "Halton", "Keras1Stream"])
@pytest.mark.parametrize("law", ["uniform", "normal", "orthogonal"])
def test_other_streams_round_afterwards(make, law, dtype):
    if make == "Keras1Stream" and dtype == "float16":
        return  # those are Keras 1's own
    shape, support = (6, 40), (0.0, 1.0) if law == "uniform" else None
    values = getattr(MAKERS[make](), law)(shape, dtype=dtype)
    expected = reference(getattr(MAKERS[make](), law)(shape), dtype, support)
    np.testing.assert_array_equal(values.astype("float32"), expected)


def test_narrow_signs_and_orthogonal():
    for dtype, kind in NARROW.items():
        signs = DefaultStream(1).signs((300, 1001), dtype)
        assert signs.dtype == kind
        np.testing.assert_array_equal(signs.astype("float32"), DefaultStream(1).signs((300, 1001)))
        q = DefaultStream(1).orthogonal((20, 30), 1.3, dtype)
        np.testing.assert_array_equal(
            q.astype("float32"), DefaultStream(1).orthogonal((20, 30), 1.3).astype(kind)
        )


def every_kind_of_float():
    """Each upper half of a float32 with lower halves at, beside and between the ties; all signs."""
    low = [0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xEFFF, 0xFFFF]
    high = np.arange(2**16, dtype=np.uint32) << 16
    bits = (high[:, None] | np.array(low, np.uint32)).ravel()
    return bits.view(np.float32)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("support", [None, (-0.3, 1e-6), (1.0, 60000.0)])
def test_rounding_is_numpys(dtype, support, arithmetic):
    numbers = every_kind_of_float()
    with np.errstate(all="ignore"):
        rounded = narrow(numbers, dtype, support)
        expected = reference(numbers, dtype, support)
    np.testing.assert_array_equal(rounded.astype("float32"), expected)
    real = ~np.isnan(numbers)
    if support is None:
        with np.errstate(all="ignore"):
            bits = numbers.astype(NARROW[dtype]).view(np.uint16)
        np.testing.assert_array_equal(rounded.view(np.uint16)[real], bits[real])  # -0, too


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.0), (0.0, 1.0), (-1.0, 1.0)])
def test_zeros_keep_their_sign_at_a_bound_that_is_zero(low, high):
    numbers = np.array([-2.0, -0.0, 0.0, 2.0], "float32")
    clipped = clip(numbers, low, high)
    np.testing.assert_array_equal(clipped, [low, 0, 0, high])
    np.testing.assert_array_equal(np.signbit(clipped[1:3]), [True, False])


def test_rounding_of_other_arrays():
    double = np.linspace(-1, 1, 101)
    for dtype, kind in NARROW.items():
        np.testing.assert_array_equal(narrow(double, dtype, None), double.astype(kind))
        assert narrow(double, dtype, (-0.1, 0.1)).astype(float).max() <= 0.1
        columns = np.asfortranarray(double.astype("float32")[:100].reshape(10, 10))
        np.testing.assert_array_equal(narrow(columns, dtype, None), columns.astype(kind))
        low, high = limits(dtype, (-0.1, 0.1))
        assert -0.1 <= low < high <= 0.1 == -low + (0.1 + low)


def test_compiled_rounding_checks_what_it_is_given(compiled):
    numbers = np.zeros(8, np.float32)
    for out in (np.zeros(7, np.uint16), np.zeros(9, np.uint16), np.zeros(8, np.uint32)):
        with pytest.raises(ValueError, match="for each number of 32 bits one of 16"):
            compiled.narrow(numbers, out, 2, -1.0, 1.0)
    with pytest.raises(ValueError, match="for each number of 32 bits one of 16"):
        compiled.narrow(np.zeros(6, np.uint8), np.zeros(3, np.uint8), 2, -1.0, 1.0)


def test_keras1_draws_in_float16_itself():
    values = Keras1Stream(1).uniform((50,), -1.0, 1.0, "float16")
    expected = np.random.RandomState(1).uniform(-1.0, 1.0, 50).astype("float16")
    np.testing.assert_array_equal(values, expected)
    assert narrow_module.draw_dtype("float16") == "float32"


# -- hooks and seeds ----------------------------------------------------------------------------


def test_the_stream_of_a_weight():
    embedding, dense = keras.layers.Embedding(3, 4), keras.layers.Dense(2)
    assert DefaultStream(1).for_weight(dense, "a/kernel") == DefaultStream(1).child("a/kernel")
    torch = TorchStream(1)
    assert torch.for_weight(dense, "a/kernel") is torch
    assert torch.for_weight(embedding, "a/embeddings") == TorchStream(1, order="keras")
    keras1 = Keras1Stream(1)
    assert keras1.for_weight(embedding, "a/embeddings") is keras1


def test_only_a_replay_mirrors():
    assert not DefaultStream(1).mirrored("normal")
    assert not TorchStream(1).mirrored("uniform")
    assert Keras1Stream(1).mirrored("uniform")
    assert Keras1Stream(1, "tensorflow").mirrored("normal")


def test_layers_count_for_keras1_alone():
    dropout, model = keras.layers.Dropout(0.5), keras.Sequential([])
    for make, draws in (("DefaultStream", 0), ("TorchStream", 0), ("Keras1Stream", 3)):
        stream, again = MAKERS[make](), MAKERS[make]()
        stream.enter(model)
        stream.enter(dropout)  # no model: nothing is called again
        stream.drawn(dropout, ["seed_state"])
        stream.leave(dropout)
        stream.drawn(dropout, [])
        stream.leave(model)
        stream.drawn(dropout, ["seed_state"])
        for _ in range(draws):
            again.noise_seed()
        assert next_number(stream) == next_number(again)


def seeds():
    yield 5, DefaultStream(5)
    yield np.int64(5), DefaultStream(5)
    yield DefaultStream(5).child("a"), DefaultStream(5).child("a")
    yield keras.saving.serialize_keras_object(DefaultStream(5)), DefaultStream(5)


def test_anything_becomes_a_stream():
    for seed, expected in seeds():
        assert as_stream("f", seed) == preview("f", seed) == expected
    torch = TorchStream(5)
    assert as_stream("f", torch) is torch
    keras.utils.set_random_seed(3)
    first = as_stream("f", None)
    assert first != as_stream("f", None)
    keras.utils.set_random_seed(3)
    assert as_stream("f", None) == first


def test_a_generator_moves_on_but_in_a_preview():
    generator, other = keras.random.SeedGenerator(1), keras.random.SeedGenerator(1)
    seen = [preview("f", generator), preview("f", generator), as_stream("f", generator)]
    assert seen[0] == seen[1] == seen[2] == as_stream("f", other)
    assert as_stream("f", generator) == as_stream("f", other) != seen[0]
    assert check_seed("f", generator) is generator
    config = keras.saving.serialize_keras_object(keras.random.SeedGenerator(1))
    assert as_stream("f", config) == seen[0]


def test_the_seed_of_a_generator_is_its_two_words():
    generator = keras.random.SeedGenerator(3)
    assert as_stream("f", generator) == DefaultStream(3)
    assert as_stream("f", generator) == DefaultStream(3 | 1 << 32)  # seed, count


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**32, -1])
def test_the_config_of_a_generator_holds_one_word(seed):
    config = {"class_name": "SeedGenerator", "config": {"seed": seed}}
    if 0 <= seed < 2**32:
        assert as_stream("f", config) == DefaultStream(seed)
    else:
        with pytest.raises(ValueError, match="f: seed of the SeedGenerator must be"):
            check_seed("f", config)


def test_a_preview_leaves_a_replay_where_it_is():
    torch = TorchStream(1)
    preview("f", torch).normal((5,))
    assert next_number(torch) == next_number(TorchStream(1))


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_integers_are_seeds(seed):
    assert check_seed("f", seed) == check_seed("f", np.uint64(seed)) == seed
    assert as_stream("f", np.uint64(seed)) == as_stream("f", seed) == DefaultStream(seed)


@keras.saving.register_keras_serializable("test_stream_contract")
class NoStream:
    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        raise AssertionError("built from a seed's config")


NO_CONFIGS = [
    {},
    {"class_name": "object"},
    {"class_name": "SeedGenerator", "config": 5},
    {"class_name": 5, "config": {}},
    {"registered_name": "test_stream_contract>NoStream", "config": {}},
]


@pytest.mark.parametrize("seed", [-1, 2**64, True, 1.5, "x", *NO_CONFIGS])
def test_bad_seeds(seed):
    for function in (check_seed, as_stream, preview):
        with pytest.raises((TypeError, ValueError), match="^f: seed must be "):
            function("f", seed)


def test_schemes_refuse_what_a_narrow_dtype_cannot_hold():
    for scheme in (RandomUniform(-1e5, 1e5, seed=1), RandomNormal(0.0, 1e5, seed=1)):
        with pytest.raises(ValueError, match="such that float16 can hold every number of the law"):
            scheme((3,), "float16")
        assert scheme((3,), "bfloat16").shape == (3,)
