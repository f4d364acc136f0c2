"""Keras 1's eleven initializations against what Keras 1.2.2 gave."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import to_numpy
from scipy import stats

from keras_inits import keras1
from keras_inits.legacy.keras1.schemes import NAMES
from keras_inits.registry import CATALOGUE
from keras_inits.streams import Keras1Stream
from keras_inits.streams.seeds import as_stream

DATA = Path(__file__).parent / "data" / "keras1"


def _recorded(backend: str) -> list[tuple[dict[str, Any], np.ndarray | None]]:
    name = {"theano": "initial_values", "tensorflow": "initial_values_tf"}[backend]
    cases = json.loads((DATA / f"{name}.json").read_text())["cases"]
    with np.load(DATA / f"{name}.npz") as arrays:
        return [(case, None if case["error"] else arrays[case["key"]]) for case in cases]


def _draw(case: dict[str, Any], backend: str) -> np.ndarray:
    # As a NumPy array: JAX has no float64 by default.
    scheme = NAMES[case["initialization"]](**case["kwargs"])
    stream = Keras1Stream(case["seed"], backend=backend)
    return scheme.draw(case["shape"], stream, case.get("floatx", "float32"))


def test_a_call_gives_the_same() -> None:
    with np.load(DATA / "initial_values.npz") as arrays:
        for name in ("uniform", "he_normal", "glorot_uniform"):
            called = NAMES[name](seed=Keras1Stream(1337))((64, 32))
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(called), arrays[f"{name}__64x32"]
            )


def _ulps(a: np.ndarray, b: np.ndarray) -> float:
    return float((np.abs(a.astype("float64") - b) / np.spacing(np.abs(b))).max(initial=0))


def _aligned(matrix: np.ndarray) -> np.ndarray:
    """Singular vectors are determined up to sign: make the largest entry of each positive."""
    flat = matrix.reshape(matrix.shape[0], -1).astype("float64")
    axis = 0 if flat.shape[0] >= flat.shape[1] else 1
    largest = np.take_along_axis(flat, np.abs(flat).argmax(axis, keepdims=True), axis)
    return flat * np.sign(largest)


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
def test_equals_every_recorded_array(backend: str) -> None:
    compared = 0
    for case, expected in _recorded(backend):
        if expected is None:
            continue
        got = _draw(case, backend)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype), case["key"]
        if case["initialization"] == "orthogonal" and got.size:
            resolution = 1e-14 if got.dtype == "float64" else 4 * np.finfo(got.dtype).eps
            np.testing.assert_allclose(
                _aligned(got), _aligned(expected), rtol=0, atol=resolution, err_msg=case["key"]
            )
        elif backend == "tensorflow" and "normal" in case["initialization"]:
            assert _ulps(got, expected) <= 2, case["key"]
        else:
            np.testing.assert_array_equal(got, expected, err_msg=case["key"])
        compared += 1
    assert compared >= 170


def test_what_keras1_refused_is_refused_or_empty() -> None:
    refused = [case for case, array in _recorded("theano") if array is None]
    assert len(refused) >= 15
    for case in refused:
        if 0 in case["shape"]:  # Keras 1 divided by zero; an empty tensor has no entries to draw
            assert _draw(case, "theano").shape == tuple(case["shape"])
        else:
            with pytest.raises(ValueError):
                _draw(case, "theano")


def test_draws_as_many_numbers_as_keras1() -> None:
    for case, array in _recorded("theano"):
        cls = NAMES[case["initialization"]]
        if array is not None and cls.random:
            stream = Keras1Stream(case["seed"])
            cls(**case["kwargs"], seed=stream)(case["shape"], dtype=case["dtype"])
            # The recorded number is the generator's next standard normal.
            assert stream.normal((), dtype="float64") == case["generator_after"]["next_normal"]


@pytest.mark.once
def test_fans_are_those_recorded() -> None:
    recorded = json.loads((DATA / "initial_values.json").read_text())["fans"]
    assert len(recorded) > 20
    for entry in recorded:
        if entry["error"]:
            with pytest.raises(ValueError, match="dim_ordering must be one of 'tf', 'th'"):
                keras1.fans(entry["shape"], entry["dim_ordering"])
        else:
            fans = keras1.fans(entry["shape"], entry["dim_ordering"])
            assert fans == (entry["fan_in"], entry["fan_out"])


LAWS = {
    "uniform": lambda i, o: stats.uniform(-0.05, 0.1),
    "normal": lambda i, o: stats.norm(0, 0.05),
    "lecun_uniform": lambda i, o: _uniform(3 / i),
    "glorot_normal": lambda i, o: stats.norm(0, math.sqrt(2 / (i + o))),
    "glorot_uniform": lambda i, o: _uniform(6 / (i + o)),
    "he_normal": lambda i, o: stats.norm(0, math.sqrt(2 / i)),
    "he_uniform": lambda i, o: _uniform(6 / i),
}
SHAPES = [
    ((300, 200), "tf", 300, 200),
    ((3, 3, 40, 80), "tf", 9 * 40, 9 * 80),
    ((80, 40, 3, 3), "th", 9 * 40, 9 * 80),
    ((2, 3, 4, 20, 50), "tf", 6 * 20, 6 * 50),
    ((3, 60, 100), "tf", math.sqrt(18000), math.sqrt(18000)),
]


def _uniform(square: float) -> Any:
    return stats.uniform(-math.sqrt(square), 2 * math.sqrt(square))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("shape", "ordering", "fan_in", "fan_out"), SHAPES)
def test_an_int_seed_gives_the_same_law(
    name: str, shape: tuple[int, ...], ordering: str, fan_in: float, fan_out: float
) -> None:
    values = to_numpy(NAMES[name](seed=11, dim_ordering=ordering)(shape)).ravel()
    assert stats.kstest(values, LAWS[name](fan_in, fan_out).cdf).pvalue > 1e-4


def test_orthogonal_is_flattened_after_the_first_axis() -> None:
    for shape in ((6, 2, 5), (12, 2, 3), (4, 4)):
        q = to_numpy(keras1.Orthogonal(seed=3)(shape)).reshape(shape[0], -1) / 1.1
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)


def test_a_negative_scale_mirrors() -> None:
    for cls in (keras1.Uniform, keras1.Normal, keras1.Orthogonal):
        values = to_numpy(cls(-0.5, seed=4)((40, 40)))
        assert np.isfinite(values).all()
        assert abs(values.mean()) < 0.1
    assert abs(to_numpy(keras1.Uniform(-0.5, seed=4)((40, 40)))).max() <= 0.5
    with pytest.raises(ValueError, match="scale"):
        keras1.Uniform(math.nan)


def test_errors_name_the_class_and_the_argument() -> None:
    with pytest.raises(
        ValueError, match=r"HeNormal: dim_ordering must be one of 'tf', 'th', got 'x'"
    ):
        keras1.HeNormal(dim_ordering="x")((3, 3, 4, 8))
    with pytest.raises(TypeError, match="HeNormal: dim_ordering must be 'tf' or 'th', got 1"):
        keras1.HeNormal(dim_ordering=1)
    with pytest.raises(
        ValueError, match=r"Identity: shape must be that of a 2D square matrix.*\(3, 4\)"
    ):
        keras1.Identity()((3, 4))
    with pytest.raises(ValueError, match="Orthogonal: shape must be of rank 2 or more"):
        keras1.Orthogonal()((3,))
    with pytest.raises(ValueError, match="HeNormal: dtype must be one of"):
        keras1.HeNormal()((3, 4), dtype="int32")
    assert to_numpy(keras1.HeNormal(dim_ordering="x")((3, 4))).shape == (3, 4)  # as Keras 1 did


def test_names_and_configs() -> None:
    assert len(NAMES) == 11
    for string, cls in NAMES.items():
        assert cls is getattr(keras1, cls.__name__)
        registered = f"keras1>{cls.__name__}"
        assert CATALOGUE[registered].strings == (registered, f"keras1>{string}")
        assert keras.saving.get_registered_name(cls) == registered
        for identifier in CATALOGUE[registered].strings:
            assert (
                type(keras.layers.Dense(2, kernel_initializer=identifier).kernel_initializer) is cls
            )
        arguments = {"dim_ordering": "th"} | ({"seed": 5} if cls.random else {})
        scheme = cls(**arguments)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(scheme)))
        back = keras.saving.deserialize_keras_object(config)
        assert type(back) is cls
        assert back.get_config() == scheme.get_config()
        assert back.dim_ordering == "th"
    assert keras1.Orthogonal().get_config()["scale"] == 1.1


def test_a_block_equals_the_same_part_of_the_whole() -> None:
    index = (slice(1, 4), slice(2, 6))
    for cls in NAMES.values():
        scheme = cls(seed=2) if cls.random else cls()
        fill = scheme._filler(
            (6, 6), "float32", as_stream("test", scheme.seed) if cls.random else None
        )
        np.testing.assert_array_equal(fill(index), fill(None)[index])


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (3, 3, 3, 2, 4)])
def test_an_unknown_ordering_is_an_error_of_the_scheme(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^HeNormal: dim_ordering must be one of 'tf', 'th'"):
        keras1.HeNormal(dim_ordering="ft")(shape)
