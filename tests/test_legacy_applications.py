"""The applications of tf_keras, from its files: they predict as they did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import require, to_numpy

from keras_inits.legacy.keras2.files import legacy_load_model

pytestmark = [pytest.mark.large, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NAMES = [
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "RegNetX002",
    "ResNet50",
    "ResNet50V2",
    "ResNetRS50",
    "VGG16",
    "Xception",
]
WRITE = """
import sys
import numpy as np
import tf_keras
name, folder = sys.argv[1:]
tf_keras.utils.set_random_seed(1)
model = getattr(tf_keras.applications, name)(weights=None, include_top=False, input_shape=(96, 96, 3), pooling="avg")
rng = np.random.default_rng(0)
for weight in model.weights:
    if weight.dtype.name == "float32" and len(weight.shape) == 1:
        base = {"gamma": 1.0, "variance": 1.0, "moving_variance": 1.0}
        at = base.get(weight.name.split("/")[-1].split(":")[0], 0.0)
        weight.assign(at + rng.uniform(-0.1, 0.1, weight.shape))
x = rng.uniform(0.0, 255.0, (2, 96, 96, 3)).astype("float32")
np.savez(f"{folder}/arrays.npz", x=x, y=model(x, training=False).numpy())
model.save(f"{folder}/model.h5")
"""


class LayerScale(keras.layers.Layer):
    """ConvNeXt's, which tf_keras keeps to itself: a user has to bring it."""

    def __init__(self, init_values, projection_dim, **options):
        super().__init__(**options)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(self.projection_dim,))

    def call(self, x):
        return x * self.gamma


@pytest.mark.parametrize("name", NAMES)
def test_applications_predict_as_they_did(name: str, tmp_path: Path) -> None:
    require("tf_keras")
    command = [sys.executable, "-c", WRITE, name, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    own = {"LayerScale": LayerScale}
    if name == "ConvNeXtTiny":
        with pytest.raises(ValueError, match="custom_objects must have the class 'LayerScale'"):
            legacy_load_model(tmp_path / "model.h5")
    model = legacy_load_model(tmp_path / "model.h5", custom_objects=own)
    with np.load(tmp_path / "arrays.npz") as arrays:
        found = to_numpy(model(arrays["x"], training=False))
        size = np.abs(arrays["y"]).max()
        assert size > 1e-6
        np.testing.assert_allclose(found / size, arrays["y"] / size, rtol=0, atol=2e-5)
