"""Before saving: what of a model will not come back from its file."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks, host
from keras_inits.host import is_keras
from keras_inits.models.saving import process
from keras_inits.models.saving.compiled import compiled_faults
from keras_inits.models.saving.copies import first_line, size_problem
from keras_inits.models.saving.faults import Faults, faults
from keras_inits.models.saving.trees import arguments, children
from keras_inits.reports.report import Counts, Problem, Report

#: How far predictions may be apart, relative to the largest: a sum's order may change.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Saved:
    """One object that a file says something of; `problem` is empty where it comes back.

    `path` is that of the layer, `argument` what of it the object is ("" for the layer itself), and
    `kind` its class or the function's name.
    """

    path: str
    argument: str
    kind: str
    problem: str


class Reloadability(Report):
    """What a file of the model would hold, and in `problems` what of it would not come back."""

    title: ClassVar = "Reloadability"
    panels: ClassVar = Counts("kind", "problem", "come back", "do not")

    def __init__(
        self, rows: Iterable[Saved], problems: Iterable[Problem | tuple[str, str]] = ()
    ) -> None:
        super().__init__(rows, problems)

    @property
    def ok(self) -> bool:
        """Whether all comes back."""
        return not self.problems


def check_reloadable(
    model: keras.Model, x: Any = None, *, imports: Sequence[str] = ()
) -> Reloadability:
    """Find out what of a model will not come back after saving, by doing it.

    The model is made once more from its config, as `keras.saving.load_model` does it, and compared:
    classes, configs, the shapes of the weights, what is trainable, and in classes that are not
    Keras's also the values that the constructor kept (JSON makes lists of tuples). So a class or
    function that is not registered is found, a constructor that does not take what `get_config`
    says, an argument that `get_config` forgets, a layer that is not deserialized, a part that is
    frozen and comes back trainable, a lambda, a closure over an array; and configs of more than
    50 000 characters, which hold arrays. The optimizer, losses and metrics of compiled models are
    compared, too. With `x`, the model is also saved to a temporary file, a new process loads it,
    and the predictions are compared.

    Keras finds classes in a file by their registered names; it imports no module for them but those
    of its own packages (keras_hub for one). A registered class therefore comes back once the module
    that registers it is imported, and one registered in `__main__` in that script alone.

    The model, its seeds and Keras's counters of names stay as they are, and no file is left. A
    second model, and with `x` a third in the other process, needs memory for the time.

    Args:
        model: A Keras model, or a layer where `x` is None.
        x: Input for a prediction: an array, or a list, tuple or dict of arrays, as the model takes
            it. The model must be built.
        imports: Modules that the new process imports before it loads the model, beside
            `keras_inits`: those that register your classes.

    Returns:
        A report with a row for every layer, initializer, activation and the like; `ok` says whether
        all of them come back, `problems` which do not and why. Predictions count as the same where
        they differ by no more than 1e-6 of the largest (or one rounding of a narrower dtype).

    Raises:
        TypeError: `model` is not a Keras model or layer, or `imports` not a list of names.
        ValueError: `x` is given for a model that is not built or does not take it.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> check_reloadable(model).ok
        True
    """
    expected = None
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            f"check_reloadable: model must be a Keras model, got {type(model).__name__}"
        )
    if isinstance(imports, str) or not all(isinstance(name, str) for name in imports):
        wanted = "a list of names of modules"
        raise checks.type_error("check_reloadable", "imports", wanted, imports)
    if x is not None:
        x, expected = _prediction(model, x)
    rows = host.in_fresh_state(lambda: _rows(model))
    if x is not None:
        reason = _file_problem(model, x, expected, imports)
        if "Could not locate" in reason and (
            modules := _modules(model, set(), set()) - set(imports)
        ):
            reason += (
                f" Name in imports the modules of the model's classes: {', '.join(sorted(modules))}"
            )
            reason += " (no process but this one has __main__)" * ("__main__" in modules)
        rows.append(Saved(model.name, "file", "predictions", reason))
    problems = [Problem(_where(row), row.problem) for row in rows if row.problem]
    return Reloadability(rows, problems)


def _where(row: Saved) -> str:
    return f"{row.path}/{row.argument}" if row.argument else row.path


def _rows(model: keras.layers.Layer) -> list[Saved]:
    # A file holds each layer's dtype policy, or should; the global one is not in it.
    keras.config.set_dtype_policy(keras.config.floatx())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lambdas and the like, which the rows tell
        return list(_visit(model, model.name, faults(model), set()))


def _visit(layer: keras.layers.Layer, path: str, found: Faults, seen: set[int]) -> Iterator[Saved]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield Saved(path, "", type(layer).__name__, found.get((id(layer), ""), ""))
    for argument, value in arguments(layer):
        reason = found.get((id(layer), argument), "")
        if id(value) not in seen:
            kind = getattr(value, "__name__", type(value).__name__)
            yield Saved(path, argument, kind, reason or size_problem(value))
        seen.add(id(value))
    if getattr(layer, "compiled", False):
        for argument, kind, reason in compiled_faults(layer):
            yield Saved(path, argument, kind, reason)
    for child in children(layer):
        yield from _visit(child, f"{path}/{child.name}", found, seen)


def _modules(layer: keras.layers.Layer, found: set[str], seen: set[int]) -> set[str]:
    """The modules of the classes and functions that are neither Keras's nor ours."""
    if id(layer) not in seen:
        seen.add(id(layer))
        kept = [value for _, value in arguments(layer)]
        kinds = [x if hasattr(x, "__name__") else type(x) for x in (layer, *kept)]
        found |= {
            kind.__module__
            for kind in kinds
            if not (is_keras(kind) or kind.__module__.split(".")[0] == "keras_inits")
        }
        for child in children(layer):
            _modules(child, found, seen)
    return found


def _prediction(model: Any, x: Any) -> tuple[Any, list[np.ndarray]]:
    """The input as arrays, and the outputs for it; neither states nor seeds move on."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"check_reloadable: model must be a keras.Model to be saved, got {type(model).__name__}"
        )
    if not model.built:
        raise ValueError(
            "check_reloadable: model must be built to predict on x, got one that is not"
        )
    try:
        x = keras.tree.map_structure(_array, x)
        trainable, rest = model.trainable_variables, model.non_trainable_variables
        values = [[variable.value for variable in group] for group in (trainable, rest)]
        outputs, _ = model.stateless_call(*values, x)
    except Exception as error:
        raise ValueError(
            f"check_reloadable: x must be an input of the model, got {first_line(error)}"
        ) from error
    return x, [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]


def _array(leaf: Any) -> Any:
    return keras.ops.convert_to_numpy(leaf) if keras.ops.is_tensor(leaf) else np.asarray(leaf)


def _file_problem(model: Any, x: Any, expected: Any, imports: Sequence[str]) -> str:
    """What is wrong with the file of the model, or with what a new process computes with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            host.in_fresh_state(lambda: model.save(path))
        except Exception as error:
            return f"it cannot be saved: {first_line(error)}"
        try:
            (found,) = process.predictions([path], x, imports)
        except RuntimeError as error:
            return f"in a new process, {error}"
    if [array.shape for array in found] != [array.shape for array in expected]:
        return "a new process predicts outputs of other shapes"
    apart = max(map(_distance, found, expected), default=0.0)
    return f"a new process predicts otherwise, by {apart:.2g} of the largest" if apart else ""


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    """How far apart two outputs are, relative to the largest value; 0 where they count as equal."""
    if found.dtype.kind in "OSU" or expected.dtype.kind in "OSU":
        return 0.0 if np.array_equal(found, expected) else np.inf
    narrow = keras.backend.standardize_dtype(expected.dtype) in ("float16", "bfloat16")
    tolerance = 2.0**-7 if narrow else TOLERANCE
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    a, b = found.astype(wide), expected.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities that are equal, or not
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        largest = np.max(np.abs(b[np.isfinite(b)]), initial=np.finfo("float64").tiny)
        distance = float(np.max(np.nan_to_num(apart, nan=np.inf), initial=0.0) / largest)
    return distance if distance > tolerance else 0.0
