"""No false alarm: every backbone of keras-hub comes back, registered or not, and nothing is listed."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from conftest import require

import keras_inits as ki

_BASE: dict[str, Any] = {"vocabulary_size": 20, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16}  # fmt: skip
_LENGTH = {"max_sequence_length": 8}
_HEADS = {**_BASE, "num_heads": 2}
_GROUPED = {**_BASE, "num_query_heads": 2, "num_key_value_heads": 1}
_VISION: dict[str, Any] = {"image_shape": (8, 8, 3), "patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}  # fmt: skip
_IMAGE = {"image_shape": (32, 32, 3)}

TINY: dict[str, dict[str, Any]] = {
    "AlbertBackbone": {**_HEADS, **_LENGTH, "embedding_dim": 4},
    "BartBackbone": {**_HEADS, **_LENGTH},
    "BertBackbone": {**_HEADS, **_LENGTH},
    "BloomBackbone": {**_HEADS, **_LENGTH},
    "DebertaV3Backbone": {**_HEADS, **_LENGTH, "bucket_size": 4},
    "DistilBertBackbone": {**_HEADS, **_LENGTH},
    "ElectraBackbone": {
        **{"vocab_size": 20, "num_layers": 2, "num_heads": 2, "hidden_dim": 8},
        **{"intermediate_dim": 16, "embedding_dim": 4, "max_sequence_length": 8},
    },
    "FalconBackbone": {**_BASE, "num_attention_heads": 2},
    "FNetBackbone": {**_BASE, **_LENGTH},
    "GPT2Backbone": {**_HEADS, **_LENGTH},
    "GPTNeoXBackbone": {**_HEADS, **_LENGTH, "hidden_dim": 16},
    "GemmaBackbone": {**_GROUPED, "head_dim": 4},
    "Gemma3Backbone": {**_GROUPED, "head_dim": 4, "image_size": 16, "vision_encoder": None},
    "LlamaBackbone": _GROUPED,
    "Llama3Backbone": _GROUPED,
    "MistralBackbone": _GROUPED,
    "MixtralBackbone": {**_GROUPED, "num_experts": 2},
    "OPTBackbone": {**_HEADS, **_LENGTH},
    "Phi3Backbone": _GROUPED,
    "QwenBackbone": _GROUPED,
    "Qwen3Backbone": {**_GROUPED, "head_dim": 4},
    "RobertaBackbone": {**_HEADS, **_LENGTH},
    "T5Backbone": _HEADS,
    "WhisperBackbone": {
        **_HEADS,
        **{"num_mels": 8, "max_encoder_sequence_length": 8, "max_decoder_sequence_length": 8},
    },
    "XLMRobertaBackbone": {**_HEADS, **_LENGTH},
    "CLIPTextEncoder": {**_HEADS, "embedding_dim": 8},
    "CLIPVisionEncoder": {**_VISION, "intermediate_dim": 16},
    "DINOV2Backbone": {**_VISION, "intermediate_dim": 16},
    "DeiTBackbone": {**_VISION, "intermediate_dim": 16},
    "ViTBackbone": {**_VISION, "mlp_dim": 16},
    "DenseNetBackbone": {
        **{"stackwise_num_repeats": [1, 1], "compression_ratio": 0.5, "growth_rate": 4},
        **_IMAGE,
    },
    "EfficientNetBackbone": {
        **{"stackwise_width_coefficients": [0.3, 0.3], "stackwise_depth_coefficients": [0.3, 0.3]},
        **{"stackwise_kernel_sizes": [3, 3], "stackwise_num_repeats": [1, 1]},
        **{"stackwise_input_filters": [8, 8], "stackwise_output_filters": [8, 8]},
        **{"stackwise_expansion_ratios": [1, 2], "stackwise_strides": [1, 2]},
        **{"stackwise_squeeze_and_excite_ratios": [0.25, 0.25]},
        **{"stackwise_block_types": ["v1", "v1"], **_IMAGE},
    },
    "MiTBackbone": {
        **{"layerwise_depths": [1, 1], "hidden_dims": [8, 8], "num_layers": 2},
        **{"layerwise_num_heads": [1, 2], "layerwise_sr_ratios": [2, 1], "max_drop_path_rate": 0.1},
        **{"layerwise_patch_sizes": [7, 3], "layerwise_strides": [4, 2], **_IMAGE},
    },
    "MobileNetBackbone": {
        **{"stackwise_expansion": [[1], [2]], "stackwise_num_blocks": [1, 1]},
        **{"stackwise_num_filters": [[8], [8]], "stackwise_kernel_size": [[3], [3]]},
        **{"stackwise_num_strides": [[1], [2]], "stackwise_se_ratio": [[None], [0.25]]},
        **{"stackwise_activation": [["relu"], ["relu"]], "stackwise_padding": [[1], [1]]},
        **{"output_num_filters": 16, "depthwise_filters": 8, "depthwise_stride": 2},
        **{"depthwise_residual": False, "last_layer_filter": 16, **_IMAGE},
    },
    "ResNetBackbone": {
        **{"input_conv_filters": [64], "input_conv_kernel_sizes": [7], "block_type": "basic_block"},
        **{"stackwise_num_filters": [64, 64], "stackwise_num_blocks": [1, 1]},
        **{"stackwise_num_strides": [1, 2], **_IMAGE},
    },
    "VGGBackbone": {"stackwise_num_repeats": [1, 1], "stackwise_num_filters": [4, 8], **_IMAGE},
    "XceptionBackbone": {
        **{"stackwise_conv_filters": [[8, 8], [8, 8]], "stackwise_pooling": [True, False]},
        "image_shape": (71, 71, 3),
    },
}


# One of each kind at every run; `pytest -m large` takes all of them.
_ALWAYS = ("BertBackbone", "GPT2Backbone", "LlamaBackbone", "ResNetBackbone", "ViTBackbone")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n if n in _ALWAYS else pytest.param(n, marks=pytest.mark.large) for n in TINY]
)
def test_backbones(name: str) -> None:
    require("keras_hub")
    import keras_hub

    model = getattr(keras_hub.models, name)(**TINY[name])
    report = ki.check_reloadable(model)
    assert report.ok, str(report)
    assert len(report.rows) > 10
    if name in ("GPT2Backbone", "ViTBackbone", "WhisperBackbone"):
        x = keras.tree.map_structure(_ones, model.input)
        assert ki.check_reloadable(model, x).ok  # Keras imports keras_hub for the file


def _ones(tensor: Any) -> Any:
    shape = [4 if size is None else size for size in tensor.shape]
    return keras.ops.convert_to_numpy(keras.ops.ones(shape, tensor.dtype))
