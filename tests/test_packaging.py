"""What is packed, and that it is what the tests import."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, without_the_clone

pytestmark = pytest.mark.once


def test_the_installed_library_is_tested(tmp_path: Path) -> None:
    """Not the clone, where no C kernels were built."""
    installed = tmp_path / "keras_inits"
    installed.mkdir()
    (installed / "__init__.py").touch()
    for clone in ("" if Path.cwd() == ROOT else str(ROOT), str(ROOT), os.path.relpath(ROOT)):
        path = [clone, "/elsewhere", str(tmp_path)]
        assert without_the_clone(path) == path[1:]
        assert without_the_clone(path[:2]) == path[:2]  # an editable installation
        assert without_the_clone(path, f"/more{os.pathsep}{ROOT}") == path


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source archive of the clone and a wheel of the archive, made twice, in two folders."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("run in a clone")
    folder = tmp_path_factory.mktemp("packed")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    archives, wheels = [], []
    for clone in (folder / "one", folder / "other"):
        for name in listed.stdout.splitlines():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, clone / name)
        subprocess.run([sys.executable, "-m", "build", str(clone)], check=True, capture_output=True)
        archives += clone.glob("dist/*.tar.gz")
        wheels += clone.glob("dist/*.whl")
    assert archives[0].read_bytes() == archives[1].read_bytes()
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    return archives[0], wheels[0]


@pytest.mark.large
def test_the_archives_hold_what_they_must(packed: tuple[Path, Path]) -> None:
    """And are the same byte for byte at the second time, in another folder."""
    archive, wheel = packed
    with tarfile.open(archive) as tar:
        sources = {name.partition("/")[2] for name in tar.getnames()}
    for name in ("LICENSE", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        assert name in sources
    for name in ("tests/cases.py", "docs/streams.md", "keras_inits/streams/default/_kernels.c"):
        assert name in sources
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = (n for n in names if n.endswith("METADATA"))
        stated = email.message_from_bytes(file.read(metadata))
    package = ROOT / "keras_inits"
    data = {*package.rglob("*.py"), *package.rglob("*.html"), *package.rglob("*.cu")}
    expected = {str(path.relative_to(ROOT)) for path in data}
    expected |= {"keras_inits/py.typed", "keras_inits_command.py"}
    packed_names = {n for n in names if ".dist-info/" not in n}
    kernels = {n for n in packed_names if n.startswith("keras_inits/streams/default/_kernels.abi3")}
    assert packed_names - kernels == expected
    assert len(kernels) == (shutil.which("cc") is not None)
    assert stated["License-Expression"] == "Apache-2.0"
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert wheel.stat().st_size < 600 * 1024  # four fifths are the Python sources


@pytest.mark.large
def test_the_wheel_works_where_the_sources_are_not(
    packed: tuple[Path, Path], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*install, packed[1]], check=True, capture_output=True)
    code = "import keras_inits as k; print(k.__file__); assert k.HeNormal()((2, 3)).shape == (2, 3)"
    more = "import keras_inits.streams.default._kernels" if shutil.which("cc") else ""
    command = [sys.executable, "-c", f"{code}\n{more}"]
    found = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(site))
