"""What inspect lists of freshly built keras.applications and keras-hub backbones is true, by other means."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from test_reloadable_hub import TINY

from keras_inits import inspect
from keras_inits.models.variables.walk import walk

pytestmark = [pytest.mark.slow, pytest.mark.once]


def numbers(tensor):
    rng = np.random.default_rng(0)
    shape = (8, *(size or 8 for size in tensor.shape[1:]))
    if "float" in tensor.dtype:
        return rng.normal(size=shape).astype("float32")
    ones = "mask" in tensor.name
    return np.ones(shape, "int32") if ones else rng.integers(0, 2, shape).astype("int32")


def paths_in(problem):
    """Its path and those that its reason names."""
    return [problem.path, *re.findall(r"\w+/[\w/]+", problem.reason)]


def check_equal(problem, slots):
    values = [to_numpy(slots[path].variable) for path in paths_in(problem)]
    assert len(values) > 1
    assert all(np.array_equal(values[0], other) for other in values)
    assert np.ptp(values[0]) > 0


def check_seed(problem, slots):
    seed = int(re.search(r"same seed, (\d+),", problem.reason)[1])
    assert len(paths_in(problem)) > 1
    for path in paths_in(problem):
        slot = slots[path]
        assert slot.initializer.seed == seed
        np.testing.assert_array_equal(
            to_numpy(slot.initializer(slot.shape, dtype=slot.dtype)), to_numpy(slot.variable)
        )


def check_fans(problem, slots):
    """The fan that the connections of one output have, counted by the layer's own numbers."""
    slot = slots[problem.path]
    found, fan, right = map(
        float, re.search(r"is (\S+); .* \((\d+), \d+\), .* be (\S+?)( |$)", problem.reason).groups()[:3]
    )  # fmt: skip
    layer, shape = slot.layer, slot.shape
    if isinstance(layer, keras.layers.Embedding):
        inputs = 1  # a row is looked up
    elif isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)):
        inputs = shape[0] * shape[1]
    else:
        assert layer.groups > 1
        inputs = shape[0] * shape[1] * shape[2]
    assert fan == inputs
    assert right == pytest.approx(np.sqrt(slot.initializer.scale / inputs), rel=0.01)
    assert found == pytest.approx(to_numpy(slot.variable).std(), rel=0.01)
    assert max(found / right, right / found) > 1.9


CHECKS = {
    "has the same values as": check_equal,
    "was drawn with the same seed": check_seed,
    "by the layer's fans": check_fans,
}


def kinds_of(model, report):
    """The kinds of problems, each found to be true."""
    slots = {slot.path: slot for slot in walk(model, "test").slots}
    found = []
    for problem in report.problems:
        (kind,) = (words for words in CHECKS if words in problem.reason)
        CHECKS[kind](problem, slots)
        found.append(kind)
    return tuple(sorted(set(found)))


EQUAL, SEED, FANS = CHECKS
NONE = ()
HUB = {
    **dict.fromkeys(["BertBackbone", "BloomBackbone", "DenseNetBackbone", "FNetBackbone"], NONE),
    **dict.fromkeys(["GPT2Backbone", "ResNetBackbone", "ViTBackbone"], NONE),
    "LlamaBackbone": (EQUAL, SEED),
    "GemmaBackbone": (FANS, EQUAL, SEED),
    "MobileNetBackbone": (FANS,),
    "XceptionBackbone": (FANS,),
}


@pytest.mark.parametrize(
    "name", [*HUB, *(pytest.param(n, marks=pytest.mark.large) for n in TINY if n not in HUB)]
)
def test_backbones(name):
    require("keras_hub")
    import keras_hub

    keras.utils.set_random_seed(0)
    model = getattr(keras_hub.models, name)(**TINY[name])
    report = inspect(model, keras.tree.map_structure(numbers, model.input), seed=0)
    kinds = kinds_of(model, report)
    assert name not in HUB or kinds == HUB[name]


APPLICATIONS = {
    **dict.fromkeys(["ResNet50", "ResNet50V2", "DenseNet121", "InceptionV3"], NONE),
    **dict.fromkeys(["InceptionResNetV2", "EfficientNetB0", "EfficientNetV2B0"], NONE),
    **dict.fromkeys(["MobileNetV3Small", "MobileNet", "MobileNetV2"], (FANS,)),
    **dict.fromkeys(["Xception", "ConvNeXtTiny"], (FANS,)),
}


@pytest.mark.parametrize(
    "name",
    [
        n if n == "MobileNetV3Small" else pytest.param(n, marks=pytest.mark.large)
        for n in APPLICATIONS
    ],
)
def test_applications(name):
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    x = np.random.default_rng(0).uniform(0, 255, (8, 96, 96, 3)).astype("float32")
    scales_itself = name.startswith(("EfficientNet", "MobileNetV3", "ConvNeXt"))
    report = inspect(model, x if scales_itself else x / 127.5 - 1, seed=0)
    assert kinds_of(model, report) == APPLICATIONS[name]


@pytest.mark.large
def test_vgg_has_a_signal_that_shrinks():
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None, input_shape=(96, 96, 3))
    x = np.random.default_rng(0).uniform(-1, 1, (8, 96, 96, 3)).astype("float32")
    (problem,) = inspect(model, x, seed=0).problems
    assert problem.path == "fc2"
    assert "signal's second moment shrinks" in problem.reason
    ends = [model.get_layer(name).output for name in ("block1_conv1", problem.path)]
    first, last = (np.square(to_numpy(y)).mean() for y in keras.Model(model.input, ends)(x))
    assert last < 1e-3 * first
