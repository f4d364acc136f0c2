"""Check Keras's own initializers, and keras-hub's, as this library's are: docs/conformance.md.

    python tools/conformance.py          # this backend; KERAS_BACKEND=jax for another
    python tools/conformance.py --write  # on all three, into the page

Where Keras documents a law, the entries are compared with ours of the same arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras

import keras_inits as ki
from keras_inits import laws
from keras_inits.testing import initializer_checks

PAGE = Path(__file__).parent.parent / "docs" / "conformance.md"
MARK = "<!-- made by tools/conformance.py -->"
BACKENDS = ("tensorflow", "jax", "torch")
SHAPES = ((48, 32), (3, 3, 8, 16), (64,), (16, 16), (16, 1, 9))  # the last for STFT
LAWS: dict[str, Any] = {
    "RandomNormal": lambda c: laws.Normal(c["mean"], c["stddev"]),
    "RandomUniform": lambda c: laws.Uniform(c["minval"], c["maxval"]),
    "TruncatedNormal": lambda c: laws.TruncatedNormal(c["mean"], c["stddev"], -2.0, 2.0),
}


def classes() -> list[type]:
    """Keras's public initializers, each once, under its first name."""
    found = {
        value: name
        for name, value in sorted(vars(keras.initializers).items(), reverse=True)
        if isinstance(value, type) and value is not keras.initializers.Initializer
    }
    return sorted(found, key=lambda cls: found[cls])


def hub_classes() -> list[str]:
    """Initializers that keras-hub defines, beside those of Keras that it makes."""
    import keras_hub  # noqa: F401

    found, waiting = [], [keras.initializers.Initializer]
    while waiting:
        waiting += (cls := waiting.pop()).__subclasses__()
        found += [cls.__name__] if cls.__module__.startswith("keras_hub") else []
    return found


def law(initializer: Any, shape: tuple[int, ...]) -> laws.Law | None:
    """The law that Keras documents."""
    name, config = type(initializer).__name__, initializer.get_config()
    if isinstance(initializer, keras.initializers.VarianceScaling):
        scaling = {key: getattr(initializer, key) for key in ("scale", "mode", "distribution")}
        return ki.VarianceScaling(**scaling).law(shape)
    return LAWS[name](config) if name in LAWS else None


def failures(cls: type) -> dict[str, str]:
    """The checks that fail, and what they say first."""
    initializer, found = cls(), {}
    given = initializer_checks(initializer, shapes=SHAPES)
    for name, check in given.items():
        try:
            if name != "law":
                check()
            for shape in SHAPES if name == "law" else ():
                stated = law(initializer, shape)
                if stated is not None:
                    initializer_checks(initializer, shapes=[shape], law=stated)["law"]()
        except AssertionError as error:
            found[name] = str(error).splitlines()[0].partition(": ")[2]
    return found


def table() -> str:
    """What fails on which backend, with the first thing that is said."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for backend in BACKENDS:
        done = subprocess.run(
            [sys.executable, __file__, "--json"],
            env=os.environ | {"KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for name, found in json.loads(done.stdout.splitlines()[-1]).items():
            for check, text in found.items():
                rows.setdefault((name, check), {})[backend] = text
    return grouped(rows)


def grouped(rows: dict[tuple[str, str], dict[str, str]]) -> str:
    """The rows as a table: classes that fail one check on the same backends side by side."""
    groups: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], str] = {}
    for (name, check), texts in rows.items():
        key = (check, ", ".join(texts))
        groups.setdefault(key, []).append(f"`{name}`")
        # What TensorFlow says goes on with names of its own for the place.
        first.setdefault(key, next(iter(texts.values())).partition(": {{")[0][:110])
    lines = ["| check | on | classes | what the first says first |", "|---|---|---|---|"]
    for key in sorted(groups):
        lines.append(f"| `{key[0]}` | {key[1]} | {', '.join(groups[key])} | {first[key]} |")
    return "\n".join(lines)


def main() -> None:
    """Print the failures on this backend, or write the page."""
    if "--write" in sys.argv:
        start, _, rest = PAGE.read_text().partition(MARK)
        end = rest.partition("<!-- end -->")[2]
        PAGE.write_text(f"{start}{MARK}\n{table()}\n<!-- end -->{end}")
        return
    found = {cls.__name__: failures(cls) for cls in classes()}
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    for name, texts in found.items():
        for check, text in texts.items():
            print(f"{name}: {check}: {text}")
    whole = sum(not texts for texts in found.values())
    print(f"{whole} of {len(found)} pass on {keras.backend.backend()}, Keras {keras.__version__}")
    print(f"keras-hub's own: {', '.join(hub_classes()) or 'none'}")


if __name__ == "__main__":
    main()
