"""Initializer configs of Keras 2 and tf.keras, made such that Keras 3 reads the same law in them."""

from __future__ import annotations

import re
from typing import Any

from keras_inits.legacy.keras1.schemes import NAMES as KERAS1_NAMES
from keras_inits.registry import snake_case
from keras_inits.schemes.variance_scaling import TRUNCATED_STDDEV

#: "keras2.0" is Keras 2.0.0 to 2.1.6 (on TensorFlow), "keras2" 2.2.0 to 2.3.1 and tf.keras 2.x,
#: "tf1" tf.keras 1.x, which has the laws of "keras2" and writes a `dtype` into every config.
ERAS = ("keras1", "keras2.0", "keras2", "tf1")

# The normal laws by fans, which were cut at two sigma, and what they are a VarianceScaling of.
_CUT = {
    "LecunNormal": (1.0, "fan_in"),
    "GlorotNormal": (1.0, "fan_avg"),
    "HeNormal": (2.0, "fan_in"),
}
_CLASSES = (
    *("Zeros", "Ones", "Constant", "Identity", "Orthogonal", "VarianceScaling"),
    *("RandomUniform", "RandomNormal", "TruncatedNormal"),
    *("LecunUniform", "GlorotUniform", "HeUniform", *_CUT),
)
_ALIASES = {
    **{"zero": "Zeros", "Zero": "Zeros", "one": "Ones", "One": "Ones"},
    **{"uniform": "RandomUniform", "Uniform": "RandomUniform"},
    **{"normal": "RandomNormal", "Normal": "RandomNormal"},
}
#: Every spelling that Keras 2 and tf.keras wrote, and the class of Keras 3 that it stands for.
SPELLINGS: dict[str, str] = _ALIASES | {
    spelling: name
    for name in _CLASSES
    for spelling in (
        *(name, snake_case(name), f"{snake_case(name)}_initializer"),
        *(f"{name}{suffix}" for suffix in ("Initializer", "V1", "V2")),
    )
}


def upgrade_initializer(config: Any, era: str) -> Any:
    """The config of an initializer, or its name, as Keras 3 writes one of the same law.

    What is neither a name nor a config, and a class that is not Keras's, comes back as it is. The
    argument is not changed.

    >>> old = {"class_name": "Zeros", "config": {"dtype": "float32"}}
    >>> upgrade_initializer(old, "tf1")["config"]
    {}
    """
    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        return config
    old, arguments = config["class_name"], config.get("config")
    arguments = {} if arguments is None else arguments
    if era == "keras1" and old in KERAS1_NAMES:
        return _config("keras1", KERAS1_NAMES[old].__name__, arguments)
    if old not in SPELLINGS or not isinstance(arguments, dict):
        return config
    dropped = ("dtype", "verify_shape", "partition_info")
    arguments = {key: value for key, value in arguments.items() if key not in dropped}
    name = SPELLINGS[old]
    if "scale" in arguments and name in ("RandomUniform", "RandomNormal"):
        name, arguments = _from_scale(name, arguments)
    if name == "Constant":
        arguments = {"value": 0.0, **arguments}
    if name in _CUT or name == "VarianceScaling":
        name, arguments = _cut(name, arguments, era)
    # Keras 3's own class, but where its law or its config is not right on every backend: there
    # truncated normals leave their bounds on torch, and the identity forgets its gain when saved.
    ours = (
        name == "TruncatedNormal"
        or arguments.get("distribution") == "truncated_normal"
        or (arguments.get("gain", 1.0) != 1.0 and name == "Identity")
    )
    return (
        _config("keras_inits", name, arguments)
        if ours
        else {
            "module": "keras.initializers",
            "class_name": name,
            "config": arguments,
            "registered_name": None,
        }
    )


def _config(package: str, name: str, arguments: Any) -> dict[str, Any]:
    return {
        "module": "keras_inits.keras1" if package == "keras1" else package,
        "class_name": name,
        "config": arguments,
        "registered_name": f"{package}>{name}",
    }


def _from_scale(name: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Keras 1's argument under Keras 2's name."""
    rest = {key: value for key, value in arguments.items() if key != "scale"}
    scale = arguments["scale"]
    if name == "RandomUniform":
        return name, {"minval": -scale, "maxval": scale, **rest}
    return name, {"mean": 0.0, "stddev": scale, **rest}


def _cut(name: str, arguments: dict[str, Any], era: str) -> tuple[str, dict[str, Any]]:
    """A VarianceScaling's arguments, the law of `distribution="normal"` being that of the era."""
    if name in _CUT:
        scale, mode = _CUT[name]
        arguments = {"scale": scale, "mode": mode, **arguments}
    arguments = {"scale": 1.0, "distribution": "truncated_normal", **arguments}
    if arguments["distribution"] == "normal":
        arguments["distribution"] = "truncated_normal"
    if era == "keras2.0" and arguments["distribution"] == "truncated_normal":
        # The cut was not made up for: N(0, scale/n) cut at two sigma, standard deviation 0.88 of it.
        arguments["scale"] = arguments["scale"] * TRUNCATED_STDDEV**2
    return "VarianceScaling", arguments


def era_of(version: str) -> str:
    """The era of the `keras_version` in a file; "keras3" for files of Keras 3.

    >>> era_of("2.1.6"), era_of("2.2.4-tf"), era_of("1.2.2")
    ('keras2.0', 'keras2', 'keras1')
    """
    number = version.split("-")[0].split(".")
    if number[0] == "2":
        return "keras2.0" if "tf" not in version and number[1:2] in (["0"], ["1"]) else "keras2"
    return "keras3" if re.fullmatch(r"[3-9]|[1-9][0-9]+", number[0]) else "keras1"
