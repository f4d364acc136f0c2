"""Every file that a release of this library wrote loads, under this Keras and the oldest supported."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import frozen_loader
import keras
import pytest
from conftest import skip_but_in_ci

import keras_inits as ki
from keras_inits.registry import CATALOGUE

HERE = Path(__file__).parent
TOOL = HERE.parent / "tools" / "freeze.py"
ARCHIVES = sorted((HERE / "frozen").glob("*.zip"))


def _python(script: Path, *arguments: str, oldest: str | None = None) -> str:
    """Run a script in a new process, with the oldest Keras if its folder is given."""
    folders = [oldest, str(HERE.parent), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
    }
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _load(archive: Path, *mode: str, oldest: str | None = None) -> dict[str, Any]:
    lines = _python(HERE / "frozen_loader.py", str(archive), *mode, oldest=oldest).splitlines()
    return json.loads(lines[-1])


def _oldest() -> str:
    """The folder of the oldest supported Keras, unpacked."""
    folder = os.environ.get("KERAS_OLDEST")
    if not folder:
        skip_but_in_ci("KERAS_OLDEST does not name a folder with the oldest supported Keras")
    return folder


def _failures(result: dict[str, Any]) -> dict[str, str]:
    return {name: problem for name, problem in result["files"].items() if problem}


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda p: p.stem)
def test_every_release_loads_in_a_new_process(archive: Path) -> None:
    result = _load(archive)
    assert result["keras"] == keras.__version__
    assert len(result["files"]) >= 120
    assert not _failures(result)


@pytest.mark.once
def test_this_release_has_its_set_with_every_scheme() -> None:
    archive = HERE / "frozen" / f"{ki.__version__}.zip"
    with zipfile.ZipFile(archive) as files:
        names = set(files.namelist())
    expected = {
        key.replace(">", ".") + suffix for key in CATALOGUE for suffix in (".keras", ".h5", ".json")
    }
    assert names == expected, "run tools/freeze.py"


@pytest.mark.once
def test_the_sets_stay_small() -> None:
    assert all(archive.stat().st_size < 1_000_000 for archive in ARCHIVES)


@pytest.mark.once
def test_a_released_set_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # which the tool adds to
    monkeypatch.setattr(sys, "argv", [str(TOOL), "--output", str(ARCHIVES[0])])
    with pytest.raises(SystemExit):
        runpy.run_path(str(TOOL), run_name="__main__")
    assert "must stay as it is" in capsys.readouterr().err


@pytest.mark.once
@pytest.mark.slow
def test_files_of_this_keras_load_under_the_oldest() -> None:
    # Keras's own layers and initializers of now have arguments that those of then lack.
    result = _load(HERE / "frozen" / f"{ki.__version__}.zip", "initializers", oldest=_oldest())
    assert result["keras"] != keras.__version__
    assert not _failures(result)


@pytest.mark.once
@pytest.mark.slow
def test_files_of_the_oldest_keras_load_under_this(tmp_path: Path) -> None:
    archive = tmp_path / "oldest.zip"
    _python(TOOL, "--output", str(archive), oldest=_oldest())
    assert not _failures(_load(archive))


@pytest.mark.once
def test_a_changed_name_or_number_is_noticed(tmp_path: Path) -> None:
    archive = tmp_path / "broken.zip"
    with zipfile.ZipFile(ARCHIVES[-1]) as whole, zipfile.ZipFile(archive, "w") as broken:
        text = whole.read("HeNormal.json").decode()
        broken.writestr("HeNormal.json", text.replace("keras_inits>HeNormal", "keras_inits>Gone"))
        broken.writestr("HeUniform.json", text)
        broken.writestr("Uniform.h5", whole.read("Normal.h5"))
        broken.writestr("Normal.h5", whole.read("Normal.h5"))
    for mode in ([], ["initializers"]):
        found = frozen_loader.main(str(archive), *mode)
        assert {name for name, problem in found.items() if problem} == {
            "HeNormal.json",
            "HeUniform.json",
            "Uniform.h5",
        }
