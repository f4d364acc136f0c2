"""From a name to a scheme for every layer of a network."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from keras_inits.base import Scheme, signature_names
from keras_inits.comparison.defaults import DEFAULT
from keras_inits.registry import CATALOGUE, PACKAGE, Entry, snake_case
from keras_inits.schemes.data import DataNormal
from keras_inits.schemes.variance_scaling import GlorotUniform
from keras_inits.streams import DefaultStream, Stream


@dataclass(frozen=True)
class Candidate:
    """A scheme that its name alone describes."""

    name: str
    entry: Entry

    @property
    def law(self) -> str:
        """The law of the kernels, in one line."""
        if self.entry.cls is DataNormal:
            return f"{self.entry.law}; after layer 1 glorot_uniform"
        return self.entry.law

    def kernel(self, layer: int, x: np.ndarray, stream: Stream) -> Scheme:
        """The scheme of one layer; the first reads the data `x`, whose statistics it may take."""
        if self.entry.cls is DataNormal:
            first = layer == 0
            return DataNormal.from_data(x, seed=stream) if first else GlorotUniform(seed=stream)
        seeded = "seed" in signature_names(self.entry.cls)
        return self.entry.cls(seed=stream) if seeded else self.entry.cls()


def candidates(names: Iterable[str] = DEFAULT) -> list[Candidate]:
    """The schemes by these names, each once.

    A bare name is this library's scheme, also where layers take it for Keras's ("he_normal").
    Raises ValueError for a name it does not know, with the nearest ones, and for a scheme that
    cannot start a dense network.
    """
    known = _known()
    chosen = {}
    for name in names:
        if name not in known:
            raise ValueError(unknown(name, known))
        candidate = chosen[known[name].name] = known[name]
        try:
            for layer, shape in enumerate([(64, 32), (32, 64), (64, 10)]):
                candidate.kernel(layer, np.eye(64), DefaultStream(0)).check_shape(shape)
        except ValueError as error:
            raise ValueError(f"scheme {name!r} cannot start a dense network: {error}") from error
    if not chosen:
        raise ValueError("no scheme named")
    return list(chosen.values())


def unknown(name: str, known: Iterable[str]) -> str:
    """What is said of a name that is none of the known ones."""
    nearest = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
    return f"unknown scheme {name!r}{hint} (`keras-inits list` shows all)"


def without_arguments() -> dict[str, type[Scheme]]:
    """The schemes that need no argument, by every string that names them, without the package."""
    return {
        name: found.entry.cls for name, found in _known().items() if len(found.entry.strings) > 1
    }


def _known() -> dict[str, Candidate]:
    known = {}
    for entry in CATALOGUE.values():
        registered = entry.strings[0]
        # One string: it needs arguments, and the data's statistics are the only ones at hand.
        if len(entry.strings) > 1 or entry.cls is DataNormal:
            name = snake_case(registered.removeprefix(f"{PACKAGE}>")).replace(">", "_")
            for string in (name, *entry.strings):
                known[string.removeprefix(f"{PACKAGE}>")] = Candidate(name, entry)
                known[string] = Candidate(name, entry)
    return known
