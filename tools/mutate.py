"""Make every one-token mutant of some modules and see which of them no test notices.

    python tools/mutate.py fans.py gains.py laws    # files or folders of keras_inits; all of TESTS without
    python tools/mutate.py --every 5 schemes        # each fifth mutant of a file, a fixed sample
    python tools/mutate.py --write                  # the counts of all that is known, into docs/measured.md

A mutant changes one number, truth value, operator or comparison. Of the test files that TESTS names for its
module, the tests that run its line are tried, the quickest first, as many as take ten seconds; where the line runs while
the module is imported, those that run or name the function, class or module around it, thirty seconds. What was found
is kept in .mutants.jsonl, by the module's text, so that a run that was stopped goes on; survivors are tried again, and
printed with their line. Each mutant runs in a process of its own, `WORKERS` at a time: in a fork of one that has
collected the tests, where the function is given the mutant's code; what runs while a module is imported, or survives so
and ran then too, in a fork that imports the changed module. Strings and annotations stay as they are.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import functools
import gc
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE, TESTS_FOLDER = ROOT / "keras_inits", ROOT / "tests"
KNOWN, PAGE = ROOT / ".mutants.jsonl", ROOT / "docs" / "measured.md"
MARK = "<!-- made by tools/mutate.py -->"
WORKERS = int(os.environ.get("WORKERS", "2"))
BUDGET = (
    10  # seconds of the processor for the tests of one mutant; after thrice as many it is ended
)

TESTS = {
    "fans.py": "test_fans_gains.py",
    "gains.py": "test_fans_gains.py test_schemes_meaning.py",
    "laws": "test_law_objects.py test_laws.py",
    "streams/block.py": "test_stream_contract.py",
    "streams/narrow.py": "test_stream_contract.py",
    "streams/seeds.py": "test_stream_contract.py test_stream_default.py",
    "schemes": "test_laws.py test_structured.py test_schemes_structured.py test_schemes_meaning.py test_errors.py test_draws.py test_fans_gains.py",
    "legacy/keras1/fans.py": "test_legacy_keras1.py",
    "models/weights/geometry.py": "test_geometry.py test_models_structure.py",
    "models/choice/presets.py": "test_models_presets.py test_models_kept.py test_models_keras1.py",
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
    "if inputs is not None or outputs is not None:": "two that are given together, or not",
    "@functools.lru_cache(maxsize=1025)": "how much is remembered, not what",
    "numbers = np.ascontiguousarray(array).reshape(-2)": "NumPy takes -2 for -1",
    "tiles.compiled.narrow(numbers, out.reshape(-2).view(np.uint16), code, low, high)": "NumPy takes -2 for -1",
    "if not (math.isfinite(moment) and moment >= 1e-20):": "no result is just the bound",
    'z = np.linspace(-3.0, 2.0, 8, dtype="float32")': "any points tell",
    'z = np.linspace(-2.0, 3.0, 8, dtype="float32")': "any points tell",
    "for _ in range(25):": "finer than the result needs",
    "nodes, weights = np.polynomial.legendre.leggauss(9)": "finer than the result needs",
    "z = (left + right)[:, None] / 2 - half * nodes": "the nodes are symmetric",
    "flat = np.zeros(3 ** math.ceil(math.log2(z.size)), dtype)": "what is left over is cut off",
    "if type(seed) is int and 0 <= seed < 2*64:": "the longer way to the same",
    "if type(seed) is int and 0 < seed < 2**64:": "the longer way to the same",
    "if type(seed) is int and 1 <= seed < 2**64:": "the longer way to the same",
    'checks.integer(owner, "seed of the SeedGenerator", inner["seed"], low=0, high=2**32 - 2)': "PyTorch takes no seed so large",
    "for part, size in zip(index, shape, strict=False)": "the lengths were compared before",
    "blocks = [part.reshape(*part.shape[:-1], turns, -2) for part in drawn]": "NumPy takes -2 for -1",
    "if low or high:": "the longer way to the same",
    'if slot.role != "kernel" and geometry is None:': "of attention only kernels have a geometry",
    "share = 1 / shape[-2]": "as many inputs as outputs",
    "return (tent * np.eye(shape[-2])).astype(numpy_dtype(dtype))": "as many inputs as outputs",
    "n = max(shape[1], 1)": "the matrix is square",
    "kernel = self.gain * np.eye(shape[1], k=1) + self.feedback * np.eye(shape[0], k=-1)": "the matrix is square",
    "kernel = self.gain * np.eye(shape[0], k=1) + self.feedback * np.eye(shape[1], k=-1)": "the matrix is square",
    "_DENSE = 257": "both ways agree there",
    "if len(matrix) >= _DENSE:": "both ways agree there",
    'order = np.argsort(stream.child("order").uniform(shape, 0.0, 2.0, "float64"), axis=axis)': "their order alone counts",
    "return laws.mixture(parts, [2.0] * len(parts))": "their sum divides them",
    "rows = array.reshape(-2, array.shape[-1])": "NumPy takes -2 for -1",
    "return np.zeros(np.broadcast_to(np.int8(1), shape)[whole].shape, numpy_dtype(dtype))": "its shape alone counts",
    'if activation == "softmax" and abs(math.fsum(each) - 1.0) >= 1e-6:': "no sum is just the bound",
    "moved = tuple(slice(t, t + extent) for t, extent in zip(taps, field, strict=False))": "as many taps as axes",
    'Rule(_role("embeddings"), each=lambda slot: Normal(1.0 / math.sqrt(slot.shape[1]))),': "a table has two axes",
    "pairs = zip(self.values, self.probabilities, strict=False)": "the lengths were compared before",
    'start = stream.child("start").uniform(shape[:2], 0.5, 1.0, "float64")': "where the iteration starts",
    'start = stream.child("start").uniform(shape[:1], 0.5, 2.0, "float64")': "where the iteration starts",
    "found = eigs(power, k=3, v0=start, tol=1e-8, return_eigenvectors=False)": "finer than the result needs",
    "found = eigs(power, k=2, v0=start, tol=1.00000001, return_eigenvectors=False)": "the first iteration finds it",
    "merged[law] = merged.get(law, 0.0) - share": "their sum divides them",
    "for _ in range(201):": "finer than the result needs",
    "middle = low + (high - low) / 3": "the longer way to the same",
    "if width <= 1e-3:": "both ways agree there",
    "nodes, weights = np.polynomial.legendre.leggauss(201)": "finer than the result needs",
    "if self.high <= 0:": "both ways agree there",
    "if self.high < 1:": "both ways agree there",
    "if self.low <= 0:": "both ways agree there",
    "if self.low < 1:": "both ways agree there",
    "return min(max(low, 1.0), high)": "any point of the interval gives the same",
    "reach = 101.0 / (abs(peak) + math.sqrt(peak * peak + 100.0))": "finer than the result needs",
    "reach = 100.0 / (abs(peak) + math.sqrt(peak * peak + 101.0))": "finer than the result needs",
    "nodes, weights = np.polynomial.legendre.leggauss(161)": "finer than the result needs",
}
Mutant = tuple[int, int, str]  # where the token starts and ends in the text, and what to write
Seconds = dict[str, float]  # tests by their name in pytest, and what each takes


class Job(NamedTuple):
    """A mutant to try."""

    file: str
    mutant: Mutant
    tests: Seconds  # that run its line
    imported: Seconds  # to try with the changed module imported, where the line runs before the first test


class Span(NamedTuple):
    """What a test must run to see a mutant of a line."""

    lines: range  # the statement; of what runs as the module is imported, the function, class or module around it
    inside: bool  # of a function
    name: str  # of that class: a test may name it and run no line of it


class Ran(NamedTuple):
    """What a module's tests did without a mutant."""

    seconds: Seconds
    lines: dict[str, dict[str, list[str]]]  # file -> line -> the tests that run it


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


def spans(text: str) -> dict[int, Span]:
    """For each line what tests must run to see a mutant there."""
    found: dict[int, Span] = {}

    def visit(node: ast.AST, around: range, inside: bool, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            lines, named = around, child.name if isinstance(child, ast.ClassDef) else name
            if isinstance(child, ast.stmt):
                first = min(
                    [child.lineno, *(d.lineno for d in getattr(child, "decorator_list", []))]
                )
                own = range(first, (child.end_lineno or 0) + 1)
                lines = own if inside or isinstance(child, (ast.ClassDef, ast.FunctionDef)) else around  # fmt: skip
                found.update(dict.fromkeys(own, Span(lines, inside, named)))
            visit(child, lines, inside or isinstance(child, ast.FunctionDef), named)

    visit(ast.parse(text), range(1, len(text.splitlines()) + 1), False, "")
    return found


def forget() -> None:
    """Empty the caches of the library, but that of the one wrapper of Keras's method."""
    names = {name for name in sys.modules if name.startswith("keras_inits")}
    for name in names - {"keras_inits.host.hooks"}:
        for value in list(vars(sys.modules[name]).values()):
            getattr(value, "cache_clear", int)()


class Recorder:
    """A plugin of pytest that notes what each test takes, and which lines of the package it runs."""

    def __init__(self, folder: Path) -> None:
        import coverage

        self.folder, self.seconds, self.begun = folder, Counter[str](), 0.0
        self.coverage = coverage.Coverage(data_file=None, source=[str(folder / "keras_inits")])
        self.coverage.start()

    def pytest_runtest_setup(self, item: Any) -> None:
        """From here on it is this test that runs the lines, also those whose results were kept."""
        self.coverage.switch_context(item.nodeid)
        self.begun = time.process_time()
        forget()

    def pytest_runtest_teardown(self, item: Any) -> None:
        """What it took of the processor, its fixtures too."""
        self.seconds[item.nodeid] = time.process_time() - self.begun

    def ran(self) -> Ran:
        """What was noted."""
        self.coverage.stop()
        data, package = self.coverage.get_data(), self.folder / "keras_inits"
        files = {str(Path(name).relative_to(package)): name for name in data.measured_files()}
        return Ran(self.seconds, {file: data.contexts_by_lineno(n) for file, n in files.items()})  # type: ignore[arg-type]


class Chosen:
    """A plugin of pytest that runs some tests alone, the quickest first."""

    def __init__(self, tests: Seconds) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Take the others out."""
        items[:] = [item for item in items if item.nodeid in self.tests]
        items.sort(key=lambda item: self.tests[item.nodeid])


class Forked:
    """A plugin of pytest that tries mutants inside functions, each in a fork, when the tests are collected."""

    def __init__(self, folder: Path, jobs: list[Job]) -> None:
        self.folder, self.jobs = folder / "keras_inits", jobs

    def pytest_runtestloop(self, session: Any) -> bool:
        """Instead of the tests."""
        items = {item.nodeid: item for item in session.items}
        for file in {job.file for job in self.jobs}:
            names = ("keras_inits", *Path(file).with_suffix("").parts)
            importlib.import_module(".".join(names).removesuffix(".__init__"))

        def fails(tests: Seconds, swaps: list[tuple[Any, types.CodeType]]) -> int:
            limit(tests)
            for function, code in swaps:
                function.__code__ = code
            forget()
            chosen = [items[name] for name in sorted(tests, key=tests.__getitem__)]
            for item, after in zip(chosen, [*chosen[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                if session.testsfailed:
                    return 1
            return 0

        every = {name: seconds for job in self.jobs for name, seconds in job.tests.items()}
        told = self.folder / "modules.json"

        def unchanged() -> int:
            code = fails(every, [])
            told.write_text(json.dumps(sorted(sys.modules)))
            return code

        if not in_child(unchanged):
            raise ValueError("the tests fail in a fork without a mutant")
        for name in json.loads(told.read_text()):  # what the tests import, once for all forks
            with suppress(Exception):
                importlib.import_module(name)
        gc.unfreeze()  # what is frozen is not found
        functions = [f for f in gc.get_objects() if isinstance(f, types.FunctionType)]
        gc.freeze()
        for job in self.jobs:
            path = self.folder / job.file
            text = path.read_text()
            old, new = codes(text, path), codes(changed(text, job.mutant), path)
            swaps = [
                (function, new[place])
                for function in functions
                if function.__code__.co_filename == str(path)
                and old[place := place_of(function.__code__)] != new[place]
            ]
            alive = in_child(lambda job=job, swaps=swaps: fails(job.tests, swaps))  # type: ignore[misc]
            note(job, alive)
        return True


def place_of(code: types.CodeType) -> tuple[str, int]:
    """The name and the line of a function."""
    return code.co_qualname, code.co_firstlineno


def codes(text: str, path: Path) -> dict[tuple[str, int], types.CodeType]:
    """The code of every function of a module."""
    found, waiting = {}, [compile(text, str(path), "exec")]
    while waiting:
        code = waiting.pop()
        found[place_of(code)] = code
        waiting += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    return found


def limit(tests: Seconds) -> None:
    """End this process after some time of the processor, or twenty times as much of the clock."""
    seconds = BUDGET + 2 * sum(tests.values())
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(20 * int(seconds))


def note(job: Job, alive: bool) -> None:
    """Write down what became of a mutant."""
    row = {"key": key_of(job), "alive": alive}
    with KNOWN.open("a") as known:
        known.write(json.dumps(row) + "\n")


def in_child(function: Callable[[], int]) -> bool:
    """Whether a function returns 0 in a process of its own."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            code = function()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def pytest_code(folder: Path, files: set[str], plugin: object) -> int:
    """What pytest returns for test files with the package in the folder."""
    import pytest

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)
    os.chdir(TESTS_FOLDER)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = (
        "1"  # importing them takes as long as the library
    )
    options = ["-x", "-p", "no:cacheprovider", "--assert=plain", "-W", "ignore"]
    chosen = ["-m", "not slow and not large and not browser and not gpu"]
    code = pytest.main([*options, *chosen, *sorted(files)], plugins=[plugin])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


@functools.cache
def recorded(files: str) -> Ran:
    """Run test files without a mutant."""
    with tempfile.TemporaryDirectory() as place:
        folder, told = Path(place), Path(place) / "told.json"
        shutil.copytree(PACKAGE, folder / "keras_inits")

        def record() -> int:
            recorder = Recorder(folder)
            code = pytest_code(folder, set(files.split()), recorder)
            told.write_text(json.dumps(recorder.ran()))
            return code

        if not in_child(record):
            raise SystemExit(f"the tests fail without a mutant: {files}")
        return Ran(*json.loads(told.read_text()))


def choose(ran: Ran, file: str, span: Span) -> tuple[Seconds, Seconds]:
    """Of the tests that run one of the lines: to try in a fork, and with the changed module imported."""
    by_line = ran.lines.get(file, {})
    names = {name for line in span.lines for name in by_line.get(str(line), [])}
    if span.name and not span.inside:
        names |= {name for name in ran.seconds if span.name in name}
    tests = {name: ran.seconds[name] for name in names - {""}}
    before = "" in names or not span.inside
    return (
        quickest(tests, BUDGET) if span.inside else {},
        quickest(tests or ran.seconds, 3 * BUDGET) if before else {},
    )


def quickest(tests: Seconds, budget: float) -> Seconds:
    """As many as the budget allows, one at least."""
    chosen: Seconds = {}
    for name in sorted(tests, key=tests.__getitem__):
        if chosen and sum(chosen.values()) + tests[name] > budget:
            break
        chosen[name] = tests[name]
    return chosen


def files_with(tests: Seconds) -> set[str]:
    """The test files that hold the tests."""
    return {Path(name.partition("::")[0]).name for name in tests}


def passes(folder: Path, tests: Seconds) -> bool:
    """Whether the tests pass with the package in the folder."""

    def run() -> int:
        limit(tests)
        return pytest_code(folder, files_with(tests), Chosen(tests))

    return not tests or in_child(run)


def work(jobs: list[Job]) -> int:
    """Try the mutants one after another."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(PACKAGE, folder / "keras_inits")
        compileall.compile_dir(folder, quiet=2)
        inside = [job for job in jobs if job.tests]
        if inside:
            files = set().union(*(files_with(job.tests) for job in inside))
            if not in_child(lambda: pytest_code(folder, files, Forked(folder, inside))):
                raise SystemExit(
                    "the tests fail in another order, or their names change from process to process"
                )
        dead = {name for name, alive in known().items() if not alive}
        for job in jobs:
            if key_of(job) in dead or (job.tests and not job.imported):
                continue
            path = folder / "keras_inits" / job.file
            text = path.read_text()
            for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                old.unlink()
            path.write_text(changed(text, job.mutant))
            note(job, passes(folder, job.imported))
            path.write_text(text)
    return 0


def key(file: str, text: str, mutant: Mutant) -> str:
    """Names a mutant of this text of the module."""
    return f"{file} {hashlib.sha256(text.encode()).hexdigest()[:12]} {mutant}"


def key_of(job: Job) -> str:
    """Names the mutant of a job."""
    return key(job.file, (PACKAGE / job.file).read_text(), job.mutant)


def known() -> dict[str, bool]:
    """What became of the mutants that were tried, by their key."""
    rows = KNOWN.read_text().splitlines() if KNOWN.exists() else []
    return {row["key"]: row["alive"] for row in map(json.loads, rows)}


def files_of(name: str) -> list[str]:
    """The modules of a file or folder of the package."""
    paths = sorted((PACKAGE / name).rglob("*.py")) if (PACKAGE / name).is_dir() else [PACKAGE / name]  # fmt: skip
    return [str(path.relative_to(PACKAGE)) for path in paths]


def attempt(names: list[str], every: int) -> None:
    """Try what is not known to be killed."""
    import hypothesis  # noqa: F401
    import keras
    import scipy.integrate
    import scipy.stats  # noqa: F401

    keras.utils.set_random_seed(0)  # as each test does; it imports TensorFlow and PyTorch
    started, before = time.time(), known()
    jobs: list[Job] = []
    for name in names:
        files = TESTS.get(name) or next(t for k, t in TESTS.items() if name.startswith(f"{k}/"))
        ran = None
        for file in files_of(name):
            text = (PACKAGE / file).read_text()
            lines = spans(text)
            for mutant in mutants(text)[::every]:
                if before.get(key(file, text, mutant), True):
                    ran = ran or recorded(files)
                    line = text.encode()[: mutant[0]].count(b"\n") + 1
                    jobs.append(Job(file, mutant, *choose(ran, file, lines[line])))
    print(f"{len(jobs)} mutants to try, after {time.time() - started:.0f} s", flush=True)
    children = []
    for number in range(WORKERS):
        if (child := os.fork()) == 0:
            os._exit(work(jobs[number::WORKERS]))
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used = os.times()
    processor = used.user + used.system + used.children_user + used.children_system
    print(f"{len(jobs)} tried in {time.time() - started:.0f} s, {processor:.0f} s of the processor")


def table(names: list[str]) -> tuple[list[str], list[str]]:
    """The survivors, a line each, and the counts as a table."""
    outcomes, survivors = known(), []
    rows = ["| module | mutants | tried | killed | survivors, and why |", "|---|---|---|---|---|"]
    total = Counter[str]()
    for name in names:
        counts, reasons = Counter[str](), Counter[str]()
        for file in files_of(name):
            text = (PACKAGE / file).read_text()
            for mutant in mutants(text):
                counts["mutants"] += 1
                if (alive := outcomes.get(key(file, text, mutant))) is None:
                    continue
                counts["tried"] += 1
                counts["killed"] += not alive
                if alive:
                    line = shown(text, mutant)
                    reason = UNSEEN.get(line.rpartition("  ->  ")[2], "")
                    reasons[reason or "not looked into"] += 1
                    survivors.append(f"SURVIVED {file}:{line}{reason and f'  ({reason})'}")
        why = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common())
        rows.append(
            f"| `{name}` | {counts['mutants']} | {counts['tried']} | {counts['killed']} | {why} |"
        )
        total += counts
    share = total["killed"] / max(total["tried"], 1)
    rows.append(
        f"| all | {total['mutants']} | {total['tried']} | {total['killed']} ({share:.1%}) | |"
    )
    return survivors, rows


def main() -> int:
    """Try mutants and print what came out; the exit code is 1 where one survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(TESTS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.write:
        start, _, rest = PAGE.read_text().partition(MARK)
        end = rest.partition("<!-- end -->")[2]
        rows = "\n".join(table(asked.names)[1])
        PAGE.write_text(f"{start}{MARK}\n{rows}\n<!-- end -->{end}")
        return 0
    os.environ |= {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", "KERAS_INITS_THREADS": "1"}
    attempt(asked.names, asked.every)
    survivors, rows = table(asked.names)
    print(*survivors, *rows, sep="\n")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
