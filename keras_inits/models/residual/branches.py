"""`residual_branches`: what is added to a model's residual streams, and through which weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import keras

from keras_inits import checks
from keras_inits.models.flow.batch import shapes
from keras_inits.models.flow.places import places
from keras_inits.models.residual.graph import Graph
from keras_inits.models.residual.rows import Branch, heads, last_weights, rows
from keras_inits.models.residual.sums import Sum, residual_sums
from keras_inits.models.residual.trace import Step, Trace, is_matrix, told, trace
from keras_inits.models.variables.walk import Slot, walk
from keras_inits.reports.report import Problem, Report

# Of axes whose size the model leaves open, in sequences and in images.
_LENGTH, _PIXELS = 16, 64


class Branches(Report):
    """The branches in the order in which they are added, and in `problems` what could not be seen."""

    title: ClassVar = "Residual branches"
    columns: ClassVar = {
        "path": "last weight",
        "stream": "stream",
        "depth": "depth",
        "norm": "norm",
        "between": "before the addition",
    }
    drop: ClassVar = ("between", "stream")

    rows: list[Branch]

    def __init__(
        self,
        rows: Iterable[Branch],
        problems: Iterable[Problem | tuple[str, str]] = (),
        heads: Iterable[str] = (),
    ) -> None:
        super().__init__(rows, problems)
        #: The weights that give the model's outputs, but for outputs that a residual addition gives.
        self.heads = tuple(heads)

    def depth_of(self, branch: Branch) -> int:
        """How many branches are added to the stream of this one."""
        return sum(row.stream == branch.stream for row in self.rows)

    def summary(self) -> str:
        """One line: how many branches on how many streams."""
        streams = len({row.stream for row in self.rows})
        return (
            f"{_count(len(self.rows), 'residual branch', 'es')} on {_count(streams, 'stream', 's')}, "
            f"{_count(len(self.problems), 'problem', 's')}"
        )

    def plot(self) -> Any:
        """Draw the streams from top to bottom, each branch an arc with its last weight.

        Returns:
            A matplotlib figure.

        Raises:
            ValueError: There are no branches.
            ModuleNotFoundError: Matplotlib is not installed.
        """
        from keras_inits.models.residual.figure import streams

        if not self.rows:
            raise ValueError("Branches: rows must have branches to plot, got none")
        return streams(self)


def residual_branches(model: Any, x: Any = None) -> Branches:
    """Find what is added to a model's residual streams.

    The structure is read from what the model computes, not from the classes of its layers: its
    `call` is followed, operation by operation, on symbolic tensors. In x + f(x), written in any way,
    x is the stream and f the branch. Nothing is computed and nothing changed.

    Args:
        model: A built Keras model.
        x: Inputs as the model takes them, whose shapes are used; not needed where the model declares
            its inputs (functional, Sequential) or was built on known shapes.

    Returns:
        A report with a row for each branch: `.path` of its last weight, `.depth` in its stream,
        `.norm` ("pre", "post", "end"), `.scales` and `.gates` before the addition, and all its
        weights. `.problems` lists layers whose `call` cannot be followed and additions of which it
        cannot be told which side is the stream.

    Raises:
        ValueError, TypeError: The model is not built, or its inputs are not known.

    Example:
        >>> inputs = keras.Input((8,))
        >>> hidden = keras.layers.Dense(16, activation="relu", name="up")(inputs)
        >>> outputs = keras.layers.Add()([inputs, keras.layers.Dense(8, name="down")(hidden)])
        >>> residual_branches(keras.Model(inputs, outputs)).rows[0].path
        'down/kernel'
    """
    owner = "residual_branches"
    slots = walk(model, owner).slots
    return branches_of(model, slots, traced(owner, model, x))


def branches_of(model: Any, slots: Iterable[Slot], found: Trace) -> Branches:
    """The branches of a model whose operations are known."""
    paths = {id(slot.variable): slot.path for slot in slots}
    graph = Graph(found.steps)
    sums, unclear = residual_sums(graph)
    return Branches(
        rows(graph, sums, paths),
        _problems(found, sums, unclear, model, paths),
        heads(graph, sums, found.outputs, paths),
    )


def traced(owner: str, model: Any, x: Any, training: bool = False) -> Trace:
    """The model's operations on inputs like `x`, or as it declares; an error says for which ones it fails."""
    inputs = _symbolic_inputs(owner, model, x)
    try:
        return trace(model, inputs, training)
    except Exception as error:
        raise ValueError(
            f"{owner}: model {model.name!r} fails on inputs of shape {shapes(inputs)}: "
            f"{told(error)}; give x, inputs that it takes"
        ) from error


def _symbolic_inputs(owner: str, model: Any, x: Any) -> Any:
    """Symbolic tensors as the model takes them: of the shapes of `x`, or those that it declares."""
    if x is not None:
        leaves = keras.tree.flatten(x)
        if not leaves or not all(
            hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves
        ):
            raise checks.type_error(owner, "x", "an array, or a list or dict of arrays", x)
        return keras.tree.map_structure(lambda leaf: _tensor(leaf.shape, leaf.dtype), x)
    if getattr(model, "inputs", None):
        declared = getattr(model, "input", model.inputs[0])
        return keras.tree.map_structure(lambda leaf: _tensor(leaf.shape, leaf.dtype), declared)
    known = (model.get_build_config() or {}).get("input_shape")
    if isinstance(known, (list, tuple, Mapping)):
        return _by_shapes(known)
    raise ValueError(
        f"{owner}: x must be given for model {model.name!r}, which does not declare its inputs"
    )


def _by_shapes(shapes: Any) -> Any:
    if isinstance(shapes, Mapping):
        return {key: _by_shapes(shape) for key, shape in shapes.items()}
    if shapes and all(isinstance(shape, (list, tuple)) for shape in shapes):
        return [_by_shapes(shape) for shape in shapes]
    return _tensor(shapes, keras.config.floatx())


def _tensor(shape: Iterable[int | None], dtype: Any) -> keras.KerasTensor:
    _, *rest = shape
    size = _PIXELS if len(rest) > 2 else _LENGTH
    sizes = (2, *(n or size for n in rest))
    return keras.KerasTensor(sizes, dtype=keras.backend.standardize_dtype(dtype))


def closed_layers(found: Trace, model: Any, why: str) -> list[Problem]:
    """The layers with matrices whose call could not be followed, and `why` that matters."""
    name = _names(model)
    return [
        Problem(
            name(layer), f"the call of {type(layer).__name__} cannot be followed: {reason}", why
        )
        for layer, reason in found.closed
        if any(map(is_matrix, layer.variables))
    ]


def _names(model: Any) -> Callable[[Any], str]:
    """What gives the path of a layer of the model, else its name."""
    paths = {id(place.layer): place.path for place in places(model)}
    return lambda layer: paths.get(id(layer), layer.name)


def _problems(
    found: Trace, sums: list[Sum], unclear: list[Step], model: Any, paths: dict[int, str]
) -> list[Problem]:
    name = _names(model)
    problems = closed_layers(
        found,
        model,
        "Branches inside of it are not seen: write it with layers and keras.ops alone.",
    )
    problems += [
        Problem(
            name(end.operation) if hasattr(end.operation, "variables") else name(end.layers[-1]),
            "ends a residual branch, and which of its weights is the last one cannot be told",
            "The branch is not in the rows.",
        )
        for one in sums
        if not last_weights(one, paths)
        for end in one.ends[:1]
    ]
    counts = Counter(name(step.layers[-1]) for step in unclear)
    problems += [
        Problem(
            path,
            f"{_count(count, 'addition', 's')} of weighted paths, none of which is the stream",
            "They are not counted as residual branches.",
        )
        for path, count in counts.items()
    ]
    return problems


def _count(count: int, noun: str, plural: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else plural}"
