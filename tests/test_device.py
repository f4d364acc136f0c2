"""The default stream on a GPU: what the kernel is told, and that the bits are the host's."""

import itertools

import keras
import numpy as np
import pytest

import keras_inits
from keras_inits.backend import gpu
from keras_inits.streams.default import device, kernels, tiles

SHAPES = [
    (4096, 4096),
    (2**22,),
    (3, 3, 512, 512),
    (7, 1031, 997),
    (5000, 1000, 3),
    (2, 2, 2, 3, 5, 7, 11, 1300),
    (1, 2100000),
    (2100001, 1),
]
SCHEMES = [
    keras_inits.RandomUniform(-0.1, 0.1, seed=1),
    keras_inits.RandomNormal(0.5, 2.0, seed=3),
    keras_inits.TruncatedNormal(0.1, 0.05, low=-1.0, high=2.0, seed=5),
    keras_inits.HeNormal(seed=2**63),
]


@pytest.mark.once
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_is_told_where_each_box_lies(shape: tuple[int, ...]) -> None:
    """Boxes and strides of the merged axes, computed as the kernel does, against the tensor's own."""
    axes = device._merged(shape)
    words = np.frombuffer(device._described(b"message", axes, 5).tobytes()[:-7], np.uint8)
    n = len(axes)
    boxes, *wide = words[: 8 * (1 + 2 * n)].view("<u8").tolist()
    *narrow, rows, steps, length = words[8 * (1 + 2 * n) :].view("<i4").tolist()
    size, stride, extent, grid = wide[:n], wide[n:], narrow[:n], narrow[n:]
    expected = list(tiles._overlapping(shape, tuple(slice(0, s) for s in shape)))
    assert (boxes, rows, length) == (len(expected), 5, 7)
    assert steps == -(-np.prod(tiles.tile_shape(shape)) // 128)
    flat = np.arange(np.prod(shape)).reshape(shape)
    for number, box in [expected[0], expected[len(expected) // 2], expected[-1]]:
        places = np.unravel_index(number, grid)
        first = [int(p) * e for p, e in zip(places, extent, strict=True)]
        sides = [min(e, s - f) for e, s, f in zip(extent, size, first, strict=True)]
        offsets = [
            (f + np.arange(side)) * st for f, side, st in zip(first, sides, stride, strict=True)
        ]
        grids = np.meshgrid(*offsets, indexing="ij")
        np.testing.assert_array_equal(sum(grids).ravel(), flat[box].ravel())


@pytest.mark.once
def test_constants_of_the_kernel_are_those_of_the_host() -> None:
    source = device.source("NORMAL", "float16", 2, 4)
    assert "#define DTYPE 2" in source
    assert "#define CENTRE32_CONSTANT 0x1.af7f580000000p-2f" in source
    for name in itertools.product(("INNER32", "CENTRE32", "TAIL32"), ("RESIDUES", "POLES")):
        assert source.count(f"#define {'_'.join(name)} {{") == 1


@pytest.mark.once
def test_every_law_of_32_bits_has_a_kernel() -> None:
    normal = kernels.normal(0.0, 1.0, "float32")
    cut, _ = kernels.truncated_normal(0.0, 1.0, -2.0, 2.0, "float32")
    laws = [device._law(f) for f in (kernels.uniform(0.0, 1.0, "float32"), normal, cut)]
    assert [(name, len(values)) for name, values in laws] == [
        ("UNIFORM", 7),
        ("NORMAL", 7),
        ("INNER", 7),
    ]


def test_without_a_gpu_the_host_draws() -> None:
    if gpu.allocate((2, 2), "float32") is not None:
        pytest.skip("this machine has a GPU")
    stream = keras_inits.DefaultStream(7, ["kernel"])
    drawn = stream.on_device((1500, 1500)).normal((1500, 1500))
    np.testing.assert_array_equal(drawn, stream.normal((1500, 1500)))
    assert stream.on_device((1500, 1500)) == stream


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_gpu_gives_the_bits_of_the_host(
    scheme: keras_inits.Scheme, shape: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    fill = device.fill

    def spy(*arguments: object) -> object:
        used.append(fill(*arguments))
        return used[-1]

    monkeypatch.setattr(device, "fill", spy)
    tensor = scheme(shape, dtype=dtype)
    assert len(used) == 1
    assert used[0] is tensor
    expected = scheme.draw(shape, keras_inits.DefaultStream(scheme.seed), dtype)
    got = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
    np.testing.assert_array_equal(got, expected.astype("float32"))
