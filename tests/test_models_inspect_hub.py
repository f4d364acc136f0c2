"""inspect on backbones of keras-hub: what it lists is true of their weights, and nothing else is listed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import require, to_numpy
from test_reloadable_hub import TINY

from keras_inits import inspect

pytestmark = [pytest.mark.slow, pytest.mark.once]


def inspected(name):
    require("keras_hub")
    import keras_hub

    keras.utils.set_random_seed(0)
    model = getattr(keras_hub.models, name)(**TINY[name])
    rng = np.random.default_rng(0)

    def numbers(tensor):
        shape = (8, *(size or 8 for size in tensor.shape[1:]))
        if "float" in tensor.dtype:
            return rng.normal(size=shape).astype("float32")
        ones = "mask" in tensor.name
        return np.ones(shape, "int32") if ones else rng.integers(0, 2, shape).astype("int32")

    return model, inspect(model, keras.tree.map_structure(numbers, model.input), seed=0)


@pytest.mark.parametrize("name", ["GPT2Backbone", "ResNetBackbone"])
def test_none_is_listed(name):
    assert not inspected(name)[1].problems


def test_llama_begins_with_key_and_value_equal():
    model, report = inspected("LlamaBackbone")
    values = {v.path: to_numpy(v) for v in model.variables}
    equal = [p for p in report.problems if "key and value are equal" in p.reason]
    assert [p.path.split("/")[0] for p in equal] == ["transformer_layer_0", "transformer_layer_1"]
    for problem in equal:
        (key,) = (v for path, v in values.items() if path.endswith(problem.path))
        value_path = problem.path.replace("/key/", "/value/")
        (value,) = (v for path, v in values.items() if path.endswith(value_path))
        np.testing.assert_array_equal(key, value)
    others = [p for p in report.problems if p not in equal]
    assert all("was drawn with the same seed" in p.reason for p in others)
