"""Small argument checks, all with one message form: `Owner: name must be ..., got ...`."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from functools import update_wrapper
from types import FunctionType
from typing import Any

import numpy as np

FLOAT_DTYPES = ("float16", "bfloat16", "float32", "float64")
# A shape of more entries than one tensor of any model has is a mistake or an attack.
MAX_ENTRIES = 2**39


def _got(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "one nested too deep"
    except ValueError:  # Python writes no integer of more than some thousand digits
        text = "one too long to write"
    return text if len(text) <= 80 else f"{text[:77]}..."


def type_error(owner: str, name: str, expected: str, value: Any) -> TypeError:
    """The error for a value of the wrong type."""
    return TypeError(
        f"{owner}: {name} must be {expected}, got {_got(value)} of type {type(value).__name__}"
    )


def value_error(owner: str, name: str, expected: str, value: Any) -> ValueError:
    """The error for a value that does not fit."""
    return ValueError(f"{owner}: {name} must be {expected}, got {_got(value)}")


def number(
    owner: str,
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float | int:
    """A finite real number with `low <= value <= high` and `above < value < below`, as a Python number."""
    if type(value) is not float and (
        isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real)
    ):
        raise type_error(owner, name, _finite(low, high, above, below), value)
    plain: Any = value.item() if isinstance(value, np.generic) else value
    try:
        plain = plain if isinstance(plain, (int, float)) else float(plain)
        inside = math.isfinite(plain)
    except OverflowError:
        inside = False
    inside = (
        inside
        and (low is None or plain >= low)
        and (high is None or plain <= high)
        and (above is None or plain > above)
        and (below is None or plain < below)
    )
    if not inside:
        raise value_error(owner, name, _finite(low, high, above, below), value)
    return plain


def _finite(low: float | None, high: float | None, above: float | None, below: float | None) -> str:
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">", above), (">=", low), ("<", below), ("<=", high))
        if bound is not None
    ]
    return " ".join(["a finite number", " and ".join(bounds)]).strip()


def integer(
    owner: str, name: str, value: Any, *, low: int | None = None, high: int | None = None
) -> int:
    """A whole number with `low <= value <= high`, as a Python int."""
    whole = type(value) is int or (
        isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
    )
    plain = int(value) if whole else 0
    if whole and (low is None or plain >= low) and (high is None or plain <= high):
        return plain
    bounds = [f"{s} {b}" for s, b in ((">=", low), ("<=", high)) if b is not None]
    expected = " ".join(["an integer", " and ".join(bounds)]).strip()
    raise (value_error if whole else type_error)(owner, name, expected, value)


def boolean(owner: str, name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise type_error(owner, name, "True or False", value)
    return bool(value)


def one_of(owner: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the strings in `allowed`, which the error lists in their order."""
    if isinstance(value, str) and value in allowed:
        return value
    expected = "one of " + ", ".join(repr(choice) for choice in allowed)
    raise (value_error if isinstance(value, str) else type_error)(owner, name, expected, value)


def axes(owner: str, name: str, value: Any) -> list[int] | None:
    """None, or distinct integers (negative ones count from the end)."""
    if value is None:
        return None
    expected = "None or a list of distinct integers"
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise type_error(owner, name, expected, value)
    listed = [integer(owner, f"{name}[{i}]", axis) for i, axis in enumerate(value)]
    if len(set(listed)) != len(listed):
        raise value_error(owner, name, expected, value)
    return listed


def shape(
    owner: str, value: Any, *, min_rank: int = 0, max_rank: int | None = None
) -> tuple[int, ...]:
    """Dimensions as a tuple of Python ints, each >= 0; zero-size shapes pass."""
    expected = "a sequence of integers >= 0"
    if type(value) is not tuple and (
        isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable)
    ):
        raise type_error(owner, "shape", expected, value)
    dims = tuple(value)
    if set(map(type, dims)) - {int}:  # what is left to check is slow, and rare
        for dim in dims:
            if dim is None:
                raise value_error(owner, "shape", expected, dims)
            if isinstance(dim, (bool, np.bool_)) or not isinstance(dim, numbers.Integral):
                raise type_error(owner, "shape", expected, dims)
        dims = tuple(int(dim) for dim in dims)
    if dims and min(dims) < 0:
        raise value_error(owner, "shape", expected, dims)
    if math.prod(dims) > MAX_ENTRIES:
        raise value_error(owner, "shape", f"of at most {MAX_ENTRIES} entries", dims)
    if len(dims) < min_rank or (max_rank is not None and len(dims) > max_rank):
        if max_rank is None:
            ranks = f"of rank {min_rank} or more"
        elif min_rank == max_rank:
            ranks = f"of rank {min_rank}"
        else:
            ranks = f"of rank {min_rank} to {max_rank}"
        raise value_error(owner, "shape", ranks, dims)
    return dims


def float_dtype(owner: str, dtype: str) -> str:
    """A floating dtype's name, or a ValueError: a random law has no integer or complex version."""
    if dtype not in FLOAT_DTYPES:
        raise value_error(owner, "dtype", "one of " + ", ".join(FLOAT_DTYPES), dtype)
    return dtype


def exact(owner: str, name: str, value: float, dtype: str) -> str:
    """The dtype, or a ValueError where it is one of integers or booleans without this value."""
    kind = dtype.rstrip("0123456789")
    if dtype == "bool":
        holds = value in (0, 1)
    elif kind in ("int", "uint"):
        bits = int(dtype.removeprefix(kind))
        low, high = (
            (0, 2**bits - 1) if kind == "uint" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
        holds = low <= value <= high and value == int(value)
    else:
        return dtype
    if not holds:
        raise value_error(owner, name, f"exact in {dtype}", value)
    return dtype


def name_constructor(cls: Any) -> None:
    """Let a constructor that a class inherits have the class's name, which Python's errors tell."""
    found = cls.__init__
    if "__init__" in vars(cls) or not isinstance(found, FunctionType):
        return
    code, names, defaults = found.__code__, found.__globals__, found.__defaults__
    own: Any = update_wrapper(
        FunctionType(code, names, "__init__", defaults, found.__closure__), found
    )
    own.__kwdefaults__ = found.__kwdefaults__
    own.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = own
