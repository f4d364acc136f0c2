"""audit: planted faults are found, and their healthy twins have none; the tests keep their level."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from conftest import require, to_numpy
from keras import layers as L

import keras_inits as k
from keras_inits.cli import main
from keras_inits.laws import Normal, TruncatedNormal, Uniform
from keras_inits.models.audit import measure as measuring
from keras_inits.models.audit.likelihood import p_values
from keras_inits.models.audit.measure import SAMPLE, measure
from keras_inits.streams import DefaultStream


def dense(rules=None, dtype="float32", width=128, layers=4):
    """Some Dense layers, drawn by the rules."""
    steps = [L.Dense(width, name=f"d{i}", dtype=dtype) for i in range(layers)]
    model = keras.Sequential([keras.Input((width,)), *steps])
    k.initialize(model, rules, seed=0)
    return model


def change(path, function):
    """A fault: the kernel at `path` becomes what the function makes of it."""

    def apply(model):
        variable = next(v for v in model.variables if v.path.endswith(path))
        changed = function(to_numpy(variable))
        variable.assign(np.asarray(changed, "float32"))

    return apply


def blocks(preset="gpt2"):
    """A stream of four branches, of which no layer knows."""
    x = keras.Input((64,))
    y = x
    for i in range(4):
        hidden = L.Dense(128, activation="relu", name=f"up{i}")(y)
        y = y + L.Dense(64, name=f"down{i}")(hidden)
    model = keras.Model(x, y)
    k.initialize(model, preset, seed=0)
    return model


def every_end_doubled(model):
    for layer in model.layers:
        if layer.name.startswith("down"):
            layer.kernel.assign(2 * layer.kernel)


class Experts(L.Layer):
    num_experts = 8

    def build(self, shape):
        self.gate = self.add_weight(
            name="kernel", shape=(8, shape[-1], 64), initializer="he_normal"
        )

    def call(self, x):
        return keras.ops.einsum("...i,eio->...o", x, self.gate)


def experts():
    model = keras.Sequential([keras.Input((32,)), Experts(name="experts")])
    k.initialize(model, {"kernel": "keras_inits>he_normal"}, seed=0)
    return model


def packed():
    rules = {"kernel": k.Gated("keras_inits>xavier_uniform", 3)}
    model = keras.Sequential([keras.Input((64,)), L.Dense(192, name="qkv")])
    k.initialize(model, rules, seed=0, structure=False)
    return model


def adapted():
    model = keras.Sequential([keras.Input((64,)), L.Dense(64, name="d0")])
    model.layers[0].enable_lora(16)
    return model


def loaded():
    """As after training: no weight follows its initializer's law."""
    model = dense()
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.kernel.assign(rng.laplace(size=(128, 128)).astype("float32") * 0.05)
    return model


def draw(scheme, shape=(128, 128), seed=5):
    return lambda old: scheme.draw(shape, DefaultStream(seed))


def halves_equal(w):
    return np.concatenate([w[:, :64], w[:, :64]], axis=1)


def from_eight_bits(w):
    return (np.floor((w / 0.3 + 0.5) * 256) / 256 - 0.5) * 0.3


HE, GLOROT = {"kernel": "keras_inits>he_normal"}, {"kernel": "glorot_uniform"}
CUT = {"kernel": k.TruncatedNormal(stddev=0.02)}
WIDE = {"kernel": k.Uniform(0.5)}

#: What was done to a model, and which fault has to be found where; the model before it is the twin.
PLANTED = {
    "residual scaling never applied": (blocks, every_end_doubled, "gpt2", "residual scale", "down0"),
    "equal shards": (dense, change("d1/kernel", halves_equal), None, "copies", "d1"),
    "exchanged shards": (
        dense,
        lambda m: m.layers[2].kernel.assign(np.roll(to_numpy(m.layers[1].kernel), 64, axis=0)),
        None, "permuted", "d1",
    ),
    "packed query, key and value": (
        packed, change("qkv/kernel", draw(k.XavierUniform(), (64, 192))),
        {"kernel": k.Gated("keras_inits>xavier_uniform", 3)}, "fans", "qkv",
    ),
    "LoRA's A too wide": (adapted, change("lora_kernel_a", lambda w: 2 * w), None, "fans", "d0"),
    "loaded and drawn again": (
        loaded, change("d2/kernel", draw(k.GlorotUniform())), None, "drawn again", "d2",
    ),
    "fans of experts": (
        experts, change("experts/kernel", draw(k.HeNormal(), (8, 32, 64))), HE, "fans", "experts",
    ),
    "never drawn": (dense, change("d0/kernel", np.zeros_like), None, "not drawn", "d0"),
    "a part never drawn": (
        dense, change("d3/kernel", lambda w: w * (np.arange(128)[:, None] < 120)), None, "zeros", "d3",
    ),
    "not finite": (
        dense, change("d0/kernel", lambda w: np.where(w == w.max(), np.nan, w)), None, "not finite", "d0",
    ),
    "one seed": (
        dense, lambda m: m.layers[3].kernel.assign(m.layers[0].kernel), None, "equal", "d0",
    ),
    "outside the cut": (
        lambda: dense(CUT), change("d1/kernel", lambda w: np.where(w == w.max(), 0.05, w)),
        CUT, "outliers", "d1",
    ),
    "a mean by half precision": (
        lambda: dense(WIDE, "bfloat16", 512, 1),
        change("d0/kernel", lambda w: w - 0.01),
        WIDE, "mean", "d0",
    ),
    "drawn in half precision": (
        lambda: dense({"kernel": k.Uniform(0.15)}), change("d0/kernel", from_eight_bits),
        {"kernel": k.Uniform(0.15)}, "few values", "d0",
    ),
    "another law": (
        dense, change("d1/kernel", draw(k.XavierNormal())), None, "law", "d1",
    ),
    "another width": (
        lambda: dense({"kernel": k.Normal(0.02)}), change("d1/kernel", lambda w: 1.2 * w),
        {"kernel": k.Normal(0.02)}, "scale", "d1",
    ),
    "tails cut": (
        lambda: dense({"kernel": k.Normal(0.02)}),
        change("d1/kernel", lambda w: np.where(np.abs(w) > 0.056, 0.5 * w, w)),
        {"kernel": k.Normal(0.02)}, "tails", "d1",
    ),
    "another constant": (dense, lambda m: m.layers[0].bias.assign(np.full(128, 0.1)), None, "values", "d0"),
    "another library's law": (
        lambda: dense({"kernel": k.Uniform(0.1)}), change("d0/kernel", lambda w: 2 * w),
        {"kernel": lambda shape, dtype=None: keras.random.uniform(shape, -0.1, 0.1, dtype=dtype)},
        "law", "d0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults(name):
    build, damage, expected, kind, where = PLANTED[name]
    model = build()
    healthy = k.audit(model, expected)
    allowed = {"law"} if build is loaded else set()
    assert {f for row in healthy.rows for f in row.findings} <= allowed, str(healthy)
    assert bool(healthy.problems) == bool(allowed)
    before = k.digest(model)
    damage(model)
    assert k.digest(model) != before
    report = k.audit(model, expected)
    found = {row.path.split("/")[0]: row.findings for row in report.rows if row.findings}
    assert any(kind in kinds for path, kinds in found.items() if path == where), str(report)
    assert any(p.reason.startswith(kind) and p.why for p in report.problems)
    if build not in (blocks, loaded):
        assert len(found) == 1, str(report)


def test_one_seed_for_other_shapes():
    initializer = k.Normal(0.05, seed=3)
    model = keras.Sequential([keras.Input((32,)), L.Dense(64, name="a"), L.Dense(8, name="b")])
    values = np.asarray(keras.ops.convert_to_numpy(initializer((64, 64))))
    model.layers[0].kernel.assign(values.ravel()[:2048].reshape(32, 64))
    model.layers[1].kernel.assign(values.ravel()[:512].reshape(64, 8))
    report = k.audit(model, {"kernel": initializer})
    assert [(p.path, p.reason) for p in report.problems] == [
        ("a/kernel", "same start: begins with the same numbers as b/kernel")
    ]


def test_what_was_built_without_a_draw():
    with k.deferred():
        model = keras.Sequential([keras.Input((8,)), L.Dense(8, name="d")])
    report = k.audit(model)
    assert "built under deferred()" in report.problems[0].reason
    with k.deferred(), pytest.raises(ValueError, match=r"audit: must be called after"):
        k.audit(model)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "law", [Uniform(-0.1, 0.1), Normal(0.0, 0.05), TruncatedNormal(0.0, 0.02, -2.0, 2.0)], ids=str
)
def test_the_level(law, dtype):
    """p-values of 200 draws: as many below 0.05 as there may be, none far below."""
    least = []
    for i in range(200):
        values = law.draw(DefaultStream(i), (20, 30), dtype)
        p = p_values(measure(values, law.mean), law, dtype)
        assert set(p) == {"law", "outliers", "tails", "zeros"}
        least.append(min(p.values()) * len(p))
    # The share of such draws is at most 0.05: four standard deviations of 200 trials more.
    assert np.mean(np.array(least) < 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)
    assert min(least) > 1e-5


@pytest.mark.once
def test_the_level_of_moments():
    least = []
    for i in range(200):
        values = Uniform(-0.1, 0.1).draw(DefaultStream(i), (200, 200))
        p = p_values(measure(values, 0.0), Uniform(-0.1, 0.1), "float32")
        least.append(min(p["mean"], p["std"]) * 2)
    assert np.mean(np.array(least) < 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(least) < 0.5) > 0.2  # and are no less telling than they may be


@pytest.mark.once
def test_one_pass_gives_what_numpy_gives(monkeypatch):
    monkeypatch.setattr(measuring, "_BLOCK", 1000)
    rng = np.random.default_rng(0)
    for shape in [(), (1,), (7,), (300, 7, 11), (3, 4000), (0, 5), (5, 0)]:
        values = rng.normal(2.0, 0.1, shape).astype("float32")
        found = measure(values, 2.0)
        assert found.size == values.size
        if values.size:
            wide = values.astype("float64")
            figures = found.mean, found.std, found.low, found.high
            assert np.allclose(
                figures, (wide.mean(), wide.std(), wide.min(), wide.max()), rtol=1e-12
            )
            assert np.isclose(found.fourth, ((wide - 2.0) ** 4).mean(), rtol=1e-12)
    large = np.arange(SAMPLE + 5, dtype="float32")
    assert measure(large, 0.0).sample.size == SAMPLE
    assert measure(large, 0.0).repeated == 0.0


@pytest.mark.once
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_copies_along_any_axis(axis):
    values = np.random.default_rng(0).normal(size=(6, 8, 10)).astype("float32")
    assert measure(values, 0.0).copies is None
    doubled = np.concatenate([values, values], axis)
    copies = measure(doubled, 0.0).copies
    assert copies is not None
    assert copies.count == copies.total


@pytest.mark.once
def test_rows_that_are_equal_by_chance_are_no_copies():
    for rows, columns in ((4000, 2), (200_000, 4)):
        values = np.random.default_rng(0).integers(0, 256, (rows, columns)).astype("float32")
        values.sort(axis=1)
        assert len(np.unique(values, axis=0)) < rows
        assert measure(values, 0.0).copies is None


@pytest.mark.once
def test_rounding_is_no_fault():
    """Where the spacing of bfloat16 is a fifth of the standard deviation, or more than it."""
    for spread in (0.04, 0.004):
        law = Normal(1.0, spread)
        for seed in range(5):
            values = law.draw(DefaultStream(seed), (120, 120), "bfloat16")
            assert p_values(measure(values, 1.0), law, "bfloat16")["law"] > 1e-3


@pytest.mark.parametrize("axis", [0, 1])
def test_exchanged_along_any_axis(axis):
    model = dense()
    model.layers[2].kernel.assign(np.roll(to_numpy(model.layers[1].kernel), 64, axis))
    assert [(p.path, p.reason[:8]) for p in k.audit(model).problems] == [("d1/kernel", "permuted")]


@pytest.fixture
def files(tmp_path, monkeypatch):
    require("safetensors")
    from safetensors.numpy import save_file

    monkeypatch.chdir(tmp_path)
    model = dense(HE)
    model.save("model.keras")
    model.save_weights("model.weights.h5")
    arrays = {
        f"h.{i}.weight": to_numpy(v).astype("float32").T.copy() for i, v in enumerate(model.weights)
    }
    arrays["half"] = arrays["h.0.weight"].astype(ml_dtypes.bfloat16) * ml_dtypes.bfloat16(2)
    save_file(arrays | {"steps": np.arange(3)}, "model.safetensors")
    return tmp_path


def test_files(files):
    assert not k.audit("model.keras", HE).problems
    assert {r.findings for r in k.audit(files / "model.keras").rows if "kernel" in r.path} == {
        ("law",)
    }
    rows = k.audit("model.weights.h5").rows
    assert len(rows) == 8
    assert {row.p_value for row in rows} == {None}
    assert not k.audit("model.weights.h5", {r"vars/0$": k.HeNormal(), r"vars/1$": "zeros"}).problems
    rules = {
        r"[0246]\.weight": k.VarianceScaling(
            2.0, "fan_in", "untruncated_normal", input_axes=[1], output_axes=[0]
        )
    }
    report = k.audit("model.safetensors", rules | {"half": k.HeNormal()})
    assert len(report.rows) == 9
    assert [(p.path, p.reason[:4]) for p in report.problems] == [("half", "fans")]


def test_files_that_cannot_be_audited(files):
    for given, error in {
        "none.keras": "audit: none.keras: no such file",
        "model.txt": "audit: model.txt must end with .keras, .h5, .weights.h5 or .safetensors",
        "broken.keras": "audit: broken.keras cannot be loaded",
        "broken.safetensors": "audit: broken.safetensors is no whole .safetensors file",
        "broken.weights.h5": "audit: broken.weights.h5 is no whole HDF5 file",
    }.items():
        if not given.startswith("none"):
            (files / given).write_text("text")
        with pytest.raises(ValueError, match=error):
            k.audit(given)
    with pytest.raises(ValueError, match=r"audit: expected must be rules by name .* 'gpt2'"):
        k.audit("model.safetensors", "gpt2")
    with pytest.raises(ValueError, match="audit: x must be None"):
        k.audit("model.safetensors", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"audit: rule 'embed' matches no variable"):
        k.audit("model.safetensors", {"embed": "zeros"})
    with pytest.raises(ValueError, match="audit: expected"):
        k.audit("model.keras", "gpt3")
    with pytest.raises(TypeError, match="audit: model must be a Keras model"):
        k.audit(3)


def test_what_a_rule_leaves_alone(files):
    from safetensors.numpy import save_file

    table = np.outer(np.arange(32), np.linspace(0.1, 3, 16)).astype("float32")
    save_file({"a.freq": table, "b.freq": table}, "tables.safetensors")
    assert [p.reason[:5] for p in k.audit("tables.safetensors").problems] == ["equal"]
    assert not k.audit("tables.safetensors", {"freq": None}).problems
    save_file({"a.freq": table * np.nan}, "tables.safetensors")
    assert k.audit("tables.safetensors", {"freq": None}).rows[0].findings == ("not finite",)


def test_odd_tensors():
    class Odd(L.Layer):
        def build(self, shape):
            self.empty = self.add_weight(name="kernel", shape=(0, 4), initializer=k.Normal(0.1))
            self.one = self.add_weight(name="one", shape=(), initializer=k.Uniform(0.1))
            self.point = self.add_weight(name="point", shape=(200, 100), initializer=k.Normal(0.0))
            self.signs = self.add_weight(
                name="signs", shape=(200, 100), initializer=k.SignedConstant()
            )
            self.turn = self.add_weight(name="turn", shape=(200, 100), initializer=k.Orthogonal())
            self.many = self.add_weight(name="many", shape=(70_000,), initializer=k.Uniform(0.1))

        def call(self, x):
            return x * self.one

    model = keras.Sequential([keras.Input((4,)), Odd()])
    report = k.audit(model)
    assert len(report.rows) == 6
    assert not report.problems, str(report)


def test_bfloat16_in_hdf5(tmp_path):
    model = dense(HE, "bfloat16", layers=1)
    model.save_weights(tmp_path / "m.weights.h5")
    report = k.audit(tmp_path / "m.weights.h5", {"vars/0": k.HeNormal()})
    assert report.rows[0].dtype == "bfloat16"
    assert not report.problems


def test_command(files, capsys):
    (files / "rules.toml").write_text(
        '[[rule]]\npattern = "kernel"\nscheme = "keras_inits>he_normal"\n'
    )
    assert main(["audit", "model.keras", "--expect", "rules.toml", "--json", "a.json"]) == 0
    assert "none with faults; no problems" in capsys.readouterr().out.replace("\n", " ")
    assert json.loads((files / "a.json").read_text())["problems"] == []
    assert main(["audit", "model.keras"]) == 1
    assert main(["audit", "model.keras", "--expect", "gpt2"]) == 1
    assert main(["audit", "model.safetensors"]) == 0
    assert main(["audit", "model.safetensors", "--expect", "gpt2"]) == 2
    assert "audit: expected must be rules by name" in capsys.readouterr().err
    assert main(["audit", "none.safetensors"]) == 2


def test_what_has_no_law_is_listed(tmp_path):
    class Odd(L.Layer):
        def build(self, shape):
            self.table = keras.Variable(np.zeros((4, 4), "float32"), name="table")

        def call(self, x):
            return x @ self.table

    def broken(shape, dtype=None):
        raise KeyError("gone")

    model = keras.Sequential([keras.Input((4,)), Odd(name="odd"), L.Dense(4)])
    (problem, _) = k.audit(model, {"kernel": broken}).problems[::-1]
    assert problem.reason == "not audited: broken cannot be drawn: 'gone'"
    report = k.audit(model)
    assert [p.path for p in report.problems] == ["odd/table"]
    assert report.problems[0].reason.startswith("not audited: ")


def test_damaged_weights_are_audited_or_refused(tmp_path: Path) -> None:
    """Also where the file opens, and its tree or an array cannot be read."""
    model = keras.Sequential([keras.Input((4,)), L.Dense(8), L.Dense(2)])
    model.save_weights(tmp_path / "m.weights.h5")
    whole, path = (tmp_path / "m.weights.h5").read_bytes(), tmp_path / "bad.weights.h5"
    refused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        content = np.frombuffer(whole, "uint8").copy()
        content[rng.integers(0, len(content), 20)] = rng.integers(0, 256, 20)
        path.write_bytes(content.tobytes())
        try:
            k.audit(path)
        except ValueError as error:
            refused += str(error).startswith(f"audit: {path} ")
    assert refused > 5
