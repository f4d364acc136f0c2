"""Sharded tensors: each device's shard drawn alone, values equal to the unsharded ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import python, require, to_numpy

import keras_inits as ki

SHARDED = """
import json, math
import keras, jax
import numpy as np
from keras import layers
import keras_inits as ki
from keras_inits.streams import DefaultStream

assert jax.device_count() == 8
drawn = []
original = DefaultStream.normal


def spy(self, shape, *arguments, **named):
    index = arguments[3] if len(arguments) > 3 else None
    drawn.append([[s.start, s.stop] for s in index] if index else None)
    return original(self, shape, *arguments, **named)


DefaultStream.normal = spy


def build():
    inputs = keras.Input((512,))
    x = layers.Dense(768, kernel_initializer=ki.HeNormal(seed=1), name="wide")(inputs)
    x = layers.Dense(48, kernel_initializer=ki.TruncatedNormal(seed=2), name="narrow")(x)
    x = layers.Dense(48, kernel_initializer=ki.Orthogonal(seed=3), name="square")(x)
    return keras.Model(inputs, x)


reference = build().get_weights()
drawn.clear()
results = {}
for shape in ((8, 1), (1, 8), (2, 4), (4, 2)):
    mesh = keras.distribution.DeviceMesh(shape, ["batch", "model"])
    for spec in ((None, "model"), ("batch", None), ("batch", "model"), (None, None)):
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*kernel"] = keras.distribution.TensorLayout(list(spec), mesh)
        distribution = keras.distribution.ModelParallel(layout_map=layout)
        drawn.clear()
        with distribution.scope():
            model = build()
        wide = model.get_layer("wide").kernel.value
        parts = math.prod(n for n, axis in zip(shape, ("batch", "model")) if axis in spec)
        results[f"{shape} {spec}"] = {
            "equal": all(np.array_equal(a, b) for a, b in zip(reference, model.get_weights())),
            "sharded": wide.addressable_shards[0].data.size == wide.size // parts,
            "blocks": len([index for index in drawn if index is not None]),
            "parts": parts,
        }
print(json.dumps(results))
"""


@pytest.mark.slow
@pytest.mark.once
def test_shards_are_drawn_alone_and_equal() -> None:
    """Every mesh shape and layout: equal bits, one draw for each distinct shard, none for replicas."""
    require("jax")
    flags = "--xla_force_host_platform_device_count=8"
    results = json.loads(
        python(SHARDED, KERAS_BACKEND="jax", XLA_FLAGS=flags, JAX_PLATFORMS="cpu").splitlines()[-1]
    )
    assert len(results) == 16
    for name, result in results.items():
        assert result["equal"], name
        assert result["sharded"], name
        assert result["blocks"] == result["parts"], name


UNEVEN = """
import keras
import keras_inits as ki

mesh = keras.distribution.DeviceMesh((8,), ["model"])
layout = keras.distribution.TensorLayout([None, "model"], mesh)
ki.DefaultStream.uniform = ki.DefaultStream.normal = None  # nothing is drawn
schemes = (ki.HeNormal(), ki.GlorotUniform(), ki.Orthogonal(), ki.Zero())
for scheme, shape in (*((s, (16, 12)) for s in schemes), (ki.HeNormal(), (16, 7)), (ki.Zero(), (16,))):
    try:
        scheme(shape, layout=layout)
    except ValueError as error:
        assert str(error).startswith(f"{type(scheme).__name__}: layout must cut the shape {shape}")
    else:
        raise AssertionError((scheme, shape))
places = keras.distribution.LayoutMap(mesh)
places[".*kernel"] = layout
with keras.distribution.ModelParallel(layout_map=places).scope():
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8)])
    try:
        with ki.deferred():
            keras.layers.Dense(12).build((None, 16))
    except ValueError as error:
        assert str(error).startswith("deferred: layout must cut the shape (16, 12)")
    else:
        raise AssertionError("deferred")
print("refused")
"""


@pytest.mark.slow
@pytest.mark.once
def test_a_mesh_that_does_not_divide_the_shape_is_an_error() -> None:
    """Keras on JAX has no uneven shards: said by the scheme's name, before anything is drawn."""
    require("jax")
    flags = "--xla_force_host_platform_device_count=8"
    printed = python(UNEVEN, KERAS_BACKEND="jax", XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
    assert printed.splitlines()[-1] == "refused"


MIRRORED = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np, keras_inits as ki


def build():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, kernel_initializer=ki.HeNormal(seed=1)),
            keras.layers.Dense(4, kernel_initializer=ki.Orthogonal(seed=2)),
        ]
    )


reference = build().get_weights()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = build()
for variable, weight in zip(model.weights, reference):
    replicas = variable.value.values
    assert len(replicas) == 2
    for replica in replicas:
        assert np.array_equal(replica.numpy(), weight)
print("equal")
"""


@pytest.mark.once
def test_a_shard_of_an_empty_tensor_is_empty() -> None:
    fill = ki.HeNormal()._filler((0, 8), "float32", ki.DefaultStream(0))
    assert fill((slice(0, 0), slice(0, 4))).shape == (0, 4)
    assert fill(None).shape == (0, 8)


@pytest.mark.slow
@pytest.mark.once
def test_mirrored_strategy() -> None:
    require("tensorflow")
    assert python(MIRRORED, KERAS_BACKEND="tensorflow").splitlines()[-1] == "equal"


@pytest.mark.once
@pytest.mark.parametrize("shape", [(12, 8), (7, 5), (2, 3), (0, 4)])
def test_blocks_of_a_dtensor_are_those_of_chunks(shape: tuple[int, int]) -> None:
    """Also uneven ones, and an axis that both axes of the mesh cut."""
    require("torch")
    import torch
    from torch.distributed.tensor import Replicate, Shard

    from keras_inits.backend import dtensor

    whole, ranks = torch.arange(shape[0] * shape[1]).reshape(shape), torch.arange(6).reshape(2, 3)
    for placements in ((Shard(0), Shard(1)), (Replicate(), Shard(1)), (Shard(0), Shard(0))):
        layout = SimpleNamespace(device_mesh=SimpleNamespace(mesh=ranks), placements=placements)
        found = dtensor.blocks(layout, shape)
        for i, j in np.ndindex(2, 3):
            expected = whole
            for place, parts, placement in zip((i, j), (2, 3), placements, strict=True):
                if placement.is_shard():
                    cut = torch.chunk(expected, parts, placement.dim)
                    empty = expected.narrow(placement.dim, 0, 0)
                    expected = cut[place] if place < len(cut) else empty
            block = whole[tuple(slice(*bounds) for bounds in found[int(ranks[i, j])])]
            assert torch.equal(block, expected)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="DTensor is PyTorch's")
def test_a_dtensor_holds_the_values_of_a_tensor(tmp_path: Path) -> None:
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard

    from keras_inits.backend import spread

    group = {"init_method": f"file://{tmp_path}/group", "rank": 0, "world_size": 1}
    torch.distributed.init_process_group("gloo", **group)
    try:
        mesh = init_device_mesh("cpu", (1,))
        layout = SimpleNamespace(device_mesh=mesh, placements=(Shard(1),))
        for scheme in (ki.HeNormal(seed=1), ki.Orthogonal(seed=1), ki.Zero()):
            spread_over = scheme((7, 5), layout=layout)
            assert spread_over.placements == (Shard(1),)
            assert spread_over.stride() == (5, 1)
            np.testing.assert_array_equal(
                spread_over.full_tensor().numpy(), to_numpy(scheme((7, 5)))
            )
            (shard,) = spread.shards(spread_over)
            np.testing.assert_array_equal(shard.values, spread_over.full_tensor().numpy())
    finally:
        torch.distributed.destroy_process_group()


def test_inside_a_compiled_function() -> None:
    scheme = ki.HeNormal(seed=4)
    expected = to_numpy(scheme((8, 6)))
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(lambda: scheme((8, 6)))
    elif backend == "jax":
        import jax

        compiled = jax.jit(lambda: scheme((8, 6)))
    else:
        return  # torch.compile is not something an initializer meets
    np.testing.assert_array_equal(to_numpy(compiled()), expected)


def test_a_seed_generator_has_no_value_in_a_compiled_function() -> None:
    scheme = ki.HeNormal(seed=keras.random.SeedGenerator(1))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with pytest.raises(ValueError, match="HeNormal: seed must be an integer or a stream"):
            tf.function(lambda: scheme((8, 6)))()
