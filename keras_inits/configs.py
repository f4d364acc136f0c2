"""Config trees: the dicts and lists that Keras writes of an object, walked and judged in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

#: Dicts and lists within each other that a config has at most: two thirds of what the recursion of
#: Keras's readers can take, and far more than models and wrappers need.
DEEPEST = 100


def children(node: Any) -> list[Any]:
    """The dicts, lists and tuples directly in a config."""
    values = node.values() if isinstance(node, dict) else node
    inside = values if isinstance(node, (dict, list, tuple)) else ()
    return [value for value in inside if isinstance(value, (dict, list, tuple))]


def is_too_deep(config: Any) -> bool:
    """Whether a config is deeper than any object's is, and than the stack that reads it."""
    level = [config]
    for _ in range(DEEPEST):
        level = [child for node in level for child in children(node)]
    return bool(level)


def nodes(config: Any) -> Iterator[dict[str, Any]]:
    """Every dict in a config, outermost first."""
    if isinstance(config, dict):
        yield config
    for child in children(config):
        yield from nodes(child)


def is_object(node: Any) -> bool:
    """Whether a dict is the config of an object or function, as Keras writes one."""
    return isinstance(node, dict) and {"class_name", "config"} <= node.keys()


def outermost(config: Any) -> Iterator[dict[str, Any]]:
    """The configs of objects in a config, but not those within them."""
    if is_object(config):
        yield config
        return
    for child in children(config):
        yield from outermost(child)


def names(node: dict[str, Any]) -> list[str]:
    """The names by which Keras looks an object's class up, the registered one first."""
    given = (node.get(key) for key in ("registered_name", "class_name"))
    return [name for name in given if isinstance(name, str)]


def registered(node: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The registered class or function of an object's config, or None."""
    found = (keras.saving.get_registered_object(name, custom_objects) for name in names(node))
    return next(filter(None, found), None)
