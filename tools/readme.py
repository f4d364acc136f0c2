"""Write the table of schemes into README.md, from the registry.

python tools/readme.py
"""

from __future__ import annotations

from pathlib import Path

from keras_inits.registry import CATALOGUE

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- schemes: made by tools/readme.py -->\n", "<!-- end -->"


def table() -> str:
    """The registry as Markdown."""
    lines = ["| scheme | law | strings | source |", "|---|---|---|---|"]
    for entry in CATALOGUE.values():
        snake = [string for string in entry.strings if string.islower()]
        # A bare name makes the one with the package's name in front superfluous.
        short = [s for s in snake if s.partition(">")[2] not in snake]
        strings = ", ".join(f"`{string}`" for string in short) or "by object"
        law = entry.law.replace("|", "\\|")
        lines.append(f"| `{entry.name}` | {law} | {strings} | {entry.source} |")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The README with the table of today."""
    before, rest = text.split(START)
    return before + START + table() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
