"""Write the files of the tests with tf_keras: python tests/legacy_writer.py tests/data/tf_keras.tar.xz.

Each case gives NAME.h5, NAME.json, NAME.keras and NAME.npz (inputs x0, ..., predictions y0, ...). They
are kept, since writing them takes minutes and they are the same in every run.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from legacy_layers import GONE, INTEGERS, LAYERS, NESTED, make
from legacy_models import ARCHIVES, MODELS


def inputs_of(cls: str, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Three samples for each input."""
    rng = np.random.default_rng(len(cls))
    if cls in INTEGERS:
        return [rng.integers(0, 4, (3, *shape)).astype("int32") for shape in shapes]
    return [rng.uniform(-1, 1, (3, *shape)).astype("float32") for shape in shapes]


def randomize(model: Any) -> None:
    """Weights that all differ, and that all count."""
    rng = np.random.default_rng(7)
    values = []
    for weight, value in zip(model.weights, model.get_weights(), strict=True):
        is_scale = any(word in weight.name for word in ("variance", "gamma"))
        low, high = (0.5, 1.5) if is_scale else (-0.6, 0.6)
        is_float = "float" in str(value.dtype)
        drawn = rng.uniform(low, high, value.shape).astype(value.dtype)
        values.append(drawn if is_float else value)
    model.set_weights(values)


def write(folder: Path, name: str, model: Any, inputs: list[Any]) -> None:
    """One case."""
    randomize(model)
    outputs = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    arrays = {f"x{i}": np.asarray(x) for i, x in enumerate(inputs)}
    arrays |= {f"y{i}": np.asarray(y).astype("float32") for i, y in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **arrays)
    model.save(folder / f"{name}.h5")
    (folder / f"{name}.json").write_text(model.to_json())
    if name.removeprefix("model-") in ARCHIVES or name.startswith("nested"):
        model.save(folder / f"{name}.keras")


def alone(tk: Any, cls: str, arguments: dict[str, Any], xs: list[Any]) -> Any:
    """The layer in a Sequential, or in a functional model where it takes two inputs."""
    inputs = [tk.Input(x.shape[1:], dtype=str(x.dtype)) for x in xs]
    layer = make(tk, cls, arguments)
    if len(xs) == 1:
        return tk.Sequential([inputs[0], layer])
    return tk.Model(inputs, call(layer, inputs))


def call(layer: Any, inputs: list[Any]) -> Any:
    """A layer's output; attention of heads takes its tensors one by one."""
    if type(layer).__name__ == "MultiHeadAttention":
        return layer(inputs[0], value=inputs[1])
    return layer(inputs[0] if len(inputs) == 1 else inputs)


def nested(tk: Any, cls: str, arguments: dict[str, Any], xs: list[Any]) -> Any:
    """The layer in a model in a model that is called twice, and another one shared by two calls."""

    def ends() -> list[Any]:
        return [tk.Input(x.shape[1:], dtype=str(x.dtype)) for x in xs]

    first, second, third = ends(), ends(), ends()
    within = tk.Sequential([make(tk, cls, arguments)], name="chain") if len(xs) == 1 else None
    inner = tk.Model(first, call(within or make(tk, cls, arguments), first), name="inner")
    shared = make(tk, cls, arguments)
    outputs = [call(layer, end) for layer in (inner, shared) for end in (second, third)]
    return tk.Model([*second, *third], outputs)


def arguments_of_all(tk: Any) -> dict[str, dict[str, Any]]:
    """The config of each layer class, its own and default arguments."""
    found = {}
    made = {cls: arguments for cls, arguments, _ in reversed(LAYERS.values())}
    made |= {cls: arguments for cls, (arguments, _) in GONE.items()}
    made |= {"LSTMCell": {"units": 2}, "GRUCell": {"units": 2}, "SimpleRNNCell": {"units": 2}}
    made |= {
        "Lambda": {"function": abs},
        "Hashing": {"num_bins": 3},
        "HashedCrossing": {"num_bins": 3},
    }
    made |= {"StackedRNNCells": {"cells": [("LSTMCell", {"units": 2})]}}
    made |= {"Wrapper": {"layer": ("Dense", {"units": 2})}}
    for name in dir(tk.layers):
        cls = getattr(tk.layers, name)
        is_layer = isinstance(cls, type) and issubclass(cls, tk.layers.Layer)
        if is_layer and cls.__name__ == name and name != "DenseFeatures":
            config = make(tk, name, made.get(name, {})).get_config()
            node = {"class_name": name, "config": config}
            text = json.dumps(
                node, default=lambda value: getattr(value, "tolist", value.__repr__)()
            )
            found[name] = json.loads(text)["config"]
    return found


def main(folder: Path) -> None:
    """Write all cases."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # tf_keras takes a class of its own from tf.keras
    import tensorflow as tf
    import tf_keras as tk

    warnings.simplefilter("ignore")
    for name, (cls, arguments, shapes) in LAYERS.items():
        xs = inputs_of(cls, shapes)
        tk.backend.clear_session()
        write(folder, f"alone-{name}", alone(tk, cls, arguments, xs), xs)
        if name in NESTED:
            tk.backend.clear_session()
            both = [*xs, *(x[::-1] for x in xs)]
            write(folder, f"nested-{name}", nested(tk, cls, arguments, xs), both)
    for cls, (arguments, shape) in GONE.items():
        tk.backend.clear_session()
        xs = inputs_of(cls, [shape])
        write(folder, f"gone-{cls}", alone(tk, cls, arguments, xs), xs)
    (folder / "arguments.json").write_text(json.dumps(arguments_of_all(tk)))
    for name, build in MODELS.items():
        tk.backend.clear_session()
        model, xs = build(tk, tf)
        write(folder, f"model-{name}", model, xs)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as made, tarfile.open(sys.argv[1], "w:xz") as archive:
        main(Path(made))
        for path in sorted(Path(made).iterdir()):
            archive.add(path, path.name)
