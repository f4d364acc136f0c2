"""Presets that scale what is added to residual streams; the branches are read from the computation."""

from __future__ import annotations

import math
from typing import Any

from keras_inits import checks
from keras_inits.models.choice.preset import (
    Preset,
    Structure,
    is_bias,
    is_norm,
    is_norm_scale,
    is_weight,
)
from keras_inits.models.choice.rules import Rule
from keras_inits.models.residual.rows import Branch
from keras_inits.models.variables.walk import Slot
from keras_inits.models.weights.layers import geometry_of
from keras_inits.reports.report import Problem
from keras_inits.schemes.constant import Constant, One, Zero
from keras_inits.schemes.depth import depth_factor
from keras_inits.schemes.uniform_normal import Normal
from keras_inits.schemes.variance_scaling import VarianceScaling, XavierNormal


def gpt2(std: float = 0.02, *, x: Any = None) -> Preset:
    """N(0, std^2), biases 0; the last weights of residual branches / sqrt(branches of the stream).

    In a transformer of L blocks, with attention and a feed-forward part each, that is std/sqrt(2 L).

    Args:
        std: The standard deviation, > 0.
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `std` is no number > 0.

    Example:
        >>> gpt2(std=0.01)
        gpt2(std=0.01)

    Source: Radford et al. 2019, Language models are unsupervised multitask learners, section 2.3;
    the figures are nanoGPT's `model.py`.
    """
    std = checks.number("presets.gpt2", "std", std, above=0)

    def make(found: Structure) -> list[Rule]:
        depth, ends = found.branches.depth_of, found.ends

        def end(slot: Slot) -> Any:
            return Normal(std / math.sqrt(depth(ends[slot.path])))

        return [
            Rule(lambda slot: slot.path in ends, each=end, exact=True),
            Rule(is_weight, Normal(std), exact=True),
            *_REST,
        ]

    return Preset("gpt2", {"std": std}, make, x)


def small_init(*, x: Any = None) -> Preset:
    """N(0, 2/(5 d)) for every weight, d the width of the residual stream; biases 0.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Nguyen & Salazar 2019 (arXiv 1910.05895), section 3.2; GPT-NeoX's `init_functions.py`.
    """

    def make(found: Structure) -> list[Rule]:
        return [Rule(is_weight, each=_small(found), exact=True), *_REST]

    return Preset("small_init", {}, make, x)


def wang(*, x: Any = None) -> Preset:
    """As `small_init`, but the last weights of branches N(0, (2/(L sqrt(d)))^2), L blocks of two branches.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: GPT-NeoX's `init_functions.py`, as GPT-NeoX-20B and Pythia use it.
    """

    def make(found: Structure) -> list[Rule]:
        depth, ends = found.branches.depth_of, found.ends

        def end(slot: Slot) -> Any:
            branch = ends[slot.path]
            return Normal(2 / (depth(branch) / 2 * math.sqrt(branch.width)))

        return [
            Rule(lambda slot: slot.path in ends, each=end, exact=True),
            Rule(is_weight, each=_small(found), exact=True),
            *_REST,
        ]

    return Preset("wang", {}, make, x)


def fixup(*, x: Any = None) -> Preset:
    """He's law; in a branch of m weights times L^(-1/(2m-2)), L branches; its last weight and the head 0.

    He by fan_out, as in the authors' code. The method also needs, in the model, no normalization, a scalar bias
    (at 0) before each weight and activation, and a scalar multiplier (at 1) in each branch.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Zhang et al. 2019 (arXiv 1901.09321), section 3; `fixup_resnet_cifar.py`.
    """

    def make(found: Structure) -> list[Rule]:
        rows, ends = found.branches.rows, found.ends
        inside = found.by_path(lambda row: row.weights)
        if rows and any(is_norm_scale(slot) for slot in found.slots):
            found.problem("stands in the place of normalizations, and the model has some")
        if rows and not any(math.prod(slot.shape) == 1 for slot in found.slots):
            found.problem(
                "needs scalar biases before weights and activations, and a multiplier in each branch",
                "The model has no scalar variables; without them it trains worse than the paper's.",
            )
        zero = {*ends, *found.branches.heads}
        zeroed = [slot.layer for slot in found.slots if slot.path in zero]

        def scaled(slot: Slot) -> Any:
            count = len(inside[slot.path].weights)
            factor = depth_factor("fixup", len(rows), layers=count) if count > 1 else 1.0
            return VarianceScaling(2 * factor**2, "fan_out", "untruncated_normal")

        return [
            Rule(lambda slot: slot.path in zero, Zero()),
            Rule(lambda slot: is_bias(slot) and any(slot.layer is one for one in zeroed), Zero()),
            Rule(lambda slot: slot.path in inside and is_weight(slot), each=scaled),
            Rule(is_weight, VarianceScaling(2.0, "fan_out", "untruncated_normal")),
            *_REST,
        ]

    return Preset("fixup", {}, make, x)


def zero_residual(*, x: Any = None) -> Preset:
    """Every branch adds 0 at the start: its last scale is 0, or where it has none its last weights.

    A ResNet's last gamma (Goyal et al. 2017), the scalar of SkipInit and ReZero, a layer scale; else the last kernel,
    as in Fixup and DiT. Everything else is drawn from its layer's own initializer.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Goyal et al. 2017 (arXiv 1706.02677), section 5.1; De & Smith 2020 (arXiv 2002.10444),
    SkipInit; Bachlechner et al. 2020 (arXiv 2003.04887), ReZero.
    """

    def make(found: Structure) -> list[Rule]:
        zero = set(found.by_path(lambda row: row.scales[:1] or row.ends))
        layers = [slot.layer for slot in found.slots if slot.path in zero]

        def shifts(slot: Slot) -> bool:
            return is_bias(slot) and any(slot.layer is layer for layer in layers)

        return [Rule(lambda slot: slot.path in zero, Zero()), Rule(shifts, Zero())]

    return Preset("zero_residual", {}, make, x)


#: The name of De & Smith's method, for the same preset.
skipinit = zero_residual


def layer_scale(value: float = 1e-5, *, x: Any = None) -> Preset:
    """The vectors or scalars that multiply branches at `value`; all else by its layer's own initializer.

    Args:
        value: 1e-5 in CaiT and timm; 1e-6 in ConvNeXt and DeiT-3.
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Raises:
        ValueError, TypeError: `value` is no finite number.

    Source: Touvron et al. 2021 (arXiv 2103.17239), section 2; timm's `layer_scale.py`.
    """
    value = checks.number("presets.layer_scale", "value", value)

    def make(found: Structure) -> list[Rule]:
        scales = {slot.path for slot in found.slots if not is_norm(slot.layer)}
        scaled = found.by_path(lambda row: tuple(p for p in row.scales if p in scales))
        rows = found.branches.rows
        without = [row.path for row in rows if not scales.intersection(row.scales)]
        if without:
            found.problem(f"finds no scale in {len(without)} of {len(rows)} branches: {without[0]}")
        return [Rule(lambda slot: slot.path in scaled, Constant(value))]

    return Preset("layer_scale", {"value": value}, make, x)


def deepnorm(*, x: Any = None) -> Preset:
    """Xavier; value, output and feed-forward weights times beta, for LN(alpha x + f(x)).

    N blocks of an encoder or a decoder alone: alpha (2N)^(1/4), beta (8N)^(-1/4). Encoder (N) and decoder (M):
    0.81 (N^4 M)^(1/16) and 0.87 (N^4 M)^(-1/16) in the encoder, (3M)^(1/4) and (12M)^(-1/4) in the
    decoder. A model that multiplies its streams by something else than alpha is a problem in the report.

    Args:
        x: Inputs of the model, where `residual_branches` needs them.

    Returns:
        A preset, for `initialize(model, preset)`.

    Source: Wang et al. 2022 (arXiv 2203.00555), section 3; torchscale's `architecture/encoder.py`.
    """

    def make(found: Structure) -> list[Rule]:
        parts = _parts(found)
        factors = {}
        for branch in found.branches.rows:
            part, count, other = parts[branch.stream]
            both: Any = {"part": part, "other_depth": other} if other else {}
            factors[branch.stream] = depth_factor("deepnorm", count, **both)
            alpha = (2.0 * count) ** 0.25
            if other:
                encoder = 0.81 * (float(count) ** 4 * other) ** 0.0625
                alpha = encoder if part == "encoder" else (3.0 * count) ** 0.25
            if not math.isclose(branch.stream_factor, alpha, rel_tol=0.01):
                found.problems.append(_alpha_problem(branch, alpha))
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

    Source: Huang et al. 2020, Improving transformer optimization through better initialization, section 3.2.
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


_REST = [Rule(is_norm_scale, One(), exact=True), Rule(is_bias, Zero(), exact=True)]


def _small(found: Structure) -> Any:
    widths = [row.width for row in found.branches.rows]

    def small(slot: Slot) -> Any:
        return Normal(math.sqrt(2 / (5 * widths[0]))) if widths else None

    return small


def _xavier(found: Structure, factors: dict[int, float]) -> list[Rule]:
    inside = found.by_path(lambda row: row.weights)

    def scaled(slot: Slot) -> Any:
        return XavierNormal(factors[inside[slot.path].stream])

    known = {slot.path for slot in found.slots if geometry_of(slot.layer, slot.role, slot.shape)}
    embeds = {slot.path for slot in found.slots if slot.role == "embeddings"}
    return [
        Rule(lambda slot: slot.path in inside and slot.path in known, each=scaled),
        Rule(lambda slot: is_weight(slot) and slot.path not in embeds, XavierNormal()),
        *_REST,
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


def _alpha_problem(branch: Branch, alpha: float) -> Problem:
    return Problem(
        branch.path,
        f"deepnorm expects the stream times {alpha:.4f} before the addition, got {branch.stream_factor:.4f}",
        "Its bound on the model's updates holds for LN(alpha x + f(x)) alone.",
    )
