"""The command: what it trains, saves and prints, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import math
import re
import sys
import zipfile

import keras
import numpy as np
import pytest
from conftest import python

from keras_inits import comparison
from keras_inits.cli import main
from keras_inits.comparison import reload, run
from keras_inits.comparison.training import Trainer, train_together
from keras_inits.models.saving import process
from keras_inits.registry import CATALOGUE
from keras_inits.reports.writing import replacing


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """120 rows of 4 x 2 features in three classes that a line tells apart."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 120)
    x = generator.normal(size=(120, 4, 2)) + 3 * y[:, None, None]
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, x=x, y=np.array(["a", "b", "c"])[y])
    return path


@pytest.mark.slow
def test_compare_trains_saves_reloads_and_draws(tmp_path, capsys):
    out, table = tmp_path / "out", tmp_path / "table.json"
    arguments = ["--schemes", "he_normal,zero", "--schemes", "HeNormal", "--epochs", "2"]
    arguments += ["--seeds", "2"]
    code = main(["compare", *arguments, "--out", str(out), "--json", str(table)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert printed.out.count("same bits") == 4
    assert "2 hidden" not in printed.out
    assert "10 hidden layers of 32 relu units, scikit-learn's handwritten digits" in printed.out
    assert re.search(r"he_normal +N\(0, 2/fan_in\) +2\.\d{3} +\d\d\.\d% +", printed.out)

    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    models = {f"{n}/{s}.keras" for n in ("shallow", "deep") for s in ("he_normal", "zero")}
    assert names == {"curves.png", *models}
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")

    rows = {(row["network"], row["scheme"]): row for row in json.loads(table.read_text())["rows"]}
    zero, he = rows["shallow", "zero"], rows["shallow", "he_normal"]
    # Logits of 0: every class equally likely, and no signal that could ever change the kernels.
    assert zero["loss"][0][0] == pytest.approx(math.log(10), rel=1e-9)
    assert zero["epochs_to_90_percent"] is None
    assert len(he["loss"]) == len(he["accuracy"]) == 2
    for loss, accuracy in zip(he["loss"], he["accuracy"], strict=True):
        assert len(loss) == len(accuracy) == 3
        assert accuracy[2] > 0.5 > accuracy[0]
        assert loss[2] < loss[0]

    loaded = keras.saving.load_model(out / "shallow" / "he_normal.keras")
    data = comparison.load_digits(0)
    share = (np.asarray(loaded.predict_on_batch(data.x_val)).argmax(axis=1) == data.y_val).mean()
    assert share == he["accuracy"][0][2]  # what is saved is the trained model


def test_training_depends_on_the_seed_alone(tiny):
    data = comparison.load_npz(tiny, 0)
    scheme, other = comparison.candidates(["he_normal", "orthogonal"])

    def train(*runs):
        starts = [run.kernels("shallow", s, data, seed) for s, seed in runs]
        seeds = [seed for _, seed in runs]
        return train_together((64, 32), starts, seeds, data, 2, lambda: None)

    curves, weights = train((scheme, 5), (other, 5), (scheme, 6))
    again, same = train((scheme, 5), (other, 5), (scheme, 6))
    assert curves == again
    assert all((a == b).all() for a, b in zip(weights[0], same[0], strict=True))
    assert curves[0] != curves[2]
    # What is trained beside it plays no part.
    alone, _ = train((scheme, 5))
    np.testing.assert_allclose(alone[0], curves[0], rtol=1e-4)


def test_networks_train_together_as_each_does_alone(tiny):
    """The same curve as one dense network that Keras trains from the same start."""
    data = comparison.load_npz(tiny, 0)
    schemes = comparison.candidates(["he_normal", "glorot_uniform", "zero"])
    starts = [run.kernels("shallow", scheme, data, 4) for scheme in schemes]
    curves, weights = train_together((64, 32), starts, [4] * 3, data, 3, lambda: None)
    for scheme, start, curve, trained in zip(schemes, starts, curves, weights, strict=True):
        model = run.build("shallow", scheme, data)
        trainer = Trainer(run.build("shallow", scheme, data), data)
        for layer, kernel in zip(model.layers, start, strict=True):
            layer.kernel.assign(kernel)
        np.testing.assert_allclose(
            trainer.train(model, 4, 3, lambda: None), curve, rtol=1e-3, atol=1e-5
        )
        for found, expected in zip(trained, trainer.network.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_every_layer_draws_its_own(tiny):
    data = comparison.load_npz(tiny, 0)
    (scheme,) = comparison.candidates(["msra"])
    kernels = run.kernels("deep", scheme, data, 0)
    assert scheme.name == "he_normal"
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels) == 11


def test_data_normal_takes_the_first_layer_from_the_data(tiny):
    data = comparison.load_npz(tiny, 0)
    (scheme,) = comparison.candidates(["data_normal"])
    layers = run.build("shallow", scheme, data).layers
    first = layers[0].kernel_initializer
    np.testing.assert_allclose(first.mean, data.x_train.mean(axis=0, dtype="float64"), rtol=1e-12)
    assert [type(layer.kernel_initializer).__name__ for layer in layers[1:]] == [
        "GlorotUniform"
    ] * 2


def test_every_documented_scheme_is_compared_by_default():
    assert [candidate.name for candidate in comparison.candidates()] == list(comparison.DEFAULT)


@pytest.mark.once
def test_data_is_split_shuffled_and_scaled(tiny):
    data = comparison.load_npz(tiny, 3)
    assert (data.x_train.shape, data.x_val.shape, data.classes) == ((96, 8), (24, 8), 3)
    assert np.abs(np.concatenate([data.x_train, data.x_val])).max() == 1
    with np.load(tiny) as archive:
        x, y = archive["x"].reshape(120, 8), archive["y"]
    rows = {
        row.tobytes(): label for row, label in zip((x / abs(x).max()).astype("f4"), y, strict=True)
    }
    labels = [rows.pop(row.tobytes()) for row in [*data.x_train, *data.x_val]]
    assert not rows
    assert ["abc"[number] for number in [*data.y_train, *data.y_val]] == labels
    assert (comparison.load_npz(tiny, 3).x_val == data.x_val).all()
    assert (comparison.load_npz(tiny, 4).x_val != data.x_val).any()


def test_a_model_that_reloads_otherwise_fails(tiny, tmp_path, capsys, monkeypatch):
    def elsewhere(paths, x):
        loaded = [reload.predict(keras.saving.load_model(path), x) for path in paths]
        loaded[1] = np.nextafter(loaded[1], 1, dtype="float32")
        return loaded

    monkeypatch.setattr(run, "predict_elsewhere", elsewhere)
    command = ["compare", "--data", str(tiny), "--schemes", "he_normal", "--epochs", "1"]
    assert main([*command, "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("same bits") == printed.out.count("NO") == 1
    path = tmp_path / "deep" / "he_normal.keras"
    expected = f"keras-inits compare: {path}: predictions differ after reloading"
    assert printed.err.splitlines()[-1] == expected


@pytest.mark.once
def test_a_reload_that_crashes_fails(monkeypatch):
    monkeypatch.setattr(process, "PROGRAM", "raise SystemExit('no such luck')")
    with pytest.raises(RuntimeError, match="another process failed: no such luck"):
        reload.predict_elsewhere([], np.zeros((1, 1)))


ONE_CLASS = {"x": np.ones((20, 2)), "y": np.zeros(20, int)}
BAD_DATA = {
    "no y": ({"x": np.ones((20, 2)), "z": 1}, "has no array y (it holds x, z)"),
    "nothing": ({}, "has no array x or y (it holds nothing)"),
    "nan": (ONE_CLASS | {"x": np.full((20, 2), np.nan)}, "x must hold finite numbers, got NaN"),
    "zeros": (ONE_CLASS | {"x": np.zeros((20, 2))}, "x must hold more than zeros"),
    "text": (ONE_CLASS | {"x": np.full((20, 2), "a")}, "x must hold real numbers, got dtype <U1"),
    "complex": (ONE_CLASS | {"x": np.ones((20, 2), complex)}, "real numbers, got dtype complex128"),
    "vector": (ONE_CLASS | {"x": np.ones(20)}, "shape (rows, features...)"),
    "few": ({"x": np.ones((9, 2)), "y": np.arange(9) % 2}, "at least 10 rows, got (9, 2)"),
    "lengths": (ONE_CLASS | {"y": np.zeros(19, int)}, "shape (20,), got (19,)"),
    "one-hot": (ONE_CLASS | {"y": np.zeros((20, 2), int)}, "shape (20,), got (20, 2)"),
    "float": (ONE_CLASS | {"y": np.zeros(20)}, "integers or strings, got dtype float64"),
    "one class": (ONE_CLASS, "2 classes or more, each twice on average, got 1 in 20 rows"),
    "all apart": (ONE_CLASS | {"y": np.arange(20)}, "got 20 in 20 rows"),
    "objects": (ONE_CLASS | {"x": np.array([{}] * 20)}, "not an .npz file of plain arrays"),
}


@pytest.fixture
def fails(capsys, monkeypatch):
    """Run the command, which must end with code 2 and one line before anything is trained."""

    def train(*arguments, **keywords):
        raise AssertionError("training began")

    monkeypatch.setattr(comparison, "compare_networks", train)

    def check(*arguments):
        assert main(list(map(str, arguments))) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert re.fullmatch(r"keras-inits: [^\n]+\n", printed.err)
        return printed.err

    return check


@pytest.mark.once
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(case, fails, tmp_path):
    arrays, message = BAD_DATA[case]
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    out = tmp_path / "out"
    error = fails("compare", "--data", path, "--out", out)
    assert message in error
    assert str(path) in error
    assert not out.exists()


@pytest.mark.once
def test_unreadable_data(fails, tiny, tmp_path):
    path = tmp_path / "data.npz"
    assert f"cannot read {path}: No such file" in fails("compare", "--data", path)
    assert "Is a directory" in fails("compare", "--data", tmp_path)
    path.write_text("x,y\n1,2\n")
    assert "not an .npz file" in fails("compare", "--data", path)
    path.write_bytes(tiny.read_bytes()[:-40])
    assert "not a complete .npz file" in fails("compare", "--data", path)
    with zipfile.ZipFile(tiny) as archive, zipfile.ZipFile(path, "w") as damaged:
        for name in archive.namelist():
            damaged.writestr(name, archive.read(name)[:100])
    assert str(path) in fails("compare", "--data", path)
    np.save(tmp_path / "data.npy", np.ones(3))
    assert "one array, not an .npz archive" in fails("compare", "--data", tmp_path / "data.npy")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--schemes", "he_norml"], "unknown scheme 'he_norml'; nearest: he_normal, "),
        (["--schemes", "zero,HENORMAL"], "unknown scheme 'HENORMAL'; nearest: he_normal"),
        (["--schemes", "qqqqq"], "unknown scheme 'qqqqq' (`keras-inits list` shows all)"),
        (["--schemes", "dirac"], "scheme 'dirac' cannot start a dense network: Dirac: shape must"),
        (["--schemes", "from_array"], "unknown scheme 'from_array'"),
        (["--schemes", ","], "no scheme named"),
        (["--epochs", "0"], "'--epochs': 0 is not in the range x>=1"),
        (["--epochs", "many"], "'--epochs': 'many' is not a valid integer"),
        (["--seed", "-1"], "'--seed': -1 is not in the range"),
        (["--seed", str(2**64)], "'--seed'"),
        (["--epoch", "3"], "--epoch"),
        (["--out", "{file}"], "--out: cannot write to {file}: File exists"),
        (["--out", "{file}/below"], "--out: cannot write to {file}/below: Not a directory"),
        (["--json", "{folder}/no/a.json"], "--json: cannot write to {folder}/no: No such file"),
        (["--json", "{folder}"], "--json: {folder} is a folder"),
    ],
)
def test_bad_arguments(arguments, message, fails, tiny, tmp_path):
    places = {"file": tiny, "folder": tmp_path}
    arguments = ["--out", tmp_path / "out", *(part.format(**places) for part in arguments)]
    assert message.format(**places) in fails("compare", *arguments)


@pytest.mark.once
@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("click", 'the command needs click: pip install "keras_inits[demo]"'),
        ("matplotlib", 'compare: needs matplotlib: pip install "keras_inits[demo]"'),
        ("sklearn", 'compare: needs scikit-learn: pip install "keras_inits[demo]"'),
    ],
)
def test_a_missing_package_is_named(module, message, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    assert fails("compare") == f"keras-inits: {message}\n"


@pytest.mark.once
def test_interrupting_is_no_traceback(tiny, tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare_networks", interrupted)
    assert main(["compare", "--data", str(tiny), "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.strip() == "keras-inits: interrupted"


@pytest.mark.once
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert path.read_text() == "before"
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.once
def test_list_shows_every_scheme(capsys):
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    for name, entry in CATALOGUE.items():
        assert re.search(rf"^ {re.escape(name)} ", table, re.MULTILINE)
        words = re.findall(r"\S+", entry.law)
        assert all(word in table for word in words)
    assert "kaiming_normal" in table
    assert "msra" in table

    assert main(["list", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed.keys() == CATALOGUE.keys()
    he = listed["HeNormal"]
    assert he["law"] == "N(0, 2/fan_in)"
    assert "1502.01852" in he["source"]
    assert "keras_inits>he_normal" in he["strings"]


@pytest.mark.once
def test_help_says_what_is_done(capsys):
    assert main([]) == 0
    assert "compare" in capsys.readouterr().out
    assert main(["compare", "--help"]) == 0
    text = capsys.readouterr().out
    for part in (
        "--schemes",
        "--epochs",
        "--seed",
        "--out",
        "--json",
        "--data",
        "Examples:",
        "130",
    ):
        assert part in text


@pytest.mark.slow
@pytest.mark.once
def test_importing_needs_no_optional_package():
    # Blocked rather than looked for: Keras itself imports some of them where they are installed.
    code = """
import sys
sys.modules |= dict.fromkeys(["click", "matplotlib", "sklearn", "scipy.stats"])
import keras_inits.cli
import keras_inits.comparison
import keras_inits.plots
assert keras_inits.cli.main(["list"]) == 2
try:
    keras_inits.plots.histograms(["xavier_normal"])
except ModuleNotFoundError as error:
    print(error)
"""
    assert python(code).strip() == 'figures need matplotlib: pip install "keras_inits[plots]"'
