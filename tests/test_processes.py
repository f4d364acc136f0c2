"""Models on meshes and in several processes: one process's values, drawn where they lie."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import python, require

pytestmark = [pytest.mark.once, pytest.mark.slow]

BUILD = """
import json, sys
import numpy as np
import keras, keras_inits as ki
from keras import layers as L
from keras_inits.streams import DefaultStream

drawn = [0]
original = DefaultStream._draw
def counted(self, *arguments):
    values = original(self, *arguments)
    drawn[0] += values.size
    return values
DefaultStream._draw = counted
RULES = {"wide/kernel": ki.HeNormal(), "narrow/kernel": ki.TruncatedNormal(), "square": ki.Orthogonal()}

def build():
    return keras.Sequential([keras.Input((512,)), L.Dense(768, name="wide"), L.Dropout(0.5),
        L.Dense(48, name="narrow"), L.Dense(48, name="square", use_bias=False)])

def spread_model(kind):
    devices = keras.distribution.list_devices()
    if kind == "data":
        distribution = keras.distribution.DataParallel(devices=devices)
    else:
        mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*wide.*kernel"] = keras.distribution.TensorLayout([None, "model"], mesh)
        layout[".*narrow.*kernel"] = keras.distribution.TensorLayout(["model", None], mesh)
        distribution = keras.distribution.ModelParallel(layout_map=layout)
    keras.distribution.set_distribution(distribution)
    return build()
"""
MESHES = (
    BUILD
    + """
import jax
from keras_inits.backend import spread
reference = build()
expected = ki.initialize(reference, RULES, seed=3)
results = []
for shape in ((1, 1), (1, 2), (4, 1), (1, 8), (2, 4)):
    devices = keras.distribution.list_devices()[: shape[0] * shape[1]]
    mesh = keras.distribution.DeviceMesh(shape, ["batch", "model"], devices)
    for spec in ((None, "model"), ("batch", None), ("batch", "model")):
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*wide.*kernel"] = keras.distribution.TensorLayout(list(spec), mesh)
        with keras.distribution.ModelParallel(layout_map=layout).scope():
            model = build()
        drawn[0] = 0
        report = ki.initialize(model, RULES, seed=3)
        stds = [(a.measured_std, b.measured_std) for a, b in zip(report.rows, expected.rows)]
        results.append([report.digest == ki.digest(model) == expected.digest,
            len(spread.shards(model.get_layer("wide").kernel.value)), drawn[0],
            all(np.isclose(a, b, rtol=1e-4) for a, b in stds if b)])
print(json.dumps(results))
"""
)
PROCESSES = (
    BUILD
    + """
import jax
number, count, port, kind = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
jax.distributed.initialize(f"localhost:{port}", count, number)
keras.utils.set_random_seed(0)  # JAX refuses to replicate what differs: dropout's seeds, say
model = spread_model(kind)
try:
    refused = ki.initialize(model, RULES, seed=3 + number).digest
except ValueError as error:
    refused = str(error)
drawn[0] = 0
report = ki.initialize(model, RULES, seed=3)
print(json.dumps([report.digest, ki.digest(model), drawn[0], refused]))
"""
)
SINGLE = BUILD + "print(json.dumps([ki.initialize(build(), RULES, seed=3).digest, drawn[0]]))"


def test_every_mesh_has_the_values_of_one_device() -> None:
    require("jax")
    flags = "--xla_force_host_platform_device_count=8"
    text = python(MESHES, KERAS_BACKEND="jax", XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
    results = json.loads(text.splitlines()[-1])
    assert len(results) == 15
    assert all(equal and close for equal, _, _, close in results)
    assert {parts for _, parts, _, _ in results} == {1, 2, 4, 8}
    assert len({entries for _, _, entries, _ in results}) == 1  # each entry once, however it is cut


def together(count: int, kind: str) -> list[list]:
    """What `count` processes of two devices each print."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    flags = "--xla_force_host_platform_device_count=2"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESSES, str(i), str(count), port, kind],
            env=environment,
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    try:
        answers = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
    for process, (_, error) in zip(running, answers, strict=True):
        assert process.returncode == 0, error[-3000:]
    return [json.loads(out.splitlines()[-1]) for out, _ in answers]


@pytest.mark.parametrize(
    ("count", "kind"),
    [
        (2, "model"),
        pytest.param(2, "data", marks=pytest.mark.large),
        pytest.param(4, "model", marks=pytest.mark.large),
    ],
)
def test_processes_have_the_values_of_one(count: int, kind: str) -> None:
    """And another seed in one of them is refused before."""
    require("jax")
    digest, alone = json.loads(python(SINGLE, KERAS_BACKEND="jax").splitlines()[-1])
    answers = together(count, kind)
    shared = 512 * 768 + 768 * 48
    for number, (found, again, drawn, refused) in enumerate(answers):
        assert found == again == digest
        # The kernels that are cut, each process its part alone; all else everywhere.
        assert drawn == alone - shared + (shared // count if kind == "model" else shared)
        assert refused.startswith("initialize: seed must be the same in all processes, got ")
        assert f"DefaultStream(seed={3 + number}) in process {number}" in refused
