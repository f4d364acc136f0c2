"""Make every one-token mutant of some modules and see which of them no test notices.

    python tools/mutate.py fans.py gains.py laws    # files or folders of keras_inits; all of TESTS without

A mutant changes one number, truth value, operator or comparison. Its tests are those that TESTS names for the
module. What was found is kept in .mutants.jsonl, by the module's text, so that a run that was stopped
goes on; survivors are tried again, and printed with their line. Each mutant runs in a process of its own, forked from one
that has imported Keras and the backends already; two at a time. Strings and annotations stay as they are.
"""

from __future__ import annotations

import ast
import compileall
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE, TESTS_FOLDER = ROOT / "keras_inits", ROOT / "tests"
KNOWN = ROOT / ".mutants.jsonl"
WORKERS, LIMIT = 2, 120  # processes, and seconds for the tests of one mutant

TESTS = {
    "fans.py": "test_fans_gains.py",
    "gains.py": "test_fans_gains.py test_schemes_meaning.py",
    "laws": "test_law_objects.py test_laws.py",
    "streams/block.py": "test_stream_contract.py",
    "streams/narrow.py": "test_stream_contract.py",
    "streams/seeds.py": "test_stream_contract.py test_stream_default.py",
    "schemes": "test_laws.py test_structured.py test_schemes_structured.py test_schemes_meaning.py",
    "legacy/keras1/fans.py": "test_legacy_keras1.py",
    "models/weights/geometry.py": "test_models_structure.py",
    "models/choice/presets.py": "test_models_presets.py",
}
SWAPS: dict[type, tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
# What nothing can see, the mutant's line and why.
UNSEEN = {
    "if inputs is not None or outputs is not None:": "fans.py: axes_pair gives both or neither",
    "@functools.lru_cache(maxsize=1025)": "how much is remembered, not what",
    "numbers = np.ascontiguousarray(array).reshape(-2)": "NumPy takes -2 for -1",
    "tiles.compiled.narrow(numbers, out.reshape(-2).view(np.uint16), code, low, high)": "NumPy takes -2 for -1",
}
Mutant = tuple[int, int, str]  # where the token starts and ends in the text, and what to write


def mutants(text: str) -> list[Mutant]:
    """Every one-token mutant of a module."""
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = text.encode()

    def place(line: int, column: int) -> int:
        return starts[line - 1] + column

    def between(left: ast.expr, right: ast.expr, operator: ast.AST) -> Iterator[Mutant]:
        token, other = SWAPS.get(type(operator), ("", ""))
        start = place(left.end_lineno or 0, left.end_col_offset or 0)
        end = place(right.lineno, right.col_offset)
        word = rb"\s+".join(re.escape(part.encode()) for part in token.split())
        found = re.search(word, data[start:end]) if token else None
        if found is not None:
            yield start + found.start(), start + found.end(), other

    def visit(node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            span = (place(node.lineno, node.col_offset), place(node.end_lineno or 0, node.end_col_offset or 0))  # fmt: skip
            value = node.value
            yield *span, str(not value) if isinstance(value, bool) else repr(value + 1)
        elif isinstance(node, ast.BinOp):
            yield from between(node.left, node.right, node.op)
        elif isinstance(node, ast.AugAssign):
            yield from between(node.target, node.value, node.op)
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from between(left, right, node.op)
        elif isinstance(node, ast.Compare):
            for left, right, op in zip([node.left, *node.comparators], node.comparators, node.ops, strict=False):  # fmt: skip
                yield from between(left, right, op)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            start = place(node.lineno, node.col_offset)
            yield start, start + (3 if isinstance(node.op, ast.Not) else 1), ""
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from visit(child)

    return list(dict.fromkeys(visit(ast.parse(text))))


def changed(text: str, mutant: Mutant) -> str:
    """The module's text with the mutant in it."""
    start, end, token = mutant
    data = text.encode()
    return (data[:start] + token.encode() + data[end:]).decode()


def shown(text: str, mutant: Mutant) -> str:
    """The mutant's line, before and after."""
    line = text.encode()[: mutant[0]].count(b"\n")
    before, after = text.splitlines()[line], changed(text, mutant).splitlines()[line]
    return f"{line + 1}: {before.strip()}  ->  {after.strip()}"


def passes(folder: Path, tests: str, writes: bool = False) -> bool:
    """Whether the tests pass with the package in the folder, in a process of their own."""
    child = os.fork()
    if child == 0:
        import signal

        import pytest

        signal.alarm(LIMIT)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.dont_write_bytecode = not writes
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = str(folder)
        os.chdir(TESTS_FOLDER)
        code = 1
        try:
            options = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore"]
            chosen = ["-m", "not slow and not large and not browser and not gpu"]
            code = int(pytest.main([*options, *chosen, *tests.split()]))
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def work(jobs: list[tuple[str, str, Mutant]]) -> None:
    """Try the mutants one after another, and write down what became of each."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(PACKAGE, folder / "keras_inits")
        compileall.compile_dir(folder, quiet=2)
        for file, tests, mutant in jobs:
            path = folder / "keras_inits" / file
            text = (PACKAGE / file).read_text()
            for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                old.unlink()
            path.write_text(changed(text, mutant))
            row = {"key": key(file, text, mutant), "alive": passes(folder, tests)}
            path.write_text(text)
            with KNOWN.open("a") as known:
                known.write(json.dumps(row) + "\n")


def key(file: str, text: str, mutant: Mutant) -> str:
    """Names a mutant of this text of the module."""
    return f"{file} {hashlib.sha256(text.encode()).hexdigest()[:12]} {mutant}"


def main() -> int:
    """Try what is not known yet, then print the survivors and the counts."""
    os.environ |= {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", "KERAS_INITS_THREADS": "1"}
    asked = sys.argv[1:] or list(TESTS)
    every: list[tuple[str, str, Mutant]] = []
    for name in asked:
        tests = TESTS.get(name) or next(t for k, t in TESTS.items() if name.startswith(f"{k}/"))
        files = sorted((PACKAGE / name).rglob("*.py")) if (PACKAGE / name).is_dir() else [PACKAGE / name]  # fmt: skip
        for path in files:
            file = str(path.relative_to(PACKAGE))
            every += [(file, tests, mutant) for mutant in mutants(path.read_text())]
    texts = {file: (PACKAGE / file).read_text() for file, _, _ in every}
    known: dict[str, bool] = {}
    if KNOWN.exists():
        known = {
            row["key"]: row["alive"] for row in map(json.loads, KNOWN.read_text().splitlines())
        }
    left = [job for job in every if known.get(key(job[0], texts[job[0]], job[2]), True)]
    print(f"{len(every)} mutants, {len(left)} to try", flush=True)
    if left:
        import hypothesis  # noqa: F401
        import keras
        import scipy.integrate
        import scipy.stats  # noqa: F401

        keras.utils.set_random_seed(0)  # as each test does; it imports TensorFlow and PyTorch
        started = time.time()
        for tests in sorted({tests for _, tests, _ in left}):
            with tempfile.TemporaryDirectory() as place:
                shutil.copytree(PACKAGE, Path(place) / "keras_inits")
                if not passes(Path(place), tests, writes=True):
                    raise SystemExit(f"the tests fail without a mutant: {tests}")
        children = []
        for number in range(WORKERS):
            if (child := os.fork()) == 0:
                work(left[number::WORKERS])
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        print(f"{len(left)} tried in {time.time() - started:.0f} s")
        known = {
            row["key"]: row["alive"] for row in map(json.loads, KNOWN.read_text().splitlines())
        }
    alive = 0
    for file, _, mutant in every:
        if known.get(key(file, texts[file], mutant)):
            alive += 1
            line = shown(texts[file], mutant)
            reason = UNSEEN.get(line.rpartition("  ->  ")[2], "")
            print(f"SURVIVED {file}:{line}{reason and f'  ({reason})'}")
    print(f"{len(every) - alive} of {len(every)} killed, {1 - alive / len(every):.1%}")
    return int(alive > 0)


if __name__ == "__main__":
    sys.exit(main())
