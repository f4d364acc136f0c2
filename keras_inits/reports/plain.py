"""Any value of a report as JSON knows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Dicts, lists, strings, finite numbers and None; a number that is not finite is None.

    Dataclasses become dicts of their fields, arrays and sets lists, and what JSON has no counterpart
    of, a path or a dtype for one, its text.

    >>> plain({"std": np.float32("nan"), "shape": (3, 4), 1: {2}})
    {'std': None, 'shape': [3, 4], '1': [2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
