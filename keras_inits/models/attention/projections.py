"""The projections of attention layers, and their kernels head by head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.flow.places import Place, places
from keras_inits.models.variables.origin import quantization, sublayers

_NAMES = {
    "query": ("query", "query_dense", "query_projector", "q_proj", "wq", "q"),
    "key": ("key", "key_dense", "key_projector", "k_proj", "wk", "k"),
    "value": ("value", "value_dense", "value_projector", "v_proj", "wv", "v"),
    "output": (
        "attention_output",
        "output_dense",
        "output_projector",
        "o_proj",
        "out_proj",
        "wo",
        "o",
    ),
}
_HEADS = ("num_heads", "num_query_heads")


class Unfit(ValueError):
    """Why an attention layer is left as it was."""


@dataclass(frozen=True)
class Projections:
    """The four layers of an attention layer, Dense or EinsumDense; `heads` where a Dense hides them.

    Example:
        >>> q, k, v, o = (keras.layers.Dense(8) for _ in range(4))
        >>> Projections(q, k, v, o, heads=2).heads
        2
    """

    query: Any
    key: Any
    value: Any
    output: Any
    heads: int | None = None

    def kernel(self, role: str) -> Any:
        """The variable."""
        layer = getattr(self, role)
        found = [v for v in getattr(layer, "weights", ()) if v.name == "kernel"]
        if len(found) != 1 or quantization(layer) or getattr(layer, "lora_enabled", False):
            raise Unfit(f"its {role} projection has no kernel of its own that can be drawn")
        return found[0]

    def shape(self, role: str) -> tuple[int, int, int]:
        """(inputs, heads, size), of the output (heads, size, outputs)."""
        shape = tuple(self.kernel(role).shape)
        if len(shape) == 3:
            return shape
        if len(shape) != 2 or not self.heads:
            raise Unfit(f"the heads in its {role} kernel of shape {shape} are not known")
        if role == "output":
            return self.heads, shape[0] // self.heads, shape[1]
        width = self._of_query() if role != "query" else shape[1] // self.heads
        if width == 0 or shape[1] % width:
            raise Unfit(f"its {role} kernel of shape {shape} does not hold whole heads")
        return shape[0], shape[1] // width, width

    def _of_query(self) -> int:
        return self.shape("query")[2]


Rule = Callable[[Any], "Projections | None"]


def attentions(owner: str, model: Any, rule: Rule | None) -> Iterator[tuple[Place, Projections]]:
    """The attention layers of a model: those for which `rule` gives projections, else by names."""
    for place in places(model):
        found = by_names(place.layer) if rule is None else rule(place.layer)
        if found is None:
            continue
        if not isinstance(found, Projections):
            expected = "a function of a layer that gives Projections or None"
            raise checks.type_error(owner, "projections", expected, found)
        yield place, found


def by_names(layer: Any) -> Projections | None:
    """What a layer's own four projections are called, in Keras and by those who write their own."""
    inside = [
        c for c in sublayers(layer) if isinstance(c, (keras.layers.Dense, keras.layers.EinsumDense))
    ]
    chosen: dict[str, Any] = {}
    for role, names in _NAMES.items():
        fitting = [c for c in inside if c.name in names or _attribute(layer, c) in names]
        if len(fitting) != 1:
            return None
        chosen[role] = fitting[0]
    heads = next((n for name in _HEADS if isinstance(n := getattr(layer, name, None), int)), None)
    return replace(Projections(**chosen), heads=heads)


def _attribute(layer: Any, child: Any) -> str:
    return next((name.lstrip("_") for name, value in vars(layer).items() if value is child), "")


def read(projections: Projections, role: str) -> np.ndarray:
    """The kernel in float64, as `shape` says."""
    value = keras.ops.convert_to_numpy(keras.ops.cast(projections.kernel(role), "float32"))
    return value.astype("float64").reshape(projections.shape(role))
