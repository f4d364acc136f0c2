"""Serialized objects, judged by what a file would say of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import keras

LAMBDA = "a lambda: safe loading refuses it; write a registered class or function"
UNREGISTERED = "is not registered: decorate it with @keras.saving.register_keras_serializable()"


def outermost(config: Any) -> Iterator[dict[str, Any]]:
    """The configs of objects in dicts and lists, but not those within them."""
    if isinstance(config, dict) and {"class_name", "config"} <= config.keys():
        yield config
    elif isinstance(config, (dict, list, tuple)):
        for value in config.values() if isinstance(config, dict) else config:
            yield from outermost(value)


def node_problem(node: dict[str, Any]) -> str:
    """Why an object would not come back from its config, or ""."""
    inner = node["config"]
    if node["class_name"] == "__lambda__":
        return LAMBDA
    is_function = node["class_name"] == "function"
    name = inner if is_function else node.get("registered_name")
    is_keras = (node.get("module") or "").split(".")[0] == "keras" or (
        is_function and any(hasattr(place, str(name)) for place in (keras.losses, keras.metrics))
    )
    if not is_keras and keras.saving.get_registered_object(name) is None:
        return f"{'function' if is_function else 'class'} {name} {UNREGISTERED}"
    if is_function:
        return ""
    for part in outermost(list(inner.values()) if isinstance(inner, dict) else None):
        if problem := node_problem(part):
            return problem
    try:
        keras.saving.deserialize_keras_object(json.loads(json.dumps(node)))
    except Exception as error:
        return f"it does not come back from its config: {first_line(error)}"
    return ""


def first_line(error: Exception) -> str:
    """The error's message, short."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
