"""The site: an entry for every public name, a page for every scheme, pictures that say what is so."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import require

import keras_inits as ki
from keras_inits.registry import CATALOGUE

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
MODULES = ("keras1", "laws", "plots", "presets", "testing")


def tool(name: str) -> Any:
    """A module of tools/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figures_of_presets_are_up_to_date() -> None:
    presets = tool("presets")
    text = presets.PAGE.read_text(encoding="utf-8")
    assert presets.page(text) == text, "run tools/presets.py"


def test_every_public_name_has_one_entry() -> None:
    public = [name for name in ki.__all__ if name not in MODULES]
    for module in MODULES:
        inner = importlib.import_module(f"keras_inits.{module}").__all__
        public += [f"{module}.{name}" for name in inner]
    pages = (page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    entries = [
        name for text in pages for name in re.findall(r"^::: keras_inits\.(\S+)", text, re.M)
    ]
    assert sorted(entries) == sorted(public)


def test_every_extra_that_is_named_exists() -> None:
    """In pages, and in messages that say what to install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    files += Path(ki.__file__).parent.rglob("*.py")
    named = {
        extra
        for file in files
        for extras in re.findall(r"keras_inits\[([\w, ]+)\]", file.read_text())
        for extra in extras.split(",")
    }
    assert named
    assert named <= set(project["optional-dependencies"])


def test_every_family_has_a_page_of_today() -> None:
    readme = tool("readme")
    assert set(readme.FAMILIES) == {entry.family for entry in CATALOGUE.values()}
    for path, text in readme.pages().items():
        assert path.read_text() == text, f"{path.name}: run tools/readme.py"
    assert not set((ROOT / "docs" / "schemes").glob("*.md")) - set(readme.pages())


@pytest.mark.slow
def test_pictures_say_what_is_so() -> None:
    """The scheme cards, and what the code of docs/plots.md and docs/concepts/ draws."""
    command = [sys.executable, str(ROOT / "tools" / "gallery.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_a_picture_that_says_something_else_is_found(tmp_path: Path) -> None:
    gallery = tool("gallery")
    assert not doctest.testmod(gallery).failed
    says = gallery.figures("HeNormal", CATALOGUE["HeNormal"])
    gallery.write(tmp_path / "a.png", gallery.card("HeNormal", CATALOGUE["HeNormal"]), says)
    said = gallery.said(tmp_path / "a.png")
    assert not gallery.differs(said, says)
    assert gallery.differs(said, says | {"std": says["std"] * 1.001})
    assert gallery.differs(said, says | {"law": "N(0, 1/fan_in)"})


def test_examples_in_docstrings_become_code() -> None:
    require("griffe")
    module = tool("doctests")
    text = "Raises.\n\nExample:\n    >>> a = [\n    ...     1]\n    >>> a\n    [1]\n\nSource: none."
    fence = "    ```pycon\n    >>> a = [\n    ...     1]\n    >>> a\n    [1]\n    ```"
    assert fence in module.fenced(text)
