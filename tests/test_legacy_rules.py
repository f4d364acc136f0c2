"""`keras1.rules`: a port of a Keras 1 model starts with the laws that its layers drew from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_inits import keras1
from keras_inits.models.initialize import initialize
from keras_inits.models.variables.walk import walk
from keras_inits.streams import Stream

DATA = Path(__file__).parent / "data" / "keras1"
L = keras.layers


def _mlp() -> keras.Model:
    activations = ["tanh", "linear", "sigmoid", "linear", "tanh", "relu", "linear", "softmax"]
    units = [8, 6, 6, 6, 6, 4, 4, 3]
    return keras.Sequential(
        [keras.Input((5,)), *(L.Dense(u, a) for u, a in zip(units, activations, strict=True))]
    )


def _cnn_th() -> keras.Model:
    """With the names that the layers have in the JSON."""
    layers = [
        L.Conv2D(4, (3, 2), name="convolution2d_1"),
        L.BatchNormalization(name="batchnormalization_1"),
        L.AveragePooling2D(2),
        L.Conv2D(5, 2, strides=2, use_bias=False, name="convolution2d_2"),
        L.Flatten(),
        L.Dense(3, name="dense_1"),
    ]
    return keras.Sequential([keras.Input((9, 8, 3)), *layers])


def _cnn_tf() -> keras.Model:
    layers = [L.Conv2D(4, (3, 2)), L.MaxPooling2D(2), L.Conv2D(6, 3, padding="same")]
    return keras.Sequential([keras.Input((9, 8, 3)), *layers, L.Flatten(), L.Dense(4)])


def _embedding_lstm() -> keras.Model:
    layers = [L.Embedding(12, 5), L.LSTM(4, return_sequences=True), L.LSTM(3), L.Dense(2)]
    return keras.Sequential([keras.Input((6,), dtype="int32"), *layers])


def _gru_simplernn() -> keras.Model:
    layers = [
        L.SimpleRNN(5, return_sequences=True),
        L.GRU(4, return_sequences=True),
        L.GRU(3, return_sequences=True),
        L.GRU(3),
        L.Dense(2),
    ]
    return keras.Sequential([keras.Input((6, 4)), *layers])


def _conv1d() -> keras.Model:
    layers = [
        L.Conv1D(6, 3),
        L.MaxPooling1D(2),
        L.Conv1D(4, 3, padding="same"),
        L.TimeDistributed(L.Dense(3)),
        L.Flatten(),
        L.Dense(2),
    ]
    return keras.Sequential([keras.Input((10, 4)), *layers])


def _branches() -> keras.Model:
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    shared = L.Dense(5, name="shared")
    ours, theirs = shared(left), shared(L.Dense(4, name="right_in")(right))
    tower = keras.Sequential([keras.Input((10,)), L.Dense(4), L.Dense(3)], name="tower")
    extra = L.Dense(3, name="extra")(ours)
    return keras.Model(
        [left, right], [L.Add()([tower(L.Concatenate()([ours, theirs])), extra]), extra]
    )


PORTS = {
    "mlp": _mlp,
    "cnn_tf": _cnn_tf,
    "cnn_th": _cnn_th,
    "embedding_lstm": _embedding_lstm,
    "gru_simplernn": _gru_simplernn,
    "conv1d_timedistributed": _conv1d,
    "two_branches": _branches,
}


class Notes(Stream):
    """A stream that notes what is asked of it: (kind, entries, spread)."""

    sequential = True

    def __init__(self) -> None:
        super().__init__(0)
        self.notes: list[tuple[str, int, float]] = []

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0, *rest: Any) -> np.ndarray:
        assert low == -high
        self.notes.append(("uniform", math.prod(shape), high))
        return np.zeros(shape)

    def normal(self, shape: Any, mean: float = 0.0, stddev: float = 1.0, *rest: Any) -> np.ndarray:
        self.notes.append(("normal", math.prod(shape), stddev))
        return np.zeros(shape)

    def orthogonal(self, shape: Any, scale: float = 1.0, dtype: str = "float32") -> np.ndarray:
        self.notes.append(("normal", math.prod(shape), 1.0))
        assert scale == 1.1
        return np.zeros(shape)


def _drawn_then(name: str) -> list[tuple[str, int, float]]:
    """What Keras 1 drew for the model's weights, as recorded."""
    models = json.loads((DATA / "models.json").read_text())["models"]
    calls = next(model for model in models if model["name"] == name)["calls"]
    drawn = []
    for call in calls:
        for draw in call["draws"] if call["initialization"] else ():
            if draw["fn"] == "uniform":
                drawn.append(("uniform", math.prod(draw["size"]), draw["high"]))
            else:
                scale, size = (draw["scale"], draw["size"]) if "size" in draw else draw["args"][1:]
                drawn.append(("normal", math.prod(size), scale))
    return drawn


@pytest.mark.parametrize("name", PORTS)
def test_a_port_draws_what_keras1_drew(name: str) -> None:
    import re

    model, notes = PORTS[name](), Notes()
    slots = list(walk(model))
    for pattern, scheme in keras1.rules(DATA / f"{name}.json"):
        (slot,) = (slot for slot in slots if re.search(pattern, slot.path))
        scheme.draw(slot.shape, notes)
    expected = _drawn_then(name)
    assert len(notes.notes) == len(expected)
    for got, want in zip(sorted(notes.notes), sorted(expected), strict=True):
        assert got[:2] == want[:2]
        assert got[2] == pytest.approx(want[2], rel=1e-12)


@pytest.mark.parametrize("name", PORTS)
def test_initialize_takes_the_rules(name: str) -> None:
    model = PORTS[name]()
    report = initialize(model, keras1.rules(DATA / f"{name}.json"), seed=1)
    assert not report.problems
    assert all(np.isfinite(w).all() for w in model.get_weights())
    if name == "embedding_lstm":
        bias = keras.ops.convert_to_numpy(model.layers[1].cell.bias)
        np.testing.assert_array_equal(bias, [0] * 4 + [1] * 4 + [0] * 8)
        bias = keras.ops.convert_to_numpy(model.layers[2].cell.bias)
        assert (abs(bias[3:6]) > 0).all()
        assert (abs(bias) <= 0.05).all()
        assert not bias[:3].any()
        assert not bias[6:].any()


def test_text_dict_and_path_are_the_same() -> None:
    path = DATA / "mlp.json"
    text = path.read_text()
    versions = [keras1.rules(source) for source in (path, str(path), text, json.loads(text))]
    assert len({repr(version) for version in versions}) == 1


def test_layers_that_are_gone_are_named() -> None:
    with pytest.warns(UserWarning, match="Highway 'highway_1', MaxoutDense 'maxoutdense_1'"):
        rules = keras1.rules(DATA / "bn_highway_maxout.json")
    assert len(rules) == 3


def _one(class_name: str, version: str = "1.2.2", **config: Any) -> dict[str, Any]:
    config = {"name": f"{class_name.lower()}_1", "init": "he_normal", **config}
    model = keras1.rules(
        {
            "class_name": "Sequential",
            "keras_version": version,
            "config": [{"class_name": class_name, "config": config}],
        }
    )
    return {pattern.rsplit("?")[-1].rstrip("$"): scheme for pattern, scheme in model}


def _fan_in(scheme: Any, shape: tuple[int, ...]) -> float:
    notes = Notes()
    scheme.draw(shape, notes)
    return 2 / notes.notes[0][2] ** 2


@pytest.mark.parametrize(
    ("class_name", "config", "version", "shape", "fan_in"),
    [
        ("Convolution2D", {"dim_ordering": "tf"}, "1.2.2", (3, 2, 4, 5), 3 * 2 * 4),
        ("Convolution2D", {"dim_ordering": "th"}, "1.2.2", (3, 2, 4, 5), 3 * 2 * 4),
        # Before 1.2.1: (rows, columns, inputs, filters) read as (filters, inputs, rows, columns).
        ("Convolution2D", {"dim_ordering": "tf"}, "1.2.0", (3, 2, 4, 5), 2 * 4 * 5),
        ("Convolution3D", {"dim_ordering": "tf"}, "1.2.2", (3, 2, 7, 4, 5), 3 * 2 * 4),
        ("Convolution3D", {"dim_ordering": "th"}, "1.2.2", (3, 2, 7, 4, 5), 3 * 2 * 7 * 4),
        ("Convolution1D", {}, "1.2.2", (3, 4, 5), 4 * 5),
        ("Convolution1D", {}, "1.0.8", (3, 4, 5), 3 * 4),
        ("Deconvolution2D", {"dim_ordering": "th"}, "1.2.2", (3, 2, 5, 4), 3 * 2 * 4),
        ("Embedding", {}, "1.2.2", (9, 4), 9),
    ],
)
def test_fans_of_layers(
    class_name: str, config: dict[str, Any], version: str, shape: tuple[int, ...], fan_in: int
) -> None:
    (scheme,) = _one(class_name, version, **config).values()
    assert _fan_in(scheme, shape) == pytest.approx(fan_in)


def test_recurrent_quirks() -> None:
    cpu = _one("LSTM", inner_init="orthogonal", forget_bias_init="zero", consume_less="cpu")
    assert repr(cpu["recurrent_kernel"]) == "Gated(initializer=HeNormal())"
    before = _one("LSTM", "1.1.2", inner_init="orthogonal", forget_bias_init="one")
    assert type(before["recurrent_kernel"].initializer) is keras1.Orthogonal
    gpu = _one("GRU", inner_init="orthogonal", consume_less="gpu")
    assert gpu["recurrent_kernel"].gates == 1
    assert cpu["bias"].value == 0.0
    assert before["bias"].value == 1.0
    norm = _one("BatchNormalization", gamma_init="uniform", beta_init="normal")
    assert {role: type(s) for role, s in norm.items()} == {
        "gamma": keras1.Uniform,
        "beta": keras1.Normal,
    }


def test_errors() -> None:
    with pytest.raises(
        ValueError, match=r"kernel of Dense 'dense_1' must have an init.*got 'mine'"
    ):
        _one("Dense", init="mine")
    for source in ({"class_name": "Dense"}, "{}", "[]"):
        with pytest.raises(ValueError, match="rules: source must be the JSON of a Keras 1 model"):
            keras1.rules(source)
    with pytest.raises(ValueError, match=r"keras_version must be 1\.x"):
        _one("Dense", "2.0.8")
    with pytest.raises(FileNotFoundError):
        keras1.rules("nowhere.json")


def _layer(class_name: Any, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}


def _sequential(*layers: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": list(layers)}


def test_branches_of_a_first_merge_count() -> None:
    first, second, third = (
        _layer("Dense", name=f"dense_{i}", init=init)
        for i, init in enumerate(("uniform", "normal", "he_normal"), 1)
    )
    merge = _layer("Merge", name="merge_1", layers=[_sequential(first), _sequential(second)])
    left, right = keras.Input((4,)), keras.Input((3,))
    both = L.Concatenate()([L.Dense(2)(left), L.Dense(2)(right)])
    model = keras.Model([left, right], L.Dense(3)(both))
    rules = keras1.rules(_sequential(merge, third))
    report = initialize(model, rules, seed=1)
    assert not report.problems
    assert [type(scheme).__name__ for _, scheme in rules] == ["Uniform", "Normal", "HeNormal"]
    paths = ["dense/kernel", "dense_1/kernel", "dense_2/kernel"]
    import re

    assert all(re.search(p, path) for (p, _), path in zip(rules, paths, strict=True))


def test_a_layer_with_a_name_takes_no_number() -> None:
    named = _layer("Dense", name="mine", init="zero")
    ((_, _), (pattern, _)) = keras1.rules(
        _sequential(named, _layer("Dense", name="dense_1", init="one"))
    )
    assert pattern.startswith("^dense/")


def _deep() -> dict[str, Any]:
    layer = _layer("Dense", name="d", init="one")
    for _ in range(3000):
        layer = _layer("TimeDistributed", layer=layer)
    return _sequential(layer)


def test_damaged_sources(tmp_path: Path) -> None:
    sources: list[Any] = [
        *(
            "",
            "[" * 100_000,
            tmp_path,
            DATA / "mlp.h5",
            "\0",
            {"class_name": "Sequential"},
            _deep(),
        ),
        *(_sequential(x) for x in ({}, 3, _layer(3), _layer([]), _layer("Dense"), _layer("LSTM"))),
        _sequential({"class_name": "Dense", "config": None}),
        _sequential(_layer("Convolution2D", init="one")),
        _sequential(_layer("TimeDistributed", name="t")),
        _sequential(_layer("Merge", layers=3)),
    ]
    for source in sources:
        with pytest.raises(ValueError, match="rules: source must be the JSON of a Keras 1 model"):
            keras1.rules(source)
    with pytest.raises(TypeError, match="rules: source must be"):
        keras1.rules(3)  # type: ignore[arg-type]
    for init in (3, None, []):
        with pytest.raises(ValueError, match="must have an initialization of Keras 1"):
            keras1.rules(_sequential(_layer("Dense", init=init)))
    for name in ("(a+)+", "("):
        assert keras1.rules(_sequential(_layer(name, name="a" * 60))) == []
