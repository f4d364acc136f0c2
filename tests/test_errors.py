"""Bad input: each argument of each class, each kind of shape, dtype and seed."""

import inspect
import math
from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH, Case

import keras_inits as ki
from keras_inits.streams import Stream

NUMBERS = [
    (case, name)
    for case in ONE_EACH
    for name, parameter in inspect.signature(case.cls).parameters.items()
    if isinstance(parameter.default, float) or name in ("mean", "stddev", "max_time")
    if (case.cls.__name__, name) != ("ForgetGateBias", "value")  # which takes initializers too
]


def _config(case: Case) -> dict[str, Any]:
    return case.make(case.shape, 0).get_config()


@pytest.mark.parametrize(
    ("case", "name"), NUMBERS, ids=[f"{c.class_name}.{name}" for c, name in NUMBERS]
)
def test_numbers(case: Case, name: str) -> None:
    cls = case.cls
    for value in ("a", None, True, {}, 1j, object(), np.bool_(True)):
        with pytest.raises(TypeError, match=rf"^{cls.__name__}: {name} must be .*, got "):
            cls(**_config(case) | {name: value})
    for value in (math.nan, math.inf, -math.inf, np.float32("nan"), 10**400, Fraction(10**5000)):
        with pytest.raises(ValueError, match=rf"^{cls.__name__}: {name} must be .*, got "):
            cls(**_config(case) | {name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ki.Uniform(-1.0), "Uniform: scale must be a finite number >= 0, got -1.0"),
        (lambda: ki.Normal(-1), "Normal: scale must be a finite number >= 0, got -1"),
        (lambda: ki.RandomUniform(1.0, 0.0), "RandomUniform: maxval must be a finite number >= 1, got 0.0"),
        (lambda: ki.RandomNormal(0, -1), "RandomNormal: stddev must be a finite number >= 0, got -1"),
        (lambda: ki.TruncatedNormal(stddev=-1), "TruncatedNormal: stddev must be a finite number >= 0, got -1"),
        (lambda: ki.TruncatedNormal(low=1, high=1), "TruncatedNormal: high must be a finite number > 1, got 1"),
        (lambda: ki.VarianceScaling(0.0), "VarianceScaling: scale must be a finite number > 0, got 0.0"),
        (lambda: ki.VarianceScaling(-2), "VarianceScaling: scale must be a finite number > 0, got -2"),
        (lambda: ki.XavierNormal(-1.0), "XavierNormal: gain must be a finite number >= 0, got -1.0"),
        (lambda: ki.FanInUniform(-1.0), "FanInUniform: gain must be a finite number >= 0, got -1.0"),
        (lambda: ki.Dirac(0), "Dirac: groups must be an integer >= 1, got 0"),
        (
            lambda: ki.VarianceScaling(mode="fan"),
            "VarianceScaling: mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan'",
        ),
        (
            lambda: ki.VarianceScaling(distribution="gauss"),
            "VarianceScaling: distribution must be one of 'truncated_normal', 'untruncated_normal', "
            "'uniform', 'normal', got 'gauss'",
        ),
        (
            lambda: ki.KaimingNormal(mode="fan_avg"),
            "KaimingNormal: mode must be one of 'fan_in', 'fan_out', got 'fan_avg'",
        ),
        (
            lambda: ki.HeNormal(input_axes=[0]),
            "HeNormal: input_axes and output_axes must be given together, got input_axes=[0], output_axes=None",
        ),
        (lambda: ki.DataNormal([1.0], [1.0, 2.0]), "DataNormal: stddev must be as long as mean (1), got [1.0, 2.0]"),
        (lambda: ki.DataNormal([], 1.0), "DataNormal: mean must be a number or a list of numbers, not empty, got []"),
        (lambda: ki.DataNormal([0.0, math.nan], 1.0), "DataNormal: mean[1] must be a finite number, got nan"),
        (
            lambda: ki.DataNormal.from_data([[1.0, math.nan]]),
            "DataNormal.from_data: x must be an array of finite numbers of shape (samples..., features), "
            "not empty, got shape (1, 2) with NaN or infinity",
        ),
        (
            lambda: ki.DataNormal.from_data([1.0, 2.0]),
            "DataNormal.from_data: x must be an array of finite numbers of shape (samples..., features), "
            "not empty, got shape (2,)",
        ),
        (
            lambda: ki.DataNormal.from_data(np.zeros((0, 2))),
            "DataNormal.from_data: x must be an array of finite numbers of shape (samples..., features), "
            "not empty, got shape (0, 2)",
        ),
        (
            lambda: ki.FromArray([1.0], shape=[1]),
            "FromArray: shape, dtype and sha256 must be left to the array where one is given",
        ),
        (
            lambda: ki.FromArray([1.0], dtype="float32"),
            "FromArray: shape, dtype and sha256 must be left to the array where one is given",
        ),
        (
            lambda: ki.FromArray(None, [1], "float32", "0" * 63),
            f"FromArray: sha256 must be 64 hexadecimal digits, got {'0' * 63!r}",
        ),
        (lambda: ki.FromArray(None, [1], "float32", 3), "FromArray: sha256 must be 64 hexadecimal digits, got 3"),
        (lambda: ki.LRURing(1.0), "LRURing: r_min must be a finite number >= 0 and < 1, got 1.0"),
    ],
)  # fmt: skip
def test_values(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ki.VarianceScaling(mode=3), "VarianceScaling: mode must be one of"),
        (lambda: ki.KaimingNormal(nonlinearity=None), "KaimingNormal: nonlinearity must be one of"),
        (lambda: ki.HeNormal(input_axes="01", output_axes=[0]), "HeNormal: input_axes must be None or a list"),
        (lambda: ki.HeNormal(input_axes=[0.0], output_axes=[1]), r"HeNormal: input_axes\[0\] must be an integer"),
        (lambda: ki.Dirac(1.0), "Dirac: groups must be an integer >= 1, got 1.0 of type float"),
        (lambda: ki.Constant(np.ones(3)), "Constant: value must be a finite number, got array"),
        (lambda: ki.DataNormal("ab", 1.0), "DataNormal: mean must be a finite number, got 'ab'"),
        (lambda: ki.FromArray(), "FromArray: array must be an array of real numbers, got None"),
        (lambda: ki.FromArray("abc"), "FromArray: array must be an array of real numbers"),
        (lambda: ki.DataNormal.from_data("abc"), "DataNormal.from_data: x must be an array"),
    ],
)  # fmt: skip
def test_types(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}"):
        make()


@pytest.mark.once
def test_the_ends_of_ranges_are_taken() -> None:
    normal = "keras_inits>normal"
    for scheme in (
        *(ki.Uniform(0), ki.Normal(0), ki.RandomNormal(0, 0), ki.TruncatedNormal(0, 0)),
        *(ki.XavierNormal(0), ki.FanInUniform(0), ki.Sparse(0, 0), ki.Sparse(1, 0)),
        *(ki.SparseInputs(1, 0), ki.SmallInit(1), ki.WangInit(1, 1), ki.Gated(normal, 1)),
        *(ki.Chrono(2), ki.ICNR(normal, 1, axis=-2), ki.ICNR(normal, 1, axis=-1), ki.Dirac(1)),
        *(ki.IDInit(0, True, 0, 0), ki.ConvolutionAware(0), ki.SignedConstant(sparsity=0)),
        *(ki.LRURing(0, 1, 2 * math.pi), ki.DataNormal(0, 0), ki.RandomUniform(1, 1)),
        ki.FromArray(None, [2], "float32"),
    ):
        assert isinstance(scheme.get_config(), dict)
    assert ki.depth_factor("fixup", 1, layers=2) == 1
    assert ki.depth_factor("deepnorm", 1, part="encoder", other_depth=1) == 0.87


# Those of the others: any.
RANKS = {
    **dict.fromkeys(("DataNormal", "Orthogonal", "Siren", "RandomWalk", "keras1>Orthogonal"), (2, None)),
    **dict.fromkeys(("Identity", "EchoState", "Chain", "HiPPO", "S4D", "LRURing"), (2, 2)),
    **dict.fromkeys(("Sparse", "SparseInputs"), (2, 2)),
    **dict.fromkeys(("DeltaOrthogonal", "ConvolutionOrthogonal", "ConvolutionAware"), (3, 5)),
    **dict.fromkeys(("Dirac", "Bilinear", "ICNR"), (3, 5)),
    **dict.fromkeys(("ZerO", "IDInit"), (2, 5)),
    **dict.fromkeys(("ForgetGateBias", "Chrono", "StepBias", "PriorBias"), (1, 1)),
    "Gated": (1, None),
}  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.class_name)
def test_ranks(case: Case) -> None:
    assert (case.cls.min_rank, case.cls.max_rank) == RANKS.get(case.class_name, (0, None))


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_an_argument_that_is_none_is_told_by_the_class(case: Case) -> None:
    with pytest.raises(TypeError, match=case.cls.__name__):
        case.cls(nonsense=1)

    class Derived(case.cls):  # type: ignore[name-defined, misc]
        pass

    with pytest.raises(TypeError, match="Derived"):
        Derived(nonsense=1)


@pytest.mark.parametrize("case", [c for c in ONE_EACH if c.random], ids=lambda case: case.id)
def test_seeds(case: Case) -> None:
    name = case.cls.__name__
    for seed in (1.5, True, "1", [1], np.float64(1), np.bool_(False)):
        with pytest.raises(TypeError, match=f"^{name}: seed must be None, an integer from 0 to"):
            case.make((4, 4), seed)
    for seed in (-1, 2**64, np.int64(-1)):
        with pytest.raises(ValueError, match=f"^{name}: seed must be None, an integer from 0 to"):
            case.make((4, 4), seed)
    for seed in (0, 2**64 - 1, np.int64(3), np.uint64(2**64 - 1)):
        assert case.make((4, 4), seed).seed == int(seed)


class _Spy(Stream):
    """Notes every draw: none may happen before the checks pass."""

    drawn = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("uniform", "normal", "truncated_normal", "signs", "integers", "permutation"):
            type(self).drawn = True
        return super().__getattribute__(name)


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_shapes_and_dtypes(case: Case) -> None:
    scheme = case.make(case.shape, _Spy(0))
    shape = case.shape
    name = case.cls.__name__
    _Spy.drawn = False
    for bad in ((None, *shape[1:]), (-1, *shape[1:]), (2**30, 2**30, 2**30)):
        with pytest.raises(ValueError, match=f"^{name}: shape must be "):
            scheme(bad)
    for bad in (3, None, "ab", (1.0, *shape[1:]), (True, *shape[1:])):
        with pytest.raises(TypeError, match=f"^{name}: shape must be "):
            scheme(bad)
    with pytest.raises(ValueError, match=f"^{name}: dtype must be "):
        scheme(shape, "float33")
    if case.random:
        for dtype in ("int32", "uint8", "bool", "complex64"):
            with pytest.raises(ValueError, match=f"^{name}: dtype must be "):
                scheme(shape, dtype)
    ranks = {
        "Identity": [1, 3],
        "Orthogonal": [0, 1],
        "DeltaOrthogonal": [2, 6],
        "Dirac": [2, 6],
        "ZerO": [1, 6],
        "DataNormal": [1],
        "FromArray": [1, 3],
        "ForgetGateBias": [0, 2],
        "Chrono": [0, 2],
    }.get(name, [])
    for rank in ranks:
        with pytest.raises(ValueError, match=f"^{name}: shape must be "):
            scheme((2,) * rank)
    assert not _Spy.drawn


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_zero_size_shapes_give_empty_tensors(case: Case) -> None:
    for axis in range(len(case.shape)):
        shape = tuple(0 if i == axis else extent for i, extent in enumerate(case.shape))
        if case.class_name == "DeltaOrthogonal" and axis == len(shape) - 1:
            continue  # more inputs than no outputs
        if case.class_name == "keras1>Identity":
            shape = (0, 0)
        assert tuple(case.make(shape, 0)(shape).shape) == shape


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: ki.DeltaOrthogonal(), (3, 3, 8, 4), "with inputs <= outputs, got (3, 3, 8, 4)"),
        (lambda: ki.DeltaOrthogonal(), (3, 4, 2), "with inputs <= outputs, got (3, 4, 2)"),
        (lambda: ki.ConvolutionOrthogonal(), (3, 4, 2), "with inputs <= outputs, got (3, 4, 2)"),
        (lambda: ki.ConvolutionOrthogonal(), (1, 3, 2, 4), "with inputs <= outputs, got (1, 3, 2, 4)"),
        (lambda: ki.Bilinear(), (1, 2, 3), "(the last two axes), got (1, 2, 3)"),
        (lambda: ki.EchoState(0.9), (1, 2), "a square matrix, got (1, 2)"),
        (lambda: ki.SparseInputs(2), (1, 3), "at least connections=2 inputs (rows), got (1, 3)"),
        (lambda: ki.S4D(), (3, 1), "(2, states), got (3, 1)"),
        (lambda: ki.HiPPO(), (1, 2), "(N, N) for part 'state', got (1, 2)"),
        (lambda: ki.HiPPO("input"), (2, 1), "(1, N) for part 'input', got (2, 1)"),
        (lambda: ki.Dirac(3), (3, 3, 4, 8), "divisible by groups=3, got (3, 3, 4, 8)"),
        (lambda: ki.DataNormal([1.0, 2.0], 1.0), (3, 4), "of 2 input features (the second-last axis), got (3, 4)"),
        (lambda: ki.FromArray([[1.0]]), (1, 2), "the array's, (1, 1), got (1, 2)"),
        (lambda: ki.HeNormal(input_axes=[0], output_axes=[3]), (3, 4), "distinct axes of shape (3, 4), from -2 to 1, got [3]"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_suit(make: Any, shape: tuple[int, ...], message: str) -> None:
    scheme = make()
    for ask in (scheme.check_shape, scheme):
        with pytest.raises(ValueError) as caught:
            ask(shape)
        assert str(caught.value).endswith(message)


def test_integer_dtypes_of_constants() -> None:
    for dtype in ("int8", "uint8", "int32", "bool"):
        assert keras.backend.standardize_dtype(ki.One()((2,), dtype).dtype) == dtype
    assert keras.ops.convert_to_numpy(ki.FromArray([1.0, 2.0])((2,), "int8")).tolist() == [1, 2]
    with pytest.raises(ValueError, match="^Constant: value must be exact in int32, got 0.5"):
        ki.Constant(0.5)((2,), "int32")
    with pytest.raises(ValueError, match="^Constant: value must be exact in uint8, got -1"):
        ki.Constant(-1)((2,), "uint8")


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_configs_that_do_not_fit(case: Case) -> None:
    cls = case.cls
    expected = rf"^{cls.__name__}: config must have no fields but .*, got also \['sigma'\]"
    with pytest.raises(ValueError, match=expected):
        cls.from_config(_config(case) | {"sigma": 1})
    with pytest.raises(TypeError, match=f"^{cls.__name__}: config must be a dict"):
        cls.from_config([1])


@pytest.mark.parametrize(
    ("make", "shape", "dtype", "message"),
    [
        (lambda: ki.ZerO(), (2, 4), "int32", "ZerO: dtype must be one of float16"),
        (lambda: ki.Identity(0.5), (2, 2), "int32", "Identity: gain must be exact in int32"),
        (lambda: ki.Identity(300), (2, 2), "int8", "Identity: gain must be exact in int8"),
        (lambda: ki.FromArray([0.5, 3.0]), (2,), "int8", "FromArray: array must be exact in int8"),
        (lambda: ki.Zero(), (2,), "string", "Zero: dtype must be a dtype of numbers"),
    ],
)
def test_deterministic_schemes_and_dtypes(
    make: Any, shape: tuple[int, ...], dtype: str, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make()(shape, dtype)
