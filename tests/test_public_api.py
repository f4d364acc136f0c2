"""The public surface, and that every page and docstring of it holds."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import keras_inits as ki
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
        assert getattr(ki, name) is entry.cls
        assert name in ki.__all__


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_docstrings_of_schemes(entry: object) -> None:
    text = inspect.getdoc(entry.cls)
    assert len(text.splitlines()) <= 25
    assert ">>> " in text, "one runnable example"
    assert entry.law
    assert entry.source
    for name in inspect.signature(entry.cls).parameters:
        inherited = name in ("seed", "input_axes", "output_axes")
        shared = "Arguments as for" in text
        assert inherited or shared or f"`{name}`" in text, f"{name} is not described"


def test_where_a_name_departs_from_keras_its_docstring_says_so_first() -> None:
    for cls in (ki.LecunNormal, ki.GlorotNormal, ki.HeNormal):
        assert cls.__doc__.startswith("Not truncated, unlike Keras 3's class of this name.")


def _modules() -> list[str]:
    found = pkgutil.walk_packages(ki.__path__, "keras_inits.")
    return [m.name for m in found if m.name.split(".")[1] not in ("cli", "commands", "plots", "compare")]  # fmt: skip


@pytest.mark.parametrize("module", _modules())
def test_examples_in_docstrings(module: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(module))
    assert not failed
