"""A variable together with how its layer uses it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_inits.models.weights.geometry import Geometry
from keras_inits.schemes.orthogonal import orthogonal
from keras_inits.streams import Stream


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight that data can scale."""

    variable: keras.Variable
    geometry: Geometry

    def orthonormal(self, stream: Stream) -> np.ndarray:
        """Every map drawn Haar-orthogonal (Saxe et al. 2014; Mishkin & Matas 2015, section 3)."""
        if self.geometry.parts:
            parts = [Weight(self.variable, part) for part in self.geometry.by_part]
            drawn = [part.orthonormal(stream.child("part", i)) for i, part in enumerate(parts)]
            return self.geometry.joined(drawn, self.geometry.shape)
        *field, inputs, outputs = self.geometry.map_shape
        rows = math.prod(field) * inputs
        count = math.prod(self.geometry.shape) // max(rows * outputs, 1)
        dtype = "float64" if self.variable.dtype == "float64" else "float32"
        return self.geometry.assembled(_haar(count, rows, outputs, dtype, stream))


def _haar(count: int, rows: int, columns: int, dtype: str, stream: Stream) -> np.ndarray:
    if min(rows, columns) == 1:  # single vectors: thousands of them in a depthwise kernel
        vectors = stream.normal((count, rows * columns), dtype=dtype)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.reshape(count, rows, columns)
    if count == 1:
        return orthogonal((rows, columns), 1.0, dtype, stream)[None]
    each = [stream.child(i) for i in range(count)]
    return np.stack([orthogonal((rows, columns), 1.0, dtype, one) for one in each])
