"""The YAML of Keras 1 and 2, read without making any object that it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_TUPLES = ("tuple", "list")
_TEXTS = ("str", "unicode")
_MOST = 2_000_000  # dicts, lists and values in a config, those named twice counted twice


def parse_yaml(text: str) -> Any:
    """What `to_yaml()` wrote; tuples come back as lists.

    Raises ImportError where PyYAML is not installed, ValueError for what is no plain data.
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError(
            "legacy_load_model: a YAML file needs PyYAML; pip install pyyaml"
        ) from error

    class Loader(yaml.SafeLoader):
        """Safe, but for the tags that Python's tuples and strings got."""

    for name in _TUPLES:
        Loader.add_constructor(
            f"tag:yaml.org,2002:python/{name}",
            lambda loader, node: loader.construct_sequence(node, deep=True),
        )
    for name in _TEXTS:
        Loader.add_constructor(
            f"tag:yaml.org,2002:python/{name}", lambda loader, node: loader.construct_scalar(node)
        )
    found = yaml.load(text, Loader)
    if _size(found, {}, ()) > _MOST:
        raise ValueError(f"it holds more than {_MOST} values")
    return found


def _size(value: Any, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a structure has; an error for one that holds itself."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) in above or len(above) > 100:
        raise ValueError("it holds itself, or is too deep")
    if id(value) not in known:
        parts: Iterable[Any] = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known, (*above, id(value))) for part in parts)
    return known[id(value)]
