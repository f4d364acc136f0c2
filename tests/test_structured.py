"""What the schemes that are not a plain law promise: orthogonality, identity, data, constants."""

import copy
import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from cases import ONE_EACH, Case
from conftest import to_numpy
from scipy import stats

import keras_inits as ki


def _convolve(kernel: np.ndarray, x: np.ndarray, groups: int = 1) -> np.ndarray:
    layer = getattr(keras.layers, f"Conv{kernel.ndim - 2}D")(
        kernel.shape[-1], kernel.shape[:-2], padding="same", use_bias=False, groups=groups
    )
    layer.build(x.shape)
    layer.set_weights([kernel])
    return to_numpy(layer(x.astype("float32")))


@pytest.mark.parametrize("shape", [(40, 40), (60, 30), (30, 60), (3, 3, 8, 20), (2, 2, 2, 40)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal(shape: tuple[int, ...], gain: float) -> None:
    q = to_numpy(ki.Orthogonal(gain, seed=1)(shape)).reshape(-1, shape[-1])
    small = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    assert np.abs(small - gain**2 * np.eye(len(small))).max() < 1e-6 * gain**2 * 2


def test_orthogonal_entries_follow_the_beta_law() -> None:
    """An entry of a Haar matrix of order n is 2 Beta((n-1)/2, (n-1)/2) - 1."""
    n = 8
    q = np.stack([to_numpy(ki.Orthogonal(seed=seed)((n, n))) for seed in range(600)])
    law = stats.beta((n - 1) / 2, (n - 1) / 2, loc=-1, scale=2)
    # Entries of one position are independent from matrix to matrix; 64 positions share the level.
    pvalues = [stats.kstest(q[:, i, j], law.cdf).pvalue for i in range(n) for j in range(n)]
    assert min(pvalues) > 1e-4 / 64
    signs = np.sign(np.linalg.det(q))
    assert abs(signs.mean()) <= 5 / np.sqrt(len(signs))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_recurrent_layers_build_in_narrow_dtypes(dtype: str) -> None:
    layer = keras.layers.LSTM(6, recurrent_initializer=ki.Orthogonal(seed=0), dtype=dtype)
    layer.build((None, 4, 3))
    assert layer.count_params() == 4 * (3 * 6 + 6 * 6 + 6)


@pytest.mark.parametrize("shape", [(5, 3, 7), (3, 3, 4, 6), (4, 2, 4, 4), (3, 3, 3, 2, 3)])
def test_delta_orthogonal_keeps_the_norm(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *(6,) * (len(shape) - 2), shape[-2]))
    y = _convolve(to_numpy(ki.DeltaOrthogonal(1.5, seed=1)(shape)), x)
    before, after = (np.linalg.norm(a, axis=-1) for a in (x, y))
    np.testing.assert_allclose(after, 1.5 * before, rtol=1e-5)


@pytest.mark.parametrize("field", [(3,), (3, 3), (4, 5), (3, 3, 3)])
@pytest.mark.parametrize(
    ("inputs", "outputs", "groups"), [(4, 4, 1), (2, 6, 1), (6, 2, 1), (6, 6, 2)]
)
def test_dirac_returns_its_input(
    field: tuple[int, ...], inputs: int, outputs: int, groups: int
) -> None:
    if groups > 1 and len(field) == 3:
        return  # grouped 3D convolutions are not there on every backend's CPU
    kernel = to_numpy(ki.Dirac(groups)((*field, inputs // groups, outputs)))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *(7,) * len(field), inputs)).astype("float32")
    y = _convolve(kernel, x, groups)
    passed = min(inputs // groups, outputs // groups)
    for group in range(groups):
        y_group = y[..., group * outputs // groups :][..., : outputs // groups]
        x_group = x[..., group * inputs // groups :][..., :passed]
        np.testing.assert_array_equal(y_group[..., :passed], x_group)
        assert not y_group[..., passed:].any()


def test_zero_is_the_identity_or_a_hadamard_slice() -> None:
    for inputs, outputs in ((5, 3), (3, 3)):
        kernel = to_numpy(ki.ZerO()((inputs, outputs)))
        np.testing.assert_array_equal(kernel, np.eye(inputs, outputs))
    from scipy.linalg import hadamard

    for inputs, outputs, order in [(3, 4, 4), (4, 7, 8), (5, 8, 8), (1, 2, 2)]:
        expected = hadamard(order)[:inputs, :outputs] / np.sqrt(order)
        kernel = to_numpy(ki.ZerO()((inputs, outputs)))
        np.testing.assert_allclose(kernel, expected, rtol=1e-7)
        conv = to_numpy(ki.ZerO()((3, 3, inputs, outputs)))
        np.testing.assert_array_equal(conv[1, 1], kernel)
        assert np.count_nonzero(conv) == np.count_nonzero(kernel)


def test_constants() -> None:
    assert (to_numpy(ki.Zero()((2, 3))) == 0).all()
    assert (to_numpy(ki.One()((2, 3))) == 1).all()
    assert (to_numpy(ki.Constant(-2.5)((2, 3))) == -2.5).all()
    assert ki.Zeros is ki.Zero
    assert ki.Ones is ki.One
    np.testing.assert_array_equal(to_numpy(ki.Identity(2.0)((2, 3))), 2 * np.eye(2, 3))
    assert to_numpy(ki.Constant(2**24 + 1)((1,), "int32"))[0] == 2**24 + 1
    assert to_numpy(ki.One()((2,), "bool")).all()


def test_data_normal_follows_each_feature() -> None:
    rng = np.random.default_rng(0)
    mean, stddev = np.array([-3.0, 0.0, 10.0]), np.array([1.0, 0.0, 0.1])
    x = rng.normal(mean, stddev, (5000, 3))
    scheme = ki.DataNormal.from_data(x, seed=2)
    np.testing.assert_allclose(scheme.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scheme.stddev, x.std(axis=0), rtol=1e-9, atol=1e-12)
    n = 40_000
    kernel = to_numpy(scheme((3, n)))
    errors = np.asarray(scheme.stddev) / np.sqrt(n)
    assert (np.abs(kernel.mean(axis=1) - scheme.mean) <= 5 * errors + 1e-6).all()
    assert (np.abs(kernel.std(axis=1) - scheme.stddev) <= 5 * errors / np.sqrt(2) + 1e-9).all()
    images = ki.DataNormal.from_data(x.reshape(50, 10, 10, 3))
    assert (images.mean, images.stddev) == (scheme.mean, scheme.stddev)
    assert ki.DataNormal.from_data([[2.0]]).mean == [2.0]


def test_from_array() -> None:
    array = np.array([[1.0, -2.0, 3.0]], "float32")
    scheme = ki.FromArray(array)
    np.testing.assert_array_equal(to_numpy(scheme((1, 3))), array)
    config = scheme.get_config()
    assert config["shape"] == [1, 3]
    assert config["dtype"] == "float32"
    assert len(config["sha256"]) == 64
    np.testing.assert_array_equal(to_numpy(ki.FromArray.from_config(config)((1, 3))), array)
    assert ki.FromArray.from_config(config).get_config() == config
    assert to_numpy(ki.FromArray(3.0)(())) == 3.0
    gone = ki.FromArray.from_config({**config, "sha256": "0" * 64})
    assert not to_numpy(gone((1, 3))).any()
    assert not to_numpy(gone((1, 3), "float16")).any()
    assert gone.law((1, 3)) is None
    assert not scheme.array.flags.writeable
    array[:] = 0
    assert to_numpy(scheme((1, 3))).any(), "the scheme keeps its own copy"
    assert ki.FromArray(array).get_config()["sha256"] != config["sha256"]


@pytest.mark.parametrize(("gates", "units"), [(4, 12), (3, 8)])
def test_gated_draws_each_gate_by_itself(gates: int, units: int) -> None:
    kernel = to_numpy(ki.Gated(ki.Orthogonal(), gates, seed=1)((units, gates * units)))
    blocks = np.split(kernel, gates, axis=1)
    for index, block in enumerate(blocks):
        assert np.abs(block.T @ block - np.eye(units)).max() < 2e-6
        assert all(np.abs(block - other).max() > 0.1 for other in blocks[:index])


def test_forget_gate_bias() -> None:
    bias = to_numpy(ki.ForgetGateBias(1.5, ki.Constant(-0.5))((12,)))
    np.testing.assert_array_equal(bias, np.repeat([-0.5, 1.5, -0.5, -0.5], 3))


def test_chrono_follows_its_law() -> None:
    """exp of the forget gate's bias is U(1, max_time - 1); the input gate's is its negative."""
    n = 100_000
    bias = to_numpy(ki.Chrono(50.0, seed=1)((4 * n,)))
    np.testing.assert_array_equal(bias[:n], -bias[n : 2 * n])
    assert not bias[2 * n :].any()
    assert stats.kstest(np.exp(bias[n : 2 * n]), stats.uniform(1, 48).cdf).pvalue > 1e-4


def test_streams_copy() -> None:
    stream = ki.DefaultStream(3).child("a", 2)
    again = copy.deepcopy(stream)
    assert again == stream
    np.testing.assert_array_equal(again.normal((5,)), stream.normal((5,)))
    scheme = copy.deepcopy(ki.HeNormal(seed=stream))
    np.testing.assert_array_equal(
        to_numpy(scheme((4, 5))), to_numpy(ki.HeNormal(seed=stream)((4, 5)))
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("scheme", "shapes"),
    [
        (ki.Identity(2.0), [(1, 1), (3, 5), (5, 3)]),
        (ki.Dirac(), [(1, 1, 1), (3, 2, 4), (4, 3, 3, 2), (2, 2, 2, 3, 3)]),
        (ki.Dirac(2), [(3, 2, 4), (3, 3, 2, 8)]),
        (ki.ZerO(), [(1, 1), (3, 3), (5, 3), (3, 5), (3, 2, 3), (3, 3, 2, 5), (2, 2, 2, 3, 3)]),
        (ki.IDInit(2.0, noise=0.0), [(1, 1), (2, 5), (3, 2, 4), (3, 3, 2, 4)]),
        (ki.IDInit(last=True, epsilon=0.5), [(1, 1), (2, 2), (2, 5), (3, 2, 4), (3, 3, 2, 4)]),
        (ki.Bilinear(), [(1, 1, 1), (3, 2, 2), (4, 3, 3, 3), (4, 3, 2, 2, 2)]),
        (ki.Chain(0.9, 0.1), [(1, 1), (2, 2), (5, 5)]),
        (ki.S4D(), [(2, 1), (2, 3)]),
        (ki.HiPPO(), [(1, 1), (3, 3)]),
        (ki.HiPPO("input"), [(1, 1), (1, 3)]),
        (ki.DataNormal([1.0, -2.0], 0.0), [(2, 3), (3, 2, 4), (4, 3, 2, 1)]),
        (ki.DataNormal([1.0, -2.0, 4.0], 0.0), [(3, 5)]),
        (ki.ForgetGateBias(2.0, ki.Constant(0.5)), [(4,), (12,)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_law_of_small_tensors(scheme: ki.Scheme, shapes: list[tuple[int, ...]]) -> None:
    """Where nothing is drawn the law is that of the entries, in any rank."""
    for shape in shapes:
        x, law = scheme.draw(shape, ki.DefaultStream(1), "float64"), scheme.law(shape)
        assert law.mean == pytest.approx(x.mean(), rel=1e-12, abs=1e-12), shape
        assert law.std == pytest.approx(x.std(), rel=1e-12, abs=1e-12), shape


@pytest.mark.once
@pytest.mark.parametrize(
    ("scheme", "shapes", "longest"),
    [
        (ki.Orthogonal(), [(1, 2), (3, 4), (2, 3, 4), (1, 1)], lambda s: max(np.prod(s[:-1]), s[-1])),
        (ki.DeltaOrthogonal(), [(1, 2, 3), (3, 1, 1), (3, 2, 4), (7, 5, 2, 3), (2, 3, 4, 2, 2)], lambda s: s[-1]),
        (ki.Sparse(0.3, 1.0), [(1, 1), (4, 7), (2, 10)], lambda s: 1),
        (ki.Sparse(0.0, 1.0), [(3, 1)], lambda s: 1),
        (ki.SparseInputs(2, 1.0), [(2, 1), (5, 3)], lambda s: 1),
        (ki.Chrono(9.0), [(4,), (8,)], None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_law_of_small_draws(scheme: ki.Scheme, shapes: list[tuple[int, ...]], longest: Any) -> None:
    """It has as many zeros as the tensor, and about them the spread of entries of a unit vector."""
    for shape in shapes:
        x, law = scheme.draw(shape, ki.DefaultStream(1), "float64"), scheme.law(shape)
        zeros = (x == 0).mean()
        assert law.cdf(0.0) - law.cdf(-1e-300) == pytest.approx(zeros, abs=1e-12), shape
        if longest:
            assert law.std**2 == pytest.approx((1 - zeros) / longest(shape), rel=1e-12), shape


@pytest.mark.once
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_law_of_an_empty_tensor(case: Case) -> None:
    """It may be asked for: `initialize` tells of each variable its law."""
    for axis in range(len(case.shape)):
        shape = tuple(0 if i == axis else extent for i, extent in enumerate(case.shape))
        law = case.make(shape, 0).law(shape)
        assert law is None or math.isfinite(law.std)
        if case.class_name in ("Bilinear", "Dirac", "HiPPO", "S4D", "ZerO"):
            assert law.mean == law.std == 0


@pytest.mark.once
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.id)
def test_a_block_is_a_part_of_the_whole(case: Case) -> None:
    scheme, stream = case.make(case.shape, 0), ki.DefaultStream(1)
    own = case.class_name in (
        "Identity",
        "DataNormal",
        "FromArray",
        "keras1>Uniform",
        "keras1>Normal",
    )
    assert scheme.elementwise == (own or case.cls.values is ki.Scheme.values)
    if scheme.elementwise:
        index = tuple(slice(n // 3, n // 3 + n // (3 + i)) for i, n in enumerate(case.shape))
        block = scheme.values(case.shape, "float32", stream, index)
        np.testing.assert_array_equal(block, scheme.values(case.shape, "float32", stream)[index])


MAPS = {
    *("Identity", "Orthogonal", "DeltaOrthogonal", "ConvolutionOrthogonal", "ConvolutionAware"),
    *("Dirac", "ZerO", "IDInit", "Bilinear"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.class_name)
def test_what_a_layer_asks_is_told(case: Case) -> None:
    """What one with groups draws map by map, a whole bias of gates, a variance that is no number over the fan."""
    name, cls = case.class_name, case.cls
    assert case.make(case.shape, 0).linear_map == (name in MAPS)
    assert getattr(cls, "gate_bias", False) == (name in ("ForgetGateBias", "Chrono"))
    assert getattr(cls, "by_fan", True) == (name not in ("Siren", "RandomWalk", "SignedConstant"))


@pytest.mark.once
def test_a_map_of_groups_or_of_another_scheme() -> None:
    assert not ki.Dirac(2).linear_map
    assert ki.Scaled(ki.Orthogonal(), 2.0).linear_map


@pytest.mark.once
def test_defaults() -> None:
    assert ki.Constant().value == 0
    assert ki.LRURing().max_phase == 2 * math.pi
    assert (ki.SparseInputs().connections, ki.SparseInputs().stddev) == (15, 1)
    assert ki.ConvolutionAware().noise == 0.05
    assert ki.ConvolutionOrthogonal().gain == 1


@pytest.mark.once
def test_gates_are_along_the_last_axis() -> None:
    scheme, one = ki.Gated(ki.GlorotNormal(), 3), ki.GlorotNormal()
    for shape, block in (((6,), (2,)), ((4, 6), (4, 2)), ((3, 3, 4, 6), (3, 3, 4, 2))):
        assert scheme.law(shape) == one.law(block)
        stream = ki.DefaultStream(1)
        parts = [one.draw(block, stream.child("gate", gate)) for gate in range(3)]
        np.testing.assert_array_equal(scheme.draw(shape, stream), np.concatenate(parts, axis=-1))


@pytest.mark.once
def test_a_forget_gate_of_any_law() -> None:
    stream = ki.DefaultStream(1)
    law = ki.ForgetGateBias(ki.VarianceScaling(distribution="untruncated_normal")).law((12,))
    assert law.std**2 == pytest.approx(1 / 3 / 4)
    np.testing.assert_array_equal(
        ki.ForgetGateBias("keras_inits>one").draw((8,), stream),
        ki.ForgetGateBias().draw((8,), stream),
    )


@pytest.mark.once
def test_at_the_ends_of_a_stream() -> None:
    """What a stream gives once in 2^53 numbers: moduli one step from 0 and from 1, a phase one step from 0."""
    highest = SimpleNamespace(uniform=lambda shape, low, high, dtype: np.full(shape, high))
    zero = SimpleNamespace(uniform=lambda shape, low, high, dtype: np.zeros(shape))
    for stream in (highest, zero):
        stream.child = lambda *names, stream=stream: stream
    one = -53 * math.log(2)
    for stream, r_min, expected in (
        (highest, 0.5, [one - math.log(2), math.log(2 * math.pi), one / 2]),
        (zero, 0.0, [math.log(-one / 2), one, 0.0]),
    ):
        x = ki.LRURing(r_min, 1.0).values((3, 1), "float64", stream)
        # The logarithm's absolute error is 1e-16, as large as that of such a modulus.
        np.testing.assert_allclose(x[:, 0], expected, rtol=0.02, atol=1e-12)
    with pytest.raises(ValueError, match="EchoState: the drawn matrix must be not nilpotent"):
        ki.EchoState(0.9).values((3, 3), "float64", zero)


@pytest.mark.once
def test_laws_of_small_fans() -> None:
    assert ki.LecunNormal().law((1, 5)).std == ki.LecunNormal().law((0, 5)).std == 1
    assert ki.SignedConstant().law((1, 5)).std == pytest.approx(math.sqrt(2))
    for n, counted in ((3, 6), (6, 6), (7, 7)):
        g = math.sqrt(2) * math.exp(1.2 / (counted - 2.4))
        assert ki.RandomWalk("relu").law((n, 5)).std == pytest.approx(g / math.sqrt(n))


@pytest.mark.once
def test_what_keras_draws_is_scaled() -> None:
    scheme = ki.Scaled(keras.initializers.HeNormal(seed=1), 0.5)
    assert not scheme.alike
    assert not scheme.linear_map
    assert scheme.law((4, 4)) is None
    assert scheme.draw((4, 4), ki.DefaultStream(1)).std() > 0


@pytest.mark.once
def test_the_end_of_a_branch_feeds_each_output_from_two_inputs() -> None:
    kernel = ki.IDInit(last=True, epsilon=0.25).draw((3, 3), ki.DefaultStream(1))
    np.testing.assert_array_equal(kernel, 0.25 * (np.eye(3) - np.roll(np.eye(3), 1, axis=0)))
