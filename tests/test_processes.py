"""Models on meshes and in several processes: one process's values, drawn where they lie."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import python, require

from keras_inits.backend.together import patience

pytestmark = [pytest.mark.once, pytest.mark.slow]

BUILD = """
import json, os, sys, time
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

def answer_of(function, *arguments, **named):
    # the digest, or the text of the error
    try:
        found = function(*arguments, **named)
        return getattr(found, "digest", found)
    except (ValueError, RuntimeError) as error:
        return str(error)

def loaded(path, distribution=None):
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    with ki.deferred():
        model = keras.models.load_model(path)
    found = ki.initialize(model, seed=5, only="seed_generator").digest  # no file has dropout's seeds
    keras.distribution.set_distribution(before)
    return found

def spread_model(kind):
    devices = keras.distribution.list_devices()
    if kind == "data":
        distribution = keras.distribution.DataParallel(devices=devices)
    else:
        mesh = keras.distribution.DeviceMesh((1, len(devices)), ["batch", "model"], devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*wide.*kernel"] = keras.distribution.TensorLayout([None, "model"], mesh)
        layout[".*narrow.*kernel"] = keras.distribution.TensorLayout(["model", None], mesh)
        layout[".*query/kernel"] = keras.distribution.TensorLayout([None, "model", None], mesh)
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
refused = answer_of(ki.initialize, model, RULES, seed=3 + number)
drawn[0] = 0
report = ki.initialize(model, RULES, seed=3)
answer = [report.digest, ki.digest(model), drawn[0], refused]
distribution = keras.distribution.distribution()

def undistributed(function, *arguments):
    keras.distribution.set_distribution(None)
    try:
        return function(*arguments)
    finally:
        keras.distribution.set_distribution(distribution)

alone = undistributed(build)
ki.initialize(alone, RULES, seed=3)  # dropout's seeds, too, which are no weights

def alike(function, model=model, alone=alone):
    # What comes from many processes is what comes from one.
    found, expected = function(model), undistributed(function, alone)
    return [found.to_dict() == expected.to_dict(), ki.digest(model) == ki.digest(alone)]

def in_the_last(call, function):
    # All processes do it; the last one with another call of Dense.
    original_call = L.Dense.call
    if number == count - 1:
        L.Dense.call = lambda self, x, **named: call(original_call(self, x, **named))
    found = answer_of(function, model)
    L.Dense.call = original_call
    return found

def lost(y):
    raise OSError("lost")

x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
start = lambda m: ki.lsuv(m, x, seed=0, progress=False)
low = lambda m: ki.lsuv(m, x, seed=1, memory="low", progress=False)
reads = [lambda m: ki.inspect(m, x, seed=0), lambda m: ki.recommend(m, x, progress=False), ki.audit]
equal = [alike(start), ki.digest(model), alike(low)]
texts = [answer_of(ki.lsuv, model, x + number), answer_of(ki.lsuv, model, x, target_std=1.0 + number)]
for function in (start, low):
    texts.append(in_the_last(lost, function))
    equal.append(ki.digest(model) == ki.digest(alone))
rounded = in_the_last(lambda y: y * 1.000001, start)
equal += [alike(lambda m: rounded if m is model else start(m))[1], *map(alike, reads)]
equal += [alike(lambda m: ki.data_dependent(m, x, equal_rates=rates, seed=0, progress=False)) for rates in (False, True)]
def attending():
    inputs = keras.Input((5, 16))
    out = L.Dense(16, name="out")
    model = keras.Model(inputs, out(L.MultiHeadAttention(8, 2)(inputs, inputs)))
    out.enable_lora(2)
    ki.initialize(model, seed=0)
    return model

pair = attending(), undistributed(attending)
equal.append(alike(lambda m: ki.attention_init(m, seed=0), *pair))
equal.append(alike(lambda m: ki.lora_init(m, "eva", x=x[:, :80].reshape(64, 5, 16), seed=0), *pair))
equal.append(alike(lambda m: ki.lora_init(m, "pissa", seed=0), *pair))
answer += [equal, texts]
answer.append(ki.initialize(model, "keras1", seed=4).digest == ki.initialize(alone, "keras1", seed=4).digest)
# Keras cannot save what no process can read: all gather it, one writes.
from jax.experimental import multihost_utils
path = os.path.join(os.environ["FOLDER"], "model.keras")
refused = str(answer_of(model.save, path)) if number == 0 else ""
model.compile(keras.optimizers.SGD(momentum=0.5), "mse")
model.optimizer.build(model.trainable_variables)
for variable in model.optimizer.variables:
    variable.assign(keras.ops.ones(variable.shape))
ki.initialize(model, "torch", seed=5, reset_optimizer=True)
slots = [np.asarray(s.data) for v in model.optimizer.variables[2:] for s in v.value.addressable_shards]
answer.append(len(slots) > 4 and not any(map(np.any, slots)))
values = multihost_utils.process_allgather([v.value for v in model.variables], tiled=True)
for variable, value in zip(alone.variables, values):
    variable.assign(value)
if number == 0:
    alone.save(path)
multihost_utils.sync_global_devices("saved")
digests = [ki.digest(model), loaded(path, distribution), loaded(path)]
print(json.dumps([*answer, ("Fetching" in refused) == (number == 0 and kind == "model"), len(set(digests)) == 1]))
"""
)
ABSENT = (
    BUILD
    + """
number, count, port, how = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
if keras.backend.backend() == "jax":
    import jax
    jax.distributed.initialize(f"localhost:{port}", count, number)
    local = lambda v: [s.data for s in v.value.addressable_shards]
else:
    import torch
    torch.distributed.init_process_group("gloo", f"tcp://localhost:{port}", rank=number, world_size=count)
    local = lambda v: [v.value.data.to_local() if hasattr(v.value.data, 'to_local') else v.value.data]
keras.utils.set_random_seed(0)
model = spread_model("model")
memory = "low" if how == "slow, low" else "safe"
x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
start = (lambda: ki.lsuv(model, x, memory="low")) if "lsuv" in how else (
    lambda: ki.initialize(model, RULES, seed=3, memory=memory).digest)
if number == (1 if "ended" in how else 0):  # JAX ends all where process 0 ends
    def leave(*arguments, **named):
        print("null", flush=True)
        os._exit(0)
    def sleeping(self, *arguments):  # once, or JAX ends it for want of the others
        DefaultStream._draw = original
        time.sleep(10)
        return original(self, *arguments)
    if how == "stuck":
        time.sleep(10)
    if how.startswith("slow"):
        DefaultStream._draw = sleeping
        answer_of(start)
    if how == "ended in lsuv":
        L.Dense.call = leave
        start()
    leave()
before = [np.array(part) for v in model.variables for part in local(v)]
began, notes = time.perf_counter(), []
try:
    found = start()
except RuntimeError as error:
    found, notes = str(error), getattr(error, "__notes__", [])
after = [np.array(part) for v in model.variables for part in local(v)]
seconds = time.perf_counter() - began
print(json.dumps([found, notes, all(map(np.array_equal, before, after)), seconds]), flush=True)
os._exit(0)  # JAX's own end waits for the other one
"""
)
WORKERS = (
    """
import json, os, sys
workers = [f"localhost:{port}" for port in os.environ["PORTS"].split(",")]
task = {"type": "worker", "index": int(sys.argv[1])}
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
"""
    + BUILD
    + """
alone = build()
with strategy.scope():
    model = build()
answer = [strategy.num_replicas_in_sync]
x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
for start in (lambda m: ki.initialize(m, RULES, seed=3), lambda m: ki.lsuv(m, x, seed=0, progress=False)):
    start(alone), start(model)
    answer += [ki.digest(alone), ki.digest(model)]
answer += [ki.initialize(each, "torch", seed=5).digest for each in (alone, model)]
path = os.path.join(os.environ["FOLDER"], f"{sys.argv[1]}.keras")  # each writes its own
model.save(path)
with strategy.scope():
    answer.append(loaded(path))
print(json.dumps([*answer, loaded(path)]))
"""
)
TORCH = (
    BUILD.replace("768", "767")
    + """
import os, torch
number, count, port, kind = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
alone = build()
expected = ki.initialize(alone, RULES, seed=3).digest
whole = drawn[0]
keras.utils.set_random_seed(0)
torch.distributed.init_process_group("gloo", f"tcp://localhost:{port}", rank=number, world_size=count)
with ki.deferred():
    model = spread_model(kind)
refused = answer_of(ki.initialize, model, RULES, seed=3 + number)
drawn[0] = 0
report = ki.initialize(model, RULES, seed=3)
found = [report.digest == expected, ki.digest(model) == expected, drawn[0] - whole, refused]
x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
start = ki.initialize(model, "torch", seed=5).digest == ki.initialize(alone, "torch", seed=5).digest
path = os.path.join(os.environ["FOLDER"], f"{number}.keras")  # all save, each its own file
model.save(path)
saved = {ki.digest(model), loaded(path, keras.distribution.distribution()), loaded(path)}
found.append(answer_of(ki.lsuv, model, x + number, seed=0))
ki.lsuv(model, x, seed=0, progress=False)
ki.lsuv(alone, x, seed=0, progress=False)
ki.digest(model)  # an error where processes have other values
print(json.dumps([*found, start and len(saved) == 1,
    [np.abs(a - b).max() < 1e-5 for a, b in zip(alone.get_weights(), model.get_weights())]], default=bool))
"""
)
SINGLE = (
    BUILD
    + """
model = build()
answer = [ki.initialize(model, RULES, seed=3).digest, drawn[0]]
x = np.random.default_rng(0).normal(size=(64, 512)).astype("float32")
ki.lsuv(model, x, seed=0, progress=False)
print(json.dumps([*answer, ki.digest(model)]))
"""
)


def needs_dtensor() -> None:
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 16):
        pytest.skip("Keras before 3.16 has no distribution on PyTorch")


def test_every_mesh_has_the_values_of_one_device() -> None:
    require("jax")
    flags = "--xla_force_host_platform_device_count=8"
    text = python(MESHES, KERAS_BACKEND="jax", XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
    results = json.loads(text.splitlines()[-1])
    assert len(results) == 15
    assert all(equal and close for equal, _, _, close in results)
    assert {parts for _, parts, _, _ in results} == {1, 2, 4, 8}
    assert len({entries for _, _, entries, _ in results}) == 1  # each entry once, however it is cut


def together(count: int, kind: str, code: str = PROCESSES, backend: str = "jax") -> list[list]:
    """What `count` processes of two devices each print."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("localhost", 0))
        ports = [str(free.getsockname()[1]) for free in sockets]
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PORTS": ",".join(ports),
    }
    with tempfile.TemporaryDirectory() as folder:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(i), str(count), ports[0], kind],
                env=environment | {"FOLDER": folder},
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
    """And other arguments, or a failure, in one of them are an error in all, with nothing changed."""
    require("jax")
    digest, alone, scaled = json.loads(python(SINGLE, KERAS_BACKEND="jax").splitlines()[-1])
    answers = together(count, kind)
    shared = 512 * 768 + 768 * 48
    for number, (found, again, drawn, refused, equal, texts, preset, *reloaded) in enumerate(
        answers
    ):
        assert found == again == digest
        assert equal.pop(1) == scaled
        assert len(equal) == 13
        assert all(map(np.all, equal)), equal
        x, target, *failures = texts
        assert x.startswith("lsuv: x must be the same in all processes, got shape (64, 512) and ")
        assert (
            f"lsuv: target_std must be the same in all processes, got {1.0 + number} in" in target
        )
        for text in failures:
            if number == count - 1:
                assert "OSError: Exception encountered when calling Dense.call(). lost " in text
            else:
                assert text.endswith(
                    f"but process {count - 1} failed, see its output; the model is as it was"
                )
        assert preset
        assert reloaded == [True, True, True]
        # The kernels that are cut, each process its part alone; all else everywhere.
        assert drawn == alone - shared + (shared // count if kind == "model" else shared)
        assert refused.startswith("initialize: seed must be the same in all processes, got ")
        assert f"DefaultStream(seed={3 + number}) in process {number}" in refused


@pytest.mark.large
@pytest.mark.parametrize(
    ("backend", "count", "how"),
    [
        *[("jax", 2, how) for how in ("ended", "stuck", "slow", "slow, low")],
        *[("jax", 2, how) for how in ("ended in lsuv", "slow in lsuv")],
        *[("torch", 3, how) for how in ("ended", "stuck", "slow", "slow, low")],
    ],
)
def test_a_process_that_does_not_come_is_an_error(
    backend: str, count: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changes, but for what memory="low" says in `initialize`; `slow` has taken part before."""
    require(backend)
    if backend == "torch":
        needs_dtensor()
    monkeypatch.setenv("KERAS_INITS_TIMEOUT", "3")
    absent = 1 if "ended" in how else 0
    answers = together(count, how, ABSENT, backend)
    assert answers.pop(absent) is None
    for found, notes, unchanged, seconds in answers:
        owner = "lsuv" if "lsuv" in how else "initialize"
        assert found.startswith(f"{owner}: every process that holds a part of the model must take ")
        late = "did not come within 3 seconds (KERAS_INITS_TIMEOUT)"
        assert f"process {absent} {'does not answer' if 'ended' in how else late}" in found
        assert seconds < (3 if how == "ended" else 12)
        assert unchanged == (how != "slow, low")
        assert len(notes) == (how == "slow, low")


def test_seconds_to_wait_are_an_integer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert patience() == 600
    monkeypatch.setenv("KERAS_INITS_TIMEOUT", "7")
    assert patience() == 7
    for text in ("0", "-1", "2.5", "soon"):
        monkeypatch.setenv("KERAS_INITS_TIMEOUT", text)
        with pytest.raises(
            ValueError, match=f"KERAS_INITS_TIMEOUT must be an integer >= 1.*'{text}'"
        ):
            patience()


@pytest.mark.large
@pytest.mark.parametrize(("count", "kind"), [(2, "model"), (4, "model"), (2, "data")])
def test_processes_of_pytorch_have_the_values_of_one(count: int, kind: str) -> None:
    """Under DTensor, which Keras has since 3.16; 767 units are not cut evenly."""
    needs_dtensor()
    for number, (found, again, less, refused, other_data, reloaded, as_alone) in enumerate(
        together(count, kind, TORCH, "torch")
    ):
        assert found
        assert again
        assert reloaded
        assert all(as_alone)
        step = -(-767 // count)
        held = min(step, 767 - number * step) if kind == "model" else 767
        assert less == (512 + 48) * (held - 767)
        assert other_data.startswith(
            "lsuv: x must be the same in all processes, got shape (64, 512)"
        )
        assert f"DefaultStream(seed={3 + number}) in process {number}" in refused


@pytest.mark.large
def test_mirrored_workers_have_the_values_of_one() -> None:
    require("tensorflow")
    first, second = together(2, "", WORKERS, "tensorflow")
    replicas, alone, mirrored, alone_by_data, mirrored_by_data, *by_preset = first
    assert replicas == 2
    assert first == second
    assert alone == mirrored
    assert alone_by_data == mirrored_by_data
    assert len(by_preset) == 4  # alone, mirrored, and both as they come from a file
    assert len(set(by_preset)) == 1
