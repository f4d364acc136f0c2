"""How Keras 1 counted the fans of a weight tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_inits import checks

ORDERINGS = ("tf", "th")


def fans(shape: Sequence[int], dim_ordering: str = "tf") -> tuple[float, float]:
    """(fan_in, fan_out) as Keras 1.0.4 to 1.2.2 counted them.

    Rank 2 is (inputs, outputs). Ranks 4 and 5 are kernels (outputs, inputs, field...) for "th",
    (field..., inputs, outputs) for "tf", whose field is always the first two axes: of a rank-5
    kernel the third is missed. Any other rank: both are the square root of the number of entries.

    Raises ValueError for another `dim_ordering`, at ranks 4 and 5 alone, as Keras 1 did.

    >>> fans((3, 3, 4, 8))
    (36.0, 72.0)
    """
    dims = checks.shape("fans", shape)
    if len(dims) == 2:
        return float(dims[0]), float(dims[1])
    if len(dims) not in (4, 5):
        root = math.sqrt(math.prod(dims))
        return root, root
    if checks.one_of("fans", "dim_ordering", dim_ordering, ORDERINGS) == "th":
        field, fan_in, fan_out = math.prod(dims[2:]), dims[1], dims[0]
    else:
        field, fan_in, fan_out = math.prod(dims[:2]), dims[-2], dims[-1]
    return float(field * fan_in), float(field * fan_out)
