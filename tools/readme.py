"""Write the tables of schemes, the documented ones into README.md and all into docs/catalogue.md.

python tools/readme.py
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from keras_inits.registry import CATALOGUE

ROOT = Path(__file__).parent.parent
README, CATALOGUE_PAGE = ROOT / "README.md", ROOT / "docs" / "catalogue.md"
START, END = "<!-- schemes: made by tools/readme.py -->\n", "<!-- end -->"
DOCUMENTED = (
    *("Zero", "One", "Constant", "Identity", "Uniform", "Normal", "RandomUniform", "RandomNormal"),
    *("TruncatedNormal", "VarianceScaling", "LecunUniform", "LecunNormal", "GlorotUniform"),
    *("GlorotNormal", "HeUniform", "HeNormal", "XavierUniform", "XavierNormal", "KaimingUniform"),
    *("KaimingNormal", "FanInUniform", "Orthogonal", "DataNormal"),
)
TITLE = """# All schemes

Law, strings and source of each; [the page on them](schemes.md) says what those of the literature are for, and `keras-inits list` prints
the same. Where a string is also Keras's, the bare one stays Keras's.

"""


def table(names: Container[str] = CATALOGUE) -> str:
    """The registry, or some of it, as Markdown."""
    lines = ["| scheme | law | strings | source |", "|---|---|---|---|"]
    for entry in CATALOGUE.values():
        if entry.name not in names:
            continue
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
    return before + START + table(DOCUMENTED) + END + rest.split(END, 1)[1]


def page() -> str:
    """The page of all schemes."""
    return TITLE + table()


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
    CATALOGUE_PAGE.write_text(page())
