"""The public surface, and that every page and docstring of it holds."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import keras
import pytest
from conftest import python, require

import keras_inits as ki
from keras_inits.models.choice.presets import PRESETS
from keras_inits.registry import CATALOGUE

ROOT = Path(__file__).parent.parent


def test_all_is_the_surface() -> None:
    assert sorted(ki.__all__) == ki.__all__
    public = {n for n, v in vars(ki).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert public <= set(ki.__all__)
    for name in ki.__all__:
        assert getattr(ki, name).__doc__, name


def test_every_class_is_public() -> None:
    for name, entry in CATALOGUE.items():
        scope = ki.keras1 if entry.family == "keras1" else ki
        assert getattr(scope, entry.name) is entry.cls, name
        assert entry.name in scope.__all__


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_docstrings_of_schemes(entry: object) -> None:
    text = inspect.getdoc(entry.cls)
    assert len(text.splitlines()) <= 25
    assert ">>> " in text, "one runnable example"
    assert entry.law
    assert entry.source
    for name in inspect.signature(entry.cls).parameters:
        inherited = name in ("seed", "input_axes", "output_axes", "dim_ordering")
        shared = "Arguments as for" in text
        assert inherited or shared or f"`{name}`" in text, f"{name} is not described"


def test_where_a_name_departs_from_keras_its_docstring_says_so_first() -> None:
    for cls in (ki.LecunNormal, ki.GlorotNormal, ki.HeNormal):
        assert cls.__doc__.startswith("Not truncated, unlike Keras 3's class of this name.")


def test_the_readme_has_the_table_of_today() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    text = (ROOT / "README.md").read_text()
    assert readme.updated(text) == text, "run tools/readme.py"
    assert readme.updated(text.replace("| `HeNormal` |", "| `HeAbnormal` |")) == text
    assert set(readme.DOCUMENTED) <= set(readme.CATALOGUE)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, object] = {}
    for example in examples:
        exec(example, scope)


@pytest.mark.once
def test_it_works_without_tensorflow() -> None:
    """As installed beside another backend alone."""
    require("torch")
    python(
        "import sys; sys.modules['tensorflow'] = None\n"
        "import keras, keras_inits\n"
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])\n"
        "assert keras_inits.initialize(model, seed=0).rows[0].path == 'dense/kernel'\n"
        "keras_inits.lsuv(model, keras.random.normal((9, 4), seed=1), progress=False)\n"
        "assert 'keras_inits>he_normal' in keras_inits.names()",
        KERAS_BACKEND="torch",
    )


MODULES = ("keras1", "laws", "plots", "presets", "testing")


@pytest.fixture
def no_new_presets() -> Iterator[None]:
    """What an example registers is gone after it."""
    with mock.patch.dict(PRESETS):
        yield


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.usefixtures("no_new_presets")
def test_examples_of_public_names_run_as_typed() -> None:
    """After the lines that the reference states, with public names alone."""
    stated = (ROOT / "docs" / "reference" / "models.md").read_text()
    scope: dict[str, object] = {}
    exec(re.findall(r"```python\n(.*?)```", stated, re.DOTALL)[0], scope)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    modules = {name: importlib.import_module(f"keras_inits.{name}") for name in MODULES}
    for name, module in {"": ki, **modules}.items():
        public = {inner: getattr(module, inner) for inner in module.__all__ if inner not in MODULES}
        for inner, found in public.items():
            for example in finder.find(found, f"{name}.{inner}", globs=scope | public):
                assert not runner.run(example).failed, example.name
    assert runner.tries > 100


def _modules() -> list[str]:
    found = pkgutil.walk_packages(ki.__path__, "keras_inits.")
    return [m.name for m in found if m.name.split(".")[1] not in ("cli", "commands", "plots", "comparison")]  # fmt: skip


@pytest.mark.usefixtures("no_new_presets")
@pytest.mark.parametrize("module", _modules())
def test_examples_in_docstrings(module: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(module), extraglobs={"keras": keras})
    assert not failed
