"""Layers without variables: whether a call may make some, or the code and the config rule that out."""

from __future__ import annotations

import ast
import inspect
import operator
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, TypeGuard

import keras

from keras_inits.host import is_keras
from keras_inits.models.variables.origin import layers_in, sublayers

_UNBUILT = (
    "not built: it has no variables yet; the call that builds it draws them by its own initializers"
)

_COMPARED: dict[type, Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_BASES = frozenset((*keras.layers.Layer.__mro__, *keras.Model.__mro__))
# Attributes by which a layer comes at its sublayers without their names.
_ANY_NAME = re.compile(
    r"__(dict|getattr|getattribute)__|_?(layers|modules)|_flatten_layers|get_(layer|submodule)"
    r"|named_(children|modules)|children|submodules"
)
# A test in the source, and whether it has to hold.
Test = tuple[ast.expr, bool]


def may_make(layer: keras.Layer) -> bool:
    """Whether a call may make variables in a layer that has none: there, or in a layer inside of it."""
    if layer.variables:
        return False
    if not layer.built and type(layer).build is not keras.layers.Layer.build:
        return True
    return any(map(may_make, sublayers(layer)))


def listed(
    unbuilt: list[tuple[str, keras.Layer, keras.Layer]], layers: list[keras.Layer]
) -> list[tuple[str, str]]:
    """The problems, (path, reason), of layers that are not built: each with its path and the layer around it.

    Each is listed once, under the first layer that may call it. `layers` are those of the model.
    """
    if not unbuilt:
        return []
    distinct = {id(layer): layer for layer in layers}.values()
    classes = {type(inner) for layer in distinct for inner in (layer, *sublayers(layer))}
    told: dict[int, str] = {}
    for path, layer, parent in unbuilt:
        if id(layer) not in told and not is_ruled_out(layer, parent, classes):
            told[id(layer)] = path
    return [(path, _UNBUILT) for path in told.values()]


def is_ruled_out(layer: keras.Layer, parent: keras.Layer, classes: Iterable[type]) -> bool:
    """Whether `parent` could use `layer` only if its own config were another one.

    One class for a family of blocks makes layers that some of them never use. That is told from the
    sources of the parent's class: every place that reads the attribute stands under a test of what the
    config holds, as `if self.ratio > 0:`, and the test fails. It is not told, and the answer is False,
    where no place reads it, for then it may be there for code elsewhere; where the class comes at
    its attributes without their names; where a class of the model, of `classes`, reads such an
    attribute of another object; and where there is no source.
    """
    own = [cls for cls in type(parent).__mro__ if cls not in _BASES]
    all_classes = {base for cls in classes for base in cls.__mro__ if not is_keras(base)} - _BASES
    codes = {cls: _read(cls) for cls in {*own, *all_classes}}
    if None in codes.values() or "call" in vars(parent):
        return False
    reads = [read for cls in own for read in codes[cls].of_self]  # type: ignore[union-attr]
    names = {name for name, _ in reads if _holds(parent, name, layer)}
    elsewhere = {name for cls in all_classes for name in codes[cls].of_others}  # type: ignore[union-attr]
    if not names or names & elsewhere or any(_ANY_NAME.fullmatch(name) for name, _ in reads):
        return False
    known = _plain_config(parent)
    return all(
        any(_truth(test, known) is (not holds) for test, holds in tests)
        for name, tests in reads
        if name in names
    )


def _holds(parent: keras.Layer, name: str, layer: keras.Layer) -> bool:
    """Whether an attribute is the layer or a container with it; a property is read by its own code."""
    computed = hasattr(inspect.getattr_static(type(parent), name, None), "__get__")
    value = vars(parent).get(name) if computed else getattr(parent, name, None)
    return any(layer is other for other in layers_in([value]))


def _plain_config(parent: keras.Layer) -> dict[str, Any]:
    """What the config holds and the layer still has: numbers, strings, booleans, None."""
    config: dict[str, Any] = {}
    with suppress(Exception):  # a class without a config of its own, say
        config = parent.get_config()
    plain = {k: v for k, v in config.items() if v is None or type(v) in (bool, int, float, str)}
    own = vars(parent)
    return {k: v for k, v in plain.items() if type(own.get(k, plain)) is type(v) and own[k] == v}


def _truth(test: ast.expr, known: dict[str, Any]) -> bool | None:
    """Whether a test holds, None where that depends on more than is known."""
    if isinstance(test, ast.BoolOp):
        decides = isinstance(test.op, ast.Or)
        found = [_truth(value, known) for value in test.values]
        if decides in found:
            return decides
        return None if None in found else not decides
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand, known)
        return None if inner is None else not inner
    try:
        if not isinstance(test, ast.Compare):
            return bool(_value(test, known))
        values = [_value(node, known) for node in (test.left, *test.comparators)]
        compared = [_COMPARED[type(op)] for op in test.ops]
        return all(f(*pair) for f, pair in zip(compared, pairwise(values), strict=True))
    except (KeyError, TypeError):
        return None


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if _is_of_self(node):
        return known[node.attr]
    raise KeyError(node)


class _Reader(ast.NodeVisitor):
    """Attributes that code reads: of `self`, each with the tests around it, and of all else."""

    def __init__(self) -> None:
        self.of_self: list[tuple[str, list[Test]]] = []
        self.of_others: set[str] = set()
        self._tests: list[Test] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name != "get_config":  # which makes no call
            self.generic_visit(node)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        self.visit(node.test)
        for branch, holds in ((node.body, True), (node.orelse, False)):
            self._tests.append((node.test, holds))
            for inner in branch if isinstance(branch, list) else [branch]:
                self.visit(inner)
            self._tests.pop()

    visit_IfExp = visit_If

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not _is_of_self(node):
            self.of_others.add(node.attr)
            self.visit(node.value)
        elif isinstance(node.ctx, ast.Load):
            self._of_self(node.attr)

    def visit_Call(self, node: ast.Call) -> None:
        known = [isinstance(node.func, ast.Name) and node.func.id, *map(_text, node.args[1:2])]
        if known[0] == "getattr" and isinstance(known[-1], str):
            read = ast.Attribute(node.args[0], known[-1], ast.Load())
            node = ast.Call(ast.Constant(None), [read, *node.args[2:]], node.keywords)
        elif known[0] == "super":
            return
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "self":  # handed to other code
            self._of_self("__dict__")

    def _of_self(self, name: str) -> None:
        self.of_self.append((name, [*self._tests]))


def _text(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _is_of_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    value = node.value if isinstance(node, ast.Attribute) else None
    return isinstance(value, ast.Name) and value.id == "self"


@lru_cache(1024)
def _read(cls: type) -> _Reader | None:
    """What the functions of a class read, or None where one has no source."""
    reader = _Reader()
    for value in vars(cls).values():
        functions = list(_functions(value))
        if callable(value) and not functions and not isinstance(value, type):
            return None
        for function in functions:
            try:
                source = textwrap.dedent(inspect.getsource(function.__code__))
                reader.visit(ast.parse(source))
            except (OSError, SyntaxError):
                return None
    return reader


def _functions(value: Any) -> Iterator[Any]:
    """The function that an attribute of a class is, that a property has, that a decorator wraps."""
    if isinstance(value, property):
        inside = [value.fget, value.fset, value.fdel]
    elif isinstance(value, (staticmethod, classmethod)):
        inside = [value.__func__]
    elif isinstance(value, cached_property):
        inside = [value.func]
    elif inspect.isfunction(value):
        inside = [vars(value).get("__wrapped__")]
        yield value
    else:
        return
    for function in inside:
        yield from _functions(function)
