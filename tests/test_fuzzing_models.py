"""Any rules on any model, damaged files, any words to the command: an answer, or an error in its form.

20 examples each; `pytest --hypothesis-profile long tests/test_fuzzing_models.py` tries 1,000.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import layers as L
from legacy_layers import IMG, INTEGERS, LAYERS, SEQ, V, make
from safetensors.numpy import save_file

import keras_inits as ki
from keras_inits.cli import main
from keras_inits.cli.shared.files import read_data
from keras_inits.legacy.keras2.files import legacy_load_model
from keras_inits.models.variables.walk import walk

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore")]

FEW = settings(
    max_examples=20
    if settings.default.max_examples == 500
    else settings.default.max_examples // 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Keras 3 refuses two ways that are both backwards, and on TensorFlow and JAX a Normalization that is built
# within a model of a user's class.
REFUSED = {
    "Bidirectional-1",
    "Bidirectional-3",
    *(name for name in LAYERS if name.startswith("Normalization")),
}
KEPT = {n: case for n, case in LAYERS.items() if hasattr(L, case[0]) and n not in REFUSED}
MOMENTS = {"mean": 0.5, "variance": 2.0}
ONLY_KERAS_3 = {
    "EinsumDense": ({"equation": "abc,cd->abd", "output_shape": (None, 4)}, [SEQ]),
    "GroupQueryAttention": ({"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, [SEQ] * 2),
    "Normalization": (MOMENTS, [V]),
    "RMSNormalization": ({}, [V]),
    "ReversibleEmbedding": ({"input_dim": 7, "output_dim": 4}, [(5,)]),
    "STFTSpectrogram": ({"frame_length": 16, "frame_step": 8, "fft_length": 16}, [(64, 1)]),
    "SeparableConv2D": ({"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, [IMG]),
}  # fmt: skip
KEPT |= {name: (name, *case) for name, case in ONLY_KERAS_3.items() if hasattr(L, name)}
# Most of those that never build anything have no weights; a model of such alone is passed over.
KEPT = {name: case for name, case in KEPT.items() if getattr(L, case[0]).build is not L.Layer.build}


class Own(keras.Model):
    """The same layers, called one by one."""

    def __init__(self, parts: dict[str, Any]) -> None:
        super().__init__(name="own")
        self.parts = parts

    def call(self, inputs: list[Any]) -> list[Any]:
        left = list(inputs)
        return [_called(KEPT[n], part, left) for n, part in self.parts.items()]


def _called(case: Any, layer: Any, left: list[Any]) -> Any:
    """The layer on the first of the inputs that are left."""
    mine = [left.pop(0) for _ in case[2]]
    if "Attention" in case[0] and case[0][0] in "MG":
        return layer(mine[0], value=mine[1])
    return layer(mine[0] if len(mine) == 1 else mine)


def _model(kind: str, names: list[str]) -> keras.Model:
    keras.utils.clear_session(free_memory=False)
    parts = {name: make(keras, *KEPT[name][:2]) for name in names}
    integers = (*INTEGERS, "ReversibleEmbedding")
    kinds = ["int32" if KEPT[n][0] in integers else "float32" for n in names for _ in KEPT[n][2]]
    shapes = [shape for name in names for shape in KEPT[name][2]]
    if kind == "subclassed":
        model = Own(parts)
        model([np.zeros((2, *s), d) for s, d in zip(shapes, kinds, strict=True)])
        return model
    if kind == "sequential" and len(KEPT[names[0]][2]) == 1:
        return keras.Sequential([keras.Input(shapes[0], dtype=kinds[0]), parts[names[0]]])
    inputs = [keras.Input(shape, dtype=dtype) for shape, dtype in zip(shapes, kinds, strict=True)]
    left = list(inputs)
    outputs = [_called(KEPT[name], layer, left) for name, layer in parts.items()]
    model = keras.Model(inputs, outputs)
    if kind == "nested":
        model = keras.Model(inputs, model(inputs))
    return model


PATTERNS = ["kernel", "bias$", "gamma|beta", ".", "nowhere", "(", L.Dense, L.Layer, 3]
SCHEMES = [None, "zeros", "nonsense", 3, ki.Normal(0.1), ki.Orthogonal(), ki.Dirac(), ki.Bilinear()]
SCHEMES += [f"keras_inits>{n}" for n in ("he_normal", "delta_orthogonal", "glorot_uniform")]
PAIRS = st.tuples(st.sampled_from(PATTERNS), st.sampled_from(SCHEMES))
RULES = st.one_of(
    st.sampled_from([None, "keras", "torch", "flax", "gpt2", "nonsense", 3]),
    st.lists(PAIRS, min_size=1, max_size=3),
)
KINDS = st.sampled_from(["functional", "sequential", "subclassed", "nested"])
NAMES = st.lists(st.sampled_from(sorted(KEPT)), min_size=1, max_size=3, unique=True)


def _globals() -> Any:
    return random.getstate(), np.random.get_state()[1].tobytes(), keras.config.floatx()


@given(KINDS, NAMES, RULES, st.integers(0, 2**64 - 1))
@FEW
def test_any_rules_on_any_model(kind: str, names: list[str], rules: Any, seed: int) -> None:
    model = _model(kind, names)
    assume(model.variables)
    before, state = ki.digest(model), _globals()
    try:
        planned = ki.initialize(model, rules, seed=seed, dry_run=True)
    except (TypeError, ValueError) as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert str(refused).partition(": ")[0].isidentifier(), refused
        with pytest.raises(type(refused)):
            ki.initialize(model, rules, seed=seed)
        assert (ki.digest(model), _globals()) == (before, state)
        return
    assert ki.digest(model) == before
    for _ in range(2):
        report = ki.initialize(model, rules, seed=seed)
        assert report.digest == planned.digest == ki.digest(model)
    assert _globals() == state
    told = {row.path for row in report.rows} | {problem.path for problem in report.problems}
    slots = [slot for slot in walk(model).slots if slot.role != "seed_state"]
    assert told >= {slot.path for slot in slots}
    for slot in slots:
        assert np.isfinite(keras.ops.convert_to_numpy(slot.variable).astype("float64")).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and an array in every kind of file."""
    made = tmp_path_factory.mktemp("files")
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(8, "relu", kernel_initializer="he_normal"), L.Dense(2)]
    )
    model.save(made / "m.keras")
    model.save(made / "m.h5")
    model.save_weights(made / "m.weights.h5")
    (made / "m.json").write_text(model.to_json())
    arrays = {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}
    save_file(arrays, made / "m.safetensors")
    np.savez(made / "x.npz", x=next(iter(arrays.values())), y=np.zeros(4))
    np.save(made / "x.npy", np.random.default_rng(0).normal(size=(32, 4)).astype("float32"))
    old = Path(__file__).parent / "data" / "tf1" / "tfkeras_115_sequential.h5"
    (made / "old.h5").write_bytes(old.read_bytes())
    return made


DAMAGED: dict[str, tuple[Any, ...]] = {
    "m.keras": (ki.audit, legacy_load_model),
    "m.h5": (ki.audit, legacy_load_model),
    "m.weights.h5": (ki.audit, legacy_load_model),
    "m.safetensors": (lambda path: ki.audit(path, {"kernel$": "he_normal", ".": "zeros"}),),
    "old.h5": (legacy_load_model,),
    "m.json": (legacy_load_model,),
    "x.npy": (read_data,),
    "x.npz": (read_data,),
}


@given(
    st.sampled_from(sorted(DAMAGED)),
    st.randoms(use_true_random=False),
    st.integers(1, 60),
    st.booleans(),
)
@FEW
def test_damaged_files_are_read_or_refused(
    folder: Path, tmp_path: Path, name: str, chance: random.Random, count: int, cut: bool
) -> None:
    content = bytearray((folder / name).read_bytes())
    for _ in range(count):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path = tmp_path / name
    path.write_bytes(content[: chance.randrange(len(content))] if cut else content)
    for read in DAMAGED[name]:
        refused = ""
        try:
            read(path)
        except (TypeError, ValueError) as error:
            refused = str(error)
        begin = {legacy_load_model: "legacy_load_model: ", read_data: str(path)}.get(
            read, "audit: "
        )
        assert not refused or refused.startswith(begin)


WORDS = [
    "init",
    "lsuv",
    "audit",
    "report",
    "show",
    "list",
    "recommend",
    "--rules",
    "--seed",
    "--out",
]
WORDS += [
    "--data",
    "--json",
    "--help",
    "--html",
    "m.keras",
    "m.h5",
    "m.json",
    "old.h5",
    "x.npy",
    ".",
]
WORDS += ["missing.keras", "new.keras", "torch", "keras", "nonsense", "3", "-1", "", "kernel=zeros"]
NO_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])  # no argument holds one
OTHERS = st.one_of(st.sampled_from(WORDS), st.text(NO_NUL, max_size=5))


@given(st.sampled_from(WORDS[:7]), st.lists(OTHERS, max_size=7))
@FEW
def test_any_words_to_the_command(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, others: list[str]
) -> None:
    here, before = Path.cwd(), {p.name: p.read_bytes() for p in folder.iterdir()}
    os.chdir(folder)
    try:
        code = main([command, *others])
    finally:
        os.chdir(here)
    error = capsys.readouterr().err
    assert code in (0, 1, 2)
    assert code == 0 or error.startswith("keras-inits: ")
    assert "Traceback" not in error
    for path in list(folder.iterdir()):
        if path.name in before and path.name not in others:
            assert path.read_bytes() == before[path.name], path.name
        elif path.name not in before:
            assert path.name in others
            path.unlink()
        else:
            path.write_bytes(before[path.name])
