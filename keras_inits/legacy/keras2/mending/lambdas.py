"""Functions whose code stands in a file: Lambda layers, and activations that were a lambda."""

from __future__ import annotations

import binascii
import builtins
import dis
import marshal
import sys
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_inits import backend

_OWNER = "legacy_load_model"
_PARTS = ("function", "mask", "output_shape")
_ANY = tuple(map(str, range(4096)))


def upgrade_lambda(inner: dict[str, Any]) -> dict[str, Any]:
    """The config of a Lambda layer as Keras 3 writes it; the code in it stays as it is."""
    kept = {k: v for k, v in inner.items() if not k.endswith(("_type", "module"))}
    for part in _PARTS:
        kind = inner.get(f"{part}_type")
        module = inner.get("module" if part == "function" else f"{part}_module")
        if kind == "lambda":
            kept[part] = _code(inner[part], module)
        elif kind == "function" and isinstance(inner[part], str):
            kept[part] = _named(inner[part])
    if kept.get("output_shape") is None:
        kept.pop("output_shape", None)
    if kept.pop("mask", None) is not None:
        raise ValueError(
            f"upgrade_model: layer {inner.get('name')!r} (Lambda) must have no mask function, "
            "which Keras 3 does not read"
        )
    arguments = kept.get("arguments") or {}
    return {**kept, "arguments": {key: _array(value) for key, value in arguments.items()}}


def upgrade_activation(value: dict[str, Any]) -> dict[str, Any]:
    """An activation that was a lambda; tf.keras wrote its code alone."""
    return _code(value["value"], None) if isinstance(value.get("value"), list) else value


def _code(parts: Any, module: Any) -> dict[str, Any]:
    if isinstance(parts, dict):  # as Keras 3 writes it already
        parts = [parts["config"].get(key) for key in ("code", "defaults", "closure")]
    code, defaults, closure = parts
    inner = {"code": code, "defaults": defaults, "closure": closure, "of": module}
    return {"class_name": "__lambda__", "config": inner}


def _named(name: str) -> dict[str, Any]:
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def _array(value: Any) -> Any:
    if isinstance(value, dict) and value.get("type") == "ndarray":
        found = np.asarray(value["value"])
        dtype = "float32" if found.dtype == "float64" else str(found.dtype)
        inner = {"value": value["value"], "dtype": dtype}
        return {"class_name": "__numpy__", "config": inner}
    return value


def with_functions(
    config: Any, custom_objects: dict[str, Any], layer: str = ""
) -> tuple[Any, dict[str, Any]]:
    """The config with every code replaced by a name, and what the names stand for."""
    made: dict[str, Any] = {}

    def replaced(value: Any, layer: str) -> Any:
        if isinstance(value, list):
            return [replaced(item, layer) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__lambda__" and "of" in value.get("config", {}):
            name = f"{layer} function {len(made)}"
            made[name] = function(value["config"], custom_objects, layer)
            return _named(name)
        inner = value.get("config")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            layer = inner["name"]
        return {key: replaced(item, layer) for key, item in value.items()}

    return replaced(config, layer), made


def function(code: dict[str, Any], custom_objects: dict[str, Any], layer: str) -> Any:
    """The function of a code, its names found in `custom_objects` and the module it came from."""
    found = _loaded(code["code"], layer)
    around = vars(sys.modules[code["of"]]) if code["of"] in sys.modules else {}
    scope = {"keras": keras, "np": np, "numpy": np, **around, **custom_objects}
    if backend.name() == "tensorflow":
        scope.setdefault("tf", sys.modules["tensorflow"])
    for name in _globals(found):
        if name not in scope and not hasattr(builtins, name):
            raise ValueError(
                f"{_OWNER}: custom_objects must have {name!r}, which the code of layer {layer!r} "
                "uses"
            )
    cells = tuple(types.CellType(value) for value in code["closure"] or ())
    if len(cells) != len(found.co_freevars):
        raise ValueError(f"{_OWNER}: the code of layer {layer!r} must have its closure, got none")
    defaults = tuple(tuple(d) if isinstance(d, list) else d for d in code["defaults"] or ())
    return types.FunctionType(found, scope, found.co_name, defaults or None, cells or None)


def _loaded(text: Any, layer: str) -> types.CodeType:
    release = ".".join(map(str, sys.version_info[:2]))
    other = (
        f"{_OWNER}: layer {layer!r} must hold code of Python {release}, which runs here, got that "
        "of another release; load the file with the Python that wrote it, or write the function "
        "anew and replace the layer"
    )
    try:
        try:
            raw = binascii.a2b_base64(text)
        except ValueError:
            raw = text.encode("raw_unicode_escape")  # Keras 2.0
        if not _is_of_this_python(_instructions(raw)):
            raise ValueError(other)
        found = marshal.loads(raw)
    except Exception as error:
        raise ValueError(other) from error
    if not all(_is_of_this_python(code.co_code) for code in _codes(found)):
        raise ValueError(other)
    return found


def _instructions(raw: bytes) -> bytes:
    """The instructions in marshalled code, empty where they are not found.

    They are read before Python makes code of them, as that writes into the caches of what it takes for
    instructions, and beyond the end.
    """
    start = 1 + 5 * 4  # the mark of code, and five integers
    if raw[:1] not in (b"c", b"\xe3") or raw[start : start + 1] not in (b"s", b"\xf3"):
        return b""
    size = int.from_bytes(raw[start + 1 : start + 5], "little")
    return raw[start + 5 : start + 5 + size]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _is_of_this_python(instructions: bytes) -> bool:
    """Whether bytes read as instructions of this Python: each known, caches where they belong.

    Running others could end the process.
    """
    try:
        # Room behind them for caches, and names for any number.
        code = (lambda: 0).__code__.replace(
            co_code=instructions + bytes(64),
            co_consts=_ANY,
            co_names=_ANY,
            co_varnames=_ANY,
            co_nlocals=len(_ANY),
        )
        found = [i for i in dis.get_instructions(code) if i.offset < len(instructions)]
    except Exception:
        return False
    # A cache is listed where no instruction of this Python has one; another release's differ in number.
    if not found or any(i.opname.startswith("<") or i.opname == "CACHE" for i in found):
        return False
    listed = {i.offset for i in found}
    caches = [offset for offset in range(0, len(instructions), 2) if offset not in listed]
    zero = [2 * i for i, byte in enumerate(instructions[::2]) if byte == 0]
    starts = any(i.opname == "RESUME" for i in found[:4])
    ends = found[-1].opname in ("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS") or (
        found[-1].opname.startswith("JUMP")
    )
    return caches == zero and starts and ends


def _globals(code: types.CodeType) -> list[str]:
    """The global names that a code reads, in order."""
    names = [
        i.argval
        for part in _codes(code)
        for i in dis.get_instructions(part)
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    return list(dict.fromkeys(names))
