"""Haar-distributed matrices: orthonormal, with the exact laws of their entries and determinants."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from keras_inits.streams import DefaultStream

pytestmark = pytest.mark.once


def haar(rows, cols, stream, dtype="float32"):
    return stream.orthogonal((rows, cols), dtype=dtype)


SHAPES = [(1, 1), (1, 7), (7, 1), (5, 5), (130, 40), (40, 130), (300, 300), (128, 256)]


def gram(q):
    q = q.astype(float)
    return q.T @ q if len(q) >= q.shape[1] else q @ q.T


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("shape", SHAPES)
def test_orthonormal(shape, dtype, tolerance):
    q = haar(*shape, DefaultStream(1), dtype)
    assert q.shape == shape
    assert q.dtype == dtype
    assert q.flags.c_contiguous
    np.testing.assert_allclose(gram(q), np.eye(min(shape)), atol=tolerance)


@pytest.mark.parametrize("shape", [(1100, 900), (1300, 1200)])
def test_large_is_orthonormal(shape):
    q = haar(*shape, DefaultStream(2))
    np.testing.assert_allclose(gram(q), np.eye(shape[1]), atol=1e-6)


def test_no_entries():
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert haar(*shape, DefaultStream(0)).shape == shape


@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (1, 4)])
def test_law_of_the_entries(shape):
    """Each entry of a unit vector uniform on the sphere in n dimensions has, squared, the law Beta(1/2, (n-1)/2)."""
    n = max(shape)
    draws = np.array([haar(*shape, DefaultStream(3).child(i)) for i in range(2000)])
    law = stats.beta((n - 1) / 2, (n - 1) / 2, loc=-1, scale=2)
    for place in np.ndindex(shape):
        entries = draws[(slice(None), *place)]
        assert stats.kstest(entries, law.cdf).pvalue > 1e-4, place
        assert abs(entries.mean()) < 5 / math.sqrt(n * len(entries)), place


def test_law_of_the_whole():
    """Q, U Q and Q V have one law: traces of powers of a Haar Q have mean 0, 1, 0 and variance 1, 2, 3."""
    n, draws = 8, 2000
    q = np.array([haar(n, n, DefaultStream(4).child(i), "float64") for i in range(draws)])
    power = q
    for k in (1, 2, 3):
        traces = np.trace(power, axis1=1, axis2=2)
        mean = 1.0 if k % 2 == 0 else 0.0
        assert abs(traces.mean() - mean) < 5 * math.sqrt(k / draws), k
        assert abs(traces.var() / k - 1) < 5 * math.sqrt(2 / draws) * 1.5, k
        power = power @ q


@pytest.mark.parametrize("n", [1, 2, 5])
def test_both_determinants(n):
    signs = [np.linalg.det(haar(n, n, DefaultStream(5).child(i), "float64")) for i in range(1000)]
    np.testing.assert_allclose(np.abs(signs), 1, rtol=1e-12)
    assert abs(np.mean(signs)) < 5 / math.sqrt(1000)


def test_blocks_do_not_show():
    """The same matrix as reflection by reflection, in double."""
    n, m = 148, 178
    x = _vectors(n, m, DefaultStream(6))
    q = np.eye(n, m)
    for i in reversed(range(n)):
        v = x[i].copy()
        v[i] += np.copysign(np.linalg.norm(x[i]), x[i, i])
        q -= np.outer(q @ v, v) * (2 / (v @ v))
    q *= -np.sign(np.diagonal(x))[:, None]
    np.testing.assert_allclose(haar(n, m, DefaultStream(6), "float64"), q, atol=1e-13)


def _vectors(n, m, stream):
    """Row i is the vector of reflection i, from column i on."""
    x = np.zeros((n, m))
    x[np.triu_indices(n, 0, m)] = stream.normal((n * m - n * (n - 1) // 2,), dtype="float64")
    return x


def test_it_is_the_q_of_the_factorisation_in_law():
    """Orthogonal columns times the triangle's positive diagonal: Q'x has the first vector's length."""
    x = _vectors(6, 9, DefaultStream(7))
    q = haar(6, 9, DefaultStream(7), "float64")
    assert q[0] @ x[0] == pytest.approx(np.linalg.norm(x[0]))


@pytest.mark.parametrize(
    "shape", [(1500, 1500), (3000, 700), (700, 3000), (100, 20000), (20000, 64)]
)
def test_memory(shape):
    haar(64, 64, DefaultStream(0))
    tracemalloc.start()
    nbytes = haar(*shape, DefaultStream(0)).nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - nbytes < 2.2 * nbytes
