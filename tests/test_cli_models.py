"""The command on saved models: init, lsuv, report and show."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

import keras_inits as k
from keras_inits.cli import main

RNG = np.random.default_rng(0)
RULES = """
[[rule]]
pattern = "head/kernel$"
scheme = "keras_inits>TruncatedNormal"
stddev = 0.02
[[rule]]
pattern = "bias$"
scheme = "keep"
[[rule]]
pattern = "kernel$"
scheme = "keras_inits>he_normal"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model, data and rules, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    steps = [L.Dense(32, activation="relu", name=f"d{i}") for i in range(6)]
    head = L.Dense(4, activation="softmax", name="head")
    model = keras.Sequential([keras.Input((8,)), *steps, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save("model.keras")
    x, y = RNG.normal(size=(80, 8)).astype("float32"), RNG.integers(0, 4, 80)
    np.save("x.npy", x)
    np.savez("xy.npz", x=x, y=y)
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def weights(path):
    return [to_numpy(v) for v in keras.models.load_model(path).weights]


def test_init_by_rules(folder, capsys):
    assert (
        main(["init", "model.keras", "--rules", "rules.toml", "--seed", "3", "--out", "new.keras"])
        == 0
    )
    assert "Initialization: 14 rows, no problems" in capsys.readouterr().out
    model = keras.models.load_model("model.keras")
    rules = [
        ("head/kernel$", k.TruncatedNormal(stddev=0.02)),
        ("bias$", None),
        ("kernel$", k.HeNormal()),
    ]
    k.initialize(model, rules, seed=3)
    for one, two in zip(weights("new.keras"), model.weights, strict=True):
        np.testing.assert_array_equal(one, to_numpy(two))
    main(["init", "model.keras", "--rules", "torch", "--seed", "3", "--out", "torch.keras"])
    k.initialize(model, "torch", seed=3)
    np.testing.assert_array_equal(weights("torch.keras")[0], to_numpy(model.weights[0]))


def test_lsuv(folder, capsys):
    assert (
        main(["lsuv", "model.keras", "--data", "x.npy", "--seed", "3", "--out", "new.keras"]) == 0
    )
    assert "lsuv: 7 rows, no problems" in capsys.readouterr().out
    model = keras.models.load_model("model.keras")
    k.lsuv(model, np.load("x.npy"), seed=3)
    for one, two in zip(weights("new.keras"), model.weights, strict=True):
        np.testing.assert_allclose(one, to_numpy(two), rtol=1e-6)


def test_report(folder, capsys):
    arguments = ["report", "model.keras", "--html", "r.html", "--plot", "r.png", "--json", "r.json"]
    assert main([*arguments, "--data", "xy.npz"]) == 0
    assert "7 layers; signal x" in capsys.readouterr().out
    told = json.loads((folder / "r.json").read_text())
    model, data = keras.models.load_model("model.keras"), np.load("xy.npz")
    report = k.inspect(model, data["x"][:64], data["y"][:64])
    assert told["loss"] == pytest.approx(report.loss, rel=1e-5)
    assert '<table id="rows">' in (folder / "r.html").read_text()
    assert (folder / "r.png").read_bytes().startswith(b"\x89PNG")
    assert main(["report", "model.keras"]) == 0  # numbers of its own


def test_report_of_a_network_that_will_not_train(folder, capsys):
    model = keras.models.load_model("model.keras")
    k.initialize(model, {"kernel$": k.Normal(3.0)}, seed=0)
    model.save("bad.keras")
    assert main(["report", "bad.keras", "--data", "x.npy"]) == 1
    assert "the signal's second moment grows" in capsys.readouterr().out


def test_recommend(folder, capsys):
    assert main(["recommend", "model.keras", "--data", "xy.npz"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("recommend: ")
    assert "keras_inits." in text


def test_replicate(tmp_path, capsys):
    assert main(["replicate", "icnr", "--plot", str(tmp_path / "icnr.png")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("icnr: no checkerboard")
    assert "power of the checkerboard" in text
    assert (tmp_path / "icnr.png").stat().st_size > 1000


def test_show(capsys, tmp_path):
    shown = ["show", "xavier_normal", "--shape", "3,3,64,128", "--plot", str(tmp_path / "s.png")]
    assert main(shown) == 0
    text = capsys.readouterr().out
    assert "(576, 1152)" in text
    assert "0.03402" in text  # sqrt(2 / (576 + 1152))
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert main(["show", "zeros", "--shape", "3"]) == 0
    assert main(["show", "he_normal", "--shape", "8,4"]) == 0
    assert "cut at 2 sigma" in capsys.readouterr().out


BAD = [
    (["replicate", "he2016"], "replicate: name must be one of 'he2015', 'saxe2013'"),
    (["replicate", "icnr", "--plot", "no/i.png"], "replicate: --plot: cannot write to no: No such file"),
    (["init", "no.keras", "--out", "q.keras"], "init: no.keras: no such file"),
    (["init", "x.npy", "--out", "q.keras"], "x.npy: must be a model that was saved as .keras or .h5"),
    (["init", "text.keras", "--out", "q.keras"], "text.keras: cannot be loaded"),
    (["init", "model.keras", "--out", "no/q.keras"], "--out: cannot write to no: No such file"),
    (["init", "model.keras", "--out", "q.h5"], "--out: must end with .keras"),
    (["init", "model.keras", "--rules", "nope", "--out", "q.keras"], "must be one of 'keras'"),
    (["init", "model.keras", "--rules", "no.toml", "--out", "q.keras"], "no.toml: no such file"),
    (["init", "model.keras", "--rules", "bad.toml", "--out", "q.keras"], "bad.toml: is no TOML"),
    (["init", "model.keras", "--rules", "keys.toml", "--out", "q.keras"], "must have [[rule]] tables"),
    (["init", "model.keras", "--rules", "typo.toml", "--out", "q.keras"], "rule 1: get: identifier"),
    (["init", "model.keras", "--rules", "none.toml", "--out", "q.keras"], "rule 1 must have a pattern"),
    (["init", "model.keras", "--rules", "miss.toml", "--out", "q.keras"], "initialize: "),
    (["lsuv", "model.keras", "--data", "no.npy", "--out", "q.keras"], "no.npy: no such file"),
    (["lsuv", "model.keras", "--data", "bad.npy", "--out", "q.keras"], "lsuv: x must have shape"),
    (["lsuv", "model.keras", "--data", "nan.npy", "--out", "q.keras"], "lsuv: x must be finite"),
    (["lsuv", "model.keras", "--data", "model.keras", "--out", "q.keras"], "model.keras: must have an array x"),
    (["lsuv", "model.keras", "--data", "rules.toml", "--out", "q.keras"], "must be an .npy or .npz file"),
    (["report", "model.keras", "--json", "."], "--json: . is a folder"),
    (["report", "model.keras", "--data", "x.npy", "--loss", "nope"], "y must be the targets"),
    (["report", "model.keras", "--data", "xy.npz", "--loss", "nope"], "loss must be a Keras loss"),
    (["recommend", "model.keras", "--data", "bad.npy"], "recommend: x must have shape"),
    (["show", "he_nromal", "--shape", "3"], "nearest: 'he_normal'"),
    (["show", "he_normal", "--shape", "a"], "--shape: must be integers with commas"),
    (["show", "orthogonal", "--shape", "3"], "shape must be of rank 2 or more"),
]  # fmt: skip


def test_bad_input_is_one_line_and_changes_nothing(folder, capsys):
    for name, text in {
        "text.keras": "no model",
        "bad.toml": "[[rule",
        "keys.toml": "x = 1",
        "typo.toml": '[[rule]]\npattern = "k"\nscheme = "he_nromal"',
        "none.toml": '[[rule]]\nscheme = "zeros"',
        "miss.toml": '[[rule]]\npattern = "nowhere"\nscheme = "zeros"',
    }.items():
        (folder / name).write_text(text)
    np.save("bad.npy", RNG.normal(size=(8, 3)))
    np.save("nan.npy", np.full((8, 8), np.nan))
    before = {p: p.read_bytes() for p in folder.iterdir()}
    for arguments, message in BAD:
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert message in error, (arguments, error)
        assert error.count("\n") == 1, error
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_an_error_in_one_file_leaves_the_others_as_they_were(folder, capsys):
    (folder / "r.html").write_text("before")
    files = ["--html", "r.html", "--json", "r.json", "--plot", "r.xyz"]
    assert main(["report", "model.keras", "--data", "x.npy", *files]) == 2
    assert "xyz" in capsys.readouterr().err
    assert (folder / "r.html").read_text() == "before"
    assert not [p.name for p in folder.iterdir() if "json" in p.name or "xyz" in p.name]


def test_an_error_names_the_subcommand_once(folder, capsys):
    np.save("nan.npy", np.full((8, 8), np.nan))
    assert main(["lsuv", "model.keras", "--data", "nan.npy", "--out", "q.keras"]) == 2
    assert capsys.readouterr().err.startswith("keras-inits: lsuv: x must be finite")


def test_a_custom_layer_is_named(folder, capsys):
    class Mine(L.Layer):
        pass

    keras.Sequential([keras.Input((8,)), Mine(), L.Dense(2)]).save("mine.keras")
    assert main(["report", "mine.keras"]) == 2
    assert "has the class 'Mine', which the command does not know" in capsys.readouterr().err


MODULE = """
import keras

@keras.saving.register_keras_serializable("test_cli")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.mark.once
def test_classes_come_from_the_modules_that_are_named(folder, capsys, monkeypatch):
    """In new processes: here the class is registered from the moment at which the file is written."""
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (folder / "own_layers.py").write_text(MODULE)
    importlib.invalidate_caches()
    twice = importlib.import_module("own_layers").Twice()
    keras.Sequential([keras.Input((8,)), twice, L.Dense(2)]).save("own.keras")
    plain, named = (
        subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
        for arguments in (["report", "own.keras"], ["audit", "own.keras", "--import", "own_layers"])
    )
    assert plain.returncode == 2
    assert "has the class 'Twice', which the command does not know; --import the" in plain.stderr
    assert named.returncode == 0, named.stderr
    assert "dense" in named.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [(None, "No module named 'broken'"), ("1 / 0", "division by zero"), ("exit()", "SystemExit")],
)
def test_a_module_that_cannot_be_imported_is_one_line(folder, capsys, source, message):
    if source is not None:
        (folder / "broken.py").write_text(source)
    importlib.invalidate_caches()
    assert main(["report", "model.keras", "--import", "broken"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-inits: report: --import: broken cannot be imported: ")
    assert message in error
    assert error.count("\n") == 1


COMMAND = [sys.executable, "-c", "import sys, keras_inits_command as c; sys.exit(c.main())"]


def started(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.once
def test_help_and_version_need_no_keras():
    for arguments in (
        ["--version"],
        ["--help"],
        *([name, "--help"] for name in ("init", "compare", "list")),
    ):
        code = "import sys, keras_inits_command as c; c.main(); print('keras' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "False", arguments
    assert started("--version").stdout.strip() == k.__version__


@pytest.mark.once
@pytest.mark.slow
def test_the_command_opens_the_library_and_says_nothing_else(folder):
    done = started("init", "model.keras", "--rules", "torch", "--seed", "0", "--out", "new.keras")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("Initialization: 14 rows")
    done = started("nope")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    module = subprocess.run(
        [sys.executable, "-m", "keras_inits", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert module.stdout.strip() == k.__version__


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_an_interrupt_while_importing_is_quiet(folder):
    import signal

    running = subprocess.Popen(
        [*COMMAND, "report", "model.keras"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell's job in the background ignores the signal, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert error.strip() == "keras-inits: interrupted"
