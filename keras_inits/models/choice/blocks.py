"""Presets for transformers that count blocks: of an encoder, a decoder, or both."""

from __future__ import annotations

import math
from typing import Any

from keras_inits.models.choice.preset import REST, Preset, Structure, is_norm_scale, is_weight
from keras_inits.models.choice.rules import Rule
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import geometry_of
from keras_inits.schemes.depth import depth_factor
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import XavierNormal


def deepnorm(*, x: Any = None) -> Preset:
    """Xavier; value, output and feed-forward weights times beta, for LN(alpha x + f(x)).

    N blocks of an encoder or a decoder alone: alpha (2N)^(1/4), beta (8N)^(-1/4). Encoder (N) and decoder (M):
    0.81 (N^4 M)^(1/16) and 0.87 (N^4 M)^(-1/16) in the encoder, (3M)^(1/4) and (12M)^(-1/4) in the
    decoder. A model that multiplies its streams by something else than alpha is a problem in the report.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Wang et al. 2022 (arXiv 2203.00555); torchscale's `architecture/encoder.py`.
    """

    def make(found: Structure) -> list[Rule]:
        parts = _parts(found)
        factors: dict[int, float] = {}
        others = []
        for branch in found.branches.rows:
            part, count, other = parts[branch.stream]
            both: Any = {"part": part, "other_depth": other} if other else {}
            factors[branch.stream] = depth_factor("deepnorm", count, **both)
            alpha = (2.0 * count) ** 0.25
            if other:
                encoder = 0.81 * (float(count) ** 4 * other) ** 0.0625
                alpha = encoder if part == "encoder" else (3.0 * count) ** 0.25
            if not math.isclose(branch.stream_factor, alpha, rel_tol=0.01):
                others.append((branch, alpha))
        if others:
            branch, alpha = others[0]
            found.problem(
                f"expects the stream times {alpha:.4f} before {branch.path} is added, and finds "
                f"{branch.stream_factor:.4f}; {len(others)} of {len(found.branches)} branches are so",
                "Its bound on the model's updates holds for LN(alpha x + f(x)) alone.",
            )
        return _xavier(found, factors)

    return Preset("deepnorm", {}, make, x)


def t_fixup(*, x: Any = None) -> Preset:
    """Xavier; value, output and feed-forward weights times 0.67 N^(-1/4) in an encoder, (9 M)^(-1/4) in a
    decoder; embeddings N(0, 1/d) times the decoder's factor.

    For a model without layer normalization: one that has some is a problem in the report.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Huang et al. 2020, Improving transformer optimization through better initialization; the
    authors' `transformer_layer.py`.
    """

    def make(found: Structure) -> list[Rule]:
        parts = _parts(found)
        factors = {s: depth_factor("t_fixup", n, part=part) for s, (part, n, _) in parts.items()}
        if parts and any(is_norm_scale(slot) for slot in found.slots):
            found.problem("is for models without normalization, and this one has some")
        last = parts[max(parts)][1] if parts else 1
        factor = (9.0 * last) ** -0.25

        def embedding(slot: Slot) -> Any:
            return Normal(factor / math.sqrt(slot.shape[-1]))

        embeddings = Rule(lambda slot: slot.role == "embeddings", each=embedding, exact=True)
        return [embeddings, *_xavier(found, factors)]

    return Preset("t_fixup", {}, make, x)


def _xavier(found: Structure, factors: dict[int, float]) -> list[Rule]:
    inside = found.by_path(lambda row: row.weights)
    if fused := [path for path in found.computation.fused_paths if path in inside]:
        found.problem(
            f"scales {len(fused)} kernels that hold several maps as a whole, {fused[0]} first",
            "Queries and keys are to stay unscaled: make them of kernels of their own.",
        )

    def scaled(slot: Slot) -> Any:
        return XavierNormal(factors[inside[slot.path].stream])

    known = {slot.path for slot in found.slots if geometry_of(slot.layer, slot.role, slot.shape)}
    embeds = {slot.path for slot in found.slots if slot.role == "embeddings"}
    return [
        Rule(lambda slot: slot.path in inside and slot.path in known, each=scaled),
        Rule(lambda slot: is_weight(slot) and slot.path not in embeds, XavierNormal()),
        *REST,
    ]


def _parts(found: Structure) -> dict[int, tuple[str, int, int]]:
    """For each stream (part, its blocks, the blocks of the other part or 0).

    A block has two branches, and three in a decoder that also looks at an encoder.
    """
    counts: dict[int, int] = {}
    for row in found.branches.rows:
        counts[row.stream] = counts.get(row.stream, 0) + 1
    blocks = {stream: count // 2 for stream, count in counts.items()}
    if len(counts) == 2 and counts[max(counts)] % 3 == 0 and counts[min(counts)] % 2 == 0:
        encoder, decoder = counts[min(counts)] // 2, counts[max(counts)] // 3
        return {
            min(counts): ("encoder", encoder, decoder),
            max(counts): ("decoder", decoder, encoder),
        }
    if len(counts) > 1 or any(count % 2 for count in counts.values()):
        found.problem(
            f"expects one stream of blocks, or an encoder's and a decoder's, and finds {counts}"
        )
    return {stream: ("encoder", max(count, 1), 0) for stream, count in blocks.items()}
