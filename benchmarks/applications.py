"""What `inspect` says of freshly built models of keras.applications.

KERAS_BACKEND=torch python benchmarks/applications.py [NAME ...]
"""

import sys

import keras
import numpy as np

import keras_inits

NAMES = (
    *("ResNet50", "ResNet50V2", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "Xception", "VGG16"),
)

x = np.random.default_rng(0).uniform(0, 255, (8, 96, 96, 3)).astype("float32")
for name in sys.argv[1:] or NAMES:
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3))
    scales_itself = name.startswith(("EfficientNet", "MobileNetV3"))
    report = keras_inits.inspect(model, x if scales_itself else x / 127.5 - 1, seed=0)
    print(name, [problem.reason for problem in report.problems] or "no problems", flush=True)
