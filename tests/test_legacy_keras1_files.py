"""Files of Keras 1 come back whole: recorded ones predict as recorded, what cannot is named."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import legacy_keras1 as k1
import numpy as np
import pytest
from conftest import python

DATA = Path(__file__).parent / "data" / "keras1"
FILES = sorted(DATA.glob("*.h5"))


def _config(path: Path) -> tuple[dict[str, Any], str]:
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        return found, found["keras_version"]
    with h5py.File(path) as file:
        version = file.attrs["keras_version"]
        return json.loads(file.attrs["model_config"]), (
            version.decode() if isinstance(version, bytes) else version
        )


@pytest.mark.parametrize("kind", ["h5", "json"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_recorded_models(path: Path, kind: str) -> None:
    source = path.with_suffix(f".{kind}")
    model = k1.load(source, *_config(source), weights=path if kind == "json" else None)
    with np.load(path.with_suffix(".npz")) as arrays:
        inputs = [arrays[key] for key in sorted(arrays) if key.startswith("x")]
        expected = [arrays[key] for key in sorted(arrays) if key.startswith("y")]
        count = sum(arrays[key].size for key in arrays if key.startswith("w"))
    assert model.count_params() == count
    for found, recorded in zip(k1.predict(model, *inputs), expected, strict=True):
        np.testing.assert_allclose(found, recorded, rtol=0, atol=1e-5)


@pytest.mark.once
def test_all_recorded_files_are_here() -> None:
    assert len(FILES) == 10


RECORDED = DATA / "layers.zip"


def _recorded() -> list[Any]:
    with zipfile.ZipFile(RECORDED) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
    return [pytest.param(name, id=name.removesuffix(".json")) for name in names]


@pytest.mark.filterwarnings("ignore:legacy_load_model. layer .* is padded as by Theano 0.9")
@pytest.mark.parametrize("name", _recorded())
def test_recorded_layers(name: str, tmp_path: Path) -> None:
    """Every layer in its variants, as each backend of Keras 1 computed it."""
    with zipfile.ZipFile(RECORDED) as archive:
        entry = json.loads(archive.read(name))
        flat = np.frombuffer(archive.read(name.replace(".json", ".bin")), "<f4")
    position = 0

    def taken(shape: list[int]) -> np.ndarray:
        nonlocal position
        position += int(np.prod(shape))
        return flat[position - int(np.prod(shape)) : position].reshape(shape)

    weights: k1.Weights = [
        (group, [(weight, taken(shape)) for weight, shape in arrays])
        for group, arrays in entry["weights"]
    ]
    inputs = [taken(shape) for shape in entry["inputs"]]
    expected = [taken(shape) for shape in entry["outputs"]]
    # Before 1.0.7 there were no files with both.
    early = entry["version"] in ("1", "1.0.6")
    path = k1.write(tmp_path / "model.h5", None if early else entry["config"], weights)
    backend = "" if any(arrays for _, arrays in weights) else entry["backend"]
    model = k1.load(path, entry["config"], entry["version"], backend)
    for found, recorded in zip(k1.predict(model, *inputs), expected, strict=True):
        assert found.shape == recorded.shape
        scale = max(1.0, float(np.abs(recorded).max()))
        np.testing.assert_allclose(found / scale, recorded / scale, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_saved_port_comes_back(tmp_path: Path) -> None:
    """All layers of our own that a port has are registered."""
    wanted = {"Highway", "MaxoutDense", "PReLU"}
    path = DATA / "bn_highway_maxout.h5"
    model = k1.load(path, *_config(path))
    assert wanted <= {type(layer).__name__ for layer in model.layers}
    model.layers[-1].kernel.assign(np.ones((4, 2)))
    model.save(tmp_path / "port.keras")
    again = keras.models.load_model(tmp_path / "port.keras")
    (x,) = k1.random((3, 5))
    np.testing.assert_array_equal(k1.predict(model, x)[0], k1.predict(again, x)[0])
    code = "import sys, keras, keras_inits; print(keras.models.load_model(sys.argv[1]).name)"
    assert python(code, str(tmp_path / "port.keras")).split()[-1] == model.name


def _one(tmp_path: Path, names: tuple[str, str], **options: Any) -> keras.Model:
    node = k1.first(k1.convolution(1, (2, 1)), 4, 4, 1)
    kernel = np.array([1.0, 2.0], "float32").reshape(2, 1, 1, 1)
    weights = [("convolution2d_1", list(zip(names, (kernel, np.zeros(1, "f4")), strict=True)))]
    path = k1.write(tmp_path / "m.h5", k1.sequential(node), weights)
    return k1.load(path, k1.sequential(node), **options)


def _kernel(model: keras.Model) -> list[float]:
    return [float(v) for v in np.ravel(k1.to_numpy(model.layers[-1].kernel))]


def test_the_names_of_the_weights_tell_the_backend(tmp_path: Path) -> None:
    assert _kernel(_one(tmp_path, ("a_W:0", "a_b:0"))) == [1.0, 2.0]
    assert _kernel(_one(tmp_path, ("a_W", "a_b"))) == [2.0, 1.0]
    assert _kernel(_one(tmp_path, ("a_W", "a_b"), backend="tensorflow")) == [1.0, 2.0]
    assert _kernel(_one(tmp_path, ("a_W:0", "a_b:0"), backend="theano")) == [2.0, 1.0]


def test_weights_without_names_leave_the_backend_to_the_user(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match='backend="tensorflow"'):
        assert _kernel(_one(tmp_path, ("param_0", "param_1"))) == [2.0, 1.0]
    model = _one(tmp_path, ("param_0", "param_1"), backend="tensorflow")
    assert _kernel(model) == [1.0, 2.0]


def test_weights_as_before_keras_1(tmp_path: Path) -> None:
    config = k1.sequential(
        k1.first(k1.dense(2), 3), k1.layer("Dropout", p=0.5), k1.dense(1, "dense_2")
    )
    arrays = k1.random((3, 2), (2,), (2, 1), (1,))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["nb_layers"] = 3
        for k, found in enumerate((arrays[:2], [], arrays[2:])):
            group = file.create_group(f"layer_{k}")
            group.attrs["nb_params"] = len(found)
            for p, array in enumerate(found):
                group.create_dataset(f"param_{p}", data=array)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(config))
    model = k1.load(path, config, weights=tmp_path / "w.h5")
    for ours, theirs in zip(model.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _two(tmp_path: Path, names: tuple[str, str]) -> list[np.ndarray]:
    config = k1.sequential(k1.first(k1.dense(2, "a"), 2), k1.dense(2, "b"))
    weights = [
        (name, [(f"{name}_W", np.full((2, 2), i, "f4")), (f"{name}_b", np.zeros(2, "f4"))])
        for i, name in enumerate(names)
    ]
    model = k1.load(k1.write(tmp_path / "m.h5", config, weights), config)
    return [k1.to_numpy(layer.kernel)[0, 0] for layer in model.layers]


def test_weights_go_by_name_where_all_names_agree_else_by_order(tmp_path: Path) -> None:
    assert _two(tmp_path, ("a", "b")) == [0, 1]
    assert _two(tmp_path, ("b", "a")) == [1, 0]
    assert _two(tmp_path, ("c", "d")) == [0, 1]


@pytest.mark.once
def test_weights_that_are_not_the_models(tmp_path: Path) -> None:
    config = k1.sequential(k1.first(k1.dense(2), 3))
    w, b, other = k1.random((3, 2), (2,), (2, 3))
    cases = [
        ([], "must hold the weights of 1 layers, got those of 0"),
        ([("dense_1", [("W", w)])], r"'dense_1' \(Dense\) must have 2 weights, got the 1"),
        ([("dense_1", [("W", other), ("b", b)])], r"must have a kernel of shape \(3, 2\), got"),
        ([("dense_1", [("W", b), ("b", w)])], "must have a kernel of shape"),
    ]
    for weights, message in cases:
        path = k1.write(tmp_path / "m.h5", config, weights)
        with pytest.raises(ValueError, match=f"legacy_load_model: .*{message}"):
            k1.load(path, config)


@pytest.mark.once
def test_nothing_is_set_where_one_weight_does_not_fit(tmp_path: Path) -> None:
    made = []

    class Counting(keras.layers.Dense):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    node = k1.layer("Counting", "a", units=2, kernel_initializer="zeros")
    config = k1.sequential(k1.first(node, 2), k1.dense(1, "b"))
    w, b, wrong, bias = k1.random((2, 2), (2,), (3, 1), (1,))
    weights = [("a", [("W", w), ("b", b)]), ("b", [("W", wrong), ("b", bias)])]
    path = k1.write(tmp_path / "m.h5", config, weights)
    with pytest.raises(ValueError, match="'b'"):
        k1.load(path, config, custom_objects={"Counting": Counting})
    assert not k1.to_numpy(made[0].kernel).any()


@pytest.mark.once
@pytest.mark.parametrize("cut", [9, 2000, -2000])
def test_truncated_files(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    path.write_bytes((DATA / "mlp.h5").read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"cut\.h5 cannot be read as the model's weights"):
        k1.load(path, _config(DATA / "mlp.h5")[0])


@pytest.mark.once
def test_a_file_without_weights_of_keras(tmp_path: Path) -> None:
    config = k1.sequential(k1.first(k1.dense(2), 3))
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("other", data=np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read as the model's weights"):
        k1.load(path, config)
    with pytest.raises(FileNotFoundError):
        k1.load(path, config, weights=tmp_path / "none.h5")


@pytest.mark.once
def test_damaged_configs_are_value_errors(tmp_path: Path) -> None:
    whole = k1.sequential(k1.first(k1.dense(2), 3))
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    damaged = [
        {"class_name": "Sequential", "config": []},
        {"class_name": "Sequential", "config": None},
        {"class_name": "Sequential", "config": {"layers": 3}},
        {"class_name": "Model", "config": {}},
        {"class_name": "Model", "config": {"layers": [], "input_layers": [], "output_layers": []}},
        {"class_name": None, "config": {}},
        {"class_name": "Dense", "config": whole["config"][0]["config"]},
        k1.sequential(k1.dense(2)),
        k1.sequential({"class_name": "Dense"}),
        k1.sequential({"class_name": "Dense", "config": 3}),
        k1.sequential(k1.first(k1.layer("Dense"), 3)),
        k1.sequential(k1.first(k1.dense(-2), 3)),
        k1.sequential(k1.first(k1.dense(2, init="none_such"), 3)),
        k1.sequential(k1.first(k1.dense(2, init=3), 3)),
        k1.sequential(k1.first(k1.dense(2, activation="none_such"), 3)),
        k1.sequential(k1.first(k1.dense(2, W_regularizer={"name": "EigenvalueRegularizer"}), 3)),
        k1.sequential(k1.first(k1.dense(2, W_constraint={"name": "Other"}), 3)),
        k1.sequential(k1.first(k1.layer("TimeDistributed"), 3)),
        k1.sequential(k1.first(k1.layer("Bidirectional", layer=k1.dense(2)), 3, 3)),
        k1.sequential(k1.first(k1.convolution(2, (2, 2), dim_ordering="no"), 4, 4, 1)),
        k1.sequential(k1.first(k1.convolution(2, (2, 2), border_mode="no"), 4, 4, 1)),
        k1.sequential(k1.first(k1.layer("BatchNormalization", mode=3, epsilon=0.1), 3)),
        deep | {"class_name": "Sequential", "config": deep},
    ]
    for config in damaged:
        with pytest.raises(ValueError, match="legacy_load_model: "):
            k1.fresh(tmp_path, config)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["LocallyConnected1D", "LocallyConnected2D", "MyLayer", "Graph"])
def test_layers_that_keras_3_does_not_have_are_named(kind: str, tmp_path: Path) -> None:
    for config in (
        k1.sequential(k1.first(k1.dense(2), 3), k1.layer(kind, "that_one")),
        k1.sequential(
            k1.first(k1.layer("TimeDistributed", layer=k1.layer(kind, "that_one")), 3, 3)
        ),
    ):
        message = f"custom_objects must have the class '{kind}' of layer 'that_one', which Keras 3"
        with pytest.raises(ValueError, match=message):
            k1.fresh(tmp_path, config)


@pytest.mark.once
def test_errors_name_layer_and_class(tmp_path: Path) -> None:
    shaped = k1.layer("Reshape", "r", target_shape=[5])
    with pytest.raises(ValueError, match=r"layer 'r' \(Reshape\) does not take the inputs"):
        k1.fresh(tmp_path, k1.sequential(k1.first(k1.dense(2), 3), shaped))
    with pytest.raises(ValueError, match=r"layer 'x' \(Merge\) cannot be made by .* mode must be"):
        k1.fresh(tmp_path, k1.sequential(k1.first(k1.dense(2), 3), k1.merge("join", name="x")))
    node = k1.dense(2)
    del node["config"]["init"]
    with pytest.raises(ValueError, match=r"'dense_1' \(Dense\) .* its config must have 'init'"):
        k1.fresh(tmp_path, k1.sequential(k1.first(node, 3)))


@pytest.mark.once
def test_code_is_refused_and_functions_are_the_users(tmp_path: Path) -> None:
    function = {"function": "double", "function_type": "function", "arguments": {"by": 3}}
    code = {"function": ["c\x00", None, None], "function_type": "lambda"}
    joined = k1.merge("join", mode_type="function")

    def double(x: Any, by: float = 2) -> Any:
        return x * by

    for node in (k1.layer("Lambda", "lam", **function), k1.layer("Lambda", "lam", **code), joined):
        config = k1.sequential(k1.first(k1.dense(2), 2), node)
        with pytest.raises(ValueError, match=r"must hold no code.*pass safe_mode=False"):
            k1.fresh(tmp_path, config, custom_objects={"double": double, "lam": double})
        with pytest.raises(ValueError, match="custom_objects must have the function"):
            k1.fresh(tmp_path, config, safe_mode=False)
    for node, name, factor in (
        (k1.layer("Lambda", "lam", **function), "double", 3),
        (k1.layer("Lambda", "lam", **code), "lam", 2),
    ):
        model = k1.fresh(
            tmp_path,
            k1.sequential(k1.first(node, 2)),
            safe_mode=False,
            custom_objects={name: double},
        )
        np.testing.assert_array_equal(k1.predict(model, np.ones((1, 2), "f4"))[0], [[factor] * 2])


def test_slashes_in_names_are_told(tmp_path: Path) -> None:
    config = k1.sequential(k1.first(k1.dense(2, "block/one"), 3))
    w, b = k1.random((3, 2), (2,))
    path = k1.write(tmp_path / "m.h5", config, [("block/one", [("W", w), ("b", b)])])
    with pytest.warns(UserWarning, match=r'"/" became "_" in the names .*block/one'):
        model = k1.load(path, config)
    assert model.layers[0].name == "block_one"
    np.testing.assert_array_equal(k1.to_numpy(model.layers[0].kernel), w)


@pytest.mark.once
def test_the_version_matters_to_batch_normalization(tmp_path: Path) -> None:
    """running_std is what it says until 1.0.5, with Theano until 1.0.6; then it is a variance."""
    node = k1.layer("BatchNormalization", epsilon=0.01, mode=0, axis=-1, momentum=0.9)
    config = k1.sequential(k1.first(node, 2))
    x, gamma, beta, mean = k1.random((4, 2), (2,), (2,), (2,))
    spread = np.array([0.5, 2.0], "f4")
    keys = ("gamma", "beta", "running_mean", "running_std")
    for version, suffix, deviation in (
        *(("1", "", True), ("1.0.5", "", True), ("1.0.6", "", True), ("1.0.6", ":0", False)),
        *(("1.0.5", ":0", True), ("1.0.7", "", False), ("1.2.2", ":0", False)),
    ):
        arrays = [
            (f"bn_{k}{suffix}", v) for k, v in zip(keys, (gamma, beta, mean, spread), strict=True)
        ]
        path = k1.write(tmp_path / "m.h5", None, [("batchnormalization_1", arrays)])
        if version == "1":
            with pytest.warns(UserWarning, match="does not say which Keras wrote it"):
                model = k1.load(path, config, version)
        else:
            model = k1.load(path, config, version)
        scale = spread + 0.01 if deviation else np.sqrt(spread + 0.01)
        expected = gamma * (x - mean) / scale + beta
        np.testing.assert_allclose(k1.predict(model, x)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.once
def test_an_ordering_that_is_not_said(tmp_path: Path) -> None:
    pad = k1.layer("ZeroPadding2D", padding=[1, 0])
    for version, shape in (("1.2.2", (None, 6, 3, 1)), ("1.0.8", (None, 4, 5, 1))):
        with pytest.warns(UserWarning, match=r"did not write the dim_ordering of .*zeropadding2d"):
            model = k1.fresh(tmp_path, k1.sequential(k1.first(pad, 4, 3, 1)), version=version)
        assert model.output_shape == shape
    said = k1.convolution(2, (1, 1), dim_ordering="th")
    model = k1.fresh(tmp_path, k1.sequential(k1.first(pad, 1, 4, 3), said))
    assert model.output_shape == (None, 2, 6, 3)


@pytest.mark.once
def test_the_archive_is_whole() -> None:
    with zipfile.ZipFile(RECORDED) as archive:
        assert archive.testzip() is None
        kinds = " ".join(archive.namelist())
    assert all(word in kinds for word in ("theano", "tensorflow", "convlstm", "deconv", "merge"))


@pytest.mark.once
def test_weights_alone_and_other_suffixes(tmp_path: Path) -> None:
    """The format is told by the file's first bytes, not by its name."""
    path = tmp_path / "weights.bin"
    shutil.copy(DATA / "mlp.h5", path)
    source = DATA / "mlp.json"
    model = k1.load(source, *_config(source), weights=path)
    with np.load(DATA / "mlp.npz") as arrays:
        found = k1.predict(model, arrays["x0"])[0]
        np.testing.assert_allclose(found, arrays["y0"], rtol=0, atol=1e-5)
