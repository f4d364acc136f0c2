"""check_reloadable says ok of what a file brings back, and of nothing else."""

from __future__ import annotations

import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import reloadable_layers as own

import keras_inits as ki
from keras_inits.models.saving.trees import children

L = keras.layers
X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def _sequential(*layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), *layers], name="m")


def _functional(*layers: Any) -> keras.Model:
    x = y = keras.Input((4,))
    for layer in layers:
        y = layer(y)
    return keras.Model(x, y, name="m")


def _called(model: keras.Model) -> keras.Model:
    model(X)
    return model


# The model, where the problem is ("" for none), and a part of the reason.
KINDS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "required argument forgotten": (
        lambda: _sequential(own.ForgetsRequired(3, name="a")),
        "m/a",
        "does not come back from its config: .*missing 1 required .*'units'",
    ),
    "deep inside": (
        lambda: _functional(_sequential(own.Wrapper(own.ForgetsRequired(3, name="a"), name="w"))),
        "m/m/w/a",
        "missing 1 required .*'units'",
    ),
    "no keyword arguments": (
        lambda: _sequential(own.NoKeywords(3)),
        "m/no_keywords",
        "unexpected keyword argument 'name'",
    ),
    "not deserialized": (
        lambda: _sequential(own.NotDeserialized(L.Dense(3), name="w")),
        "m/w",
        "does not come back from its config: ",
    ),
    "not serialized": (
        lambda: _sequential(own.NotSerialized(L.Dense(3), name="w")),
        "m/w",
        "does not come back from its config: .*'str' object has no attribute",
    ),
    "silently not deserialized": (
        lambda: _sequential(own.SilentlyNotDeserialized(L.Dense(3), name="w")),
        "m/w",
        "inner=Dense becomes the config of a Dense",
    ),
    "default forgotten": (
        lambda: _sequential(own.ForgetsDefault("tanh", name="a")),
        "m/a/act",
        "it comes back as relu",
    ),
    "default forgotten, private": (
        lambda: _sequential(own.ForgetsPrivately("tanh", name="a")),
        "m/a",
        "it comes back different: _kind='tanh' becomes 'relu'",
    ),
    "default forgotten, inside": (
        lambda: _functional(own.ForgetsInside("tanh", name="a")),
        "m/a",
        "units.*|activation=tanh becomes relu, .*bias_initializer=Ones becomes Zeros",
    ),
    "unregistered layer": (
        lambda: _sequential(own.Unregistered(name="a")),
        "m/a",
        "class Unregistered is not registered",
    ),
    "unregistered in a wrapper": (
        lambda: _sequential(own.Wrapper(own.Unregistered(name="a"), name="w")),
        "m/w/a",
        "class Unregistered is not registered",
    ),
    "lambda in a wrapper": (
        lambda: _sequential(own.Wrapper(L.Dense(3, lambda x: x, name="a"), name="w")),
        "m/w/a/activation",
        "a lambda",
    ),
    "unregistered model": (
        lambda: _called(own.UnregisteredModel(3, name="m")),
        "m",
        "class UnregisteredModel is not registered",
    ),
    "unregistered model inside": (
        lambda: _sequential(own.UnregisteredModel(3, name="a")),
        "m/a",
        "class UnregisteredModel is not registered",
    ),
    "forgetful model": (
        lambda: _called(own.ForgetfulModel(3, name="m")),
        "m",
        "units=3 becomes 2",
    ),
    "forgetful model inside": (
        lambda: _functional(L.Dense(4), own.ForgetfulModel(3, name="a")),
        "m/a",
        "units=3 becomes 2",
    ),
    "array argument": (
        lambda: _sequential(own.ArrayArgument(np.ones(4), name="a")),
        "m/a",
        "mean=array.* becomes the config of a __numpy__",
    ),
    "not built": (
        lambda: _called(own.Outer(name="m")),
        "m/first/dense",
        "it has 2 weights and is built with 0 when it comes back",
    ),
    "fine": (lambda: _sequential(own.WithConfig(3)), "", ""),
    "default kept": (lambda: _sequential(own.ForgetsDefault(), own.ForgetsInside()), "", ""),
    "good wrapper": (lambda: _sequential(own.Wrapper(own.Wrapper(L.Dense(3)))), "", ""),
    "makes unregistered": (lambda: _sequential(own.MakesUnregistered()), "", ""),
    "state": (lambda: _called(_sequential(own.Stateful())), "", ""),
    "good model": (lambda: _called(own.GoodModel(3)), "", ""),
    "good model inside": (lambda: _functional(own.GoodModel(3), L.Dense(2)), "", ""),
    "shared": (lambda: (lambda d: _functional(d, own.Wrapper(d)))(L.Dense(4)), "", ""),
    "every Keras kind": (
        lambda: _functional(
            L.Reshape((2, 2)),
            L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.TimeDistributed(L.Dense(4, "gelu", kernel_regularizer="l2")),
            L.RNN([L.GRUCell(3), L.LSTMCell(2)]),
            L.Dropout(0.5),
            L.BatchNormalization(trainable=False),
        ),
        "",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_loading_does(kind: str, tmp_path: Path) -> None:
    make, where, reason = KINDS[kind]
    model = make()
    report = ki.check_reloadable(model)
    paths = [re.sub(r"dense_\d+", "dense", problem.path) for problem in report.problems]
    assert paths == ([where] if where else [])
    if where:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(report.problems[0].reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "m.keras")
    try:
        back = keras.models.load_model(tmp_path / "m.keras")
        expected, found = (keras.ops.convert_to_numpy(m(X)) for m in (model, back))
        comes_back = expected.shape == found.shape and np.allclose(expected, found)
    except Exception:
        comes_back = False
    assert comes_back == report.ok


def test_what_the_base_class_takes() -> None:
    layer = own.BaseForgotten(name="mine")
    layer.trainable = False
    (problem,) = ki.check_reloadable(_sequential(layer)).problems
    assert problem.reason == (
        "it comes back different: name='mine' becomes 'base_forgotten', trainable=False becomes True"
    )
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _sequential(own.BaseForgotten(), L.Dense(3))
        (problem,) = ki.check_reloadable(model).problems
    finally:
        keras.config.set_dtype_policy("float32")
    assert problem.path == f"m/{model.layers[0].name}"
    assert problem.reason == "it comes back different: dtype='mixed_float16' becomes 'float32'"


def _problems(model: Any) -> dict[str, str]:
    found = ki.check_reloadable(model).problems
    assert len({problem.path for problem in found}) == len(found)
    return {p.path: p.reason.removeprefix("it comes back different: ") for p in found}


def test_compiled_models_inside() -> None:
    inner = keras.Sequential([keras.Input((4,)), L.Dense(2)], name="inner")
    inner.compile(loss=lambda y_true, y_pred: keras.ops.mean(y_pred - y_true))
    assert list(_problems(_functional(inner))) == ["m/inner/loss"]


_loss, _metric = own.ForgetfulLoss, own.ForgetfulMetric
_WEIGHT, _BETA = "weight=3.0 becomes 1.0", "beta=3.0 becomes 1.0"
# What a model of the outputs a and b is compiled with, and what of it is otherwise.
COMPILED: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, str]]] = {
    "loss": (lambda: {"loss": _loss(3.0)}, {"loss": _WEIGHT}),
    "losses": (lambda: {"loss": ["mse", _loss(3.0)]}, {"loss": _WEIGHT}),
    "Keras's loss that forgets": (
        lambda: {"loss": keras.losses.Huber(0.5)},
        {} if keras.__version__ >= "3.16" else {"loss": "delta=0.5 becomes 1.0"},
    ),
    "losses by name": (lambda: {"loss": {"b": _loss(1.0), "a": _loss(3.0)}}, {"loss": _WEIGHT}),
    "metrics": (
        lambda: {"metrics": [["mae", _metric(1.0)], [_metric(3.0)]]},
        {"metrics": _BETA},
    ),
    "metrics by name": (
        lambda: {"metrics": {"b": _metric(3.0), "a": [_metric(1.0), "mae"]}},
        {"metrics": _BETA},
    ),
    "weighted metrics": (
        lambda: {"metrics": [_metric(1.0), None], "weighted_metrics": [_metric(3.0), None]},
        {"weighted_metrics": _BETA},
    ),
    "loss as metric": (lambda: {"metrics": [None, _loss(3.0)]}, {"metrics": _WEIGHT}),
    "schedule": (
        lambda: {"optimizer": keras.optimizers.Adam(own.ForgetfulSchedule(0.2))},
        {"optimizer": "rate=0.2 becomes 0.1"},
    ),
    "optimizer that scales its loss": (
        lambda: {"optimizer": own.ForgetfulSGD(extra=3.0)},
        {"optimizer": "extra=3.0 becomes 1.0"},
    ),
    "fine": (
        lambda: {
            "optimizer": keras.optimizers.Adam(own.ForgetfulSchedule()),
            "loss": {"a": _loss(), "b": keras.losses.Huber()},
            "metrics": {"a": [_metric(), own.OwnAUC(multi_label=True)], "b": _loss()},
            "weighted_metrics": [keras.metrics.AUC(multi_label=True), keras.metrics.MeanIoU(2)],
        },
        {},
    ),
}


@pytest.mark.parametrize("kind", COMPILED)
def test_what_a_model_is_compiled_with(kind: str) -> None:
    make, wanted = COMPILED[kind]
    x = keras.Input((4,))
    outputs = {name: L.Dense(2, "sigmoid", name=name, dtype="float32")(x) for name in "ab"}
    model = keras.Model(x, outputs, name="m")
    if "scales" in kind:
        model.dtype_policy = "mixed_float16"
    model.compile(**{"loss": "mse", "optimizer": "sgd", **make()})
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) is ("scales" in kind)
    assert _problems(model) == {f"m/{argument}": reason for argument, reason in wanted.items()}
    y = np.ones((8, 2), "float32")
    model.train_on_batch(X, {"a": y, "b": y})
    assert _problems(model) == {f"m/{argument}": reason for argument, reason in wanted.items()}


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (own.GoodModel, ""),
        (
            own.OwnCompile,
            "its class has its own compile.*get_compile_config.*compile after loading",
        ),
        (own.CompileComesBack, ""),
        (own.CompileForgets, "extra=3.0 becomes 1.0"),
        (own.CompileFails, "it does not come back from its config: .*no such thing"),
    ],
)
def test_a_compile_of_ones_own(cls: Any, reason: str) -> None:
    model = _called(cls(2, name="m"))
    extra = {} if cls is own.GoodModel else {"extra": 3.0}
    model.compile(**extra, optimizer="sgd", loss="mse")
    for _ in range(2):  # before and after training
        problems = _problems(model)
        assert list(problems) == (["m/compile"] if reason else [])
        assert re.match(reason, problems.get("m/compile", ""))
        model.fit(X, np.ones((8, 2), "float32"), verbose=0)
        model.evaluate(X, np.ones((8, 2), "float32"), verbose=0)
        model.predict(X, verbose=0)


def _frozen(layer: Any, *names: str) -> Any:
    """A model of the layer, of which what is named is frozen then."""
    model = layer if isinstance(layer, keras.Model) else _functional(layer)
    for name in names:
        part = layer
        for attribute in name.split("."):
            part = getattr(part, attribute) if attribute else part
        part.trainable = False
    return model


def _attention(name: str) -> keras.Model:
    layer = L.MultiHeadAttention(2, 3, name="a")
    x = keras.Input((3, 4))
    model = keras.Model(x, layer(x, x), name="m")
    part = next(part for part in (layer, *children(layer)) if part.name == name)
    part.trainable = False
    return model


# A model with something frozen, where the problem is ("" for none), and the reason.
FROZEN: dict[str, tuple[Callable[[], Any], str, str]] = {
    "layer inside": (lambda: _frozen(own.Block(3, name="a"), "dense"), "m/a", "dense"),
    "variable": (lambda: _frozen(own.Block(3, name="a"), "scale"), "m/a", "scale"),
    "variable inside": (lambda: _frozen(own.Block(3, name="a"), "dense.bias"), "m/a", "dense.bias"),
    "whole layer": (lambda: _frozen(own.Block(3, name="a"), ""), "m/a", "dense"),
    "layer in a wrapper": (
        lambda: _frozen(own.Wrapper(own.Block(3, name="b"), name="w"), "inner.dense"),
        "m/w",
        "b.dense",
    ),
    "model of one's own": (lambda: _frozen(_called(own.GoodModel(3, name="m")), ""), "m", "dense"),
    "Keras's layer": (lambda: _attention("a"), "m/a", "query"),
    "part of Keras's layer": (lambda: _attention("value"), "m/a", "value"),
    "Keras's variable": (lambda: _frozen(L.Dense(3, name="a"), "kernel"), "m/a", "kernel"),
    "from the start": (lambda: _functional(own.Block(3, trainable=False)), "", ""),
    "Keras's leaf": (lambda: _frozen(L.Dense(3), ""), "", ""),
    "Keras's wrapper": (lambda: _frozen(own.Wrapper(L.Dense(3)), "inner"), "", ""),
    "Keras's model": (lambda: _frozen(_sequential(L.Dense(3), L.Dropout(0.5)), ""), "", ""),
    "Keras's model inside": (lambda: _frozen(_sequential(L.Dense(3), L.Dense(2)), ""), "", ""),
    "low rank": (
        lambda: (lambda d, m: (d.enable_lora(2), m)[1])(*(lambda d: (d, _functional(d)))(L.Dense(3))),
        "",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FROZEN)
def test_what_is_frozen(kind: str, tmp_path: Path) -> None:
    make, where, name = FROZEN[kind]
    model = make()
    problems = {
        path: re.sub(r"dense_\d+", "dense", reason) for path, reason in _problems(model).items()
    }
    assert list(problems) == ([where] if where else [])
    if where:
        assert problems[where].startswith(f"{name}.trainable=False becomes True")
    model.save(tmp_path / "m.keras")
    back = keras.models.load_model(tmp_path / "m.keras")
    flags = [[weight.trainable for weight in m.weights] for m in (model, back)]
    assert (flags[0] == flags[1]) is not bool(where)


def test_a_thawed_layer_of_a_frozen_model() -> None:
    model = _sequential(L.Dense(3), L.Dense(2))
    model.trainable = False
    model.layers[-1].trainable = True
    assert _problems(model) == {"m": "trainable=False becomes True"}


@pytest.mark.once
def test_tuples_that_come_back_as_lists() -> None:
    for sizes, told in [((1, 2), "(1, 2) becomes [1, 2]"), ([(1, 2)], "[(1, 2)] becomes [[1, 2]]")]:
        assert _problems(_sequential(own.Keeps(sizes, name="a"))) == {"m/a": f"_sizes={told}"}
    assert not _problems(_sequential(own.Keeps([1, [2]]), own.Keeps({"a": 1})))
    assert not _problems(_sequential(own.KeepsTuple((1, 2)), own.KeepsForKeras((2, 2))))
    nested = _sequential(own.Keeps({"a": (1,)}, name="a"))
    assert list(_problems(nested)) == ["m/a"]


def _trace(model: keras.Model) -> list[Any]:
    values = [keras.ops.convert_to_numpy(v).tobytes() for v in model.variables]
    return [values, random.getstate(), np.random.get_state()[1].tobytes(), model.get_config()]


def _draw() -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.random.normal((4,)))


def _start_anew() -> np.ndarray:
    """The first draw, and one layer named, in a session of its own."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    assert L.Dense(1).name == "dense"
    return _draw()


@pytest.mark.slow
def test_no_trace_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    x = keras.Input((3, 4), batch_size=8)
    y = L.Dropout(0.5)(L.GRU(3, stateful=True)(x))
    model = keras.Model(x, L.GaussianNoise(1.0)(y))
    model.compile("adam", "mse")
    for given in (None, np.ones((8, 3, 4), "float32")):
        expected = [_start_anew(), _draw()]
        np.testing.assert_array_equal(_start_anew(), expected[0])
        before = _trace(model)
        assert ki.check_reloadable(model, given).ok
        assert _trace(model) == before
        np.testing.assert_array_equal(_draw(), expected[1])
        assert L.Dense(1).name == "dense_1"
        assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="check_reloadable: x must be an input of the model, got "):
        ki.check_reloadable(model, np.ones((8, 3, 5), "float32"))
    assert not list(tmp_path.iterdir())


def test_a_scope_of_custom_objects_counts() -> None:
    model = _sequential(own.Unregistered(name="a"))
    with keras.saving.custom_object_scope({"Unregistered": own.Unregistered}):
        assert ki.check_reloadable(model).ok
    assert not ki.check_reloadable(model).ok


@pytest.mark.slow
def test_a_new_process_loads_the_file() -> None:
    model = _sequential(own.Wrapper(L.Dense(3, kernel_initializer=ki.HeNormal(seed=1))))
    assert ki.check_reloadable(model, X, imports=["reloadable_layers"]).ok
    report = ki.check_reloadable(model, X)
    (problem,) = report.problems
    assert problem.path == "m/file"
    assert "in a new process, loading failed: Could not locate class 'Wrapper'" in problem.reason
    assert problem.reason.endswith("the modules of the model's classes: reloadable_layers")
    assert report.rows[-1].argument == "file"
    (problem,) = ki.check_reloadable(model, X, imports=("no_such_module",)).problems
    assert problem.reason == (
        "in a new process, importing no_such_module failed: No module named 'no_such_module'"
    )
    bad = _sequential(own.ForgetsPrivately("tanh"))
    reasons = [
        p.reason for p in ki.check_reloadable(bad, X, imports=["reloadable_layers"]).problems
    ]
    assert reasons[0] == "it comes back different: _kind='tanh' becomes 'relu'"
    assert reasons[1].startswith("a new process predicts otherwise, by ")


@pytest.mark.slow
@pytest.mark.once
def test_what_keras_imports_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is registered comes back, though the class be in a module that is imported."""
    source = (
        "import keras\nclass Mine(keras.layers.Layer):\n    def call(self, x):\n        return x\n"
    )
    (tmp_path / "plain_mine.py").write_text(source)
    registered = source.replace("class", "@keras.saving.register_keras_serializable()\nclass")
    (tmp_path / "registered_mine.py").write_text(registered)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module, ok in (("plain_mine", False), ("registered_mine", True)):
        model = _sequential(__import__(module).Mine(name="a"))
        report = ki.check_reloadable(model, X, imports=[module])
        assert report.ok is ok
        if not ok:
            first, second = (problem.reason for problem in report.problems)
            assert "class Mine is not registered" in first
            assert "Could not locate class 'Mine'" in second
        del sys.modules[module]


@pytest.mark.slow
@pytest.mark.once
def test_structures_of_inputs_and_outputs() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((2,), dtype="int32", name="b")
    y = L.Dense(3)(a)
    z = L.Flatten()(L.Embedding(5, 2)(b))
    model = keras.Model({"a": a, "b": b}, {"z": z, "y": [y, z]})
    x = {"a": keras.ops.ones((2, 4)), "b": [[1, 2], [3, 4]]}
    x["b"] = np.array(x["b"], "int32")
    assert ki.check_reloadable(model, x).ok


@pytest.mark.once
def test_arguments_are_checked() -> None:
    model = _sequential(L.Dense(2))
    with pytest.raises(TypeError, match="check_reloadable: imports must be a list of names of mod"):
        ki.check_reloadable(model, X, imports="numpy")
    with pytest.raises(TypeError, match=r"model must be a keras.Model to be saved, got Dense"):
        ki.check_reloadable(L.Dense(2), X)
    with pytest.raises(
        ValueError, match="model must be built to predict on x, got one that is not"
    ):
        ki.check_reloadable(own.GoodModel(), X)
    assert ki.check_reloadable(own.GoodModel()).ok
    assert ki.check_reloadable(L.Dense(2)).ok


@pytest.mark.once
def test_how_far_predictions_may_be_apart() -> None:
    from keras_inits.models.reloadable import _distance

    one = np.array([1.0, 1000.0, np.nan, np.inf], "float32")
    assert _distance(one, one) == 0
    assert _distance(one + np.float32([5e-4, 0, 0, 0]), one) == 0
    assert _distance(one + np.float32([2e-3, 0, 0, 0]), one) == pytest.approx(2e-6, rel=0.1)
    assert _distance(np.float32([1.0, np.nan]), np.float32([1.0, 2.0])) == np.inf
    assert _distance(np.float32([0.0]), np.float32([0.0])) == 0
    assert _distance(np.array([np.inf]), np.array([-np.inf])) == np.inf
    assert _distance(np.array(["a"]), np.array(["b"])) == np.inf
