"""Add this release's set of frozen files: tests/frozen/VERSION.zip, which every later release must load.

    python tools/freeze.py [--replace] [--output FILE]

Per scheme a model of one layer as NAME.keras, NAME.h5 and NAME.json. A released set is never written
again: without --replace an existing file is an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# The path must be set first, to run from a checkout.
import keras  # noqa: E402
from cases import ONE_EACH  # noqa: E402

import keras_inits as ki  # noqa: E402
from keras_inits import keras1  # noqa: E402
from keras_inits.registry import CATALOGUE  # noqa: E402

SEED = 3
L = keras.layers
# Input shape, layer and the shape of the weight that the scheme fills: the first that it accepts.
CARRIERS: list[tuple[tuple[int, ...], Callable[[Any], keras.Layer], tuple[int, ...]]] = [
    ((4,), lambda i: L.Dense(8, kernel_initializer=i), (4, 8)),
    ((4,), lambda i: L.Dense(4, kernel_initializer=i), (4, 4)),
    ((5, 5, 4), lambda i: L.Conv2D(4, 3, kernel_initializer=i), (3, 3, 4, 4)),
    ((5, 5, 4), lambda i: L.Conv2DTranspose(4, 4, kernel_initializer=i), (4, 4, 4, 4)),
    ((2,), lambda i: L.Dense(4, kernel_initializer=i), (2, 4)),
    ((3,), lambda i: L.Dense(4, kernel_initializer=i), (3, 4)),
    ((1,), lambda i: L.Dense(4, kernel_initializer=i), (1, 4)),
    ((2, 3), lambda i: L.LSTM(2, bias_initializer=i, unit_forget_bias=False), (8,)),
]


def model_of(key: str) -> keras.Model:
    """The model that carries the scheme."""
    makers = {case.class_name: case.make for case in ONE_EACH}
    cls = CATALOGUE[key].cls
    for inputs, layer, shape in CARRIERS:
        try:
            if key in makers:
                scheme = makers[key](shape, SEED)
            else:
                scheme = cls(seed=SEED) if cls.random else cls()
            scheme(shape)
        except ValueError:
            continue
        return keras.Sequential([keras.Input(inputs), layer(scheme)], name="frozen")
    raise SystemExit(f"freeze: no layer here takes {key}; add one to CARRIERS")


def file_name(key: str) -> str:
    """The name in the archive: a registered name without the sign that file systems refuse."""
    return key.replace(">", ".")


def write(target: Path) -> None:
    """All schemes of the catalogue into one archive."""
    assert keras1.HeNormal, "registers Keras 1's classes"
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive,
    ):
        for key in sorted(CATALOGUE):
            keras.backend.clear_session(free_memory=False)
            model = model_of(key)
            stem = Path(folder, file_name(key))
            model.save(f"{stem}.keras")
            model.save(f"{stem}.h5")
            Path(f"{stem}.json").write_text(model.to_json(), encoding="utf-8")
            for suffix in (".keras", ".h5", ".json"):
                archive.write(f"{stem}{suffix}", stem.name + suffix)


def main() -> None:
    """Write the set of the current version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replace", action="store_true", help="write an existing set anew")
    default = ROOT / "tests" / "frozen" / f"{ki.__version__}.zip"
    parser.add_argument("--output", type=Path, default=default)
    arguments = parser.parse_args()
    if arguments.output.exists() and not arguments.replace:
        parser.error(f"{arguments.output.name} exists; a released set must stay as it is")
    write(arguments.output)
    print(
        f"{arguments.output.name}: {len(CATALOGUE)} schemes, {arguments.output.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
