"""Every layer of tf_keras with arguments, and the input that it takes: the cases of the files.

Nothing here imports tf_keras; `make` gets it. `tests/legacy_writer.py` writes the files.
"""

from __future__ import annotations

from typing import Any

V, SEQ, IMG, VOL = (6,), (5, 4), (8, 8, 4), (6, 6, 6, 2)

#: name of the case -> (class, arguments, shapes of the inputs)
LAYERS: dict[str, tuple[str, dict[str, Any], list[tuple[int, ...]]]] = {}


def _add(cls: str, shape: tuple[int, ...], *variants: dict[str, Any], inputs: int = 1) -> None:
    for arguments in variants or ({},):
        number = sum(other == cls for other, _, _ in LAYERS.values())
        LAYERS[f"{cls}-{number}" if number else cls] = (cls, arguments, [shape] * inputs)


_add("Dense", V, {"units": 3, "activation": "tanh"}, {"units": 3, "use_bias": False})
_add("Activation", V, {"activation": "hard_sigmoid"}, {"activation": "leaky_relu"})
_add("ActivityRegularization", V, {"l1": 0.1})
_add("Dropout", V, {"rate": 0.3})
_add("AlphaDropout", V, {"rate": 0.3})
_add("GaussianDropout", V, {"rate": 0.3})
_add("GaussianNoise", V, {"stddev": 0.3})
for _rank, _shape in ((1, SEQ), (2, IMG), (3, VOL)):
    _add(f"SpatialDropout{_rank}D", _shape, {"rate": 0.3, "trainable": False})
    _size: dict[str, Any] = {"filters": 4, "kernel_size": 3}
    _add(
        f"Conv{_rank}D",
        _shape,
        {**_size, "strides": 2, "padding": "same", "activation": "relu"},
        {**_size, "dilation_rate": 2, "kernel_size": 2, "groups": 2},
    )
    _add(f"Conv{_rank}DTranspose", _shape, {**_size, "strides": 2, "padding": "same"})
    for _kind in ("Max", "Average"):
        _add(
            f"{_kind}Pooling{_rank}D",
            _shape,
            {"pool_size": 2, "strides": 1, "padding": "same"},
            {"pool_size": 2},
        )
        _add(f"Global{_kind}Pooling{_rank}D", _shape, {}, {"keepdims": True})
    _add(f"ZeroPadding{_rank}D", _shape, {"padding": 2})
    _add(f"Cropping{_rank}D", _shape, {"cropping": 1})
    _add(f"UpSampling{_rank}D", _shape, {"size": 2})
    _add(
        f"ConvLSTM{_rank}D",
        (3, *_shape),
        {"filters": 2, "kernel_size": 2, "return_sequences": True, "padding": "same"},
        {"filters": 2, "kernel_size": 2, "recurrent_activation": "sigmoid", "go_backwards": True},
    )
_add("Conv1D", SEQ, {"filters": 3, "kernel_size": 2, "padding": "causal"})
_add("UpSampling2D", IMG, {"size": (2, 1)}, {"size": 2, "interpolation": "bilinear"})
for _rank, _shape in ((1, SEQ), (2, IMG)):
    _add(f"DepthwiseConv{_rank}D", _shape, {"kernel_size": 2, "depth_multiplier": 2})
    _add(
        f"SeparableConv{_rank}D",
        _shape,
        {"filters": 3, "kernel_size": 2, "depth_multiplier": 2, "activation": "elu"},
    )
for _cls in ("SimpleRNN", "GRU", "LSTM"):
    _add(
        _cls,
        SEQ,
        {"units": 3},
        {"units": 3, "return_sequences": True, "go_backwards": True, "unroll": True},
        {"units": 3, "dropout": 0.1, "recurrent_dropout": 0.1, "use_bias": False},
    )
_add("GRU", SEQ, {"units": 3, "reset_after": False}, {"units": 3, "recurrent_activation": "relu"})
_add("LSTM", SEQ, {"units": 3, "recurrent_activation": "hard_sigmoid", "implementation": 1})
_add("BatchNormalization", V, {}, {"scale": False, "momentum": 0.9}, {"center": False})
_add("BatchNormalization", IMG, {"axis": 1}, {"epsilon": 0.1})
_add("LayerNormalization", SEQ, {}, {"axis": [1, 2], "epsilon": 0.1}, {"scale": False})
_add("GroupNormalization", IMG, {"groups": 2}, {"groups": -1, "scale": False})
_add("UnitNormalization", V, {}, {"axis": -1})
_add("Normalization", V, {"axis": -1}, {"mean": 2.0, "variance": 4.0}, {"axis": None})
_add("ELU", V, {"alpha": 0.7})
_add("LeakyReLU", V, {"alpha": 0.2})
_add("PReLU", IMG, {}, {"shared_axes": [1, 2]})
_add("ReLU", V, {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.1}, {"max_value": 6.0})
_add("Softmax", SEQ, {"axis": 1})
_add("ThresholdedReLU", V, {"theta": 0.4}, {})
_add("Masking", SEQ, {"mask_value": 0.0})
_add("Flatten", IMG, {}, {"data_format": "channels_first"})
_add("Identity", V)
_add("Permute", SEQ, {"dims": (2, 1)})
_add("RepeatVector", V, {"n": 3})
_add("Reshape", SEQ, {"target_shape": (-1, 2)})
_add("Rescaling", IMG, {"scale": 0.5, "offset": 0.1}, {"scale": 1 / 255})
_add(
    "Resizing",
    IMG,
    {"height": 4, "width": 6},
    {"height": 4, "width": 6, "interpolation": "nearest"},
)
_add("CenterCrop", IMG, {"height": 4, "width": 6})
_add("RandomBrightness", IMG, {"factor": 0.2})
_add("RandomContrast", IMG, {"factor": 0.2})
_add("RandomFlip", IMG, {"mode": "horizontal"})
_add("RandomRotation", IMG, {"factor": 0.2})
_add("RandomTranslation", IMG, {"height_factor": 0.2, "width_factor": 0.2})
_add("RandomZoom", IMG, {"height_factor": 0.2})
_add("CategoryEncoding", V, {"num_tokens": 4, "output_mode": "multi_hot"})
_add("Discretization", V, {"bin_boundaries": [-0.5, 0.0, 0.5]})
_add("EinsumDense", SEQ, {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"})
_add(
    "Embedding",
    V,
    {"input_dim": 7, "output_dim": 3},
    {"input_dim": 7, "output_dim": 3, "input_length": 6, "mask_zero": True},
)
_add("IntegerLookup", V, {"vocabulary": [0, 2, 3]})
_add("Add", V, inputs=2)
_add("Subtract", V, inputs=2)
_add("Multiply", V, inputs=2)
_add("Average", V, inputs=2)
_add("Maximum", V, inputs=2)
_add("Minimum", V, inputs=2)
_add("Concatenate", SEQ, {}, {"axis": 1}, inputs=2)
_add("Dot", SEQ, {"axes": 1}, {"axes": (2, 2), "normalize": True}, inputs=2)
_add("Attention", SEQ, {}, {"use_scale": True, "score_mode": "concat"}, inputs=2)
_add("AdditiveAttention", SEQ, {}, {"use_scale": False}, inputs=2)
_add("MultiHeadAttention", SEQ, {"num_heads": 2, "key_dim": 3}, {"num_heads": 2, "key_dim": 3, "output_shape": 5, "use_bias": False, "dropout": 0.1}, inputs=2)  # fmt: skip
# Layers around layers: the argument is a function of the module.
_add("Bidirectional", SEQ, {"layer": ("LSTM", {"units": 3})}, {"layer": ("GRU", {"units": 3, "go_backwards": True}), "merge_mode": "sum"}, {"layer": ("LSTM", {"units": 3, "return_sequences": True}), "backward_layer": ("GRU", {"units": 3, "return_sequences": True, "go_backwards": True})}, {"layer": ("SimpleRNN", {"units": 3, "return_sequences": True, "go_backwards": True}), "merge_mode": "mul"})  # fmt: skip
_add(
    "TimeDistributed",
    SEQ,
    {"layer": ("Dense", {"units": 3})},
    {"layer": ("BatchNormalization", {})},
)
_add("SpectralNormalization", V, {"layer": ("Dense", {"units": 3})})
_add("RNN", SEQ, {"cell": ("LSTMCell", {"units": 3})}, {"cell": ("GRUCell", {"units": 3}), "return_sequences": True}, {"cell": ("SimpleRNNCell", {"units": 3})}, {"cell": ("StackedRNNCells", {"cells": [("LSTMCell", {"units": 3}), ("GRUCell", {"units": 2})]})})  # fmt: skip

#: Cases that are also written in a model in a model: the first of each class.
NESTED = {name for name, (cls, _, _) in LAYERS.items() if name == cls}
#: Layers that Keras 3 does not have; the error names them.
GONE: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "LocallyConnected1D": ({"filters": 2, "kernel_size": 2}, SEQ),
    "LocallyConnected2D": ({"filters": 2, "kernel_size": 2}, IMG),
    "RandomHeight": ({"factor": 0.1}, IMG),
    "RandomWidth": ({"factor": 0.1}, IMG),
    "RandomCrop": ({"height": 4, "width": 4}, IMG),  # it crops in training alone
}
#: Layers of text, which Keras 3 has on TensorFlow alone, and abstract classes.
APART = {
    *("StringLookup", "TextVectorization", "Hashing", "HashedCrossing"),
    *("AbstractRNNCell", "Layer", "Wrapper", "DenseFeatures", "Lambda", "InputLayer"),
}
#: Cells, which stand in an RNN above.
CELLS = {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"}
INTEGERS = ("Embedding", "IntegerLookup", "CategoryEncoding")


def make(tk: Any, cls: str, arguments: dict[str, Any]) -> Any:
    """The layer, those inside it made too."""

    def made(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            return make(tk, *value)
        return [made(item) for item in value] if isinstance(value, list) else value

    return getattr(tk.layers, cls)(**{key: made(value) for key, value in arguments.items()})
