"""Config trees: one walk and one limit, for schemes, models and old files alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import pytest

import keras_inits as ki
from keras_inits import configs, keras1
from keras_inits.configs import DEEPEST, children, is_too_deep, nodes, outermost, registered

pytestmark = pytest.mark.once


def _list(levels: int) -> Any:
    config: Any = []
    for _ in range(levels - 1):
        config = [config]
    return config


def test_the_limit_counts_dicts_lists_and_tuples() -> None:
    assert DEEPEST == 100
    assert not is_too_deep(_list(DEEPEST))
    assert is_too_deep(_list(DEEPEST + 1))
    assert is_too_deep({"a": (_list(DEEPEST - 1),)})
    assert not is_too_deep({"a": (_list(DEEPEST - 2),)})
    assert not is_too_deep("x" * 1000)


def test_every_reader_has_the_same_limit(tmp_path: Path) -> None:
    def model(levels: int) -> dict[str, Any]:
        # The model's config is two levels below this one.
        inner = {"name": "m", "layers": [], "extra": _list(levels - 2)}
        return {"class_name": "Sequential", "config": inner}

    def load(config: dict[str, Any]) -> None:
        path = tmp_path / "m.json"
        path.write_text(json.dumps({**config, "keras_version": "2.3.1"}))
        ki.legacy_load_model(path)

    def get(config: dict[str, Any]) -> None:
        ki.get(config)

    for read, message in (
        (load, "at most 100 deep"),
        (get, "at most 100 levels deep"),
        (keras1.rules, "the JSON of a Keras 1 model"),
    ):
        with pytest.raises(ValueError, match=message):
            read(model(DEEPEST + 1))
        reason = ""
        try:
            read(model(DEEPEST))
        except (ValueError, TypeError) as error:
            reason = str(error)
        assert message not in reason


def test_walking() -> None:
    dense = {"class_name": "Dense", "config": {"units": 2, "kernel": {"class_name": "Zeros", "config": {}}}}  # fmt: skip
    tree = {"layers": [dense, (dense,)], "name": "m"}
    assert list(outermost(tree)) == [dense, dense]
    assert [node.get("class_name") for node in nodes(tree)] == [
        *(None, "Dense", None, "Zeros", None),
        *("Dense", None, "Zeros", None),
    ]
    assert children(tree) == [[dense, (dense,)]]
    assert children("text") == []
    assert not configs.is_object({"class_name": "Dense"})


def test_registered_names_come_first() -> None:
    node = keras.saving.serialize_keras_object(ki.HeNormal())
    assert registered(node) is ki.HeNormal
    assert registered({**node, "class_name": "os.system"}) is ki.HeNormal
    assert registered({"class_name": "keras_inits>Uniform", "config": {}}) is ki.Uniform
    assert registered({"class_name": "Unknown", "registered_name": 3}) is None
    assert registered({"class_name": "Mine"}, {"Mine": dict}) is dict
