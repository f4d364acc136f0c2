"""For the site: the examples in docstrings become blocks of code, before Markdown takes `>>>` for quotes."""

from __future__ import annotations

import re
from typing import Any

import griffe

BLOCK = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.M)


def fenced(text: str) -> str:
    """The docstring with its examples in fences."""
    return BLOCK.sub(lambda m: f"{m[1]}```pycon\n{m[0]}\n{m[1]}```", text)


class Doctests(griffe.Extension):
    """Rewrites every docstring that is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
