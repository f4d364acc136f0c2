"""The walk reaches every variable of every layer, and knows the initializer that made it."""

from __future__ import annotations

import inspect
import random

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import layers as L

from keras_inits.models.initialize import initialize
from keras_inits.models.variables.origin import from_attribute
from keras_inits.models.variables.rebuild import rebuild
from keras_inits.models.variables.walk import STATE_ROLES, renumbered, role_of, walk

SEQUENCE, IMAGE, VOLUME = (6, 8), (8, 8, 4), (5, 5, 5, 4)

# Every class of keras.layers that owns variables: how to make one, and the shapes of its inputs.
OWNERS = {
    "AdditiveAttention": (lambda: L.AdditiveAttention(), [SEQUENCE, SEQUENCE]),
    "AlphaDropout": (lambda: L.AlphaDropout(0.1), [SEQUENCE]),
    "Attention": (lambda: L.Attention(use_scale=True, score_mode="concat"), [SEQUENCE, SEQUENCE]),
    "BatchNormalization": (lambda: L.BatchNormalization(), [SEQUENCE]),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(3)), [SEQUENCE]),
    "Conv1D": (lambda: L.Conv1D(4, 3), [SEQUENCE]),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(4, 3), [SEQUENCE]),
    "Conv2D": (lambda: L.Conv2D(4, 3, groups=2), [IMAGE]),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 3), [IMAGE]),
    "Conv3D": (lambda: L.Conv3D(3, 2), [VOLUME]),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(3, 2), [VOLUME]),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(3, 2), [(4, *SEQUENCE)]),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(3, 2), [(4, *IMAGE)]),
    "ConvLSTM3D": (lambda: L.ConvLSTM3D(2, 2), [(3, *VOLUME)]),
    "Dense": (lambda: L.Dense(4), [SEQUENCE]),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(3), [SEQUENCE]),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3), [IMAGE]),
    "Dropout": (lambda: L.Dropout(0.1), [SEQUENCE]),
    "EinsumDense": (
        lambda: L.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="de"),
        [SEQUENCE],
    ),
    "Embedding": (lambda: L.Embedding(9, 4), ["int"]),
    "GRU": (lambda: L.GRU(3), [SEQUENCE]),
    "GRUCell": (lambda: L.RNN(L.GRUCell(3)), [SEQUENCE]),
    "GaussianDropout": (lambda: L.GaussianDropout(0.1), [SEQUENCE]),
    "GaussianNoise": (lambda: L.GaussianNoise(0.1), [SEQUENCE]),
    "GroupNormalization": (lambda: L.GroupNormalization(2), [SEQUENCE]),
    "GroupQueryAttention": (lambda: L.GroupQueryAttention(3, 4, 2), [SEQUENCE, SEQUENCE]),
    "LSTM": (lambda: L.LSTM(3), [SEQUENCE]),
    "LSTMCell": (lambda: L.RNN(L.LSTMCell(3)), [SEQUENCE]),
    "LayerNormalization": (lambda: L.LayerNormalization(), [SEQUENCE]),
    "MultiHeadAttention": (lambda: L.MultiHeadAttention(2, 3, dropout=0.1), [SEQUENCE, SEQUENCE]),
    "Normalization": (lambda: L.Normalization(), [SEQUENCE]),
    "PReLU": (lambda: L.PReLU(), [SEQUENCE]),
    "RMSNormalization": (lambda: L.RMSNormalization(), [SEQUENCE]),
    "RNN": (lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)])), [SEQUENCE]),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(9, 4, tie_weights=False), ["int"]),
    "STFTSpectrogram": (lambda: L.STFTSpectrogram(frame_length=16, fft_length=16), [(64, 1)]),
    "SeparableConv1D": (lambda: L.SeparableConv1D(4, 3), [SEQUENCE]),
    "SeparableConv2D": (lambda: L.SeparableConv2D(4, 3), [IMAGE]),
    "SimpleRNN": (lambda: L.SimpleRNN(3), [SEQUENCE]),
    "SimpleRNNCell": (lambda: L.RNN(L.SimpleRNNCell(3)), [SEQUENCE]),
    "SpatialDropout1D": (lambda: L.SpatialDropout1D(0.1), [SEQUENCE]),
    "SpatialDropout2D": (lambda: L.SpatialDropout2D(0.1), [IMAGE]),
    "SpatialDropout3D": (lambda: L.SpatialDropout3D(0.1), [VOLUME]),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Conv2D(3, 3)), [IMAGE]),
    "StackedRNNCells": (lambda: L.RNN(L.StackedRNNCells([L.GRUCell(3)])), [SEQUENCE]),
    "TernaryDense": (lambda: L.TernaryDense(4), [SEQUENCE]),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), [SEQUENCE]),
}
# Those whose variables, if any, are the seeds of random preprocessing, or belong to what they wrap.
SEEDS_OR_WRAPPED = {
    "AugMix", "CutMix", "FlaxLayer", "HashedCrossing", "JaxLayer", "Lambda", "Layer", "MixUp",
    "Mosaic", "Pipeline", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomZoom", "TorchModuleWrapper", "TFSMLayer", "Wrapper",
    "IntegerLookup", "StringLookup", "TextVectorization", "Hashing", "CategoryEncoding",
    "Discretization", "AutoContrast", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization",
    "Equalization", "MaxNumBoundingBoxes", "MelSpectrogram", "Rescaling", "Resizing", "Solarization",
}  # fmt: skip
MAKERS = ("add_weight(", "SeedGenerator(", "Variable(")


def layer_classes():
    found = {name: getattr(L, name) for name in dir(L)}
    return {
        n: c
        for n, c in found.items()
        if inspect.isclass(c) and issubclass(c, L.Layer) and c.__name__ == n
    }


def makes_variables(cls):
    """Whether the source of the class, or of what it derives from up to Layer, makes variables."""
    bases = [c for c in cls.__mro__ if issubclass(c, L.Layer) and c is not L.Layer]
    sources = [inspect.getsource(c) for c in bases if c.__module__.split(".")[0] == "keras"]
    return any(maker in source for source in sources for maker in MAKERS)


def unlisted(classes):
    known = set(OWNERS) | SEEDS_OR_WRAPPED
    return sorted(n for n, c in classes.items() if n not in known and makes_variables(c))


@pytest.mark.once
def test_every_layer_that_owns_variables_is_listed():
    assert not unlisted(layer_classes())


@pytest.mark.once
def test_a_new_layer_would_fail_the_test_above():
    class New(L.Dense):
        pass

    assert unlisted({"New": New, "Dense": L.Dense}) == ["New"]


def model_of(name):
    make, shapes = OWNERS[name]
    inputs = [keras.Input((5,), dtype="int32") if s == "int" else keras.Input(s) for s in shapes]
    layer = make()
    outputs = (
        layer(*inputs)
        if "Query" in name or "Head" in name
        else layer(inputs if len(inputs) > 1 else inputs[0])
    )
    return keras.Model(inputs, outputs)


def available():
    return [name for name in OWNERS if hasattr(L, name)]


@pytest.mark.parametrize("name", available())
def test_reaches_every_variable_and_changes_all_random_ones(name):
    model = model_of(name)
    found = walk(model)
    assert not found.problems
    assert sorted(map(id, model.variables)) == sorted(id(s.variable) for s in found)
    assert len({s.path for s in found}) == len(found)
    before = [to_numpy(v) for v in model.variables]
    report = initialize(model, seed=1)
    assert not report.problems
    # The biases of LSTM are zeros and ones.
    random_ones = {r.path for r in report.rows if r.expected_std and r.role != "bias"}
    for slot, old in zip(
        sorted(found, key=lambda s: [id(v) for v in model.variables].index(id(s.variable))),
        before,
        strict=True,
    ):
        new = to_numpy(slot.variable)
        if slot.path in random_ones:
            assert (new != old).all(), slot.path
        elif slot.role == "seed_state":
            assert new[0] != old[0]
            assert new[1] == 0
        else:
            np.testing.assert_array_equal(new, old, err_msg=slot.path)
    if any(v.name.endswith("kernel") and "stft" not in v.path for v in model.weights):
        assert random_ones or "Spectrogram" in name


@pytest.mark.parametrize("name", available())
def test_attribute_and_rebuilding_agree(name):
    """Two ways to find an initializer: the layer's attribute and a second build that is watched."""
    for slot in walk(model_of(name)):
        if slot.role in STATE_ROLES or getattr(slot.layer, "unit_forget_bias", False):
            continue
        by_attribute = from_attribute(slot.layer, slot.variable)
        made, error = rebuild(slot.layer)
        assert error is None
        watched = [m for m in made if m.name == slot.variable.name and m.shape == slot.shape]
        assert len(watched) == 1, slot.path
        if by_attribute is not None:
            assert type(by_attribute) is type(watched[0].initializer), slot.path
            configs = [i.get_config() for i in (by_attribute, watched[0].initializer)]
            first, second = ({k: v for k, v in c.items() if k != "seed"} for c in configs)
            assert first == second, slot.path


def test_looking_moves_no_random_state():
    model = keras.Sequential([keras.Input(IMAGE), L.SpectralNormalization(L.Conv2D(3, 3))])
    random.seed(3)
    expected = random.random()
    random.seed(3)
    walk(model)
    assert random.random() == expected


def paths(model):
    return [s.path for s in walk(model) if s.role not in STATE_ROLES]


def test_automatic_numbers_are_counted_anew():
    L.Dense(1), L.Dense(1)
    x = inputs = keras.Input((4,))
    for _ in range(2):
        x = L.Dense(4)(x)
    x = keras.Sequential([L.Dense(4), L.Dense(4, name="mine")])(x)
    x = L.Dense(4, name="dense_of_mine")(x)
    assert [p for p in paths(keras.Model(inputs, x)) if p.endswith("kernel")] == [
        "dense/kernel",
        "dense_1/kernel",
        "sequential/dense/kernel",
        "sequential/mine/kernel",
        "dense_of_mine/kernel",
    ]


@pytest.mark.once
def test_renumbering():
    names = [("dense_9", "dense"), ("dense_30", "dense"), ("dense_10", "dense"), ("x_1", "dense")]
    assert renumbered(names) == ["dense", "dense_2", "dense_1", "x_1"]
    assert renumbered([("a", "dense"), ("a", "dense")]) == ["a", "a#2"]
    assert renumbered([("forward_lstm_4", "lstm"), ("backward_lstm_4", "lstm")]) == [
        "forward_lstm",
        "backward_lstm",
    ]


def test_shared_layers_once_and_nested_models():
    shared = L.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), shared, L.Dense(4, name="own")], name="inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(shared(inputs)) + inner(inputs))
    found = paths(model)
    assert len(found) == len(model.weights) == 4
    assert sorted(p.split("/")[-2] for p in found) == ["own", "own", "shared", "shared"]


class Block(keras.Model):
    """Layers in a list and a dict, its own weight, a plain variable; no config of its own."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.first = L.Dense(width)
        self.rest = [L.Dense(width), {"deep": L.Dense(width)}]
        self.gain = self.add_weight(shape=(width,), initializer="ones", name="gain")
        self.table = keras.Variable(np.zeros((2, width), "float32"), name="table")

    def call(self, x):
        x = self.rest[1]["deep"](self.rest[0](self.first(x)))
        return x * self.gain


def built_block():
    model = Block(4)
    model(np.zeros((2, 3), "float32"))
    return model


def test_subclassed_model():
    found = walk(built_block())
    assert paths(built_block()) == [
        "gain",
        "table",
        *(
            f"{name}/{role}"
            for name in ("dense", "dense_1", "dense_2")
            for role in ("kernel", "bias")
        ),
    ]
    by_path = {s.path: s for s in found}
    assert isinstance(by_path["gain"].initializer, keras.initializers.Ones)
    assert [p for p, _ in found.problems] == ["table"]
    assert "not created by add_weight" in found.problems[0][1]


class NoConfig(L.Layer):
    """A layer whose config does not hold its arguments: only attributes are left."""

    def __init__(self, thing, initializer):
        super().__init__()
        self.thing = thing
        self.kernel_initializer = initializer

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], 3), initializer=self.kernel_initializer, name="kernel"
        )
        self.other = self.add_weight(shape=(3,), initializer="ones", name="other")

    def call(self, x):
        return x @ self.kernel + self.other


def test_layer_without_config_is_read_from_attributes_or_reported():
    model = keras.Sequential(
        [keras.Input((4,)), NoConfig(object(), keras.initializers.RandomNormal(stddev=2.0))]
    )
    found = {s.path: s for s in walk(model)}
    assert found["no_config/kernel"].initializer.stddev == 2.0
    assert found["no_config/other"].initializer is None
    ((path, reason),) = walk(model).problems
    assert path == "no_config/other"
    assert "NoConfig cannot be rebuilt" in reason


class Picky(L.Layer):
    """Its build computes with its variable, so that a stand-in will not do."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.total = float(keras.ops.sum(self.scale))

    def call(self, x):
        return x * self.scale


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")  # PyTorch, of `float`
def test_build_that_computes_with_its_variables():
    model = keras.Sequential([keras.Input((4,)), Picky()])
    found = walk(model)
    assert not found.problems
    assert isinstance(found.slots[0].initializer, keras.initializers.Ones)


class Forgetful(L.Layer):
    """Its config lacks arguments, as that of Qwen3's normalization in keras-hub does."""

    def __init__(self, count=None, sizes=(), secret=None, **kwargs):
        super().__init__(**kwargs)
        self.count, self.sizes = count, list(sizes)

    @property
    def secret(self):
        raise ValueError("not to be read")

    def build(self, shape):
        self.scale = self.add_weight(shape=(self.count or shape[-1],), name="scale")
        self.table = self.add_weight(shape=(*self.sizes, 1), initializer="ones", name="table")

    def call(self, x):
        return x

    def get_config(self):
        return {"name": self.name}


def test_arguments_that_a_config_lacks_are_taken_from_attributes_or_the_problem_says_so():
    model = keras.Sequential([keras.Input((4,)), Forgetful(2, (3,))])
    found = walk(model)
    assert type(found.slots[0].initializer) is keras.initializers.GlorotUniform
    ((path, reason),) = found.problems
    assert path == "forgetful/table"
    assert "Forgetful, rebuilt from its config, makes it of shape (1,)" in reason


class Dropping(L.Layer):
    """Keeps of two arguments the layers made of them; `keep` is another number than the layer's."""

    def __init__(self, dropout, activation, keep=None, secret=1, **kwargs):
        super().__init__(**kwargs)
        self.dropout_layer = L.Dropout(dropout)
        self.activation = L.Activation(activation)
        if keep is not None:
            self.keep = L.Dropout(1 - keep)
        self.scale = self.add_weight(
            shape=(3,), name="scale", initializer=keras.initializers.Constant(1 + dropout)
        )

    def call(self, x):
        return self.activation(self.dropout_layer(x * self.scale))

    def get_config(self):
        if not hasattr(self, "keep"):
            raise NotImplementedError
        return {"activation": self.activation, "keep": self.keep}


def test_arguments_that_were_made_into_layers_are_taken_from_these():
    for dropout in (0.25, 0.5):
        model = keras.Sequential([keras.Input((3,)), Dropping(dropout, "relu")])
        found = walk(model)
        assert not found.problems
        assert found.slots[0].initializer.value == 1 + dropout


def test_arguments_that_were_not_made_into_layers_as_they_are_are_not_known():
    model = keras.Sequential([keras.Input((3,)), Dropping(0.25, "relu", keep=0.75)])
    assert [path for path, _ in walk(model).problems] == ["dropping/scale"]
    model = keras.Sequential(
        [keras.Input((3,)), Dropping(0.25, "relu", keep=0.5)]
    )  # 1 - 0.5 is 0.5
    assert not walk(model).problems


class Narrow(L.Layer):
    """Its constructor takes none of Keras's fields, and keeps no argument, as Flux's in keras-hub."""

    def __init__(self, size):
        super().__init__()
        self.scale = self.add_weight(shape=(size,), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "size": self.scale.shape[0]}


def test_a_constructor_that_takes_no_name():
    found = walk(keras.Sequential([keras.Input((4,)), Narrow(4)]))
    assert not found.problems
    assert type(found.slots[0].initializer) is keras.initializers.Ones


@keras.saving.register_keras_serializable("test_models_walk")
class Replaced(keras.layers.Layer):
    """Keeps its variable where its argument was, as D-FINE's decoder in keras-hub does."""

    def __init__(self, scale=0.5, computes=False, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.computes = scale, computes

    def build(self, shape):
        start = keras.initializers.Constant(self.scale)
        self.scale = self.add_weight(shape=(1,), initializer=start, name="scale")
        if self.computes:
            keras.ops.convert_to_numpy(self.scale)

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "computes": self.computes}


@pytest.mark.parametrize("computes", [False, True])
def test_a_start_whose_place_the_variable_took_is_not_known(computes):
    model = keras.Sequential([keras.Input((3,)), L.Dense(3), Replaced(computes=computes)])
    model.layers[1].scale.assign([7.0])  # trained, say: 7 is no start
    report = initialize(model, seed=0)
    ((path, reason),) = [(p.path, p.reason) for p in report.problems]
    assert path == "replaced/scale"
    assert "the variable where its start was" in reason
    assert to_numpy(model.layers[1].scale) == 7.0
    assert not initialize(model, {"scale": "ones"}, seed=0).problems
    assert to_numpy(model.layers[1].scale) == 1.0


def test_unused_layer_is_reported():
    model = Block(4)
    model.unused = L.Dense(2, name="unused")
    model(np.zeros((2, 3), "float32"))
    assert [path for path, _ in walk(model).unbuilt] == ["unused"]


def test_unused_layers_are_numbered_as_their_neighbours():
    L.Dense(1)
    model = Block(4)
    model.unused = L.Dense(2)
    model(np.zeros((2, 3), "float32"))
    assert [path for path, _ in walk(model).unbuilt] == ["dense_3"]


def test_an_unused_layer_made_first_takes_no_other_path():
    model = keras.Sequential([keras.Input((3,))])
    model.unused = L.Dense(2)
    model.add(L.Dense(2))
    found = walk(model)
    assert [s.path for s in found] == ["dense/kernel", "dense/bias"]
    assert [path for path, _ in found.unbuilt] == ["dense#2"]


def test_states_of_stateful_rnns():
    x = inputs = keras.Input((5, 4), batch_size=2)
    x = L.LSTM(3, stateful=True, return_sequences=True)(x)
    x = L.Bidirectional(L.GRU(3, stateful=True, return_sequences=True))(x)
    x = L.RNN([L.GRUCell(2), L.LSTMCell(3)], stateful=True)(x)
    model = keras.Model(inputs, x)
    found = [s for s in walk(model) if s.role == "state"]
    assert [s.path for s in found] == [
        "lstm/rnn_state",
        "lstm/rnn_state#2",
        "bidirectional/forward_gru/rnn_state",
        "bidirectional/backward_gru/rnn_state",
        "rnn/rnn_state",
        "rnn/rnn_state#2",
        "rnn/rnn_state#3",
    ]
    model(np.ones((2, 5, 4), "float32"))
    assert all(to_numpy(s.variable).any() for s in found)
    report = initialize(model, seed=0)
    assert not report.problems
    assert not any(to_numpy(s.variable).any() for s in found)


def test_unbuilt_and_empty_models_are_errors():
    with pytest.raises(ValueError, match="must be built"):
        walk(keras.Sequential([L.Dense(2)]))
    with pytest.raises(ValueError, match="must have weights"):
        walk(keras.Sequential([keras.Input((2,)), L.Flatten()]))
    with pytest.raises(TypeError, match="must be a Keras model, got int"):
        walk(3)


def test_roles():
    model = model_of("LSTM")
    assert {s.role for s in walk(model)} == {"kernel", "recurrent_kernel", "bias", "seed_state"}
    assert role_of(keras.Variable(0.0)) == "variable"
