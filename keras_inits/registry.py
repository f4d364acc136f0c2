"""Frozen names, string aliases and the catalogue of all schemes."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import keras

from keras_inits import checks, configs, host
from keras_inits.base import Scheme

PACKAGE = "keras_inits"
RESERVED = (PACKAGE, "keras1", "keras2")

C = TypeVar("C", bound=type)


@dataclass(frozen=True)
class Entry:
    """One scheme in the catalogue: its class, law, source and the strings that name it."""

    cls: type
    family: str
    law: str
    source: str
    strings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.cls.__name__


CATALOGUE: dict[str, Entry] = {}
host.find_registered_strings()  # before the first scheme asks for another by its string


def snake_case(name: str) -> str:
    """`HeNormal` -> `he_normal`, as Keras spells it."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def register(
    *,
    law: str,
    source: str,
    package: str = PACKAGE,
    family: str = "",
    aliases: tuple[str, ...] = (),
) -> Callable[[C], C]:
    """Class decorator for a scheme: known to Keras's files and layers, to `names()` and the tables.

    A class `TinyNormal` in the package "mine" is `mine>TinyNormal` in files; layers also take the
    string "mine>tiny_normal" if the class can be made without arguments. Schemes of this library
    have bare strings too, but where Keras knows the name.

    Args:
        law: The law of an entry in one line.
        source: The paper or program that states it.
        package: A name of your own. It is written into files with the class's name: keep both.
        family: The group under which tables list the scheme; by default the package.
        aliases: Further names of the class.

    Raises:
        TypeError: The class is no subclass of `Scheme`.
        ValueError: The package is this library's, or another class has the name.

    Example:
        @keras_inits.register(law="U(-1/n, 1/n)", source="chapter 3", package="mine")
        class Tiny(keras_inits.Scheme): ...
    """

    def decorate(cls: C) -> C:
        _check_registration(cls, package)
        keras.saving.register_keras_serializable(package, cls.__name__)(cls)
        registered = f"{package}>{cls.__name__}"
        strings = [registered]
        if _stands_alone(cls):
            for alias in (cls.__name__, *aliases):
                snake = snake_case(alias)
                strings += [f"{package}>{alias}", f"{package}>{snake}"]
                if package == PACKAGE and not _keras_knows(snake):
                    strings.append(snake)
        strings = list(dict.fromkeys(strings))
        known = keras.saving.get_custom_objects()
        for string in strings:
            known[string] = cls
        key = cls.__name__ if package == PACKAGE else registered
        CATALOGUE[key] = Entry(cls, family or package, law, source, tuple(strings))
        return cls

    return decorate


def _check_registration(cls: Any, package: str) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Scheme)):
        raise checks.type_error("register", "the class", "a subclass of keras_inits.Scheme", cls)
    if package in RESERVED and cls.__module__.split(".")[0] != PACKAGE:
        raise checks.value_error("register", "package", "a name of your own", package)
    if not re.fullmatch(r"[\w.-]+", package):
        raise checks.value_error("register", "package", "a name of letters and digits", package)
    other = keras.saving.get_registered_object(f"{package}>{cls.__name__}")
    # The same class again is what running a notebook's cell twice gives.
    if other is not None and (other.__module__, other.__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        expected = f"a name that is free in the package {package!r}"
        raise checks.value_error("register", "the class", expected, cls.__name__)


def _stands_alone(cls: type) -> bool:
    """Whether the class can be made without arguments, so that a string can stand for it."""
    try:
        cls()
    except (TypeError, ValueError):
        return False
    return True


def _keras_knows(name: str) -> bool:
    if name in keras.saving.get_custom_objects():
        return False
    try:
        with host.unchanged_python_random():
            keras.initializers.get(name)
    except ValueError:
        return False
    except Exception:
        return True  # known, but not to be had without arguments ("constant")
    return True


def names() -> list[str]:
    """Every string that names a scheme of this library in a layer, sorted.

    >>> "xavier_normal" in names()
    True
    """
    return sorted(
        string
        for entry in CATALOGUE.values()
        if _stands_alone(entry.cls)
        for string in entry.strings
    )


def get(identifier: Any) -> Any:
    """`keras.initializers.get`, with an error that names the nearest known strings.

    Takes a string, a config, a class, an initializer, an array or None.

    >>> get("xavier_normal")
    XavierNormal()
    """
    if isinstance(identifier, str):
        entry = CATALOGUE.get(identifier.removeprefix(f"{PACKAGE}>"))
        if entry is not None and not _stands_alone(entry.cls):
            raise ValueError(
                f"get: {entry.name} must be given its arguments, as "
                f"{entry.name}{inspect.signature(entry.cls)}, got the string {identifier!r}"
            )
    if isinstance(identifier, dict):
        _check_config(identifier)
    try:
        found = keras.initializers.get(identifier)
    except ValueError:
        if not isinstance(identifier, str):
            raise
        found = identifier
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        raise ValueError(
            f"get: identifier must be an initializer's config, got {error!r}"
        ) from error
    if isinstance(found, str):
        raise ValueError(_unknown(found))
    return found


def initializer_of(owner: str, identifier: Any) -> Any:
    """The initializer that a scheme wraps: from an object, a string or a config."""
    found = get(identifier)
    if not callable(found):
        raise checks.type_error(
            owner, "initializer", "an initializer, a string or a config", identifier
        )
    return found


def _check_config(config: dict[str, Any]) -> None:
    """An initializer's config and not another object's, nested no deeper than wrappers are."""
    if configs.is_too_deep(config):
        raise ValueError(f"get: identifier must be a config at most {configs.DEEPEST} levels deep")
    names, found = configs.names(config), configs.registered(config)
    if found is None:
        found = vars(keras.initializers).get(names[-1]) if names else None
    special = ("function", "__")  # Keras's marks of what is no class
    if found is None and names and not names[-1].startswith(special) and _keras_knows(names[-1]):
        return
    if not (isinstance(found, type) and issubclass(found, keras.initializers.Initializer)):
        named = f" that of {names[-1]!r}" if names else " one without a class_name"
        raise ValueError(f"get: identifier must be the config of a known initializer, got{named}")


def _unknown(name: str) -> str:
    hosts = [host for host in vars(keras.initializers) if host.islower() and _keras_knows(host)]
    candidates = [*names(), *hosts]
    nearest = difflib.get_close_matches(name, candidates, n=3, cutoff=0.5)
    if not nearest:
        folded = {candidate.lower(): candidate for candidate in candidates}
        nearest = [
            folded[m] for m in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)
        ]
    hint = f"; nearest: {', '.join(map(repr, nearest))}" if nearest else ""
    return f"get: identifier must name a known initializer, got {name!r}{hint} (keras_inits.names() lists all)"
