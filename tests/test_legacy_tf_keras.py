"""What tf_keras wrote loads and predicts as it did: every layer, models in models, functions."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from legacy_layers import APART, CELLS, GONE, LAYERS, NESTED
from legacy_models import ARCHIVES, MODELS

from keras_inits.legacy.keras2.files import legacy_load_model
from keras_inits.legacy.keras2.layers import upgrade_model
from keras_inits.legacy.keras2.mending.arguments import arguments_of, changes_nothing
from keras_inits.legacy.keras2.mending.replaced import REPLACED
from keras_inits.legacy.keras2.operations.functions import FUNCTIONS
from keras_inits.legacy.keras2.operations.layer import Operation
from keras_inits.legacy.keras2.operations.raw import RAW

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]
WRITER = Path(__file__).parent / "legacy_writer.py"
WRITTEN = Path(__file__).parent / "data" / "tf_keras.tar.xz"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that tf_keras wrote."""
    return _unpacked(WRITTEN, tmp_path_factory.mktemp("tf_keras"))


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder


def check(model: keras.Model, case: Path) -> None:
    """The recorded predictions, to 1e-5 of their size."""
    with np.load(case.with_suffix(".npz")) as arrays:
        xs = [arrays[f"x{i}"] for i in range(sum(key[0] == "x" for key in arrays))]
        ys = [arrays[f"y{i}"] for i in range(sum(key[0] == "y" for key in arrays))]
    found = model(xs[0] if len(xs) == 1 else xs, training=False)
    found = found if isinstance(found, (list, tuple)) else [found]
    assert len(found) == len(ys)
    for y, expected in zip(found, ys, strict=True):
        assert tuple(y.shape) == expected.shape
        half = "16" in keras.backend.standardize_dtype(y.dtype)
        tolerance = 1e-2 if half else 1e-5
        np.testing.assert_allclose(
            to_numpy(y).astype("float64"), expected, rtol=tolerance, atol=tolerance
        )


def check_all(folder: Path, case: str, kinds: tuple[str, ...], **kwargs: Any) -> None:
    keras.backend.clear_session()
    for kind in kinds:
        path = folder / f"{case}.{kind}"
        weights = folder / f"{case}.h5" if kind == "json" else None
        model = legacy_load_model(path, weights, **kwargs)
        check(model, path)


@pytest.mark.once
@pytest.mark.large
def test_the_files_are_those_that_tf_keras_writes_now(folder: Path, tmp_path: Path) -> None:
    require("tf_keras")
    archive = tmp_path / "again.tar.xz"
    subprocess.run([sys.executable, str(WRITER), str(archive)], check=True)
    again = _unpacked(archive, tmp_path / "again")
    assert [p.name for p in sorted(again.iterdir())] == [p.name for p in sorted(folder.iterdir())]
    for path in folder.glob("*.json"):
        # Parsed: protobuf writes the attributes of an operation in any order.
        assert json.loads((again / path.name).read_text()) == json.loads(path.read_text()), (
            path.name
        )
    for path in folder.glob("*.npz"):
        with np.load(path) as before, np.load(again / path.name) as now:
            assert before.files == now.files
            for key in before.files:
                np.testing.assert_allclose(now[key], before[key], 1e-5, 1e-6, err_msg=path.name)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_alone(folder: Path, name: str) -> None:
    check_all(folder, f"alone-{name}", ("h5", "json"))


@pytest.mark.parametrize("name", sorted(NESTED))
def test_every_layer_nested_and_shared(folder: Path, name: str) -> None:
    check_all(folder, f"nested-{name}", ("h5", "json", "keras"))


@pytest.mark.parametrize("name", MODELS)
def test_models(folder: Path, name: str) -> None:
    kinds = ("h5", "json", "keras") if name in ARCHIVES else ("h5", "json")
    check_all(folder, f"model-{name}", kinds)


@pytest.mark.parametrize("name", GONE)
def test_layers_that_are_gone_are_named(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        legacy_load_model(folder / f"gone-{name}.h5")


def _table(folder: Path) -> dict[str, dict[str, Any]]:
    """Every layer class of tf_keras with its arguments and their defaults; the writer made it."""
    return json.loads((folder / "arguments.json").read_text())


def test_every_class_of_tf_keras_is_a_case(folder: Path) -> None:
    classes = {cls for cls, _, _ in LAYERS.values()} | GONE.keys() | APART | CELLS
    assert _table(folder).keys() <= classes


def test_every_argument_is_taken_or_changes_nothing(folder: Path) -> None:
    table = _table(folder)
    assert sum(len(arguments) for arguments in table.values()) > 900
    left = []
    for cls, arguments in table.items():
        if cls in GONE or not hasattr(keras.layers, cls):
            continue
        node = upgrade_model({"class_name": cls, "config": arguments}, "keras2")
        known = arguments_of(getattr(keras.layers, node["class_name"]))
        assert node["config"].keys() <= known, cls
        mended = {"alpha", "function_type", "module", "output_shape_type", "output_shape_module"}
        for key, value in arguments.items():
            if key not in known | mended and not changes_nothing(cls, key, value):
                left.append((cls, key, value))
    assert not left


@pytest.mark.parametrize(
    ("cls", "argument", "value"),
    [
        ("Conv2DTranspose", "groups", 2),
        ("LSTM", "time_major", True),
        ("MultiHeadAttention", "softmax_robust_masking", True),
        ("Attention", "causal", True),
        ("BatchNormalization", "renorm", True),
        ("BatchNormalization", "virtual_batch_size", 8),
        ("Bidirectional", "num_constants", 1),
        ("InputLayer", "ragged", True),
        ("Dense", "of_another_release", "x"),
    ],
)
def test_an_argument_that_changes_something_is_an_error(
    folder: Path, cls: str, argument: str, value: Any
) -> None:
    arguments = {**_table(folder)[cls], "name": "the_one", argument: value}
    if argument in arguments_of(getattr(keras.layers, cls)):  # in the newest Keras again
        config = upgrade_model({"class_name": cls, "config": arguments}, "keras2")["config"]
        assert config[argument] == value
        return
    with pytest.raises(ValueError, match=rf"'the_one' \({cls}\).* got {argument}={value!r}"):
        upgrade_model({"class_name": cls, "config": arguments}, "keras2")


def _functions(folder: Path, case: str) -> set[str]:
    model = legacy_load_model(folder / f"{case}.json")
    return {layer.function for layer in model.layers if isinstance(layer, Operation)}


def test_every_function_of_the_tables_is_predicted(folder: Path) -> None:
    assert _functions(folder, "model-functions") == FUNCTIONS.keys()
    assert _functions(folder, "model-raw_dict") == {f"raw.{op}" for op in RAW}


def test_functions_and_masks_come_back_from_keras_files(folder: Path, tmp_path: Path) -> None:
    for case in ("siamese", "raw_dict", "masks_in_time", "masks_of_attention"):
        model = legacy_load_model(folder / f"model-{case}.h5")
        model.save(tmp_path / "again.keras")
        check(keras.models.load_model(tmp_path / "again.keras"), folder / f"model-{case}")


def test_single_ends_are_no_lists(folder: Path) -> None:
    model = legacy_load_model(folder / "model-frozen.h5")
    assert keras.backend.is_keras_tensor(model.output)
    assert keras.backend.is_keras_tensor(model.input)
    more = keras.Model(model.input, keras.layers.Dense(2)(model.output))
    assert more.output_shape == (None, 2)
    assert keras.Sequential([model, keras.layers.Dense(5)]).output_shape == (None, 5)


def test_names_with_slashes_are_told(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"'stem/conv' -> 'stem_conv_1'"):
        model = legacy_load_model(folder / "model-transfer.h5")
    inner = model.layers[0]
    assert inner.name == "base_net"
    assert inner.get_layer("block_1_bn").trainable is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        legacy_load_model(folder / "model-frozen.h5")


def test_files_of_keras_3_are_told_apart(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    for name, reader in (("m.keras", "load_model"), ("m.h5", "load_model")):
        model.save(tmp_path / name)
        with pytest.raises(
            ValueError, match=rf"{name}, which Keras 3.*keras.models.{reader} reads"
        ):
            legacy_load_model(tmp_path / name)
    (tmp_path / "m.json").write_text(model.to_json())
    with pytest.raises(ValueError, match="which Keras 3 wrote; keras.models.model_from_json reads"):
        legacy_load_model(tmp_path / "m.json")


def test_replaced_classes_are_no_layers_of_keras() -> None:
    assert not [name for name in REPLACED if hasattr(keras.layers, name)]
