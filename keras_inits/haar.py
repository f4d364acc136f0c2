"""Random orthogonal matrices without factorising anything."""

from __future__ import annotations

import numpy as np

from keras_inits.streams.stream import Stream

BLOCK = 128  # reflections multiplied into the matrix at a time


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
    # The vectors, row i from column i on; from the last rows up the product takes their place.
    q = stream.normal((rows, cols), dtype=dtype)
    signs = np.where(np.diagonal(q) < 0, 1.0, -1.0).astype(dtype)
    for start in reversed(range(0, rows, BLOCK)):
        stop = min(start + BLOCK, rows)
        v = np.triu(q[start:stop, start:])
        np.fill_diagonal(v, np.diagonal(v) - signs[start:stop] * np.sqrt(_squares(v)))
        t = _inverse(v @ v.T, _squares(v) / 2).astype(dtype)
        rest = q[start:, start:]
        rest[:, : stop - start] = np.eye(rows - start, stop - start)
        rest[: stop - start, stop - start :] = 0
        weights = (rest @ v.T) @ t.T
        for first in range(0, rows - start, 2 * BLOCK):
            rest[first : first + 2 * BLOCK] -= weights[first : first + 2 * BLOCK] @ v
    q *= signs[:, None]
    return q


def _squares(v: np.ndarray) -> np.ndarray:
    """Squared length of each row, in double: the product's orthogonality hangs on them."""
    squares: np.ndarray = np.einsum("ij,ij->i", v, v, dtype=np.float64)
    return np.maximum(squares, np.finfo(v.dtype).tiny)


def _inverse(upper: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Of the triangular matrix with these entries above and on its diagonal, column by column."""
    t = np.diag(1 / diagonal)
    for j in range(1, len(t)):
        t[:j, j] = t[:j, :j] @ upper[:j, j] * -t[j, j]
    return t
