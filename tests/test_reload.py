"""Configs round-trip, and models come back from every kind of file in a new process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cases import CASES, ONE_EACH, Case
from conftest import python, to_numpy

import keras_inits as ki
from keras_inits.registry import CATALOGUE

L = keras.layers

# Layer, the argument that takes an initializer, the shape of its input, the shape of that weight.
LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], tuple[int, ...]]] = {
    "Dense": (lambda i: L.Dense(4, kernel_initializer=i), (8,), (8, 4)),
    "Conv1D": (lambda i: L.Conv1D(8, 3, kernel_initializer=i), (6, 8), (3, 8, 8)),
    "Conv2D": (lambda i: L.Conv2D(8, 3, kernel_initializer=i), (6, 6, 8), (3, 3, 8, 8)),
    "Conv3D": (lambda i: L.Conv3D(8, 2, kernel_initializer=i), (4, 4, 4, 8), (2, 2, 2, 8, 8)),
    "Conv2DTranspose": (
        lambda i: L.Conv2DTranspose(8, 3, kernel_initializer=i),
        (4, 4, 8),
        (3, 3, 8, 8),
    ),
    "DepthwiseConv2D": (
        lambda i: L.DepthwiseConv2D(3, depthwise_initializer=i),
        (6, 6, 8),
        (3, 3, 8, 1),
    ),
    "SeparableConv2D": (
        lambda i: L.SeparableConv2D(4, 3, pointwise_initializer=i),
        (6, 6, 8),
        (1, 1, 8, 4),
    ),
    "EinsumDense": (
        lambda i: L.EinsumDense("abc,cd->abd", (None, 4), kernel_initializer=i),
        (6, 8),
        (8, 4),
    ),
    "MultiHeadAttention": (
        lambda i: _SelfAttention(i),
        (6, 8),
        (8, 8, 8),
    ),
    "LSTM": (lambda i: L.LSTM(4, kernel_initializer=i), (6, 8), (8, 16)),
    "GRU": (lambda i: L.GRU(4, kernel_initializer=i), (6, 8), (8, 12)),
    "SimpleRNN": (lambda i: L.SimpleRNN(4, recurrent_initializer=i), (6, 8), (4, 4)),
    "Embedding": (lambda i: L.Embedding(9, 8, embeddings_initializer=i), (6,), (9, 8)),
    "BatchNormalization": (lambda i: L.BatchNormalization(gamma_initializer=i), (8,), (8,)),
}


def _SelfAttention(initializer: Any) -> Any:
    attention = L.MultiHeadAttention(8, 8, kernel_initializer=initializer)

    def call(x: Any) -> Any:
        call.layer = attention
        return attention(x, x)

    return call


def _suits(case: Case, shape: tuple[int, ...]) -> bool:
    try:
        case.make(shape, 0).check_shape(shape)
    except ValueError:
        return False
    return True


def _model(kind: str, initializers: list[Any]) -> keras.Model:
    """One input, and one layer of the kind for each initializer."""
    make, shape, _ = LAYERS[kind]
    x = keras.Input(shape, dtype="int32" if kind == "Embedding" else "float32")
    return keras.Model(x, [make(initializer)(x) for initializer in initializers])


def _cases(kind: str) -> list[Case]:
    shape = LAYERS[kind][2]
    # Attention hands one scheme to kernels of several shapes, which FromArray and a scheme with a
    # number per feature cannot fit.
    picky = {"FromArray", "DataNormal"} if kind == "MultiHeadAttention" else set()
    return [c for c in ONE_EACH if _suits(c, shape) and c.class_name not in picky]


def _input(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (2, *LAYERS[kind][1])
    if kind == "Embedding":
        return rng.integers(0, 9, shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_config_round_trip(case: Case) -> None:
    scheme = case.make((4, 6), 3)
    config = scheme.get_config()
    assert json.loads(json.dumps(config)) == config
    cls = case.cls
    for again in (
        cls.from_config(config),
        scheme.clone(),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(scheme)),
        keras.initializers.deserialize(keras.initializers.serialize(scheme)),
        ki.get(json.loads(json.dumps(keras.initializers.serialize(scheme)))),
    ):
        assert type(again) is cls
        assert again.get_config() == config
        if case.random and _suits(case, (4, 6)):
            np.testing.assert_array_equal(to_numpy(again((4, 6))), to_numpy(scheme((4, 6))))


@pytest.mark.parametrize(
    "make_seed",
    [
        lambda: None,
        lambda: 2**64 - 1,
        lambda: keras.random.SeedGenerator(3),
        lambda: ki.DefaultStream(3),
        lambda: ki.DefaultStream(3).child("a", 1),
        lambda: ki.Keras1Stream(3, backend="tensorflow"),
        lambda: ki.TorchStream(3),
    ],
)
def test_every_kind_of_seed_round_trips(make_seed: Callable[[], Any]) -> None:
    config = ki.HeNormal(seed=make_seed()).get_config()
    assert json.loads(json.dumps(config)) == config
    again = ki.HeNormal.from_config(config)
    assert again.get_config() == config
    if config["seed"] is not None:
        first = to_numpy(ki.HeNormal(seed=make_seed())((4, 5)))
        np.testing.assert_array_equal(to_numpy(again((4, 5))), first)


def test_an_unseeded_generator_round_trips() -> None:
    scheme = ki.HeNormal(seed=keras.random.SeedGenerator())
    again = ki.HeNormal.from_config(scheme.get_config())
    assert isinstance(again.seed, keras.random.SeedGenerator)


def test_axes_round_trip() -> None:
    for case in ONE_EACH:
        if CATALOGUE[case.class_name].family == "variance_scaling":
            config = case.make((4, 5), 0).get_config()
            config |= {"input_axes": [0, 1], "output_axes": [-1]}
            assert case.cls.from_config(config).get_config() == config


@pytest.mark.parametrize("kind", LAYERS)
def test_clone_model(kind: str) -> None:
    model = _model(kind, [case.make(LAYERS[kind][2], 1) for case in _cases(kind)])
    again = keras.models.clone_model(model)
    assert _configs(again) == _configs(model)
    if kind == "Dense":  # all of whose draws are seeded
        for before, after in zip(model.layers[1:], again.layers[1:], strict=True):
            if type(before.kernel_initializer) is not ki.FromArray:
                np.testing.assert_array_equal(before.get_weights()[0], after.get_weights()[0])


def _configs(model: keras.Model) -> str:
    """What each layer but the input would write about itself."""
    return json.dumps([layer.get_config() for layer in model.layers[1:]], sort_keys=True)


# Bits of predictions are compared, and these tests have most of JAX's optimizations off.
COMPILED_ALIKE = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
LOADER = """
import json, sys
from pathlib import Path
import keras_inits, keras, numpy as np

def report(model, folder):
    x = np.load(folder / "x.npy")
    expected = np.load(folder / "expected.npz")
    weights = [expected[k] for k in sorted(expected.files) if k.startswith("w")]
    outputs = [expected[k] for k in sorted(expected.files) if k.startswith("y")]
    found = model.get_weights()
    got = model(x)
    got = got if isinstance(got, (list, tuple)) else [got]
    return {
        "weights": len(found) == len(weights)
        and all(np.array_equal(a, b) for a, b in zip(found, weights)),
        "predictions": all(
            np.array_equal(keras.ops.convert_to_numpy(a), b) for a, b in zip(got, outputs)
        )
        and len(got) == len(outputs),
        "config": json.dumps([layer.get_config() for layer in model.layers[1:]], sort_keys=True)
        == (folder / "config.json").read_text(),
    }

results = {}
for folder in sorted(p for p in Path(sys.argv[1]).iterdir() if p.is_dir()):
    for name in ("model.keras", "model.h5"):
        results[f"{folder.name}/{name}"] = report(
            keras.models.load_model(folder / name), folder
        )
    model = keras.models.model_from_json((folder / "model.json").read_text())
    model.load_weights(folder / "model.weights.h5")
    results[f"{folder.name}/json"] = report(model, folder)
    if (folder / "saved_model").exists():
        import tensorflow as tf
        loaded = tf.saved_model.load(folder / "saved_model")
        served = loaded.serve(np.load(folder / "x.npy"))
        served = served if isinstance(served, (list, tuple)) else [served]
        expected = np.load(folder / "expected.npz")
        outputs = [expected[k] for k in sorted(expected.files) if k.startswith("y")]
        results[f"{folder.name}/saved_model"] = {
            "predictions": all(
                np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(served, outputs)
            )
            and len(served) == len(outputs)
        }
print(json.dumps(results))
"""


@pytest.mark.slow
def test_models_come_back_in_a_new_process(tmp_path: Path) -> None:
    """Every class in Dense, a sixth of them in each other layer: .keras, .h5, JSON with weights; SavedModel."""
    on_tensorflow = keras.backend.backend() == "tensorflow"
    for number, (kind, (_, _, shape)) in enumerate(LAYERS.items()):
        cases = _cases(kind)
        assert len(cases) >= (10 if kind == "BatchNormalization" else 18), kind
        cases = cases if kind == "Dense" else cases[number % 6 :: 6]
        initializers = [case.make(shape, 1) for case in cases]
        initializers += ["keras_inits>he_normal", "xavier_normal", "msra"]
        model = _model(kind, initializers)
        folder = tmp_path / kind
        folder.mkdir()
        x = _input(kind)
        outputs = model(x)
        weights = {f"w{i:03}": w for i, w in enumerate(model.get_weights())}
        np.savez(
            folder / "expected.npz",
            **weights,
            **{f"y{i:03}": keras.ops.convert_to_numpy(y) for i, y in enumerate(outputs)},
        )
        np.save(folder / "x.npy", x)
        (folder / "config.json").write_text(_configs(model))
        (folder / "model.json").write_text(model.to_json())
        model.save(folder / "model.keras")
        model.save(folder / "model.h5")
        model.save_weights(folder / "model.weights.h5")
        if kind == "Dense" and on_tensorflow:  # it holds the weights and a graph, no initializer
            model.export(folder / "saved_model", verbose=False)
    results = json.loads(python(LOADER, str(tmp_path), **COMPILED_ALIKE).splitlines()[-1])
    assert len(results) == 3 * len(LAYERS) + on_tensorflow
    failed = {name: result for name, result in results.items() if not all(result.values())}
    assert not failed


def test_a_string_in_a_json_config() -> None:
    """A model's JSON may name a scheme by any of its strings."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, kernel_initializer="msra")])
    config = json.loads(model.to_json())
    for string in ("keras_inits>HeNormal", "keras_inits>he_normal", "msra"):
        config["config"]["layers"][1]["config"]["kernel_initializer"] = string
        again = keras.models.model_from_json(json.dumps(config))
        assert type(again.layers[0].kernel_initializer) is ki.HeNormal


def test_from_array_comes_back_with_the_weights(tmp_path: Path) -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    model = keras.Sequential(
        [keras.Input((2,)), L.Dense(3, kernel_initializer=ki.FromArray(array))]
    )
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.get_weights()[0], array)
    clone = keras.models.model_from_json(model.to_json())
    np.testing.assert_array_equal(clone.get_weights()[0], array)
    assert len(model.to_json()) < 3000
