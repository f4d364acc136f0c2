"""Keras1Stream against arrays and models recorded from Keras 1.2.2."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_inits.streams import Keras1Stream
from keras_inits.streams.keras1 import philox

pytestmark = pytest.mark.once

DATA = Path(__file__).parent / "data" / "keras1"
BACKENDS = {"theano": "initial_values", "tensorflow": "initial_values_tf"}
RANDOM = {
    "uniform", "normal", "lecun_uniform", "glorot_uniform", "glorot_normal", "he_uniform",
    "he_normal",
}  # fmt: skip


def recorded(backend):
    index = json.loads((DATA / f"{BACKENDS[backend]}.json").read_text())["cases"]
    return index, np.load(DATA / f"{BACKENDS[backend]}.npz")


def keras1_fans(shape, dim_ordering="th"):
    if len(shape) == 2:
        return shape
    if len(shape) in (4, 5):
        if dim_ordering == "th":
            field = math.prod(shape[2:])
            return shape[1] * field, shape[0] * field
        field = math.prod(shape[:2])
        return shape[-2] * field, shape[-1] * field
    return (math.sqrt(math.prod(shape)),) * 2


def draw(stream, name, shape, dtype="float32", scale=0.05, dim_ordering="th"):
    """The initialization `name` of Keras 1 from its sources."""
    if name == "orthogonal":
        return stream.orthogonal(shape, dtype=dtype)
    if name not in ("uniform", "normal"):
        fan_in, fan_out = keras1_fans(shape, dim_ordering)
        scale = {
            "lecun_uniform": lambda: math.sqrt(3.0 / fan_in),
            "glorot_uniform": lambda: math.sqrt(6.0 / (fan_in + fan_out)),
            "glorot_normal": lambda: math.sqrt(2.0 / (fan_in + fan_out)),
            "he_uniform": lambda: math.sqrt(6.0 / fan_in),
            "he_normal": lambda: math.sqrt(2.0 / fan_in),
        }[name]()
    law, size = "uniform" if "uniform" in name else "normal", abs(scale)
    mirrored = scale < 0 and stream.mirrored(law)
    if law == "uniform":
        values = stream.uniform(shape, -size, size, dtype)
    else:
        values = stream.normal(shape, 0.0, size, dtype)
    return -values if mirrored else values


def ulps(actual, expected):
    assert actual.dtype == expected.dtype
    distance = np.abs(actual.astype("float64") - expected.astype("float64"))
    return np.max(distance / np.spacing(np.abs(expected)).astype("float64"), initial=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_recorded_arrays(backend):
    index, arrays = recorded(backend)
    seen = 0
    for case in index:
        if case["initialization"] not in RANDOM or case["error"]:
            continue
        expected = arrays[case["key"]]
        stream = Keras1Stream(case["seed"], backend)
        if backend == "tensorflow":
            assert copy.deepcopy(stream)._op_seeds() == (87654321, case["op_seed"])
        shape = tuple(case["shape"])
        actual = draw(stream, case["initialization"], shape, case["dtype"], **case["kwargs"])
        assert actual.shape == expected.shape
        assert actual.flags.c_contiguous
        allowed = 2 if backend == "tensorflow" and "normal" in case["initialization"] else 0
        assert ulps(actual, expected) <= allowed, case["key"]
        after = case["generator_after"]
        assert copy.deepcopy(stream._random).normal() == after["next_normal"]
        assert stream._random.random_sample() == after["next_uniform"]
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("backend", BACKENDS)
def test_recorded_orthogonal_up_to_signs(backend):
    index, arrays = recorded(backend)
    cases = [c for c in index if c["initialization"] == "orthogonal" and not c["error"]]
    assert len(cases) > 15
    for case in cases:
        expected = arrays[case["key"]]
        stream = Keras1Stream(case["seed"], backend)
        scale = case["kwargs"].get("scale", 1.1)
        actual = stream.orthogonal(case["shape"], scale, case["dtype"])
        assert actual.shape == expected.shape
        assert actual.dtype == expected.dtype
        flat = (actual.shape[0], math.prod(actual.shape[1:]))
        a, e = actual.reshape(flat), expected.reshape(flat)
        axis = 0 if a.shape[0] >= a.shape[1] else 1
        sign = np.sign(np.sum(a.astype("float64") * e, axis=axis, keepdims=True)).astype(a.dtype)
        if case["dtype"] == "float64":
            np.testing.assert_allclose(a * sign, e, rtol=0, atol=5e-15)
        else:
            np.testing.assert_array_equal(a * sign, e, err_msg=case["key"])
        assert stream._random.random_sample() == case["generator_after"]["next_uniform"]


@pytest.mark.parametrize(
    ("index", "name"), [("models.json", "cnn_tf"), ("models_tf.json", "tfbackend_cnn_tf")]
)
def test_a_model_with_dropout_draw_by_draw(index, name):
    models = json.loads((DATA / index).read_text())["models"]
    model = next(model for model in models if model["name"] == name)
    weights = np.load(DATA / f"{name}.npz")
    keys = {weight["name"].split(":")[0]: weight["key"] for weight in model["weights"]}
    stream = Keras1Stream(model["seed"], model["backend"])
    noise = 0
    for call in model["calls"]:
        if call["initialization"] is None:
            stream.noise_seed()
            noise += 1
        elif call["draws"]:
            dim_ordering = call["dim_ordering"]
            values = draw(stream, call["initialization"], call["shape"], dim_ordering=dim_ordering)
            allowed = 2 if "normal" in call["initialization"] else 0
            assert ulps(values, weights[keys[call["weight"]]]) <= allowed, call["weight"]
    assert noise == 2


@pytest.mark.parametrize(("backend", "least"), [("theano", 1), ("tensorflow", 0)])
def test_noise_seeds(backend, least):
    numpys, stream = np.random.RandomState(9), Keras1Stream(9, backend)
    for _ in range(20):
        assert stream.noise_seed() == numpys.randint(least, 10**7)


def test_philox_known_answers():
    """Random123's test vectors for philox4x32-10."""
    zeros = philox.words(0, 0, 0, 1)[0]
    assert [hex(word) for word in zeros] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    start = 0x85A308D3_243F6A88
    digits = philox.words(0x299F31D0_A4093822, 0x03707344_13198A2E, start, start + 1)[0]
    assert [hex(w) for w in digits] == ["0xd16cfe09", "0x94fdcceb", "0x5001e420", "0x24126ea1"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("law", [philox.uniform, philox.normal])
def test_philox_blocks_do_not_show(law, dtype):
    size = 4 * philox._BLOCK + 5
    whole = law((87654321, 42), size, dtype)
    np.testing.assert_array_equal(whole[:1001], law((87654321, 42), 1001, dtype))
    tail = philox.words(87654321, 42, 0, philox._BLOCK + 2)[-4:]
    convert = philox._unit if law is philox.uniform else philox._box_muller
    if dtype != "float64":
        np.testing.assert_array_equal(whole[-13:], convert(tail, dtype).ravel()[:13])
    assert len(np.unique(whole)) > (500 if dtype == "float16" else 0.99 * size)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-6), ("float64", 1e-15)])
def test_philox_normal_of_a_uniform_zero(dtype, rtol):
    """TensorFlow's logarithm never sees less than 1e-7, in double precision either."""
    bits = np.array([[0, 0, 0, 5]] if dtype == "float64" else [[0, 5, 0, 5]], np.uint32)
    radius = np.hypot(*philox._box_muller(bits, dtype)[0, :2])
    np.testing.assert_allclose(radius, math.sqrt(-2 * math.log(1e-7)), rtol=rtol)


def test_index_draws_the_whole():
    for backend in BACKENDS:
        block, whole = Keras1Stream(3, backend), Keras1Stream(3, backend)
        part = block.uniform((6, 4), -1.0, 1.0, index=(slice(1, 3), slice(0, 4)))
        np.testing.assert_array_equal(part, whole.uniform((6, 4), -1.0, 1.0)[1:3])
        assert part.flags.c_contiguous
        np.testing.assert_array_equal(block.normal((5,)), whole.normal((5,)))
        assert block.normal((), index=()).shape == ()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "1", None])
def test_bad_seeds(seed):
    with pytest.raises((ValueError, TypeError), match="Keras1Stream: seed must be an integer"):
        Keras1Stream(seed)


def test_bad_arguments():
    with pytest.raises(
        ValueError, match="Keras1Stream: backend must be one of 'theano', 'tensorflow'"
    ):
        Keras1Stream(1, "cntk")
    with pytest.raises(ValueError, match="Keras1Stream: stddev must be >= 0 with Theano"):
        Keras1Stream(1).mirrored("normal")
    with pytest.raises(TypeError, match="does not fit"):
        Keras1Stream.from_config({"seed": 1, "colour": "red"})


def test_serialization_starts_at_the_beginning():
    stream = Keras1Stream(1337, "tensorflow")
    first = stream.uniform((4,))
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(stream))
    assert loaded == stream
    assert hash(loaded) == hash(stream)
    assert loaded is not stream
    assert loaded != Keras1Stream(1337)
    np.testing.assert_array_equal(loaded.uniform((4,)), first)
    assert not np.array_equal(loaded.uniform((4,)), first)
    assert repr(loaded) == "Keras1Stream(seed=1337, backend='tensorflow')"
