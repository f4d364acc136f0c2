"""How a layer uses a weight's axes: fans counted by hand, and parts put back where they were."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from keras_inits.models.weights import geometry as module
from keras_inits.models.weights.geometry import Geometry, register_geometry, registered_geometry

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("options", "fans"),
    [
        ({}, (24, 12)),
        ({"strides": (2, 3)}, (12, 4)),
        ({"strides": (3, 2)}, (8, 6)),
        ({"active": 1}, (1, 12)),
        ({"active": 1, "strides": (2, 1)}, (0.5, 12)),
        ({"parts": (4,)}, (24, 12)),
        ({"parts": (2, 2)}, (24, 6)),
        ({"parts": (1, 1)}, (24, 6)),  # two by turns
        ({"parts": (3, 1)}, (24, 9, 3)),
        ({"parts": (1, 3), "strides": (3, 3)}, (8, 1, 3)),
        ({"parts": (1, 1, 2)}, (24, 3, 3, 6)),
    ],
)
def test_fans(options, fans):
    """Of a convolution of width 3 from 8 to 4: 3 * 8 inputs, 3 * 4 outputs."""
    geometry = Geometry((3, 8, 4), (0, 1), (2,), field=(0,), **options)
    assert geometry.fans == fans
    assert type(geometry.fan_in) is (float if geometry.strides[0] != 1 else int)
    assert geometry.fan_out == max(fans[1:])


def test_what_is_counted():
    """A recurrent kernel of 5 inputs, 2 groups, 4 gates and 3 units, its axes in another order than usual."""
    geometry = Geometry((2, 12, 5), (-1,), (2,), (0,), (1,), split=(2, 4, 3, 5), units=(2, 1, 0))
    assert (geometry.gate_count, geometry.unit_count, geometry.map_shape) == (4, 24, (5, 3))
    assert geometry.fans == (5, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        geometry.shape = (1,)


@pytest.mark.parametrize("parts", [(3, 1), (1, 1, 2), [2, 2], (1,)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_parts_are_joined_where_they_were(parts, order):
    """Of a weight of 2 groups, 5 inputs and 12 outputs, its axes in any order, and of its bias."""
    whole = np.arange(2 * 5 * 12).reshape(2, 5, 12)
    kinds = np.repeat(np.arange(len(parts)), parts)
    kinds = np.tile(kinds, 12 // len(kinds))  # which part each output belongs to
    weight = whole.transpose(order)
    axis = {kind: (order.index(i),) for i, kind in enumerate(("repeats", "inputs", "outputs"))}
    geometry = Geometry(weight.shape, parts=parts, **axis)
    drawn = []
    for i, part in enumerate(geometry.by_part):
        own = whole[:, :, kinds == i].transpose([axis for axis in order if axis != 2] + [2])
        assert part.shape == own.shape
        assert part.fans == (5, (kinds == i).sum())
        assert part.outputs == (2,)
        drawn.append(own)
    np.testing.assert_array_equal(geometry.joined(drawn, weight.shape), weight)
    biases = [np.flatnonzero(kinds == i) for i in range(len(parts))]
    np.testing.assert_array_equal(geometry.joined(biases, (12,)), np.arange(12))


def test_what_a_function_gives_must_be_a_geometry(monkeypatch):
    monkeypatch.setattr(module, "_REGISTERED", {})
    register_geometry(keras.layers.Dense, "kernel", lambda layer, shape: shape and None)
    register_geometry(keras.layers.Dense, "bias", lambda layer, shape: shape)
    dense = keras.layers.Dense(3)
    assert registered_geometry(dense, "kernel", (4, 3)) is None
    with pytest.raises(TypeError, match="a Geometry from the function for Dense 'bias'"):
        registered_geometry(dense, "bias", (3,))


def test_bad_geometries():
    with pytest.raises(ValueError, match="each axis of"):
        Geometry((3, 4), (0,), ())
    with pytest.raises(ValueError, match="split must be of as many entries"):
        Geometry((3, 4), (0,), (1,), split=(3, 5))
    with pytest.raises(ValueError, match="units must be the axes"):
        Geometry((3, 4), (0,), (1,), units=(0,))
    with pytest.raises(TypeError, match="layer_class must be a subclass of Layer"):
        register_geometry("Dense", "kernel", lambda layer, shape: None)
    with pytest.raises(TypeError, match="function must be a function"):
        register_geometry(keras.layers.Dense, "kernel", None)


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ((5, 5), {}, "of whose sum the 12 outputs are a multiple"),
        ((6, 0), {}, "of whose sum"),
        ((6.0, 6.0), {}, "of whose sum"),
        ((True,) * 12, {}, "of whose sum"),
        (5, {}, "a tuple of ints > 0"),
        ((2, 2), {"gates": (2,), "split": (4, 4, 3)}, "parts must be empty beside gates"),
    ],
)
def test_bad_parts(parts, options, message):
    with pytest.raises(ValueError, match=f"Geometry: parts must be .*{message}|{message}"):
        Geometry((4, 12), (0,), (1,), parts=parts, **options)
