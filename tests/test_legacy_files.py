"""Models saved by Keras 2 and tf.keras come back whole; what cannot is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from conftest import to_numpy

from keras_inits.legacy.keras2.activations import hard_sigmoid
from keras_inits.legacy.keras2.files import legacy_load_model
from keras_inits.legacy.keras2.layers import upgrade_model

DATA = Path(__file__).parent / "data"
FILES = sorted((*DATA.glob("keras2/*.h5"), *DATA.glob("tf1/*.h5")))


class ScaledUniform(keras.initializers.Initializer):
    """The class of the users who wrote the `custom` files."""

    def __init__(self, scale: float = 0.05, seed: int | None = None) -> None:
        self.scale = scale
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.random.uniform(shape, -self.scale, self.scale, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "seed": self.seed}


CUSTOM = {"ScaledUniform": ScaledUniform}


def test_all_recorded_files_are_here() -> None:
    assert len(FILES) == 16


@pytest.mark.parametrize("kind", ["h5", "json"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_weights_and_predictions(path: Path, kind: str) -> None:
    if kind == "h5":
        model = legacy_load_model(path, custom_objects=CUSTOM)
    else:
        model = legacy_load_model(path.with_suffix(".json"), weights=path, custom_objects=CUSTOM)
    with np.load(path.with_suffix(".npz")) as arrays:
        keys = sorted(key for key in arrays if key.startswith("w"))
        assert len(model.get_weights()) == len(keys)
        for key, weight in zip(keys, model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, arrays[key])
        predicted = to_numpy(model(arrays["x0"], training=False))
        np.testing.assert_allclose(predicted, arrays["y0"], rtol=0, atol=1e-5)


def _layer(model: keras.Model, name: str) -> Any:
    return model.get_layer(name)


def test_initializers_have_the_law_of_the_version() -> None:
    old = legacy_load_model(DATA / "keras2" / "keras_208_dense.h5")
    new = legacy_load_model(DATA / "keras2" / "keras_224_dense.h5")
    for model, spread in ((old, 0.8796), (new, 1.0)):
        scheme = _layer(model, "dense_1").kernel_initializer
        draws = to_numpy(scheme((400, 900))) / (2 / 900) ** 0.5  # scale 2, fan_out
        assert draws.std() == pytest.approx(spread, abs=5e-3)
    assert _layer(old, "dense_4").kernel_initializer.gain == 0.5
    assert _layer(old, "dense_5").kernel_initializer.get_config() == {
        **{"minval": -0.1, "maxval": 0.2, "seed": 3}
    }


def test_old_meanings_stay(tmp_path: Path) -> None:
    model = legacy_load_model(DATA / "keras2" / "keras_208_conv_lstm.h5")
    gru = _layer(model, "gru_1")
    assert gru.reset_after is False
    assert gru.cell.recurrent_activation is hard_sigmoid
    assert model.layers[0].name == "conv1d_1"
    assert model.input_shape == (None, 9, 4)
    # Every hidden output matters: the recorded model ends in a kernel of zeros.
    hidden = keras.Model(model.inputs[0], model.layers[-2].output)
    x = np.random.default_rng(0).normal(size=(3, 9, 4)).astype("float32")
    before = to_numpy(hidden(x))
    model.save(tmp_path / "now.keras")
    again = keras.models.load_model(tmp_path / "now.keras")
    hidden = keras.Model(again.inputs[0], again.layers[-2].output)
    np.testing.assert_allclose(to_numpy(hidden(x)), before, rtol=0, atol=1e-6)


def test_hard_sigmoid_has_the_old_slope() -> None:
    x = keras.ops.convert_to_tensor([-3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0])
    np.testing.assert_allclose(to_numpy(hard_sigmoid(x)), [0, 0, 0.3, 0.5, 0.7, 1, 1], atol=1e-6)


def test_json_without_weights_draws_them() -> None:
    model = legacy_load_model(DATA / "tf1" / "tfkeras_115_sequential.json")
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_any_name_of_a_weights_file(tmp_path: Path) -> None:
    path = DATA / "tf1" / "tfkeras_115_sequential.h5"
    for name in ("net.weights.h5", "net.hdf5", "net"):
        copy = shutil.copyfile(path, tmp_path / name)
        model = legacy_load_model(path.with_suffix(".json"), weights=copy)
        with np.load(path.with_suffix(".npz")) as arrays:
            np.testing.assert_array_equal(model.get_weights()[0], arrays["w00"])


def test_files_of_keras_1_go_through_the_same_function() -> None:
    for name, weights in (("mlp.h5", None), ("mlp.json", DATA / "keras1" / "mlp.h5")):
        model = legacy_load_model(DATA / "keras1" / name, weights)
        with np.load(DATA / "keras1" / "mlp.npz") as recorded:
            found = keras.ops.convert_to_numpy(model(recorded["x0"]))
            np.testing.assert_allclose(found, recorded["y0"], atol=1e-5)
    with pytest.raises(ValueError, match="backend must be one of 'theano', 'tensorflow'"):
        legacy_load_model(DATA / "keras1" / "mlp.h5", backend="jax")


def test_a_missing_custom_class_is_named() -> None:
    for name in ("keras_208_custom", "tfkeras_215_custom"):
        with pytest.raises(
            ValueError, match="custom_objects must have the class 'ScaledUniform', the kernel_init"
        ):
            legacy_load_model(DATA / "keras2" / f"{name}.h5")


def _edited(tmp_path: Path, change: Any, name: str = "tfkeras_115_sequential") -> Path:
    config = json.loads((DATA / "tf1" / f"{name}.json").read_text())
    change(config["config"]["layers"])
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(config))
    return path


def test_a_layer_that_is_gone_is_named(tmp_path: Path) -> None:
    path = _edited(tmp_path, lambda layers: layers[1].update(class_name="LocallyConnected1D"))
    with pytest.raises(ValueError, match="class 'LocallyConnected1D' of layer 'dense_1'"):
        legacy_load_model(path)


def test_an_argument_that_is_gone_is_named(tmp_path: Path) -> None:
    path = _edited(
        tmp_path,
        lambda layers: layers[4]["config"].update(time_major=True),
        "tfkeras_115_conv_lstm",
    )
    with pytest.raises(
        ValueError, match=r"layer 'lstm' \(LSTM\).*Keras 3 lost, got time_major=True"
    ):
        legacy_load_model(path)


def test_what_keras_refuses_is_named(tmp_path: Path) -> None:
    path = _edited(tmp_path, lambda layers: layers[1]["config"].update(units=-3))
    # Older Keras releases make the layer, and refuse it only inside the model.
    expected = r"layer 'dense_1' \(Dense\) of edited.json cannot be made"
    expected += r"|edited.json holds no model that Keras builds: .*\(5, -3\)"
    with pytest.raises(ValueError, match=expected):
        legacy_load_model(path)


def test_code_is_refused(tmp_path: Path) -> None:
    function = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
    nested = {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAA=", None, None]}}
    for change in (
        lambda layers: layers.append(nested),
        lambda layers: layers[1]["config"].update(activation=function),
        lambda layers: layers[1]["config"].update(kernel_initializer=function),
    ):
        with pytest.raises(ValueError, match="must hold no code, got a (Lambda|__lambda__)"):
            legacy_load_model(_edited(tmp_path, change))


def test_damaged_files(tmp_path: Path) -> None:
    whole = (DATA / "tf1" / "tfkeras_115_sequential.h5").read_bytes()
    for content in (b"", b"{", b"[]", b"3", b"{}", b'{"class_name": "Sequential"}', whole[:900]):
        path = tmp_path / "broken.h5"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"legacy_load_model: .*broken\.h5"):
            legacy_load_model(path)
    for config in ('{"class_name": "Sequential", "config": 3}', "[" * 100_000, "{}"):
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = config
            file.attrs["keras_version"] = "2.2.4"
        with pytest.raises(ValueError, match=r"legacy_load_model: .*broken\.h5"):
            legacy_load_model(path)
    with pytest.raises(FileNotFoundError):
        legacy_load_model(tmp_path / "none.h5")


def test_a_file_of_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"dense"]
    with pytest.raises(ValueError, match="holds weights alone; give the model's .json as path"):
        legacy_load_model(path)


def test_kernels_of_theano_are_flipped(tmp_path: Path) -> None:
    path = shutil.copyfile(DATA / "keras2" / "keras_224_conv_lstm.h5", tmp_path / "theano.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = "theano"
    as_is = legacy_load_model(DATA / "keras2" / "keras_224_conv_lstm.h5").get_weights()
    flipped = legacy_load_model(path).get_weights()
    np.testing.assert_array_equal(flipped[0], as_is[0][::-1])
    for a, b in zip(flipped[1:], as_is[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_upgrade_is_pure() -> None:
    for path in FILES:
        config = json.loads(path.with_suffix(".json").read_text())
        copy = json.loads(json.dumps(config))
        once = upgrade_model(config, "keras2")
        assert config == copy
        assert once == upgrade_model(config, "keras2")
        assert json.loads(json.dumps(once)) == once


def _sequential(*layers: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "class_name": "Sequential",
        "config": [{"class_name": c, "config": k} for c, k in layers],
    }


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([("Dense", {"name": "d", "units": 3, "batch_input_shape": [None, 4]})], (None, 4)),
        (
            [
                (
                    "Embedding",
                    {
                        **{"name": "e", "input_dim": 9, "output_dim": 3, "dtype": "int32"},
                        **{"batch_input_shape": [None, 5], "input_length": 5},
                    },
                )
            ],
            (None, 5),
        ),
        (
            [
                (
                    "Bidirectional",
                    {
                        **{"name": "b", "batch_input_shape": [None, 5, 2], "merge_mode": "concat"},
                        "layer": {
                            "class_name": "LSTM",
                            "config": {"name": "l", "units": 3, "implementation": 0},
                        },
                    },
                )
            ],
            (None, 5, 2),
        ),
        (
            [
                (
                    "TimeDistributed",
                    {
                        "name": "t",
                        "layer": {
                            "class_name": "Dense",
                            "config": {"name": "d", "units": 3, "batch_input_shape": [None, 5, 2]},
                        },
                    },
                )
            ],
            (None, 5, 2),
        ),
        (
            [
                (
                    "DepthwiseConv2D",
                    {
                        **{
                            "name": "c",
                            "kernel_size": 3,
                            "groups": 1,
                            "kernel_initializer": "zeros",
                        },
                        "batch_input_shape": [2, 8, 8, 2],
                    },
                ),
                ("LeakyReLU", {"name": "r", "alpha": 0.3}),
                ("BatchNormalization", {"name": "n", "axis": [3], "fused": True, "renorm": False}),
            ],
            (2, 8, 8, 2),
        ),
    ],
)
def test_layers_of_keras2_build(layers: list[tuple[str, dict[str, Any]]], shape: Any) -> None:
    config = upgrade_model(_sequential(*layers), "keras2")
    model = keras.saving.deserialize_keras_object(config)
    assert model.input_shape == shape
    assert all("float" in str(weight.dtype) for weight in model.weights)


def test_nested_models(tmp_path: Path) -> None:
    inner = _sequential(("Dense", {"name": "d", "units": 3, "batch_input_shape": [None, 4]}))
    outer = {
        "class_name": "Model",
        "keras_version": "2.1.0",
        "config": {
            "name": "m",
            "layers": [
                {
                    **{"name": "x", "class_name": "InputLayer", "inbound_nodes": []},
                    "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"},
                },
                {**inner, "name": "tower", "inbound_nodes": [[["x", 0, 0, {}]]]},
                {
                    **{"name": "relu", "class_name": "Activation"},
                    "config": {"name": "relu", "activation": "relu"},
                    "inbound_nodes": [[["tower", 1, 0, {}]]],
                },
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["relu", 0, 0]],
        },
    }
    path = tmp_path / "nested.json"
    path.write_text(json.dumps(outer))
    model = legacy_load_model(path)
    assert model.get_layer("tower").layers[0].name == "d"
    assert model.output_shape == (None, 3)


def test_flipped_bytes_load_or_say_so(tmp_path: Path) -> None:
    whole = (DATA / "tf1" / "tfkeras_115_sequential.h5").read_bytes()
    path = tmp_path / "flipped.h5"
    for seed in range(40):
        rng = np.random.default_rng(seed)
        content = np.frombuffer(whole, "uint8").copy()
        where = rng.integers(0, len(content), (1, 8, 60)[seed % 3])
        content[where] = rng.integers(0, 256, len(where))
        path.write_bytes(content.tobytes())
        try:
            legacy_load_model(path)
        except (ValueError, TypeError) as error:
            assert "flipped.h5" in str(error) or "upgrade_model" in str(error)  # noqa: PT017


def test_damaged_weights_and_fields(tmp_path: Path) -> None:
    weights = tmp_path / "none.weights.h5"
    weights.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"file none\.weights\.h5 cannot be read as the model's"):
        legacy_load_model(DATA / "tf1" / "tfkeras_115_sequential.json", weights=weights)
    path = tmp_path / "field.json"
    for version in ("9" * 5000, "²"):
        path.write_text(json.dumps({**_sequential(), "keras_version": version}))
        with pytest.raises(ValueError, match=r"field\.json"):
            legacy_load_model(path)
    for name in ([], {}):
        initializer = {"class_name": name, "config": {}}
        layer = {"name": "d", "units": 2, "kernel_initializer": initializer}
        path.write_text(json.dumps({**_sequential(("Dense", layer)), "keras_version": "2.2.4"}))
        with pytest.raises(ValueError, match="custom_objects must have the class"):
            legacy_load_model(path)


def test_few_layers_are_made_to_find_a_culprit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two layers of one name are an error of the model, not of a layer.
    layers = [("Dense", {"name": "same", "units": 2}) for _ in range(600)]
    path = tmp_path / "many.json"
    path.write_text(json.dumps({**_sequential(*layers), "keras_version": "2.2.4"}))
    made = []
    make = keras.saving.deserialize_keras_object
    monkeypatch.setattr(
        keras.saving,
        "deserialize_keras_object",
        lambda *args, **kwargs: made.append(1) or make(*args, **kwargs),
    )
    with pytest.raises(ValueError, match="holds no model that Keras builds"):
        legacy_load_model(path)
    assert len(made) <= 201
