"""Every block of docs/extending.md runs by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import run_each

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"
BLOCKS = re.findall(r"^## ([^\n]+)$|^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def _named() -> dict[str, str]:
    named: dict[str, str] = {}
    title = ""
    for heading, code in BLOCKS:
        title = heading or title
        if code:
            named[f"{title} {sum(name.startswith(title) for name in named) + 1}"] = code
    return named


@pytest.mark.slow
def test_each_block_runs(tmp_path: Path) -> None:
    run_each(_named(), tmp_path)


def test_each_kind_of_extension_has_a_block() -> None:
    kinds = {name.rsplit(" ", 1)[0] for name in _named()}
    assert kinds >= {"A scheme", "A law", "A preset", "A stream", "A geometry"}
