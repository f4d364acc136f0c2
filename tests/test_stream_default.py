"""DefaultStream: the bits are those of docs/streams.md everywhere, and the laws are exact."""

from __future__ import annotations

import hashlib
import json
import math
import threading
import tracemalloc
from pathlib import Path

import keras
import numpy as np
import pytest
import stream_reference
from conftest import python
from scipy import special, stats

from keras_inits.streams import DefaultStream
from keras_inits.streams.default import kernels as laws
from keras_inits.streams.default import quantile, tiles
from keras_inits.streams.narrow import clip

pytestmark = pytest.mark.once

CASES = json.loads((Path(__file__).parent / "data" / "stream_v1.json").read_text())["cases"]
DTYPES = ("float32", "float64")
INF = math.inf
BOUNDS = [
    (-2, 2), (-1.5, 0.25), (0, 2), (-3, 4), (0.5, 0.6), (1, INF), (-INF, INF),
    (5, 6), (-6, -5), (-INF, -2.5), (40, 45), (-INF, -100), (1.7, 1.8),
]  # fmt: skip


def arguments(case):
    return {
        name: float(value) if value in ("inf", "-inf") else value
        for name, value in case["arguments"].items()
    }


def digest(values):
    values = np.asarray(values)
    return hashlib.sha256(values.astype(values.dtype.newbyteorder("<")).tobytes()).hexdigest()


def drawn(case):
    stream = DefaultStream(case["seed"], case["keys"])
    return getattr(stream, case["method"])(**arguments(case))


def plain(values):
    return [value.hex() if isinstance(value, float) else value for value in values]


@pytest.fixture(params=["compiled", "numpy"])
def arithmetic(request, monkeypatch):
    """The float32 laws by the C kernels and without them."""
    if request.param == "numpy":
        monkeypatch.setattr(tiles, "compiled", None)
    else:
        request.getfixturevalue("compiled")


@pytest.mark.parametrize("threads", ["1", "2", "8"])
def test_vectors(threads, arithmetic, monkeypatch):
    monkeypatch.setenv("KERAS_INITS_THREADS", threads)
    for case in CASES:
        values = drawn(case)
        assert plain(values.ravel()[:6].tolist()) == case["first"], case
        assert digest(values) == case["sha256"], case


def test_the_page_alone_gives_the_vectors():
    for case in CASES:
        values = drawn(case)
        if values.size > 5000 and case["method"] not in ("uniform", "signs"):
            continue
        told = stream_reference.draw(case["seed"], case["keys"], case["method"], arguments(case))
        told = [told[position] for position in np.ndindex(values.shape)]
        assert digest(np.array(told, values.dtype)) == case["sha256"], case


FEATURES_OFF = """
import json, os, sys, warnings
import numpy
umath = numpy._core._multiarray_umath
assert not any(umath.__cpu_features__.get(name) for name in sys.argv[1].split()), "still on"
from test_stream_default import CASES, DefaultStream, digest, drawn, tiles
tiles.compiled = None
big = DefaultStream(3).normal((900, 900))
child = os.fork()
if not child:  # the pool's threads are gone here
    os._exit(0 if (DefaultStream(3).normal((900, 900)) == big).all() else 1)
assert os.waitpid(child, 0)[1] == 0, "another answer after a fork"
print(json.dumps([digest(big), *(digest(drawn(case)) for case in CASES)]))
"""


@pytest.mark.slow
def test_same_bits_without_vector_instructions_and_after_a_fork():
    umath = np._core._multiarray_umath
    on = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    assert on or np._core._multiarray_umath.__cpu_baseline__
    out = python(
        FEATURES_OFF,
        " ".join(on),
        NPY_DISABLE_CPU_FEATURES=" ".join(on),
        KERAS_INITS_THREADS="2",
    )
    expected = [digest(DefaultStream(3).normal((900, 900))), *(c["sha256"] for c in CASES)]
    assert json.loads(out.splitlines()[-1]) == expected


LAWS = {
    "uniform": lambda s, shape, **k: s.uniform(shape, -1.0, 3.0, **k),
    "normal": lambda s, shape, **k: s.normal(shape, 1.0, 2.0, **k),
    "truncated": lambda s, shape, **k: s.truncated_normal(shape, **k),
    "far": lambda s, shape, **k: s.truncated_normal(shape, low=5.0, high=6.0, **k),
    "signs": lambda s, shape, **k: s.signs(shape, **k),
    "integers": lambda s, shape, **k: s.integers(shape, 10, **k),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", [(), (5,), (300_000,), (3, 90_000), (513, 700), (5, 6, 4, 2222)])
def test_a_block_is_a_block_of_the_whole(law, shape):
    whole = LAWS[law](DefaultStream(1), shape)
    rng = np.random.default_rng(0)
    for _ in range(4):
        ends = [sorted(rng.integers(0, size + 1, 2)) for size in shape]
        index = tuple(slice(int(a), int(b)) for a, b in ends)
        block = LAWS[law](DefaultStream(1), shape, index=index)
        assert block.flags.c_contiguous
        assert block.dtype == whole.dtype
        np.testing.assert_array_equal(block, whole[index])


def test_a_block_by_numpy_integers():
    part = tuple(slice(kind(1), kind(200)) for kind in (np.uint8, np.int64))
    whole = DefaultStream(0).normal((300, 700))
    np.testing.assert_array_equal(DefaultStream(0).normal((300, 700), index=part), whole[part])


@pytest.mark.parametrize(("parts", "most"), [((8, 1), 1), ((1, 8), 1), ((4, 2), 1), ((3, 3), 1.6)])
def test_a_block_draws_its_tiles_only(parts, most, monkeypatch):
    shape, words = (2048, 4096), []  # of tiles of 256 x 512
    draw = tiles.raw_words
    monkeypatch.setattr(tiles, "raw_words", lambda *a: words.append(a[-2:]) or draw(*a))
    stream = DefaultStream(0)
    for i, j in np.ndindex(parts):
        edges = [
            (k * n // p, (k + 1) * n // p) for k, n, p in zip((i, j), shape, parts, strict=True)
        ]
        stream.uniform(shape, index=tuple(slice(*edge) for edge in edges))
    assert {tile for tile, _ in words} == set(range(64))
    assert 2 * sum(n for _, n in words) <= most * 2**23


def test_a_draw_needs_little_beside_its_result():
    DefaultStream(0).normal((600, 600))
    for law in LAWS.values():
        tracemalloc.start()
        nbytes = law(DefaultStream(0), (2048, 2048)).nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < nbytes + 16 * 2**20


def test_many_threads_may_draw_at_once(monkeypatch):
    monkeypatch.setenv("KERAS_INITS_THREADS", "2")
    expected = [DefaultStream(seed).normal((900, 800)) for seed in range(6)]
    found = [None] * 6

    def draw(seed):
        found[seed] = DefaultStream(seed).normal((900, 800))

    workers = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(found, expected)


def test_a_draw_may_interrupt_another(arithmetic):
    """As a signal's handler does, or an object's finalizer."""
    stream, inner = DefaultStream(1), DefaultStream(2)
    whole = stream.integers((1000,), 2**63)

    def kernel(bits, out):
        inner.uniform((5000,))
        laws.integers(2**63)(bits, out)

    out = np.empty(1000, "int64")
    name = tiles.bencode(["keras_inits.DefaultStream", 1, 1])
    key = hashlib.sha256(name + tiles.bencode("integers", "int64", (1000,)))
    tiles._draw(key, 0, 64, kernel, out)
    np.testing.assert_array_equal(out, whole)


def test_thread_count_is_checked(monkeypatch):
    for text in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("KERAS_INITS_THREADS", text)
        with pytest.raises(ValueError, match="KERAS_INITS_THREADS must be an integer >= 1"):
            DefaultStream(0).uniform((2**19,))


# -- precision ----------------------------------------------------------------------------------


def run(kernel, bits, dtype):
    out = np.empty(bits.size, dtype)
    kernel(bits.copy(), out)
    return out


def edges(dtype, width):
    """Bits that give the extreme, the smallest and the dividing numbers, and 200 000 others."""
    full = 2**width
    ends = [
        0,
        1,
        2,
        255,
        256,
        full // 2 - 1,
        full // 2,
        full // 2 + 1,
        full - 256,
        full - 2,
        full - 1,
    ]
    some = np.random.default_rng(4).integers(0, full, 200_000, dtype=f"u{width // 8}")
    powers = [full // 2 + sign * 2**k for k in range(width - 1) for sign in (1, -1)]
    tails = [2**k for k in range(width - 1)] + [full - 2**k for k in range(width - 1)]
    return np.concatenate([np.array(ends + powers + tails, f"u{width // 8}"), some])


BOUNDS32 = [(-2, 2), (-1.5, 0.25), (0, 2), (-2, 0)]


@pytest.mark.parametrize("low", [-1.0, -0.0, 0.0])
@pytest.mark.parametrize("high", [-0.0, 0.0, 1.0])
def test_zeros_keep_their_sign_where_a_bound_is_zero(low, high):
    """np.clip of NumPy 2.0 gives them the bound's: the compiled laws, and later NumPy, do not."""
    array = np.array([-2.0, -0.0, 0.0, 2.0] * 20, "float32")  # more than a SIMD register
    found = clip(array, low, high)
    expected = [min(max(v, low), high) if v else v for v in array.tolist()]
    assert found.tobytes() == np.array(expected, "float32").tobytes()


@pytest.mark.parametrize("size", [1, 63, 64, 65, None])
@pytest.mark.parametrize(
    ("mean", "stddev"),
    [(0.0, 1.0), (0.0, 0.05), (-0.3, 1e-30), (0.0, 0.0), (1e-50, 0.0), (1e-50, 1e-46)],
)
def test_the_compiled_laws_give_the_bits_of_the_others(mean, stddev, size, compiled, monkeypatch):
    kernels = [
        laws.normal(mean, stddev, "float32"),
        laws.uniform(mean, mean + stddev, "float32"),
        laws.uniform(-0.1, 0.7, "float32"),
        *(laws.truncated_normal(mean, stddev, *b, "float32")[0] for b in BOUNDS32),
    ]
    bits = edges("float32", 32)[:size]
    expected = [run(kernel, bits, "float32").tobytes() for kernel in kernels]
    monkeypatch.setattr(tiles, "compiled", None)
    assert expected == [run(kernel, bits, "float32").tobytes() for kernel in kernels]


def test_the_compiled_laws_check_what_they_are_given(compiled):
    form, bits = laws.CENTRE, np.zeros(8, np.uint32)
    for bad in (b"", form[:-1], form[:8], form * 8):
        with pytest.raises(ValueError, match="1 to 8 poles"):
            compiled.normal32(bits, bad, form, *7 * [1.0], *laws.SINGLE)
        with pytest.raises(ValueError, match="1 to 8 poles"):
            compiled.normal32(bits, form, bad, *7 * [1.0], *laws.SINGLE)
    with pytest.raises(ValueError, match="32 each"):
        compiled.uniform32(np.zeros(7, np.uint8), 1.0, 0.0, 1.0, *laws.SINGLE)
    bits.flags.writeable = False
    with pytest.raises((TypeError, ValueError)):
        compiled.uniform32(bits, 1.0, 0.0, 1.0, *laws.SINGLE)


def test_normal_quantile_in_single(arithmetic):
    bits = edges("float32", 32)
    k = bits.view(np.int32).astype(float)
    z = run(laws.normal(0.0, 1.0, "float32"), bits, "float32")
    tail = np.sign(k + 0.5) * -special.ndtri((2.0**31 - np.abs(k + 0.5)) * 2.0**-32)

    def exact(x):
        return np.where(np.abs(k) < 0.9 * 2**31, math.sqrt(2) * special.erfinv(x), tail)

    np.testing.assert_allclose(z, exact(k * 2.0**-31), rtol=1e-6)
    centre = np.abs(k) < 0.984 * 2**31  # where x = 2p - 1 is rounded to single first
    x = (k * 2.0**-31).astype(np.float32).astype(float)
    np.testing.assert_allclose(z[centre], math.sqrt(2) * special.erfinv(x[centre]), rtol=4e-7)
    np.testing.assert_allclose(z[~centre], tail[~centre], rtol=7e-7)
    assert z.max() == -z.min() == pytest.approx(-special.ndtri(2.0**-33), rel=2e-7)


def test_normal_quantile_in_double():
    bits = edges("float64", 64)
    k = (bits.view(np.int64) >> 11) + 0.5
    z = run(laws.normal(0.0, 1.0, "float64"), bits, "float64")
    tail = -np.sign(k) * special.ndtri((2.0**52 - np.abs(k)) * 2.0**-53)
    exact = np.where(np.abs(k) < 2.0**51, math.sqrt(2) * special.erfinv(k * 2.0**-52), tail)
    np.testing.assert_allclose(z, exact, rtol=1e-13)
    assert z.max() == -z.min() == pytest.approx(-special.ndtri(2.0**-54), rel=1e-14)


@pytest.mark.parametrize("near", [1.7, 3.0, 8.0, 30.0, 38.9, 39.1, 500.0, 1e5])
def test_tail_quantile(near):
    kernel, width = laws.truncated_normal(0.0, 1.0, near, INF, "float64")
    bits = edges("float64", width)
    v = 1 - (bits >> np.uint64(11)) * 2.0**-53
    z = run(kernel, bits, "float64")
    exact = special.log_ndtr(-near) + np.log(v)
    np.testing.assert_allclose(special.log_ndtr(-z), exact, rtol=2e-14)
    assert z.min() == pytest.approx(near, rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize(("mean", "stddev"), [(0.0, 1.0), (0.0, 0.05), (0.1, 0.3), (-3.0, 1e-5)])
def test_truncation_is_never_left(low, high, mean, stddev, dtype):
    kernel, width = laws.truncated_normal(mean, stddev, low, high, dtype)
    values = run(kernel, edges(dtype, width), dtype).astype(float)
    assert values.min() >= (mean + stddev * low)
    assert values.max() <= (mean + stddev * high)
    if (low, high) == (-2, 2):  # and reaches to its bounds
        rounding = 2.0**-21 * (abs(mean) + 2 * stddev)
        assert values.min() == pytest.approx(mean - 2 * stddev, abs=rounding)
        assert values.max() == pytest.approx(mean + 2 * stddev, abs=rounding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (-0.05, 0.05), (0.1, 0.3), (-1, 0), (16777215, 16777216), (3, 3.0000005)],
)
def test_uniform_stays_within(low, high, dtype):
    width = 32 if dtype == "float32" else 64
    values = run(laws.uniform(low, high, dtype), edges(dtype, width), dtype).astype(float)
    step = (high - low) * 2.0 ** -(24 if dtype == "float32" else 53)
    spacing = float(np.spacing(np.dtype(dtype).type(max(abs(low), abs(high)))))
    assert low <= values.min() <= low + spacing
    assert high - step - 2 * spacing <= values.max() <= high


def test_uniform_carries_all_its_bits():
    single = DefaultStream(0).uniform((2**16,)) * 2.0**24
    double = DefaultStream(0).uniform((2**16,), dtype="float64") * 2.0**53
    for scaled in (single, double):
        assert (scaled == np.floor(scaled)).all()
        assert scaled.min() >= 0
        assert abs((scaled % 2).mean() - 0.5) < 5 * 0.5 / 2**8


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_width_laws(dtype):
    stream = DefaultStream(0)
    assert (stream.uniform((9,), 0.25, 0.25, dtype) == 0.25).all()
    assert (stream.normal((9,), 0.25, 0.0, dtype) == 0.25).all()
    for low, high in ((-2.0, 2.0), (-INF, 3.0), (5.0, INF)):
        assert (stream.truncated_normal((9,), 0.25, 0.0, low, high, dtype) == 0.25).all()


# -- laws ---------------------------------------------------------------------------------------


def moments_agree(values, law):
    """Mean and variance within five standard errors of the exact law's."""
    values = values.astype(float).ravel()
    mean, variance, excess = (float(m) for m in law.stats(moments="mvk"))
    error = math.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < 5 * error
    spread = ((values - mean) ** 2).mean()
    assert abs(spread / variance - 1) < 5 * math.sqrt((excess + 2) / values.size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_and_normal_laws(dtype):
    stream = DefaultStream(11)
    for values, law in (
        (stream.uniform((400, 500), -0.3, 0.1, dtype), stats.uniform(-0.3, 0.4)),
        (stream.normal((400, 500), 0.2, 0.05, dtype), stats.norm(0.2, 0.05)),
    ):
        assert values.dtype == dtype
        assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3
        moments_agree(values, law)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), [b for b in BOUNDS if abs(b[0]) < 40 or abs(b[1]) < 40])
def test_truncated_law(low, high, dtype):
    values = DefaultStream(12).truncated_normal((300, 400), 0.5, 2.0, low, high, dtype)
    z = (values.astype(float).ravel() - 0.5) / 2
    law = stats.truncnorm(low, high)
    assert stats.kstest(z, law.cdf).pvalue > 1e-3
    if low != -INF or high != -2.5:
        moments_agree(z, law)


def test_tail_law_is_exponential_far_out():
    """Given Z > a, a (Z - a) tends to the exponential law, with mean 1 - 2/a^2 + ..."""
    values = DefaultStream(13).truncated_normal((100_000,), low=1e4, high=INF, dtype="float64")
    assert stats.kstest((values - 1e4) * 1e4, stats.expon.cdf).pvalue > 1e-3


def test_signs_and_integers_law():
    stream = DefaultStream(14)
    signs = stream.signs((500, 700))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 5 / math.sqrt(signs.size)
    integers = stream.integers((300, 400), 7)
    assert integers.dtype == np.int64
    assert stats.chisquare(np.bincount(integers.ravel(), minlength=7)).pvalue > 1e-3
    assert (stream.integers((100,), 1) == 0).all()
    huge = stream.integers((100_000,), 2**63).astype(float)
    assert stats.kstest(huge * 2.0**-63, "uniform").pvalue > 1e-3


def test_permutations_law():
    assert sorted(DefaultStream(1).permutation(1000)) == list(range(1000))
    assert DefaultStream(1).permutation(0).shape == (0,)
    counts = np.zeros(24)
    for i in range(4800):
        order = DefaultStream(15).child(i).permutation(4)
        counts[int(np.dot([sum(order[j + 1 :] < order[j]) for j in range(3)], [6, 2, 1]))] += 1
    assert stats.chisquare(counts).pvalue > 1e-3


def test_tiles_children_seeds_laws_and_shapes_are_uncorrelated():
    stream, n = DefaultStream(16), 256
    whole = stream.normal((4 * n, 4 * n))  # two tiles side by side, four one above another
    parts = [whole[i : i + n, j : j + n] for i in range(0, 4 * n, n) for j in (0, 2 * n)]
    parts += [stream.child(key).normal((n, n)) for key in ("a", "b", 0, 1, "0")]
    parts += [stream.child("a", "b").normal((n, n)), stream.child("ab").normal((n, n))]
    parts += [DefaultStream(seed).normal((n, n)) for seed in (0, 1, 17, 2**64 - 1)]
    parts += [stream.normal((n, n), dtype="float64"), stream.normal((n * n,)).reshape(n, n)]
    parts += [stream.uniform((n, n)), stream.truncated_normal((n, n)), stream.signs((n, n))]
    table = np.corrcoef([part.ravel() for part in parts])
    assert np.abs(table - np.eye(len(parts))).max() < 5 / n
    neighbours = np.corrcoef(whole[:, :-1].ravel(), whole[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / math.sqrt(whole.size)


# -- the object ---------------------------------------------------------------------------------


def test_shapes_without_entries_and_without_axes():
    stream = DefaultStream(0)
    for law in LAWS.values():
        assert law(stream, ()).shape == ()
        assert law(stream, (0,)).shape == (0,)
        assert law(stream, (3, 0, 2), index=(slice(1, 2), slice(0, 0), slice(0, 2))).shape == (
            1,
            0,
            2,
        )


def test_arrays_are_aligned():
    for shape in ((3,), (300, 300), (2**20,)):
        assert DefaultStream(0).uniform(shape).ctypes.data % 64 == 0


def test_children():
    stream = DefaultStream(5)
    assert stream.child("a").child(2) == stream.child("a", 2)
    assert stream.child("a") != stream.child("b") != stream
    assert stream.child(1) != stream.child("1")
    assert stream.child(np.int64(1)) == stream.child(1)
    assert stream.child() == stream
    for key in (1.0, True, None, b"a"):
        with pytest.raises(TypeError, match="key must be an integer"):
            stream.child(key)


def test_serialization():
    for stream in (DefaultStream(5), DefaultStream(2**64 - 1).child("a", -1)):
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(stream)))
        again = keras.saving.deserialize_keras_object(config)
        assert again == stream
        assert hash(again) == hash(stream)
        np.testing.assert_array_equal(again.normal((9,)), stream.normal((9,)))
    assert repr(DefaultStream(5)) == "DefaultStream(seed=5)"
    assert repr(DefaultStream(5).child("a", 1)) == "DefaultStream(seed=5, keys=['a', 1])"
    with pytest.raises(TypeError, match="DefaultStream: config"):
        DefaultStream.from_config({"seed": 5, "version": 2})


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**64, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)],
)
def test_bad_seeds(seed, error):
    with pytest.raises(error, match="DefaultStream: seed must be an integer >= 0 and <= 1844"):
        DefaultStream(seed)


def test_logarithm():
    v = np.concatenate([np.random.default_rng(0).random(10_000), [1.0, 2.0**-54, 0.5, 1e308]])
    np.testing.assert_allclose(quantile.log64(v), np.log(v), rtol=1e-15, atol=3e-16)


def test_exponential_is_accurate() -> None:
    v = np.concatenate([np.linspace(-40, 40, 10_001), [0.0, 1e-12, -1e-12]])
    np.testing.assert_allclose(quantile.exp64(v), np.exp(v), rtol=5e-15)
    np.testing.assert_allclose(quantile.exp64(v, less=1.0), np.expm1(v), rtol=5e-15)
