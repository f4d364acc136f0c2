"""Random orthogonal matrices without factorising anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_inits.backend.memory import aligned


def haar(rows: int, cols: int, normal: Callable[[int], np.ndarray]) -> np.ndarray:
    """A rows x cols matrix with orthonormal columns (rows >= cols) or rows, Haar-distributed.

    `normal(n)` gives n standard normal numbers, in float32 or float64, and is called once.

    The reflections I - 2 v v'/v'v that bring a normal matrix into triangular form come from normal
    vectors x of falling length, independent of one another, as v = x + sign(x_1) |x| e_1: they are
    drawn as such and multiplied together, each row with the sign that R's diagonal leaves to it.
    Stewart 1980, SIAM J. Numer. Anal. 17, section 3. Products of reflections in blocks I - V' T V,
    the inverse of T being V V' above the diagonal and half of it on the diagonal, as in Joffrain et
    al. 2006, ACM TOMS 32.

    >>> haar(256, 64, np.random.default_rng(0).standard_normal).shape
    (256, 64)
    """
    if rows > cols:
        return np.ascontiguousarray(haar(cols, rows, normal).T)
    # Vector i has length cols - i; from the last on, the product grows upwards in q.
    drawn = normal(rows * cols - rows * (rows - 1) // 2)
    dtype = drawn.dtype
    block = 128 if rows <= 1024 else 256  # reflections multiplied into the matrix at a time
    starts = range(0, rows, block)
    panels = [_panel(drawn, start, min(block, rows - start), cols) for start in starts]
    del drawn
    signs = np.empty(rows, dtype)
    size = 1 << (min(block, rows) - 1).bit_length()
    t = np.zeros((len(panels), size, size))
    _diagonal(t)[...] = 1
    for start, v, inverse in zip(starts, panels, t, strict=True):
        n = len(v)
        # Squared lengths in double: the product's orthogonality hangs on them.
        squares = np.einsum("ij,ij->i", v, v, dtype=np.float64)
        first = _diagonal(v).astype(np.float64)
        signs[start : start + n] = np.where(first < 0, 1, -1)
        _diagonal(v)[...] = first - signs[start : start + n] * np.sqrt(squares)
        squares += _diagonal(v).astype(np.float64) ** 2 - first**2
        inverse[:n, :n] = v @ v.T
        _diagonal(inverse)[:n] = np.maximum(squares, np.finfo(dtype).tiny) / 2
    t = -_inverse(t).swapaxes(1, 2).astype(dtype)
    q = aligned((rows, cols), dtype)
    for i in reversed(range(len(panels))):
        n = len(panels[i])
        _reflect(q[starts[i] :, starts[i] :], panels[i], t[i, :n, :n])
    q *= signs[:, None]
    return q


def _panel(drawn: np.ndarray, start: int, n: int, cols: int) -> np.ndarray:
    """The vectors from `start` on as the rows of a matrix, zero below its diagonal."""
    v = np.zeros((n, cols - start), drawn.dtype)
    first, size = start * cols - start * (start - 1) // 2, v.size - n * (n - 1) // 2
    v[np.arange(cols - start) >= np.arange(n)[:, None]] = drawn[first : first + size]
    return v


def _reflect(q: np.ndarray, v: np.ndarray, t: np.ndarray) -> None:
    """(I + V' T V) times the product so far, the lower right of `q`, beside an identity."""
    n = len(v)
    head, tail = v[:, :n], v[:, n:]
    weights = np.empty((len(q), n), v.dtype)
    np.matmul(head.T, t, out=weights[:n])
    np.matmul(q[n:, n:] @ tail.T, t, out=weights[n:])
    np.matmul(weights, head, out=q[:, :n])
    np.matmul(weights[:n], tail, out=q[:n, n:])
    _diagonal(q)[:n] += 1
    for start in range(n, len(q), n):
        q[start : start + n, n:] += weights[start : start + n] @ tail


def _inverse(upper: np.ndarray) -> np.ndarray:
    """Of triangular matrices, their extents a power of 2, from what is on and above the diagonals.

    All pairs of neighbouring blocks on the diagonals at once: [A B; 0 C] has the inverse
    [a -aBc; 0 c], a and c those of A and C, which the step before left there.
    """
    count, size, _ = upper.shape
    t = np.zeros_like(upper)
    _diagonal(t)[...] = 1 / _diagonal(upper)
    half = 1
    while half < size:
        pairs = (count, *(size // (2 * half), 2 * half) * 2)
        a, b = (np.einsum("niaib->niab", m.reshape(pairs)) for m in (t, upper))  # views
        a[..., :half, half:] = -a[..., :half, :half] @ b[..., :half, half:] @ a[..., half:, half:]
        half *= 2
    return t


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    """A view to write to, of each matrix in a stack."""
    n = min(matrix.shape[-2:])
    return np.einsum("...ii->...i", matrix[..., :n, :n])
