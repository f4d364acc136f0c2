"""Random orthogonal matrices without factorising anything."""

from __future__ import annotations

import numpy as np

from keras_inits.streams.stream import Stream
from keras_inits.streams.tiles import empty


def haar(rows: int, cols: int, stream: Stream, dtype: str = "float32") -> np.ndarray:
    """A rows x cols matrix with orthonormal columns (rows >= cols) or rows, Haar-distributed.

    The reflections I - 2 v v'/v'v that bring a normal matrix into triangular form come from normal
    vectors x of falling length, independent of one another, as v = x + sign(x_1) |x| e_1: they are
    drawn as such and multiplied together, each row with the sign that R's diagonal leaves to it.
    Stewart 1980, SIAM J. Numer. Anal. 17, section 3. Products of reflections in blocks I - V' T V,
    the inverse of T being V V' above the diagonal and half of it on the diagonal, as in Joffrain et
    al. 2006, ACM TOMS 32.

    >>> from keras_inits.streams import DefaultStream
    >>> haar(256, 64, DefaultStream(0)).shape
    (256, 64)
    """
    if rows > cols:
        return np.ascontiguousarray(haar(cols, rows, stream, dtype).T)
    # Vector i has length cols - i; from the last on, the product grows upwards in q.
    drawn = stream.normal((rows * cols - rows * (rows - 1) // 2,), dtype=dtype)
    q = empty((rows, cols), dtype)
    signs = np.empty(rows)
    block = 128 if rows <= 1024 else 256  # reflections multiplied into the matrix at a time
    for start in reversed(range(0, rows, block)):
        stop = min(start + block, rows)
        v = np.zeros((stop - start, cols - start), dtype)
        for i, row in enumerate(v, start):
            first = i * cols - i * (i - 1) // 2
            row[i - start :] = drawn[first : first + cols - i]
        signs[start:stop] = np.where(_diagonal(v) < 0, 1.0, -1.0)
        _reflect(q[start:, start:], v, signs[start:stop])
    q *= signs[:, None].astype(dtype)
    return q


def _reflect(q: np.ndarray, v: np.ndarray, signs: np.ndarray) -> None:
    """The identity beside the product so far, the lower right of `q`, times (I - V' T V)."""
    n = len(v)
    # Squared lengths in double: the product's orthogonality hangs on them.
    squares = np.einsum("ij,ij->i", v, v, dtype=np.float64)
    first = _diagonal(v).astype(np.float64)
    _diagonal(v)[...] = first - signs * np.sqrt(squares)
    squares += _diagonal(v).astype(np.float64) ** 2 - first**2
    t = _inverse(v @ v.T, np.maximum(squares, np.finfo(v.dtype).tiny) / 2)
    t = -t.T.astype(v.dtype)
    head, tail = v[:, :n], v[:, n:]
    weights = np.empty((len(q), n), v.dtype)
    np.matmul(head.T, t, out=weights[:n])
    np.matmul(q[n:, n:] @ tail.T, t, out=weights[n:])
    np.matmul(weights, head, out=q[:, :n])
    np.matmul(weights[:n], tail, out=q[:n, n:])
    _diagonal(q)[:n] += 1
    for start in range(n, len(q), n):
        q[start : start + n, n:] += weights[start : start + n] @ tail


def _inverse(upper: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Of the triangular matrix with these entries above and on its diagonal.

    All pairs of neighbouring blocks on the diagonal at once: [A B; 0 C] has the inverse
    [a -aBc; 0 c], a and c those of A and C, which the step before left there.
    """
    n = len(diagonal)
    size = 1 << (n - 1).bit_length()
    u, t = np.zeros((2, size, size))
    u[:n, :n] = upper
    _diagonal(t)[:] = 1
    _diagonal(t)[:n] /= diagonal
    half = 1
    while half < size:
        pairs = (size // (2 * half), 2 * half) * 2
        a, b = (np.einsum("iaib->iab", m.reshape(pairs)) for m in (t, u))  # views
        a[:, :half, half:] = -a[:, :half, :half] @ b[:, :half, half:] @ a[:, half:, half:]
        half *= 2
    return t[:n, :n]


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """A view to write to."""
    n = min(matrix.shape)
    return np.einsum("ii->i", matrix[:n, :n])
