"""Names, string aliases and `get`."""

import inspect
import random

import keras
import pytest
from cases import ONE_EACH, Case

import keras_inits as ki
from keras_inits.registry import CATALOGUE, snake_case

# What Keras itself calls its initializers, so a list that does not come from the code under test.
KERAS_NAMES = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
]


def _own(cls: type) -> bool:
    return cls.__module__.startswith("keras_inits.")


def test_no_name_of_keras_is_shadowed() -> None:
    for name in KERAS_NAMES:
        if name != "constant":  # which Keras takes from a config alone
            assert not _own(type(keras.initializers.get(name))), name
        assert name not in keras.saving.get_custom_objects()


def test_no_other_namespace_of_keras_is_touched() -> None:
    """Keras keeps one table of strings for all kinds of objects: no string of ours is a loss."""
    spaces = [keras.activations, keras.losses, keras.metrics, keras.optimizers]
    spaces += [keras.regularizers, keras.constraints, keras.layers]
    theirs = {snake_case(name) for space in spaces for name in dir(space)}
    assert not theirs & set(ki.names())


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_string_works_in_a_layer(entry: object) -> None:
    for string in set(entry.strings) & set(ki.names()):
        assert type(keras.initializers.get(string)) is entry.cls
        assert type(ki.get(string)) is entry.cls
        layer = keras.layers.Dense(2, kernel_initializer=string)
        assert type(layer.kernel_initializer) is entry.cls
    package = "keras1" if entry.family == "keras1" else "keras_inits"
    assert f"{package}>{entry.name}" in entry.strings
    assert keras.saving.get_registered_name(entry.cls) == f"{package}>{entry.name}"


def test_names() -> None:
    names = ki.names()
    assert names == sorted(set(names))
    expected = "xavier_normal xavier_uniform kaiming_normal kaiming_uniform msra delta_orthogonal"
    expected += " fan_in_uniform dirac keras_inits>HeNormal keras_inits>he_normal keras_inits>zeros"
    assert set(expected.split()) <= set(names)
    assert type(ki.get("msra")) is ki.HeNormal
    assert not {"he_normal", "uniform", "from_array", "data_normal"} & set(names)


FROZEN = {
    "keras_inits": """
        Chrono Constant DataNormal DeltaOrthogonal Dirac FanInUniform ForgetGateBias FromArray Gated
        GlorotNormal GlorotUniform HeNormal HeUniform Identity KaimingNormal KaimingUniform
        LecunNormal LecunUniform Normal One Orthogonal RandomNormal RandomUniform TruncatedNormal
        Uniform VarianceScaling XavierNormal XavierUniform ZerO Zero DefaultStream Keras1Stream
        TorchStream
        Bilinear EchoState ICNR PriorBias RandomWalk Scaled Siren SmallInit Sparse SparseInputs StepBias
        WangInit
        Chain ComplexGlorot ComplexHe ConvolutionAware ConvolutionOrthogonal HiPPO
        IDInit LRURing MupOptimizer S4D SignedConstant
    """,
    "keras1": """
        GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunUniform Normal One Orthogonal
        Uniform Zero
        BatchNormalization Bidirectional Convolution2D Convolution3D Deconvolution2D Embedding
        Highway MaxoutDense Merge ParametricSoftplus SReLU SamePooling SeparableConvolution2D
    """,
    "keras2": """
        hard_sigmoid Operation
        Add AdditiveAttention Attention Average AveragePooling1D AveragePooling2D
        AveragePooling3D Bidirectional Concatenate ConvLSTM1D ConvLSTM2D ConvLSTM3D
        Cropping1D GRU GlobalAveragePooling1D Identity LSTM LayerNormalization Maximum
        Minimum MultiHeadAttention Multiply Normalization Permute RNN Rescaling Reshape
        SimpleRNN Softmax Subtract TimeDistributed abs acos acosh asin asinh atan atanh
        ceil cos cosh erf exp expm1 floor identity is_finite is_nan log log1p
        log_softmax_v2 logical_not negative ones_like reciprocal round rsqrt sign sin
        sinh sqrt square stop_gradient tan zeros_like
    """,
}


def test_the_names_in_files_never_change() -> None:
    """Frozen: these strings stand in users' files. Add to the list, never take away.

    `import keras_inits` alone makes them known.
    """
    frozen = {f"{package}>{name}" for package, names in FROZEN.items() for name in names.split()}
    known = keras.saving.get_custom_objects()
    written = {
        keras.saving.get_registered_name(thing)
        for string, thing in known.items()
        if string.split(">")[0] in FROZEN
    }
    assert written == frozen
    for name in frozen:
        assert keras.saving.get_registered_name(known[name]) == name


def test_arguments_of_keras_keep_their_names_order_and_defaults() -> None:
    """Where Keras has the class too, changing the import is enough."""
    for name in CATALOGUE:
        theirs = getattr(keras.initializers, name, None)
        if theirs is None:
            continue
        ours = list(inspect.signature(getattr(ki, name)).parameters.values())
        for index, parameter in enumerate(inspect.signature(theirs).parameters.values()):
            assert ours[index].name == parameter.name, name
            assert ours[index].default == parameter.default, name


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("he_nromal", r"get: .* got 'he_nromal'; nearest: 'he_normal'"),
        ("XavierNorml", r"nearest: 'xavier_normal'"),
        ("GLOROT_UNIFORM", r"nearest: 'glorot_uniform'"),
        ("keras_inits>HeNoraml", r"nearest: 'keras_inits>HeNormal'"),
        ("qqqqqqqq", r"got 'qqqqqqqq' \(keras_inits.names\(\) lists all\)"),
        ("keras_inits>DataNormal", r"must be given its arguments, as DataNormal\(mean"),
        ("FromArray", r"must be given its arguments, as FromArray\(array"),
    ],
)
def test_get_names_the_nearest(identifier: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ki.get(identifier)


def test_an_unknown_name_moves_no_generator() -> None:
    state = random.getstate()
    with pytest.raises(ValueError, match="nearest"):
        ki.get("he_normall")
    ki.names()
    assert random.getstate() == state


def test_get_takes_what_keras_takes() -> None:
    scheme = ki.HeNormal(seed=1)
    assert ki.get(scheme) is scheme
    assert ki.get(None) is None
    assert type(ki.get(ki.HeNormal)) is ki.HeNormal
    assert type(ki.get("he_normal")) is keras.initializers.HeNormal
    assert ki.get(keras.saving.serialize_keras_object(scheme)).seed == 1
    with pytest.raises(ValueError, match="Could not interpret"):
        ki.get(3)


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_repr_is_the_call_that_makes_it(case: Case) -> None:
    scheme = case.make((4, 6), 3)
    scope = vars(ki.keras1) if case.class_name.startswith("keras1>") else vars(ki)
    again = eval(repr(scheme), dict(scope))
    assert type(again) is type(scheme)
    assert again.get_config() == scheme.get_config()


def test_variance_scaling_is_keras_variance_scaling() -> None:
    for name, entry in CATALOGUE.items():
        expected = entry.family == "variance_scaling"
        assert issubclass(entry.cls, keras.initializers.VarianceScaling) == expected, name
