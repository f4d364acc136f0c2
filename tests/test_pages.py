"""The code of README.md and of each page of docs/ runs as it stands, from the top."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import require, run_each

pytestmark = [pytest.mark.once, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# docs/extending.md has a test of its own, where each block runs by itself; tools/gallery.py runs
# docs/plots.md and docs/concepts/, and compares what they draw.
ELSEWHERE = (DOCS / "extending.md", DOCS / "plots.md")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "howto").glob("*.md"))]
PAGES = [page for page in PAGES if page not in ELSEWHERE and "```python" in page.read_text()]
SHARDED = [page for page in PAGES if page.name in ("scale.md", "shard.md")]
EIGHT = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}


def code_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))


TORCH = [page for page in PAGES if re.search(r"^import torch$", code_of(page), re.M)]
OTHERS = [page for page in PAGES if page not in (*SHARDED, *TORCH)]


@pytest.mark.parametrize("half", [0, 1])
def test_the_code_of_a_page_runs(half: int, tmp_path: Path) -> None:
    run_each({page.name: code_of(page) for page in OTHERS[half::2]}, tmp_path)


def test_the_code_of_a_page_with_torch_runs(tmp_path: Path) -> None:
    require("torch")
    run_each({page.name: code_of(page) for page in TORCH}, tmp_path)


def test_the_code_of_a_page_on_eight_devices_runs(tmp_path: Path) -> None:
    require("jax")
    run_each({page.name: code_of(page) for page in SHARDED}, tmp_path, **EIGHT)
