"""Laws that shrink with a network's depth or follow its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inits import checks, laws
from keras_inits.base import Scheme, check_seed, draw_from, law_of
from keras_inits.registry import initializer_of, register
from keras_inits.streams import Stream
from keras_inits.streams.narrow import narrow
from keras_inits.streams.stream import Index

METHODS = ("gpt2", "fixup", "t_fixup", "deepnorm")


def depth_factor(
    method: str,
    depth: int,
    *,
    layers: int | None = None,
    part: str | None = None,
    other_depth: int | None = None,
) -> float:
    """The factor that a method puts on the weights of residual branches; for `Scaled`.

    - "gpt2": 1/sqrt(2 depth), on the projections that end a branch (two in each block).
    - "fixup": depth^(-1/(2 layers - 2)), on all layers of a branch but the last, which is 0; `depth`
      counts branches, `layers` (2) those of one branch.
    - "t_fixup": 0.67 depth^(-1/4) in an encoder, (9 depth)^(-1/4) in a decoder: `part` "encoder" or
      "decoder". On value, output and feed-forward kernels.
    - "deepnorm": (8 depth)^(-1/4), on the same; with `part` and `other_depth`, the blocks of the
      other part, 0.87 (N^4 M)^(-1/16) in the encoder of N blocks, (12 M)^(-1/4) in the decoder of M.

    Args:
        method: One of the names above.
        depth: Blocks (branches for "fixup"), at least 1.
        layers: Layers of a branch, at least 2; "fixup" alone.
        part: "encoder" or "decoder"; "t_fixup", and "deepnorm" with `other_depth`.
        other_depth: Blocks of the other part; "deepnorm" alone.

    Returns:
        The factor.

    Raises:
        ValueError: An unknown method, a number too small, or an argument that is missing or that the
            method does not take.

    Example:
        >>> round(depth_factor("gpt2", 12), 4)
        0.2041

    Source: nanoGPT's `model.py`; Zhang et al. 2019 (arXiv 1901.09321); Huang et al. 2020, Improving
    transformer optimization through better initialization; Wang et al. 2022 (arXiv 2203.00555), whose
    0.87 is 1/1.15 = 0.8696 in the authors' code.
    """
    owner = "depth_factor"
    checks.one_of(owner, "method", method, METHODS)
    depth = checks.integer(owner, "depth", depth, low=1)
    both = method == "deepnorm" and other_depth is not None
    for name, value, taken in (
        ("layers", layers, method == "fixup"),
        ("part", part, method == "t_fixup" or both),
        ("other_depth", other_depth, method == "deepnorm"),
    ):
        if value is not None and not taken:
            raise checks.value_error(owner, name, f"None for {method!r}", value)
    if method == "gpt2":
        return (2.0 * depth) ** -0.5
    if method == "fixup":
        count = 2 if layers is None else checks.integer(owner, "layers", layers, low=2)
        return depth ** (-1.0 / (2 * count - 2))
    if method == "deepnorm" and not both:
        return (8.0 * depth) ** -0.25
    encoder = checks.one_of(owner, "part", part, ("encoder", "decoder")) == "encoder"
    if method == "t_fixup":
        return 0.67 * depth**-0.25 if encoder else (9.0 * depth) ** -0.25
    other = checks.integer(owner, "other_depth", other_depth, low=1)
    return 0.87 * (float(depth) ** 4 * other) ** -0.0625 if encoder else (12.0 * depth) ** -0.25


@register(law="factor times a draw of initializer", source="depth scaling", family="depth")
class Scaled(Scheme):
    """`factor` times what `initializer` draws.

    For branches of a deep residual network; `depth_factor` gives the factors of GPT-2, Fixup,
    T-Fixup and DeepNorm. `initializer` is an object, a string or a config; its own seed plays no
    part. `factor` is a finite number > 0.

    >>> x = Scaled("keras_inits>he_normal", depth_factor("gpt2", 8), seed=0)((200, 400))
    >>> round(float(keras.ops.std(x)), 3)
    0.025
    """

    def __init__(self, initializer: Any, factor: float, seed: Any = None) -> None:
        self.initializer = initializer_of("Scaled", initializer)
        self.factor = checks.number("Scaled", "factor", factor, above=0)
        self.seed = check_seed("Scaled", seed)

    elementwise = False

    @property
    def alike(self) -> bool:  # type: ignore[override]
        """As the initializer that it scales."""
        return isinstance(self.initializer, Scheme) and self.initializer.alike

    @property
    def linear_map(self) -> bool:  # type: ignore[override]
        """As the initializer that it scales."""
        return isinstance(self.initializer, Scheme) and self.initializer.linear_map

    def check_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        dims = super().check_shape(shape)
        return self.initializer.check_shape(dims) if isinstance(self.initializer, Scheme) else dims

    def law(self, shape: tuple[int, ...]) -> laws.Law | None:
        law = law_of(self.initializer, shape)
        return None if law is None else laws.Times(law, self.factor)

    def values(
        self, shape: tuple[int, ...], dtype: str, stream: Stream, index: Index = None
    ) -> np.ndarray:
        drawn = draw_from(self.initializer, shape, dtype, stream).astype("float64")
        law = self.law(shape) if self.alike else None
        # Rounded once, and not across the bounds of the law.
        return narrow(drawn * self.factor, dtype, law.support if law and law.continuous else None)


@register(law="N(0, 2/(5 width))", source="Nguyen & Salazar 2019, arXiv 1910.05895", family="depth")
class SmallInit(Scheme):
    """N(0, 2/(5 width)), whatever the kernel's shape; `width` >= 1 is the model's.

    For kernels inside of a transformer's blocks: Xavier's law of a feed-forward kernel
    (width, 4 width) for all of them.

    >>> x = SmallInit(40, seed=0)((300, 300))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: Nguyen & Salazar 2019 (arXiv 1910.05895); GPT-NeoX's `init_functions.py`.
    """

    def __init__(self, width: int, seed: Any = None) -> None:
        self.width = checks.integer("SmallInit", "width", width, low=1)
        self.seed = check_seed("SmallInit", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(0.0, math.sqrt(2.0 / (5.0 * self.width)))


@register(law="N(0, (2/(depth sqrt(width)))^2)", source="GPT-NeoX", family="depth")
class WangInit(Scheme):
    """N(0, s^2), s = 2/(depth sqrt(width)), whatever the kernel's shape.

    For the projections that end a residual branch (GPT-NeoX-20B and Pythia, beside `SmallInit`
    inside). `depth` >= 1 counts the blocks, `width` >= 1 is the model's.

    >>> x = WangInit(2, 100, seed=0)((300, 300))
    >>> round(float(keras.ops.std(x)), 2)
    0.1

    Source: GPT-NeoX's `init_functions.py`, `wang_init_method`.
    """

    def __init__(self, depth: int, width: int, seed: Any = None) -> None:
        self.depth = checks.integer("WangInit", "depth", depth, low=1)
        self.width = checks.integer("WangInit", "width", width, low=1)
        self.seed = check_seed("WangInit", seed)

    def law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(0.0, 2.0 / (self.depth * math.sqrt(self.width)))
