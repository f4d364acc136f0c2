"""How a signal grows or shrinks with depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Growth:
    """What becomes of a second moment from one weighted layer to the next.

    `chi` is its factor a layer: exp of the median slope of its logarithm over all pairs of layers
    (Theil and Sen), which single layers do not sway. `total` is the same over all `layers`, and
    `stderr` the standard error of log(chi).
    """

    direction: str
    chi: float
    total: float
    layers: int
    stderr: float

    def __str__(self) -> str:
        return f"{self.direction} x {self.chi:.3g} a layer, x {self.total:.2g} over {self.layers}"


def growth(direction: str, moments: Sequence[float | None]) -> Growth | None:
    """The growth along second moments in the order in which the signal passes; None for under three.

    Layers without a figure are left out; one of zero counts as the least number of float32, and
    where all are zero nothing grows.
    """
    known = [(i, m) for i, m in enumerate(moments) if m is not None and math.isfinite(m)]
    if len(known) < 3 or not any(m for _, m in known):
        return None
    places = np.array([i for i, _ in known], float)
    logs = np.log(np.maximum([m for _, m in known], 1e-76))
    first, second = np.triu_indices(len(known), 1)
    slope = float(np.median((logs[second] - logs[first]) / (places[second] - places[first])))
    rest = logs - slope * places
    rest -= np.median(rest)
    apart = places - places.mean()
    stderr = float(np.sqrt((rest**2).sum() / max(len(known) - 2, 1) / (apart**2).sum()))
    span = places[-1] - places[0]
    total = math.exp(max(min(slope * span, 700.0), -700.0))
    return Growth(direction, math.exp(slope), total, len(known), stderr)
