"""The code of README.md and of each page of docs/ runs as it stands, from the top, in a new process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.once, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# Short pages run one after another in one process, each in names of its own.
SHORT = [DOCS / "index.md", *sorted((DOCS / "howto").glob("[!s]*.md"))]
# docs/extending.md has a test of its own, where each block runs by itself; tools/gallery.py runs
# docs/plots.md and docs/concepts/, and compares what they draw.
ELSEWHERE = (*SHORT, DOCS / "extending.md", DOCS / "plots.md")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), DOCS / "howto" / "shard.md"]
PAGES = [page for page in PAGES if page not in ELSEWHERE and "```python" in page.read_text()]
EIGHT = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}


def code_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    _run(code_of(page), tmp_path, **(EIGHT if page.name in ("scale.md", "shard.md") else {}))


def test_the_code_of_short_pages_runs(tmp_path: Path) -> None:
    calls = [f"exec(compile({code_of(page)!r}, {page.name!r}, 'exec'), {{}})" for page in SHORT]
    _run("\n".join(calls), tmp_path)


def _run(code: str, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MPLBACKEND": "Agg"} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
