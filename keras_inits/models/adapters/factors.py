"""Starting factors A, B of low-rank adaptation: a layer computes x (W + s A B), s = alpha / rank.

Papers write the transpose: their A is the transpose of Keras's, and B likewise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_inits import checks
from keras_inits.models.adapters.moments import Moments
from keras_inits.streams import Stream

Factors = tuple[np.ndarray, np.ndarray]
OVERSAMPLING = 10  # Halko, Martinsson & Tropp 2011: 5 to 10 more than the rank
ITERATIONS = 16  # of pissa_niter, as the authors' example
DAMPING = 0.01  # of corda, relative to the mean of the diagonal, as the authors'


class Unfit(ValueError):
    """Why a method cannot start an adapter."""


@dataclass(frozen=True)
class Target:
    """What an adapter adds to: `w` (inputs, heads, outputs), in float64.

    Keras has one B for all heads: A (inputs, heads, rank) and B (rank, outputs) are factors of a
    matrix with a row for each input of each head. `lookup`: rows are looked up, not multiplied.
    """

    w: np.ndarray
    rank: int
    scale: float
    stream: Stream
    lookup: bool = False
    moments: Moments | None = None

    @property
    def matrix(self) -> np.ndarray:
        """W with a row for each input of each head."""
        return self.w.reshape(-1, self.w.shape[-1])

    def first(self, a: np.ndarray, b: np.ndarray) -> Factors:
        """The first `rank` columns of A and rows of B."""
        most = min(self.matrix.shape)
        if self.rank > most:
            of = "that of its kernel of {} x {}".format(*self.matrix.shape)
            raise Unfit(f"rank must be at most {most}, {of}, got {self.rank}")
        return a[:, : self.rank], b[: self.rank]

    def starting_at(self, a: np.ndarray) -> Factors:
        """A, and B of zeros."""
        return a, np.zeros((self.rank, self.w.shape[-1]))

    @property
    def a_shape(self) -> tuple[int, int]:
        """Rows and columns of A."""
        return len(self.matrix), self.rank


def default(target: Target) -> Factors:
    """As Keras's `enable_lora`: A He-uniform, all rows its fan, B zero."""
    return target.starting_at(_uniform(target, math.sqrt(6 / len(target.matrix))))


def kaiming(target: Target) -> Factors:
    """A U(-1/sqrt(inputs), 1/sqrt(inputs)), B zero; of an Embedding as `gaussian`."""
    if target.lookup:
        return gaussian(target)
    return target.starting_at(_uniform(target, 1 / math.sqrt(len(target.w))))


def gaussian(target: Target) -> Factors:
    """A N(0, 1/rank^2), B zero; of an Embedding A zero, B N(0, 1)."""
    if target.lookup:
        return np.zeros(target.a_shape), target.stream.normal((target.rank, target.w.shape[-1]))
    return target.starting_at(target.stream.normal(target.a_shape, stddev=1 / target.rank))


def orthogonal(target: Target) -> Factors:
    """A = G Q_odd / 10, B = Q_even' H / 10: rows of one orthogonal Q, G and H N(0, 1); A B = 0."""
    if target.rank % 2:
        raise Unfit(f"rank must be even for the method orthogonal, got {target.rank}")
    half, (rows, outputs) = target.rank // 2, target.matrix.shape
    q = target.stream.child("q").orthogonal((target.rank, target.rank), dtype="float64")
    g = target.stream.child("a").normal((rows, half), dtype="float64")
    h = target.stream.child("b").normal((half, outputs), dtype="float64")
    return g @ q[0::2] / 10, q[1::2].T @ h / 10


def pissa(target: Target) -> Factors:
    """W = U S V': A = U_r sqrt(S_r / s), B = sqrt(S_r / s) V_r'."""
    return _split(target, *np.linalg.svd(target.matrix, full_matrices=False))


def pissa_by_iteration(iterations: int) -> Callable[[Target], Factors]:
    """As `pissa`, from a range found by subspace iteration (Halko et al. 2011, algorithm 4.4)."""

    def method(target: Target) -> Factors:
        w = target.matrix
        count = min(target.rank + OVERSAMPLING, *w.shape)
        start = target.stream.normal((w.shape[1], count), dtype="float64")
        q = np.linalg.qr(w @ start)[0]
        for _ in range(iterations):
            q = np.linalg.qr(w @ np.linalg.qr(w.T @ q)[0])[0]
        u, s, vh = np.linalg.svd(q.T @ w, full_matrices=False)
        return _split(target, q @ u, s, vh)

    return method


def olora(target: Target) -> Factors:
    """W' = Q R: A = R_r', B = Q_r'."""
    q, r = np.linalg.qr(target.matrix.T)
    return target.first(r.T, q.T)


def eva(target: Target) -> Factors:
    """A = the first principal directions of the layer's inputs, B zero.

    Each head's turned by an orthogonal matrix of its own, or B would move all heads alike.
    """
    assert target.moments is not None
    values, vectors = np.linalg.eigh(target.moments.covariance)
    known = int((values > values[-1] * len(values) * np.finfo("float32").eps).sum())
    if target.rank > known:
        raise Unfit(f"rank must be at most {known}, that of its inputs on x, got {target.rank}")
    directions = vectors[:, ::-1][:, : target.rank]
    heads, square = target.w.shape[1], (target.rank, target.rank)
    turned = [directions] + [
        directions @ target.stream.child("head", i).orthogonal(square, dtype="float64")
        for i in range(1, heads)
    ]
    return target.starting_at(np.stack(turned, axis=1).reshape(target.a_shape))


def corda(target: Target) -> Factors:
    """C W = U S V', C the inputs' second moments: A = C^-1 U_r sqrt(S_r / s), B = sqrt(S_r / s) V_r'.

    C has a mean diagonal of 1, plus 0.01 on the diagonal.
    """
    assert target.moments is not None
    c = target.moments.second
    if not (size := np.trace(c) / len(c)):
        raise Unfit("its inputs on x are all zero")
    c = c / size + DAMPING * np.eye(len(c))
    weighted = np.tensordot(c, target.w, 1).reshape(target.matrix.shape)
    u, s, vh = np.linalg.svd(weighted, full_matrices=False)
    back = np.linalg.solve(c, u.reshape(len(c), -1)).reshape(u.shape)
    return _split(target, back, s, vh)


@dataclass(frozen=True)
class Method:
    """How factors start; whether from data, and whether A B is not zero, so that W changes."""

    factors: Callable[[Target], Factors]
    reads_data: bool = False
    moves_kernel: bool = False


METHODS = {
    "default": Method(default),
    "kaiming": Method(kaiming),
    "gaussian": Method(gaussian),
    "orthogonal": Method(orthogonal, moves_kernel=True),  # by rounding
    "pissa": Method(pissa, moves_kernel=True),
    "pissa_niter": Method(pissa_by_iteration(ITERATIONS), moves_kernel=True),
    "olora": Method(olora, moves_kernel=True),
    "eva": Method(eva, reads_data=True),
    "corda": Method(corda, reads_data=True, moves_kernel=True),
}


def method_of(owner: str, name: str) -> Method:
    """The method of a name; `pissa_niter_4` says how many iterations."""
    if isinstance(name, str) and (counted := re.fullmatch(r"pissa_niter_(\d{1,4})", name)):
        return Method(pissa_by_iteration(int(counted[1])), moves_kernel=True)
    names = [*METHODS]
    names.insert(names.index("pissa_niter") + 1, "pissa_niter_4")  # stands for any number
    return METHODS[checks.one_of(owner, "method", name, tuple(names))]


def _uniform(target: Target, bound: float) -> np.ndarray:
    return target.stream.uniform(target.a_shape, -bound, bound)


def _split(target: Target, u: np.ndarray, s: np.ndarray, vh: np.ndarray) -> Factors:
    if target.scale <= 0:
        raise Unfit(f"lora_alpha must be above 0, got lora_alpha / rank = {target.scale:g}")
    root = np.sqrt(s / target.scale)
    return target.first(u * root, root[:, None] * vh)
