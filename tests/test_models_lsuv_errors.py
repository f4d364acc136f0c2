"""lsuv: bad data and models, layers that it cannot scale, and a model that comes back as it was."""

from __future__ import annotations

import json
import threading

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.data_dependent import data_dependent
from keras_inits.models.lsuv import lsuv

RNG = np.random.default_rng(0)
BACKEND = keras.backend.backend()


def batch(*shape, samples=32):
    return RNG.normal(0.7, 2.0, (samples, *shape)).astype("float32")


def small():
    return keras.Sequential([keras.Input((4,)), L.Dense(4, "relu"), L.Dense(3)])


def values(model):
    return [to_numpy(variable) for variable in model.variables]


def assert_unchanged(model, before):
    for a, b in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(a, b)


def run(model, x, **arguments):
    return lsuv(model, x, progress=False, **arguments)


X = batch(4)
WITH_NAN = X.copy()
WITH_NAN[3, 1] = np.nan
BAD_DATA = {
    "NaN": (WITH_NAN, ValueError, r"x must be finite, got 1 of 128 values NaN or infinite"),
    "infinite": (np.full_like(X, np.inf), ValueError, r"x must be finite, got 128 of 128"),
    "constant": (np.full((8, 4), 2.5), ValueError, r"x must vary, got the value 2.5 everywhere"),
    "one sample": (X[:1], ValueError, r"two samples or more, got shape \(1, 4\)"),
    "no sample": (X[:0], ValueError, r"two samples or more, got shape \(0, 4\)"),
    "shape": (batch(5), ValueError, r"x must have shape \(None, 4\), got \(32, 5\)"),
    "rank": (batch(4, 4), ValueError, r"x must have shape \(None, 4\), got \(32, 4, 4\)"),
    "too many": ([X, X], ValueError, r"x must have shape \(None, 4\)"),
    "sizes": ([X, X[:5]], ValueError, r"same number of samples"),
    "text": ("data", TypeError, r"x must be an array, a list or dict of arrays, or a dataset"),
    "none": (None, TypeError, r"x must be an array"),
    "numbers": ([1.0, 2.0], TypeError, r"x must be an array, a list or dict of arrays"),
    "lists": ([[1.0, 2.0], [3.0, 4.0]], TypeError, r": x must be an array, a list or dict of arr"),
    "dict of lists": ({"a": [1, 2]}, TypeError, r": x must be an array, a list or dict of arrays"),
    "empty list": ([], ValueError, r": x must be an array, a list or dict of arrays"),
    "empty dict": ({}, ValueError, r": x must be an array, a list or dict of arrays"),
    "five parts": ([(1, 2, 3, 4, X)], TypeError, r"the first batch of x must be an array"),
    "empty": (iter(()), ValueError, r"x must be a dataset of one batch or more"),
}


@pytest.mark.parametrize("function", [run, data_dependent])
@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data(function, name):
    x, error, message = BAD_DATA[name]
    model = small()
    before = values(model)
    with pytest.raises(error, match=message):
        function(model, x)
    assert_unchanged(model, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target_std": 0.0}, ValueError, r"lsuv: target_std must be a finite number > 0, got 0.0"),
        ({"target_std": "1"}, TypeError, r"lsuv: target_std"),
        ({"tolerance": float("nan")}, ValueError, r"lsuv: tolerance"),
        ({"max_iterations": 0}, ValueError, r"lsuv: max_iterations must be an integer >= 1"),
        ({"max_iterations": 2.5}, TypeError, r"lsuv: max_iterations"),
        ({"criterion": "var"}, ValueError, r"lsuv: criterion must be one of 'std', 'variance'"),
        ({"seed": -1}, ValueError, r"lsuv: seed"),
        ({"progress": 1}, TypeError, r"lsuv: progress must be True or False"),
    ],
)
def test_bad_arguments(arguments, error, message):
    model = small()
    before = values(model)
    with pytest.raises(error, match=message):
        lsuv(model, X, **{"progress": False} | arguments)
    assert_unchanged(model, before)


def test_bad_models():
    with pytest.raises(ValueError, match="^lsuv: model must be built"):
        run(keras.Sequential([L.Dense(3)]), X)
    with pytest.raises(ValueError, match="model must have weights"):
        run(keras.Sequential([keras.Input((4,)), L.ReLU()]), X)
    with pytest.raises(TypeError, match="model must be a Keras model"):
        run("model", X)


class Fails(L.Layer):
    """Lets Keras infer its shape and fails on data."""

    error: type[BaseException] = RuntimeError

    def call(self, x):
        if keras.ops.is_tensor(x) and "int" not in str(x.dtype) and x.shape[0] is not None:
            raise self.error("broken here")
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Stops(Fails):
    error = KeyboardInterrupt


@pytest.mark.parametrize(("layer", "error"), [(Fails, ValueError), (Stops, KeyboardInterrupt)])
@pytest.mark.parametrize("function", [run, data_dependent])
def test_a_failure_puts_everything_back(function, layer, error):
    inputs = keras.Input((4,))
    y = L.BatchNormalization()(L.Dense(4)(inputs))
    model = keras.Model(inputs, L.Dense(2)(layer()(y)))
    before = values(model)
    with pytest.raises(error, match="broken here"):
        function(model, X)
    assert_unchanged(model, before)
    assert not any("call" in vars(inside) for inside in model.layers)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        assert not tf.config.functions_run_eagerly()


def test_a_wrong_shape_for_a_subclassed_model_says_what_failed():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(3)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(X)
    before = values(model)
    with pytest.raises(ValueError, match=r"lsuv: model 'own(_\d+)?' fails on x of shape \(32, 9\)"):
        run(model, batch(9))
    assert_unchanged(model, before)


def test_layers_are_as_before_afterwards():
    model = small()
    before = [set(vars(layer)) for layer in model.layers]
    run(model, X)
    assert [set(vars(layer)) for layer in model.layers] == before
    assert model.layers[0].activation is keras.activations.relu


def test_an_activation_that_is_a_layer_comes_back():
    layer = L.Dense(4, activation=L.LeakyReLU(0.3))
    activation = layer.activation
    model = keras.Sequential([keras.Input((4,)), layer])
    run(model, X, seed=0)
    assert layer.activation is activation
    y = X @ to_numpy(layer.kernel)
    assert abs(y.std() - 1) <= 0.051
    np.testing.assert_allclose(to_numpy(model(X)), np.where(y > 0, y, 0.3 * y), atol=1e-4)


def test_dead_layers_stay_orthonormal_and_are_reported():
    inputs = keras.Input((4,))
    first, dead, last = L.Dense(4), L.Dense(4, name="dead"), L.Dense(2, use_bias=False, name="last")
    model = keras.Model(inputs, last(dead(L.Rescaling(0.0)(first(inputs)))))
    report = run(model, X, seed=0)
    assert [problem.path for problem in report.problems] == ["dead", "last"]
    assert all("dead" in problem.reason for problem in report.problems)
    kernel = to_numpy(dead.kernel)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-5)
    assert np.isfinite(to_numpy(model(X))).all()


def test_outputs_that_overflow_are_dead():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(4)(L.Rescaling(3e38)(L.Dense(4)(inputs))))
    report = run(model, X * 10, seed=0)
    (problem,) = report.problems
    assert "dead" in problem.reason
    assert np.isfinite(to_numpy(model.layers[-1].kernel)).all()


def test_frozen_layers_are_listed_and_left():
    model = small()
    model.layers[0].trainable = False
    before = values(model)
    report = run(model, X, seed=0)
    assert [(row.path, row.note) for row in report.rows] == [("dense_1", ""), ("dense", "frozen")]
    assert not report.problems
    np.testing.assert_array_equal(values(model)[0], before[0])
    assert abs(to_numpy(model(X)).std() - 1) <= 0.051


class Two(L.Layer):
    """Two matrices, and nothing says what they do."""

    def build(self, shape):
        self.a = self.add_weight(shape=(shape[-1], 4), name="a")
        self.b = self.add_weight(shape=(4, 4), name="b")
        self.constant = self.add_weight(shape=(4, 4), name="constant", trainable=False)

    def call(self, x):
        return keras.ops.tanh(x @ self.a) @ self.b


class One(L.Layer):
    """One matrix, no activation attribute, and a bias."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 4), name="w")
        self.bias = self.add_weight(shape=(4,), name="bias", initializer="ones")
        self.constant = self.add_weight(shape=(4, 4), name="constant", trainable=False)

    def call(self, x):
        return x @ self.w + self.bias


class Pair(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 4), name="w")

    def call(self, x):
        return x @ self.w, x


def test_layers_that_keras_does_not_have():
    inputs = keras.Input((4,))
    one, two, pair = One(), Two(), Pair()
    model = keras.Model(inputs, pair(two(one(inputs))))
    before = values(model)
    report = run(model, X, seed=0)
    reasons = {problem.path: problem.reason for problem in report.problems}
    assert set(reasons) == {"two", "pair"}
    assert "a, b" in reasons["two"]
    assert "not one tensor" in reasons["pair"]
    assert abs(to_numpy(one(X)).std() - 1) <= 0.051
    assert not to_numpy(one.bias).any()
    after = dict(
        zip([v.path for v in model.variables], zip(values(model), before, strict=True), strict=True)
    )
    for path, (new, old) in after.items():
        if not path.startswith("one/"):
            np.testing.assert_array_equal(new, old)


class Cell(L.Layer):
    """A recurrent cell made of a layer of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size = 3
        self.dense = L.Dense(3, name="inside")

    def build(self, shape):
        self.dense.build((None, shape[-1] + 3))

    def call(self, x, states):
        y = keras.ops.tanh(self.dense(keras.ops.concatenate([x, states[0]], -1)))
        return y, [y]


def test_cells_that_keras_does_not_have():
    model = keras.Sequential([keras.Input((5, 4)), L.RNN(Cell()), L.Dense(2)])
    before = values(model)
    report = run(model, batch(5, 4), seed=0)
    (problem,) = report.problems
    assert problem.path == "rnn/cell/inside"
    assert "not known" in problem.reason
    np.testing.assert_array_equal(values(model)[0], before[0])
    assert report.rows[0].path == "dense"


def test_quantized_layers_are_listed():
    model = small()
    model.layers[0].quantize("int8")
    report = run(model, X, seed=0)
    (problem,) = report.problems
    assert problem.path == "dense"
    assert "quantized to int8" in problem.reason
    assert report.rows[0].path == "dense_1"
    assert abs(to_numpy(model(X)).std() - 1) <= 0.06


def test_kernels_that_are_computed_from_others_are_listed():
    model = small()
    model.layers[0].enable_lora(2)
    before = values(model)
    report = run(model, X, seed=0)
    (problem,) = report.problems
    assert problem.path == "dense"
    assert "computed" in problem.reason
    np.testing.assert_array_equal(values(model)[0], before[0])


def test_too_few_iterations_are_reported():
    layer = L.Dense(4)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.bias.assign([5.0, -5.0, 5.0, -5.0])
    layer.bias.trainable = False
    report = run(model, X, seed=0, max_iterations=2)
    (problem,) = report.problems
    assert problem.reason == "not within the tolerance after 2 iterations"
    assert report.rows[0].iterations == 2


@pytest.mark.skipif(BACKEND != "jax", reason="jax.jit")
def test_layers_that_run_in_compiled_code_alone_are_listed():
    import jax

    class Compiled(L.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = L.Dense(4)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return jax.jit(self.dense)(x)

    model = keras.Sequential([keras.Input((4,)), Compiled(), L.Dense(2)])
    report = run(model, X, seed=0)
    (problem,) = report.problems
    assert problem.path == "compiled/dense"
    assert "compiled code" in problem.reason


class CallsAnother(L.Layer):
    """Has another thread call a layer in the midst of the run."""

    def __init__(self, other, **kwargs):
        super().__init__(**kwargs)
        self.others = (lambda x: other(x),)
        self.seen = []

    def call(self, x):
        if keras.ops.is_tensor(x):
            thread = threading.Thread(target=lambda: self.seen.append(self.others[0](x)))
            thread.start()
            thread.join()
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_calls_from_other_threads_are_as_ever():
    last = L.Dense(4, name="last")
    last.build((None, 4))
    start = to_numpy(last.kernel)
    inputs = keras.Input((4,))
    first, between = L.Dense(4, name="first"), CallsAnother(last)
    model = keras.Model(inputs, last(between(first(inputs))))
    report = run(model, X, seed=0)
    assert [row.path for row in report.rows] == ["first", "last"]
    between_x = X @ to_numpy(first.kernel)
    np.testing.assert_allclose(to_numpy(between.seen[-1]), between_x @ start, atol=1e-4)


class RunsAgain(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.model = []

    def call(self, x):
        if keras.ops.is_tensor(x) and self.model:
            run(self.model[0](), X)
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_two_runs_at_once_are_refused():
    again = RunsAgain()
    model = keras.Sequential([keras.Input((4,)), L.Dense(4), again])
    again.model.append(lambda: model)
    before = values(model)
    with pytest.raises(ValueError, match="must not be in two such runs at once"):
        run(model, X)
    assert_unchanged(model, before)


class Dataset(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X + i, np.zeros(len(X))


def test_the_first_batch_of_a_dataset():
    def weights(x):
        model = small()
        run(model, x, seed=0)
        return values(model)

    expected = weights(X)
    sources = [Dataset(), iter([(X, 0), (X + 1, 0)]), X.tolist, X.astype("float64")]
    sources[2] = keras.ops.convert_to_tensor(X)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        sources.append(tf.data.Dataset.from_tensor_slices((X, X)).batch(len(X)))
    if BACKEND == "torch":
        import torch

        data = torch.utils.data.TensorDataset(torch.tensor(X), torch.zeros(len(X)))
        sources.append(torch.utils.data.DataLoader(data, batch_size=len(X)))
    for source in sources:
        for a, b in zip(weights(source), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_reports_print_and_export():
    model = small()
    model.layers[0].trainable = False
    report = run(model, X, seed=0)
    exported = json.loads(json.dumps(report.to_dict()))
    first, second = exported["rows"]
    assert first["path"] == "dense_1"
    assert first["std_after"] == pytest.approx(1, abs=0.05)
    assert second == {
        "path": "dense",
        "layer": "Dense",
        "std_before": None,
        "std_after": None,
        "iterations": None,
        "note": "frozen",
    }
    assert exported["problems"] == []
    assert "dense_1" in str(report)
    assert "frozen" in str(report)
    assert "std after" in report._repr_html_()


def test_no_progress_bar_without_a_terminal(capfd):
    lsuv(small(), X, progress=True)
    assert not capfd.readouterr().err
