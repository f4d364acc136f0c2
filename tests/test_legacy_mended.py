"""What changed between Keras 2 and 3 besides names: code, CuDNN's weights, YAML, graphs, merging."""

from __future__ import annotations

import base64
import importlib.util
import json
import marshal
import sys
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from conftest import python, to_numpy

from keras_inits.legacy.keras2.files import legacy_load_model
from keras_inits.legacy.keras2.layers import upgrade_model
from keras_inits.legacy.keras2.mending.arguments import arguments_of, changes_nothing
from keras_inits.legacy.keras2.mending.graph import new_names

DATA = Path(__file__).parent / "data"


def _model(*layers: tuple[str, dict[str, Any]], shape: tuple[int, ...] = (4,)) -> dict[str, Any]:
    nodes = [{"class_name": cls, "config": {"name": cls.lower(), **inner}} for cls, inner in layers]
    nodes[0]["config"]["batch_input_shape"] = [None, *shape]
    return {"class_name": "Sequential", "config": nodes, "keras_version": "2.2.4"}


def _write(tmp_path: Path, config: dict[str, Any]) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(config))
    return path


def _lambda(function: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    parts = [code, function.__defaults__, closure or None]
    return "Lambda", {"function": parts, "function_type": "lambda", "module": "away", **kwargs}


def _named(x: Any) -> Any:
    return x + 1.0


X = np.array([[1.0, -2.0, 3.0, 0.5]], "float32")


def test_lambdas_are_loaded_where_the_file_is_trusted(tmp_path: Path) -> None:
    factor = 3.0
    cases = [
        (_lambda(lambda x: x * factor), 3 * X),
        (_lambda(lambda x, k=2.0: x * k, arguments={"k": 5.0}), 5 * X),
        (_lambda(lambda x: K.square(x) + max(0, 1)), X**2 + 1),  # noqa: F821
        (("Lambda", {"function": "_named", "function_type": "function"}), X + 1),
        (("Activation", {"activation": {"value": _lambda(lambda x: -x)[1]["function"]}}), -X),
    ]
    for (cls, inner), expected in cases:
        path = _write(tmp_path, _model((cls, inner)))
        with pytest.raises(ValueError, match="must hold no code"):
            legacy_load_model(path)
        objects = {"K": keras.ops, "_named": _named}
        model = legacy_load_model(path, safe_mode=False, custom_objects=objects)
        np.testing.assert_allclose(to_numpy(model(X)), expected, atol=1e-6)


@pytest.mark.parametrize("cls", ["LambdaV1", "LambdaV2"])
def test_a_suffix_hides_no_code(tmp_path: Path, cls: str) -> None:
    inner = _lambda(lambda x: x)[1]
    with pytest.raises(ValueError, match="must hold no code, got a Lambda"):
        legacy_load_model(_write(tmp_path, _model((cls, inner))))


_RUN = """
import json, sys, types
from keras_inits.legacy.keras2.mending.lambdas import _loaded
for source, code in json.loads(sys.argv[1]).items():
    try:
        found = _loaded(code, "l")
    except ValueError as error:
        print("refused", "of another release" in str(error))
        continue
    for argument in (3, [1, 3, 2], None):
        results = []
        for function in (types.FunctionType(found, {"len": len, "max": max, "range": range}), eval(source)):
            try:
                results.append(repr(function(argument)))
            except Exception as error:
                results.append(repr(error))
        print("equal", results[0] == results[1])
"""


@pytest.mark.once
@pytest.mark.parametrize("release", ["3.11", "3.12", "3.13"])
def test_code_of_another_python_is_refused_or_means_the_same(release: str) -> None:
    """Instructions of another release would end the process, which a new one shows."""
    codes = json.loads((DATA / "lambdas.json").read_text())[release]
    lines = python(_RUN, json.dumps(codes)).split("\n")
    told = [line for line in lines if line.startswith(("refused", "equal"))]
    assert len(told) >= len(codes)
    assert all(line.endswith("True") for line in told)
    if release == ".".join(map(str, sys.version_info[:2])):
        assert not any(line.startswith("refused") for line in told)


def test_a_name_that_code_lacks_is_told(tmp_path: Path) -> None:
    path = _write(tmp_path, _model(_lambda(lambda x: unknown.relu(x))))  # noqa: F821
    with pytest.raises(ValueError, match="custom_objects must have 'unknown', which the code of"):
        legacy_load_model(path, safe_mode=False)


def test_code_of_another_python_is_told(tmp_path: Path) -> None:
    own = (lambda x: x.y(x) * 2).__code__
    for raw in (
        marshal.dumps(own)[:-9],
        marshal.dumps([1]),
        marshal.dumps(own.replace(co_code=own.co_code[:-2])),
        marshal.dumps(own.replace(co_code=b"\xff\x00" * 8)),
        marshal.dumps(own.replace(co_code=own.co_code.replace(b"\x00\x00", b""))),
        # The code of Python 3.6: lambda x: x * 2
        b"\xe3\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00C\x00\x00\x00s\x08\x00"
        b"\x00\x00|\x00d\x01\x14\x00S\x00)\x02N\xe9\x02\x00\x00\x00\xa9\x00",
    ):
        inner = {**_lambda(lambda x: x)[1]}
        inner["function"] = [base64.encodebytes(raw).decode("ascii"), None, None]
        with pytest.raises(ValueError, match=r"layer 'lambda' must hold code of Python 3\.\d+"):
            legacy_load_model(_write(tmp_path, _model(("Lambda", inner))), safe_mode=False)


@pytest.mark.parametrize(("cls", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_weights_of_cudnn_are_rearranged(tmp_path: Path, cls: str, gates: int) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(2, 3 * gates)).astype("float32")
    recurrent = rng.normal(size=(3, 3 * gates)).astype("float32")
    bias = rng.normal(size=(2, 3 * gates)).astype("float32")
    kwargs = {"recurrent_activation": "sigmoid"} | ({"reset_after": True} if cls == "GRU" else {})
    layer = getattr(keras.layers, cls)(3, **kwargs)
    layer.build((None, 5, 2))
    layer.set_weights([kernel, recurrent, bias if cls == "GRU" else bias.sum(axis=0)])
    # CuDNN's matrices multiply from the left, each gate's for itself, one after another in memory.
    gate = [kernel[:, 3 * g : 3 * g + 3] for g in range(gates)]
    flat = [np.ascontiguousarray(k.T).ravel().reshape(k.shape) for k in gate]
    stored = [
        np.concatenate(flat, axis=1),
        np.concatenate([recurrent[:, 3 * g : 3 * g + 3].T for g in range(gates)], axis=1),
        bias.ravel(),
    ]
    config = _model((f"CuDNN{cls}", {"name": "r", "units": 3, "return_state": False}), shape=(5, 2))
    path = tmp_path / "cudnn.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.2.4"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"r"]
        names = ["r/kernel:0", "r/recurrent_kernel:0", "r/bias:0"]
        group.create_group("r").attrs["weight_names"] = [name.encode() for name in names]
        for name, value in zip(names, stored, strict=True):
            group["r"][name] = value
    model = legacy_load_model(path)
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(layer(x)), atol=1e-6)


def test_merge_of_keras_2_0(tmp_path: Path) -> None:
    expected = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
    expected |= {"concat": "Concatenate", "dot": "Dot"}
    for mode, cls in expected.items():
        old = {"class_name": "Merge", "config": {"name": "m", "mode": mode, "concat_axis": -1}}
        assert upgrade_model(old, "keras2.0")["class_name"] == cls
    old["config"]["mode"] = "cos"
    with pytest.raises(ValueError, match=r"layer 'm' \(Merge\) must have a mode of .*, got 'cos'"):
        upgrade_model(old, "keras2.0")


def test_a_threshold_is_kept() -> None:
    old = {"class_name": "ThresholdedReLU", "config": {"name": "t", "theta": 1.0}}
    layer = keras.saving.deserialize_keras_object(upgrade_model(old, "keras2"))
    x = np.array([0.5, 1.0, 1.5, -2.0], "float32")
    np.testing.assert_array_equal(to_numpy(layer(x)), [0, 0, 1.5, 0])


YAML = """\
backend: tensorflow
class_name: Sequential
config:
- class_name: Dense
  config:
    activation: relu
    batch_input_shape: &id001 !!python/tuple [null, 4]
    dtype: float32
    kernel_initializer:
      class_name: VarianceScaling
      config: {distribution: uniform, mode: fan_avg, scale: 1.0, seed: null}
    name: !!python/unicode 'dense_1'
    units: 3
keras_version: 2.1.2
"""


def test_yaml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(YAML)
    model = legacy_load_model(path)
    assert model.input_shape == (None, 4)
    assert model.layers[0].name == "dense_1"


@pytest.mark.parametrize(
    "text",
    [
        YAML.replace("relu", "!!python/object/apply:os.getcwd []"),
        YAML.replace("relu", "!!python/name:os.system"),
        YAML + "a: &a [x]\n" + "".join(f"b{i}: &b{i} [{', '.join([f'*{p}'] * 9)}]\n"
                                         for i, p in enumerate(["a", *(f"b{j}" for j in range(9))])),
        YAML + "a: &a [*a]\n",
        YAML.replace("config:", "config: ["),
    ],
)  # fmt: skip
def test_yaml_makes_no_objects(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"legacy_load_model: .*model\.yaml"):
        legacy_load_model(path)


def test_names_stay_unique() -> None:
    layers = [{"name": name, "class_name": "Dense"} for name in ("a/b", "a_b", "a.b", "c")]
    assert list(new_names(layers).values()) == ["a_b_1", "a_b", "a_b_2", "c"]


@pytest.mark.parametrize("dtype", ["float", "float32", "half"])
def test_dtypes_by_tensorflow_names(tmp_path: Path, dtype: str) -> None:
    config = _model(("InputLayer", {"dtype": dtype}), ("Dense", {"units": 2}))
    model = legacy_load_model(_write(tmp_path, config))
    assert model.inputs[0].dtype == {"half": "float16"}.get(dtype, "float32")


def _graph(nodes: dict[str, Any], output: list[Any]) -> dict[str, Any]:
    first = {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"}
    layers = [{"class_name": "InputLayer", "name": "x", "config": first, "inbound_nodes": []}]
    layers += [
        {
            "class_name": "Dense",
            "name": name,
            "config": {"name": name, "units": 4},
            "inbound_nodes": calls,
        }
        for name, calls in nodes.items()
    ]
    inner = {
        "name": "m",
        "layers": layers,
        "input_layers": [["x", 0, 0]],
        "output_layers": [output],
    }
    return {"class_name": "Model", "config": inner, "keras_version": "2.2.4"}


def test_graphs_that_do_not_end_are_told(tmp_path: Path) -> None:
    cases = [
        ({"a": [[["b", 0, 0]]], "b": [[["a", 0, 0]]]}, "without loops, got layer 'a'"),
        ({"a": [[["x", 3, 0]]]}, "without loops, got layer 'a'"),
        ({"a": [[["gone", 0, 0]]]}, "of layers in the model, got .'gone', 0, 0"),
    ]
    for nodes, message in cases:
        with pytest.raises(ValueError, match=message):
            legacy_load_model(_write(tmp_path, _graph(nodes, ["a", 0, 0])))
    with pytest.raises(ValueError, match="ends must name its layers, got .'gone', 0, 0"):
        legacy_load_model(_write(tmp_path, _graph({"a": [[["x", 0, 0]]]}, ["gone", 0, 0])))


def test_other_archives_and_folders(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("keras_model.h5", b"x")
    with pytest.raises(ValueError, match=r"a\.zip.*holds no config\.json; unpack it"):
        legacy_load_model(tmp_path / "a.zip")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="a SavedModel folder; load it with the tf_keras package"):
        legacy_load_model(tmp_path)


@pytest.mark.once
def test_arguments_of_every_release_are_taken_or_change_nothing() -> None:
    """Of Keras 2.0.9, 2.1.6, 2.2.5, 2.3.1 and tf.keras 2.6, 2.9, 2.12, 2.15, with their defaults."""
    table = json.loads((DATA / "keras2" / "arguments.json").read_text())
    assert sum(map(len, table.values())) > 1000
    mended = {("LeakyReLU", "alpha"), ("ThresholdedReLU", "theta")}
    code = ("module", "_type", "_module")
    left = []
    for cls, arguments in table.items():
        new = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU", "ThresholdedReLU": "ReLU"}.get(cls, cls)
        known = arguments_of(getattr(keras.layers, new))
        left += [
            (cls, key, value)
            for key, values in arguments.items()
            for value in values
            if key not in known and (cls, key) not in mended
            if not (cls == "Lambda" and key.endswith(code))
            if not changes_nothing(new, key, value)
        ]
    assert not left


@pytest.mark.once
def test_the_page_is_up_to_date() -> None:
    path = Path(__file__).parents[1] / "tools" / "files.py"
    spec = importlib.util.spec_from_file_location("files", path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run tools/files.py"


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    source = DATA / "tf1" / "tfkeras_115_sequential.h5"
    path = tmp_path / "other.h5"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        name = group.attrs["layer_names"][-1]
        group.attrs["layer_names"] = [n for n in group.attrs["layer_names"] if n != name]
    with pytest.raises(ValueError, match="has weights in the model, and none in the file"):
        legacy_load_model(source.with_suffix(".json"), weights=path)


class Half(keras.layers.Layer):
    """Masks every second step."""

    def call(self, inputs: Any) -> Any:
        return inputs * 1.0

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return keras.ops.cast(
            keras.ops.ones_like(inputs)[..., 0] * keras.ops.array([1.0, 0.0]), "bool"
        )


def test_layers_take_masks_of_custom_classes_as_they_did(tmp_path: Path) -> None:
    ends = [("Rescaling", {"scale": 2.0, "offset": 0.0}), ("GlobalAveragePooling1D", {})]
    x = np.arange(8.0, dtype="float32").reshape(2, 2, 2)
    path = _write(tmp_path, _model(("Half", {}), *ends, shape=(2, 2)))
    model = legacy_load_model(path, custom_objects={"Half": Half})
    np.testing.assert_allclose(to_numpy(model(x)), 2 * x.mean(axis=1))
    path = _write(tmp_path, _model(*ends, shape=(2, 2)))
    assert type(legacy_load_model(path).layers[0]) is keras.layers.Rescaling


def test_statistics_of_several_axes_are_told() -> None:
    old = {"class_name": "BatchNormalization", "config": {"name": "b", "axis": [1, 3]}}
    with pytest.raises(ValueError, match=r"layer 'b' .* must have one axis, .* got axis=\[1, 3\]"):
        upgrade_model(old, "keras2")
