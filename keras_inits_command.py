"""The start of the `keras-inits` command: what needs no Keras, such as its help, does not import it."""

from __future__ import annotations

import importlib.util
import sys
import types


def main() -> int:
    """Run the command; return its exit code."""
    try:
        if "keras_inits" not in sys.modules:
            _package_unopened()
        from keras_inits.cli import main as run

        return run()
    except KeyboardInterrupt:  # while something is imported, say
        print("keras-inits: interrupted", file=sys.stderr)
        return 130


def _package_unopened() -> None:
    """The package without what its `__init__` does, which `keras_inits.cli.shared.console.ready` makes up for."""
    spec = importlib.util.find_spec("keras_inits")
    assert spec is not None
    package = types.ModuleType("keras_inits", "not opened")
    package.__spec__, package.__path__ = spec, spec.submodule_search_locations  # type: ignore[assignment]
    package.__file__ = spec.origin
    sys.modules["keras_inits"] = package
