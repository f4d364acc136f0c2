"""Write what the docs say of the schemes: the README's table, the catalogue, a page for each family.

python tools/readme.py
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from keras_inits.registry import CATALOGUE, Entry

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
START, END = "<!-- schemes: made by tools/readme.py -->\n", "<!-- end -->"
DOCUMENTED = (
    *("Zero", "One", "Constant", "Identity", "Uniform", "Normal", "LecunUniform", "GlorotUniform"),
    *("GlorotNormal", "HeUniform", "HeNormal", "XavierUniform", "XavierNormal", "KaimingUniform"),
    *("KaimingNormal", "FanInUniform", "Orthogonal", "DataNormal"),
)
TITLE = """# All schemes

Law, strings and source of each; [the page on them](schemes.md) says what those of the literature are for, the pages of the families
show a draw of each, and `keras-inits list` prints this table. Where a string is also Keras's, the bare one stays Keras's.

"""
FAMILIES = {
    "constant": (
        "Constant",
        "For biases, scales and tables. In a kernel they leave all units of a layer equal, but for `Identity`.",
    ),
    "uniform_normal": ("Uniform and normal", "One spread, whatever the shape."),
    "variance_scaling": (
        "By the fans",
        "The spread follows the numbers of inputs and outputs, so that a signal keeps its size: [fans and gains](../concepts/fans.md).",
    ),
    "orthogonal": ("Orthogonal", "Linear maps that keep the length of every input."),
    "identity": ("Identities", "Layers that begin by passing on what they get."),
    "depth": (
        "Depth and width",
        "For the weights of deep residual networks: [start a transformer](../howto/transformer.md).",
    ),
    "recurrent": ("Recurrent", "Kernels and biases of cells with a memory."),
    "state_space": ("State space", "The matrices of linear recurrences."),
    "sparse": ("Sparse", "Few entries that are not zero."),
    "frequency": ("Frequency", "Kernels drawn in Fourier space."),
    "resampling": ("Enlarging images", "Transposed and sub-pixel convolutions."),
    "prior": ("Classifiers", "Biases that begin with the shares of the classes."),
    "data": ("From data", "Entries from the statistics of data, or from an array."),
    "keras1": (
        "Keras 1",
        "For models that must start as they did in Keras 1.2.2: its laws, fans and defaults ([migration](../migration.md)).",
    ),
}
NOTE = "<!-- Made by tools/readme.py from the registry. -->\n"


def short(entry: Entry) -> str:
    """The strings in snake case; a bare name makes the one with the package's name superfluous."""
    snake = [string for string in entry.strings if string.islower()]
    return ", ".join(f"`{s}`" for s in snake if s.partition(">")[2] not in snake) or "by object"


def table(keys: Container[str] = CATALOGUE) -> str:
    """The registry, or some of it, as Markdown."""
    lines = ["| scheme | law | strings | source |", "|---|---|---|---|"]
    for key, entry in CATALOGUE.items():
        if key in keys:
            law = entry.law.replace("|", "\\|")
            lines.append(f"| `{entry.name}` | {law} | {short(entry)} | {entry.source} |")
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The README with the table of today."""
    before, rest = text.split(START)
    return before + START + table(DOCUMENTED) + END + rest.split(END, 1)[1]


def card(entry: Entry) -> str:
    """What the page of its family says of a scheme: its docstring, strings, source and picture."""
    name = f"keras1.{entry.name}" if entry.family == "keras1" else entry.name
    law = entry.law.replace("*", "\\*")
    return (
        f"::: keras_inits.{name}\n    options: {{members: false}}\n\n"
        f"Law: {law}. Written as: {short(entry)}. Source: {entry.source}.\n\n"
        f"![{name}: entries, a kernel, singular values](../images/schemes/{name}.png)\n"
    )


def family(name: str) -> str:
    """The page of a family."""
    title, about = FAMILIES[name]
    cards = [card(entry) for entry in CATALOGUE.values() if entry.family == name]
    return "\n".join([f"# {title}\n", NOTE, f"{about}\n", *cards])


def pages() -> dict[Path, str]:
    """What each page of the docs must hold."""
    families = {DOCS / "schemes" / f"{name}.md": family(name) for name in FAMILIES}
    return {DOCS / "catalogue.md": TITLE + table(), **families}


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
