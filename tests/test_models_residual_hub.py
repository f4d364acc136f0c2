"""Residual branches of published architectures, against a count by hand."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import require, to_numpy

from keras_inits.models.initialize import initialize
from keras_inits.models.residual.branches import residual_branches

pytestmark = [pytest.mark.once, pytest.mark.slow]

_TEXT = {"vocabulary_size": 50, "num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64}  # fmt: skip
_LONG = {"max_sequence_length": 16}
_GROUPED = {
    "vocabulary_size": 50,
    "num_layers": 2,
    "num_query_heads": 2,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "num_key_value_heads": 2,
}
_IMAGE = {"image_shape": (16, 16, 3), "patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 32}  # fmt: skip
_SPEECH = {"num_mels": 8, "max_encoder_sequence_length": 16, "max_decoder_sequence_length": 16}
#: Name: (arguments, branches of each stream, where they are normalized).
HUB = {
    "AlbertBackbone": (_TEXT | _LONG | {"embedding_dim": 32}, [4], {"post"}),
    "BartBackbone": (_TEXT | _LONG, [4, 6], {"post"}),
    "BertBackbone": (_TEXT | _LONG, [4], {"post"}),
    "BloomBackbone": (_TEXT, [4], {"pre"}),
    "DebertaV3Backbone": (_TEXT | _LONG, [4], {"post"}),
    "DeiTBackbone": (_IMAGE | {"intermediate_dim": 64}, [4], {"pre"}),
    "DenseNetBackbone": ({"stackwise_num_repeats": [2, 2], "image_shape": (32, 32, 3)}, [], set()),
    "FNetBackbone": ({k: v for k, v in (_TEXT | _LONG).items() if k != "num_heads"}, [2], {"post"}),
    "GPT2Backbone": (_TEXT | _LONG, [4], {"pre"}),
    "GPTNeoXBackbone": (_TEXT, [4], {"pre"}),
    "GemmaBackbone": (_GROUPED | {"num_key_value_heads": 1, "head_dim": 16}, [4], {"pre"}),
    "GptOssBackbone": (_GROUPED | {"num_experts": 4, "top_k": 2, "head_dim": 16}, [4], {"pre"}),
    "LlamaBackbone": (_GROUPED, [4], {"pre"}),
    "MixtralBackbone": (_GROUPED | {"num_experts": 4}, [4], {"pre"}),
    "OPTBackbone": (_TEXT | _LONG, [4], {"pre"}),
    "Phi3Backbone": (_GROUPED, [4], {"pre"}),
    "QwenMoeBackbone": (
        _GROUPED | {"moe_intermediate_dim": 16, "shared_expert_intermediate_dim": 16, "num_experts": 4, "top_k": 2},
        [4],
        {"pre"},
    ),
    "T5Backbone": (_TEXT, [4, 6], {"pre"}),
    "ViTBackbone": (_IMAGE | {"mlp_dim": 64}, [4], {"pre"}),
    "WhisperBackbone": (_TEXT | _SPEECH, [4, 6], {"pre"}),
    "XLNetBackbone": (
        _TEXT | {"kernel_initializer_range": 0.02},
        [4],
        {"post"},
    ),
}  # fmt: skip
#: Name: (branches, where they are normalized). A ResNet V2's first block of a stage is normalized on its
#: stream.
APPLICATIONS = {
    "ConvNeXtTiny": (18, {"none", "post"}),
    "DenseNet121": (0, set()),
    "MobileNetV2": (10, {"end"}),
    "MobileNetV3Small": (6, {"end"}),
    "ResNet50": (16, {"end"}),
    "ResNet50V2": (16, {"none", "pre", "pre, post"}),
    "VGG16": (0, set()),
    "Xception": (12, {"end"}),
}


def test_the_page_has_the_counts():
    """Every row of its table that is not a subclass is a row here."""
    page = (Path(__file__).parent.parent / "docs" / "residual.md").read_text()
    shown = [
        tuple(line.strip("| ").split(" | ")) for line in page.splitlines() if "| keras" in line
    ]
    here = [(name.removesuffix("Backbone"), *found) for name, (_, *found) in HUB.items()]
    here += [(name, [count] * (count > 0), norms) for name, (count, norms) in APPLICATIONS.items()]
    assert [(name, counts, norms) for name, _, counts, norms in shown] == [
        (name, ", ".join(map(str, counts)) or "none", "; ".join(sorted(norms)) or "-")
        for name, counts, norms in here
    ]


def built(name):
    require("keras_hub")
    import keras_hub

    return getattr(keras_hub.models, name)(**HUB[name][0])


@pytest.mark.parametrize("name", HUB)
def test_keras_hub(name):
    _, streams, norms = HUB[name]
    report = residual_branches(built(name))
    if name == "DebertaV3Backbone" and keras.backend.backend() == "tensorflow":
        # Its attention calls TensorFlow itself there: that is said, and no branch is guessed.
        assert ["cannot be followed" in p.reason for p in report.problems].count(True) == 2
        return
    counts: dict[int, int] = {}
    for row in report.rows:
        counts[row.stream] = counts.get(row.stream, 0) + 1
    assert list(counts.values()) == streams
    assert {row.norm for row in report.rows} == norms
    assert not report.problems


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name):
    count, norms = APPLICATIONS[name]
    report = residual_branches(getattr(keras.applications, name)(weights=None))
    assert len(report.rows) == count
    assert {row.norm for row in report.rows} == norms
    assert not report.problems


@pytest.mark.parametrize("name", ["LlamaBackbone", "MixtralBackbone", "GPT2Backbone"])
def test_gpt2_scales_the_last_weight_of_every_branch(name):
    model = built(name)
    ends = {row.path for row in residual_branches(model).rows}
    report = initialize(model, "gpt2", seed=0)
    assert not report.problems
    found = {row.path: row.expected_std for row in report.rows if row.expected_std}
    assert {path for path, std in found.items() if std == pytest.approx(0.01)} == ends
    assert {std for path, std in found.items() if path not in ends} == {0.02}


def test_the_fans_of_experts():
    model = built("MixtralBackbone")
    rules = {"experts/": "keras_inits>he_normal"}
    rows = {
        row.path: row for row in initialize(model, rules, seed=0).rows if "experts/" in row.path
    }
    for path, row in rows.items():
        inputs, outputs = (64, 32) if path.endswith("output_dense") else (32, 64)
        assert row.fans == (inputs, outputs)
        assert row.measured_std == pytest.approx(math.sqrt(2 / inputs), rel=0.05)
    initialize(model, {"experts/": "keras_inits>orthogonal"}, seed=0)
    kernel = next(v for v in model.variables if v.path.endswith("feedforward_output_dense"))
    for expert in to_numpy(kernel):
        np.testing.assert_allclose(expert.T @ expert, np.eye(32), atol=1e-5)
