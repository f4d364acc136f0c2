"""The pictures of the docs: a card for each scheme, and what the code of some pages draws.

    KERAS_BACKEND=torch python tools/gallery.py            # write what has changed
    KERAS_BACKEND=torch python tools/gallery.py --check    # exit code 1 if a picture says something else

Each PNG holds what it says as text: the figures of a card, the titles and labels of a plot. That is what is
compared, since pixels differ from one release of matplotlib to the next.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from keras_inits.plots import exact_density
from keras_inits.registry import CATALOGUE, Entry
from keras_inits.reports.style import BLUE, SKY, VERMILLION, new_figure

DOCS = Path(__file__).parent.parent / "docs"
IMAGES = DOCS / "images"
PAGES = [DOCS / "plots.md", *sorted((DOCS / "concepts").glob("*.md"))]
# Its place, what it says, and the figure, which is drawn where it is wanted.
Picture = tuple[Path, Any, Callable[[], Figure]]
MATRIX, FIELD, BIAS = (32, 32), (3, 3, 32, 32), (128,)
# What a scheme must be given, and the shape of its draw where that is not a matrix.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Constant": {"value": 0.1},
    "DataNormal": {"mean": np.linspace(-1, 1, 32).tolist(), "stddev": [0.3] * 32},
    "FromArray": {"array": np.outer(np.hanning(32), np.hanning(32)).astype("float32")},
    "EchoState": {"spectral_radius": 0.9},
    "Gated": {"initializer": "keras_inits>orthogonal"},
    "ForgetGateBias": {"value": 1.0},
    "Chrono": {"max_time": 100.0},
    "PriorBias": {"probability": 0.01},
    "Scaled": {"initializer": "keras_inits>orthogonal", "factor": 0.25},
    "SmallInit": {"width": 32},
    "WangInit": {"depth": 12, "width": 32},
    "IDInit": {"noise": 0.1},
    "SparseInputs": {"connections": 5},
    "ICNR": {"initializer": "keras_inits>he_normal"},
}
SHAPES = {
    **dict.fromkeys(("DeltaOrthogonal", "ConvolutionOrthogonal", "Dirac", "ICNR"), FIELD),
    **dict.fromkeys(("ForgetGateBias", "Chrono", "PriorBias", "StepBias"), BIAS),
    "ConvolutionAware": FIELD,
    "Bilinear": (32, 32, 1, 1),
    "Gated": (32, 128),
    "S4D": (2, 32),
    "LRURing": (3, 32),
}


def made(key: str, entry: Entry) -> Any:
    """The scheme of a card."""
    given = ARGUMENTS.get(key, {})
    return entry.cls(**given, **({"seed": 0} if entry.cls.random else {}))


def drawn(scheme: Any, shape: tuple[int, ...]) -> np.ndarray:
    """One draw."""
    return np.asarray(keras.ops.convert_to_numpy(scheme(shape)), "float64")


def figures(key: str, entry: Entry) -> dict[str, Any]:
    """The figures of a card, which are what it says."""
    scheme, shape = made(key, entry), SHAPES.get(key, MATRIX)
    values, law = drawn(scheme, shape), scheme.law(shape)
    singular = [] if values.ndim == 1 else singular_values(values).tolist()
    return {
        "scheme": key,
        "shape": list(shape),
        "law": entry.law,
        "expected std": None if law is None else float(law.std),
        "std": float(values.std()),
        "least": float(values.min()),
        "greatest": float(values.max()),
        "singular values": singular[:1] + singular[-1:],
    }


def matrix(values: np.ndarray) -> np.ndarray:
    """What the card shows as an image: a matrix, the centre tap of a kernel, or its one filter."""
    return (
        values[tuple(n // 2 for n in values.shape[:-2])]
        if values.shape[-1] > 1
        else values[..., 0, 0]
    )


def singular_values(values: np.ndarray) -> np.ndarray:
    """Of the map from a kernel's inputs to its outputs; what is zero but for rounding is zero."""
    one = values.reshape(-1, values.shape[-1]) if values.shape[-1] > 1 else matrix(values)
    found = np.linalg.svd(one, compute_uv=False)
    return np.where(found < 1e-5 * found[0], 0.0, found)


def card(key: str, entry: Entry) -> Figure:
    """A scheme's picture: entries against the law, a draw as an image, its singular values."""
    scheme, shape = made(key, entry), SHAPES.get(key, MATRIX)
    values = drawn(scheme, shape)

    def draw(figure: Any) -> None:
        first, second, *third = figure.subplots(1, 2 if values.ndim == 1 else 3)
        for axes in (first, second, *third):
            axes.grid(False)
            axes.tick_params(labelsize=7)
        _entries(first, scheme, shape, values)
        if values.ndim == 1:
            second.plot(values, ".", color=BLUE, markersize=3)
            _title(second, f"bias of {len(values)}")
            return
        shown, singular = matrix(values), singular_values(values)
        bound = np.abs(shown).max() or 1.0
        square = "equal" if shown.shape[0] == shown.shape[1] else "auto"
        second.imshow(shown, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect=square)
        second.set_xticks([])
        second.set_yticks([])
        tap = ", centre tap" if len(shape) > 2 and shape[-1] > 1 else ""
        _title(second, f"{' × '.join(map(str, shape))}{tap}")
        third[0].plot(singular, ".", color=BLUE, markersize=4)
        third[0].set_ylim(0, 1.1 * singular[0] or 1.0)
        third[0].set_xticks([])
        _title(third[0], f"singular values {singular[-1]:.2g} to {singular[0]:.2g}")

    return new_figure(draw, 7.2, 1.9)


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, fontsize=8.5, fontweight="normal")


def _entries(axes: Any, scheme: Any, shape: tuple[int, ...], values: np.ndarray) -> None:
    """Eight draws' histogram against the law, or the shares of a few values."""
    law = scheme.law(shape)
    expected = "" if law is None else f", law {law.std:.3g}"
    _title(axes, f"std {values.std():.3g}{expected}")
    axes.set_yticks([])
    places, counts = np.unique(values.round(12), return_counts=True)
    if len(places) <= 8:
        axes.vlines(places, 0, counts / values.size, color=BLUE, linewidth=4)
        pad = 0.2 * np.ptp(places) or 1.0
        axes.set_xlim(places[0] - pad, places[-1] + pad)
        axes.set_ylim(0, 1.1)
        return
    if scheme.random:
        many = [type(scheme)(**scheme.get_config() | {"seed": seed}) for seed in range(8)]
        values = np.concatenate([drawn(one, shape).ravel() for one in many])
    axes.hist(values.ravel(), 40, density=True, histtype="stepfilled", color=SKY, alpha=0.55)
    if (density := exact_density(scheme, shape)) is not None:
        z = np.linspace(*axes.get_xlim(), 601)
        axes.plot(z, density(z), color=VERMILLION, linewidth=1.5)


def texts(figure: Figure) -> list[str]:
    """Every title, label and note in a figure, but for the numbers of its scales."""
    found = []
    for axes in figure.axes:
        named = [
            axes.title,
            axes._left_title,
            axes._right_title,
            axes.xaxis.label,
            axes.yaxis.label,
        ]
        legend = axes.get_legend()
        named += [*axes.texts, *(legend.get_texts() if legend else ())]
        found += [text.get_text() for text in named if text.get_text()]
    return found


def pictures_of_pages() -> Iterator[Picture]:
    """What the code of each page saves, run from the top in names of its own."""
    saved: list[tuple[str, Figure]] = []

    def keep(figure: Figure, name: Any, **_: Any) -> None:
        saved.append((str(name), figure))

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for page in PAGES:
            code = "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S))
            with (
                mock.patch.object(Figure, "savefig", keep),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                exec(compile(code, page.name, "exec"), {"__name__": page.stem})
            for name, figure in saved:
                yield IMAGES / page.stem / name, texts(figure), lambda figure=figure: figure
            saved.clear()


def pictures() -> Iterator[Picture]:
    """Every picture of the docs that is made here."""
    for key, entry in CATALOGUE.items():
        path = IMAGES / "schemes" / f"{key.replace('>', '.')}.png"
        yield path, figures(key, entry), partial(card, key, entry)
    yield from pictures_of_pages()


def write(path: Path, figure: Figure, says: Any) -> None:
    """The figure as a small PNG that holds what it says."""
    info, file = PngInfo(), io.BytesIO()
    info.add_text("says", json.dumps(says))
    figure.savefig(file, format="png", dpi=100)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(file).convert("RGB").quantize(32, dither=Image.Dither.NONE)
    image.save(path, optimize=True, pnginfo=info)


def said(path: Path) -> Any:
    """What a picture says, or None where there is none."""
    return json.loads(Image.open(path).text["says"]) if path.exists() else None


def differs(one: Any, other: Any) -> bool:
    """Whether two pictures say something else: other words, or other numbers.

    A card's figures are those of one draw, whose bits are the same everywhere; a plot's come from models,
    whose arithmetic differs from backend to backend.

    >>> differs(["std 0.3146"], ["std 0.3151"]), differs(["std 0.31"], ["std 0.37"]), differs(["a"], ["b"])
    (False, True, True)
    """
    tolerance = 1e-4 if isinstance(one, dict) else 0.05
    number = re.compile(r"[-−]?\d+\.?\d*(?:e[-+]?\d+)?")
    left, right = json.dumps(one, sort_keys=True), json.dumps(other, sort_keys=True)
    if number.sub("#", left) != number.sub("#", right):
        return True
    pairs = zip(number.findall(left), number.findall(right), strict=True)
    return not all(
        np.isclose(float(a.replace("−", "-")), float(b.replace("−", "-")), tolerance, 1e-6)
        for a, b in pairs
    )


def main(check: bool) -> int:
    """Write the pictures that say something else than those of the docs, or only count them."""
    kept, changed = set(), []
    for path, says, figure in pictures():
        kept.add(path)
        if differs(said(path), json.loads(json.dumps(says))):
            changed.append(path)
            if not check:
                write(path, figure(), says)
    made = {path.parent for path in kept}
    stale = [path for folder in made for path in folder.glob("*.png") if path not in kept]
    for path in stale if not check else ():
        path.unlink()
    for path in changed + stale:
        print(os.path.relpath(path, DOCS), "says something else")
    print(f"{len(kept)} pictures, {sum(p.stat().st_size for p in kept if p.exists())} bytes")
    return 1 if check and changed + stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
