"""The rules of the source: import directions, the host's public API alone, light imports, sizes."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from conftest import python, require

import keras_inits

pytestmark = pytest.mark.once

PACKAGE = Path(keras_inits.__file__).parent
# A module may import from its own layer and from those before it.
LAYERS = [
    ("checks", "configs", "backend", "host", "reports"),
    ("fans", "gains", "laws", "streams"),
    ("base", "registry"),
    ("schemes",),
    ("legacy", "keras1", "models", "presets"),
    ("comparison", "replications"),
    ("plots", "cli", "testing", "__main__"),
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


# What imports a module by its name in a string; `eval` and `exec` may do anything.
IMPORTERS = {"import_module", "__import__", "resolve_name", "run_module"}


def _imports(tree: ast.AST) -> list[tuple[str, str]]:
    """(module, name) for each import, at the top or inside a function, also those made by name.

    A name that is put together while the program runs is "?": nothing can be said of it.
    """
    found: list[tuple[str, str]] = []
    importers = set(IMPORTERS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [("." * node.level + (node.module or ""), alias.name) for alias in node.names]
            importers |= {a.asname for a in node.names if a.name in IMPORTERS and a.asname}
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [("keras.src", "")] if (node.value.id, node.attr) == ("keras", "src") else []
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if isinstance(node.func, ast.Name) and called in ("eval", "exec"):
            found.append(("?", ""))
        elif called in importers:
            given = node.args[0] if node.args else None
            name = given.value if isinstance(given, ast.Constant) else "?"
            found.append((str(name) if len(node.args) == 1 and not node.keywords else "?", ""))
    return found


def breaches(part: str, family: str, source: str) -> list[str]:
    """What the module `keras_inits.<part>[.<family>]` imports and must not."""
    found = []
    for module, name in _imports(ast.parse(source)):
        target = f"{module}.{name}".strip(".").split(".")
        if module == "?" and part != "cli":  # which imports what its user names
            found.append(f"computed: {part} imports what only a run could tell")
        if module.startswith("."):
            found.append(f"relative: {part} imports {module}")
        if module.startswith(("keras.src", "tensorflow.python", "jax._src")) or target[:2] == ["keras", "src"]:  # fmt: skip
            found.append(f"private: {module}")
        if target[0] != "keras_inits" or len(target) < 2:
            continue
        if RANK[target[1]] > RANK[part]:
            found.append(f"upwards: {part} imports {target[1]}")
        if part == target[1] == "schemes" and family not in ("__init__", target[2]):
            found.append(f"sideways: schemes.{family} imports schemes.{target[2]}")
    return found


def _modules() -> dict[Path, str]:
    return {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_imports_point_one_way() -> None:
    found = []
    for path, source in _modules().items():
        part, *rest = path.relative_to(PACKAGE).with_suffix("").parts
        if part != "__init__":
            found += [f"{path.name}: {b}" for b in breaches(part, rest[0] if rest else "", source)]
    assert not found


@pytest.mark.parametrize(
    ("part", "family", "source", "expected"),
    [
        ("checks", "", "from keras_inits.base import Scheme", "upwards"),
        ("streams", "default", "import keras_inits.registry", "upwards"),
        ("schemes", "data", "from keras_inits.schemes.constant import Zero", "sideways"),
        ("schemes", "data", "from keras_inits.schemes import constant", "sideways"),
        ("base", "", "def f():\n    import keras.src.backend", "private"),
        ("base", "", "from keras.src import backend", "private"),
        ("base", "", "from keras import src", "private"),
        ("base", "", "import keras\nkeras.src.backend.backend()", "private"),
        ("reports", "", 'importlib.import_module("keras_inits.plots").draw()', "upwards"),
        ("reports", "", 'def f():\n    __import__("keras_inits.plots")', "upwards"),
        ("reports", "", 'import importlib as i\ni.import_module("keras_inits.plots")', "upwards"),
        ("base", "", 'from importlib import import_module as load\nload("keras.src")', "private"),
        ("base", "", 'import_module("keras." + "src")', "computed"),
        ("base", "", 'import_module(f"keras_inits.{name}")', "computed"),
        ("base", "", 'import_module(".plots", "keras_inits")', "computed"),
        ("base", "", 'import_module(name="keras_inits.plots")', "computed"),
        ("base", "", 'pkgutil.resolve_name("keras_inits.models.lsuv:lsuv")', "upwards"),
        ("base", "", 'exec("import keras_inits.plots")', "computed"),
        ("base", "", "from . import registry", "relative"),
    ],
)
def test_the_import_rule_can_fail(part: str, family: str, source: str, expected: str) -> None:
    assert [b.split(":")[0] for b in breaches(part, family, source)] == [expected]


def test_no_class_writes_its_own_config() -> None:
    """The base reads it from the signature."""
    writers = [
        node.name
        for path, source in _modules().items()
        if path.parent.name == "schemes"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(f, ast.FunctionDef) and f.name in ("get_config", "from_config") for f in node.body)
    ]  # fmt: skip
    assert not writers


def test_modules_stay_small() -> None:
    assert not {p.name: n for p, s in _modules().items() if (n := s.count("\n")) > 260}


def test_folders_stay_small() -> None:
    """Ten modules in a folder at most, so that its contents are seen at a glance."""
    folders = {path.parent for path in _modules()}
    sizes = {
        str(folder.relative_to(PACKAGE)): len(
            [p for p in folder.glob("*.py") if p.stem[:2] != "__"]
        )
        for folder in folders
    }
    assert not {folder: size for folder, size in sizes.items() if size > 10}


def _graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """For each module those that it imports when it is itself imported."""
    graph = {}
    for name, source in sources.items():
        tree = ast.parse(source)
        tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        found = set()
        for module, attribute in _imports(tree):
            for target in (f"{module}.{attribute}".strip("."), module):
                if target in sources:
                    found.add(target)
                    break
        graph[name] = found - {name}
    return graph


def circles(sources: dict[str, str]) -> list[str]:
    """Modules that import one another, directly or not."""
    graph, left = _graph(sources), set(sources)
    while free := {name for name in left if not graph[name] & left}:
        left -= free
    return sorted(left)


def test_no_circles() -> None:
    names = {
        ".".join(("keras_inits", *path.relative_to(PACKAGE).with_suffix("").parts)): source
        for path, source in _modules().items()
        if path.stem != "__init__"
    }
    assert not circles(names)
    names["keras_inits.checks"] += "\nfrom keras_inits.base import Scheme"
    assert "keras_inits.checks" in circles(names)


def test_nothing_is_left_unfinished() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX)\b")
    assert not [path.name for path, source in _modules().items() if words.search(source)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_importing_is_light(backend: str) -> None:
    """Only what Keras itself brings along, and never the packages of the extras."""
    require(backend)
    code = (
        "import json, random, sys\n"
        "import keras\n"
        "before, state = set(sys.modules), random.getstate()\n"
        "import keras_inits\n"
        "assert random.getstate() == state\n"
        "print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))"
    )
    before, after = json.loads(python(code, KERAS_BACKEND=backend).splitlines()[-1])
    roots = {name.split(".")[0] for name in after}
    assert not roots & {"matplotlib", "sklearn", "click", "pandas", "IPython"}
    assert "scipy.stats" not in after
    if backend != "tensorflow" and "tensorflow" not in before:
        assert "tensorflow" not in roots
