"""Every block of docs/extending.md runs by itself, in a new process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import python

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
@pytest.mark.parametrize("name", _named())
def test_block_runs(name: str) -> None:
    python(_named()[name])


def test_each_kind_of_extension_has_a_block() -> None:
    kinds = {name.rsplit(" ", 1)[0] for name in _named()}
    assert kinds >= {"A scheme", "A law", "A preset", "A stream", "A geometry"}
