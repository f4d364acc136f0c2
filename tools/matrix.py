"""Run the tests on the oldest and the newest releases that the library is meant for.

    python tools/matrix.py [--folder DIR] [ROW ...]    # all rows without names; --prepare only installs

Each row has a virtual environment of its own, kept in DIR (default: .matrix), with the library built
and installed from this folder. The tests run outside of it, without the slow ones, and each row ends in
a line with the versions and the counts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("tests", "docs", "notebooks", "tools", "benchmarks")
PAGES = ("README.md", "CHANGELOG.md", "pyproject.toml")
SHOWN = ("keras", "keras-nightly", "tensorflow", "torch", "jax", "numpy", "scipy")
# The oldest that pyproject.toml names, and the newest; python, packages, backend.
ROWS = {
    "oldest": ("3.11", ["keras==3.10.0", "tensorflow==2.18.0", "numpy==2.0.0", "scipy==1.13.0"], "tensorflow"),
    "python3.12": ("3.12", ["jax"], "jax"),
    "python3.13": ("3.13", [], "tensorflow"),
    "pre-release": ("3.13", ["torch==2.13.0", "keras-nightly"], "torch"),
}  # fmt: skip


def prepared(name: str, folder: Path) -> Path:
    """The row's python, with all that it needs."""
    version, packages, _ = ROWS[name]
    place = folder / name
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([f"python{version}", "-m", "venv", place], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        with_tests = f"{ROOT}[test]"
        if "keras-nightly" in packages:  # it brings the same folder as keras
            subprocess.run([*pip, "torch==2.13.0", with_tests], check=True)
            subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "keras"], check=True)
            subprocess.run([*pip, "--pre", "--no-deps", "keras-nightly"], check=True)
        else:
            subprocess.run([*pip, *packages, with_tests], check=True)
        (place / "ready").touch()
    again = [python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", ROOT]
    subprocess.run(again, check=True)
    return python


def run(name: str, python: Path) -> str:
    """The row of the table."""
    listed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, check=True
    )
    found = dict(line.split()[:2] for line in listed.stdout.splitlines()[2:])
    versions = ", ".join(f"{key} {found[key]}" for key in SHOWN if key in found)
    with tempfile.TemporaryDirectory() as folder:
        for part in COPIED:
            shutil.copytree(ROOT / part, Path(folder) / part)
        for page in PAGES:
            shutil.copy(ROOT / page, folder)
        environment = os.environ | {"KERAS_BACKEND": ROWS[name][2], "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"MPLBACKEND": "Agg"}
        chosen = "not slow and not large and not browser and not gpu"
        # The frozen files hold layers as the newest Keras writes them.
        left_out = ["--ignore", "tests/test_frozen.py"] if name == "oldest" else []
        start = time.monotonic()
        done = subprocess.run(
            [python, "-m", "pytest", "-n", "2", "-m", chosen, *left_out],
            cwd=folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if re.match("FAILED|ERROR", line)]
    print("\n".join(lines), file=sys.stderr, flush=True)
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:]
    minutes = (time.monotonic() - start) / 60
    return f"| {name} | {ROWS[name][0]} | {versions} | {ROWS[name][2]} | {summary} | {minutes:.0f} min |"


def main() -> None:
    """Each row that is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--folder", type=Path, default=ROOT / ".matrix")
    parser.add_argument("--prepare", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    for name in given.rows or ROWS:
        python = prepared(name, given.folder)
        if not given.prepare:
            print(run(name, python), flush=True)


if __name__ == "__main__":
    main()
