"""Interrupts at every assignment, a disk that is full, many models in one process and in many."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.cli import main

pytestmark = pytest.mark.once

WIDTH = 6
X = np.random.default_rng(0).normal(size=(32, WIDTH)).astype("float32")


def _model(width: int = WIDTH) -> keras.Model:
    dense = [keras.layers.Dense(width, "relu") for _ in range(2)]
    layers = [dense[0], keras.layers.BatchNormalization(), keras.layers.Dropout(0.1), dense[1]]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def _adapted() -> keras.Model:
    model = _model()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2)
    return model


CALLS: dict[str, tuple[Callable[[], keras.Model], Callable[[Any], Any]]] = {
    "initialize": (_model, lambda m: ki.initialize(m, "keras", seed=1, reset_optimizer=True)),
    "lsuv": (_model, lambda m: ki.lsuv(m, X, seed=1, progress=False)),
    "data_dependent": (_model, lambda m: ki.data_dependent(m, X, progress=False)),
    "lora_init pissa": (_adapted, lambda m: ki.lora_init(m, "pissa", seed=1)),
    "lora_init": (_adapted, lambda m: ki.lora_init(m, "gaussian", seed=1)),
    "mup": (_model, lambda m: ki.mup(m, _model(3), seed=1)),
}

ASSIGNMENT, DRAW = (keras.Variable, "assign"), (ki.DefaultStream, "_draw")
PLACES = [(name, ASSIGNMENT) for name in CALLS]
PLACES += [(name, DRAW) for name in ("initialize", "lsuv", "lora_init", "mup")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_an_interrupt_or_no_memory_at_any_time_changes_nothing(
    name: str,
    place: tuple[type, str],
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make, call = CALLS[name]
    model, function = make(), getattr(*place)
    before = ki.digest(model)
    fatal, count = 0, 0

    def failing(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == fatal:
            raise error
        return function(*arguments)

    monkeypatch.setattr(*place, failing)
    while True:
        fatal, count = fatal + 1, 0
        try:
            call(model)
        except error:
            assert ki.digest(model) == before, f"time {fatal}"
        else:
            break
    assert fatal > 3
    assert ki.digest(model) != before


WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    "to_json": lambda report, path: report.to_json(path),
    "to_csv": lambda report, path: report.to_csv(path),
    "save_html": lambda report, path: report.save_html(path),
    **{
        name: lambda _, path, words=words: main([*words, str(path)])
        for name, words in {
            "init": ["init", "given.keras", "--seed", "1", "--out"],
            "lsuv": ["lsuv", "given.keras", "--data", "x.npy", "--out"],
            "report --html": ["report", "given.keras", "--html"],
            "report --json": ["report", "given.keras", "--json"],
            "report --plot": ["report", "given.keras", "--plot"],
            "show --plot": ["show", "he_normal", "--shape", "9,9", "--plot"],
            "audit --json": ["audit", "given.keras", "--json"],
        }.items()
    },
}


def _ending(name: str) -> str:
    return {"plot": "png", "html": "html", "init": "keras", "lsuv": "keras"}.get(
        name.split("--")[-1].split("_")[-1], "json"
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and data for the commands."""
    folder = tmp_path_factory.mktemp("files")
    layers = [keras.layers.Dense(64, "relu") for _ in range(3)]
    keras.Sequential([keras.Input((WIDTH,)), *layers]).save(folder / "given.keras")
    np.save(folder / "x.npy", X)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="sets a limit to the size of files")
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_takes_no_more_keeps_the_old_file(
    name: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's limit on a file's size fails in every library that writes, as a full disk does."""
    resource = importlib.import_module("resource")
    report = ki.initialize(keras.models.load_model(files / "given.keras"), seed=0)
    path = files / f"kept.{_ending(name)}"
    path.write_text("old")
    before = {p: p.read_bytes() for p in files.iterdir()}
    monkeypatch.chdir(files)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    code, told = 0, ""
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
        code = WRITERS[name](report, path)
    except OSError as error:
        told = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = told or capsys.readouterr().err
    assert code in (0, 1, 2)
    assert "File too large" in told
    assert told.strip().endswith(f"{path.name}'")
    assert {p: p.read_bytes() for p in files.iterdir()} == before
    path.unlink()


@pytest.mark.parametrize("name", WRITERS)
def test_where_no_file_can_be_written_none_is(
    name: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ki.initialize(_model(), seed=0)
    monkeypatch.chdir(files)
    before = {p: p.read_bytes() for p in files.iterdir()}
    folder = files.parent / f"folder.{_ending(name)}"
    folder.mkdir(exist_ok=True)
    for path in (folder, files / "missing" / "x", files / "x.npy" / "x"):
        path = path.with_suffix(f".{_ending(name)}")
        try:
            assert WRITERS[name](report, path) == 2
        except OSError as error:
            told = str(error)
        else:
            told = capsys.readouterr().err
        assert str(path.parent) in told or path.name in told
        assert {p: p.read_bytes() for p in files.iterdir()} == before
        assert list(folder.iterdir()) == []


MANY = """
import gc, resource, sys
import keras, numpy as np
import keras_inits as ki

def once():
    layers = [keras.layers.Dense(64, "relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((64,)), *layers])
    return ki.initialize(model, "torch", seed=3).digest

digests, used = set(), []
for number in range(int(sys.argv[1])):
    digests.add(once())
    if number % 50 == 49:
        keras.backend.clear_session(); gc.collect()
        used.append(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
assert len(digests) == 1, digests
print(digests.pop(), used[0], used[-1])
"""


@pytest.mark.large
@pytest.mark.skipif(sys.platform != "linux", reason="the resident memory is read from /proc")
def test_a_thousand_models_take_no_memory_and_eight_processes_draw_the_same() -> None:
    def start(count: int) -> Any:
        command = [sys.executable, "-c", MANY, str(count)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    (one,) = [start(1000)]
    digest, first, last = one.communicate()[0].split()[-3:]
    assert one.returncode == 0
    assert int(last) - int(first) < 30 * 2**20
    several = [start(125) for _ in range(8)]
    told = [process.communicate()[0].split()[-3:] for process in several]
    assert {word for word, _, _ in told} == {digest}
    # Shown by -s.
    grown = [f"{(int(b) - int(a)) / 2**20:+.1f}" for _, a, b in [(digest, first, last), *told]]
    print(
        f"\nMiB from the 50th model to the 1,000th: {grown[0]}; to the 100th in 8 processes:",
        *grown[1:],
    )
