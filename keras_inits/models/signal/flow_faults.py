"""What is wrong with the signal or the gradient, in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_inits.models.signal.activations import name_of, scheme_for
from keras_inits.models.signal.growth import Growth, growth
from keras_inits.models.signal.rows import Seen, along_depth
from keras_inits.reports.report import Problem

FORWARD, BACKWARD, STREAM = 1e3, 1e6, 30.0  # factors of second moments over the whole depth
DEAD, SATURATED = 0.5, 0.5
NOTHING = 1e-12  # of the second moment, that differs from sample to sample
RANK, SPREAD = 1.5, 1e-4
SMALLEST_HALF, LARGEST_HALF = 2.0**-14, 65504.0
LSUV = "keras_inits.lsuv(model, x, seed=0)"


def flow_faults(
    calls: Sequence[Seen], forward: Growth | None, backward: Growth | None
) -> Iterator[Problem]:
    """Problems that the figures of the layers show, in the order of what to mend first."""
    broken = list(_not_finite(calls))
    yield from broken
    if broken:
        return
    yield from _lost(calls)
    yield from _along_depth(calls, forward, FORWARD, "signal")
    yield from _along_depth(calls, backward, BACKWARD, "gradient")
    yield from _no_gradient(calls)
    yield from _streams(calls)
    yield from _dead(calls)
    yield from _saturated(calls)
    yield from _collapsed(calls)
    yield from _half_precision(calls)


def _not_finite(calls: Sequence[Seen]) -> Iterator[Problem]:
    for call in calls:
        if call.statistics.bad:
            yield Problem(
                call.path,
                f"gives {call.statistics.bad} of {call.statistics.size} values NaN or infinite",
                "Everything after it is NaN, and so is the first step.",
                LSUV,
            )
            return


def _lost(calls: Sequence[Seen]) -> Iterator[Problem]:
    """The output is the same whatever the input."""
    last = next((call for call in reversed(calls) if call.statistics.size > 1), None)
    if last is None or last.statistics.spread > NOTHING or last.shape[0] < 2:
        return
    varying = [i for i, call in enumerate(calls) if call.statistics.spread > NOTHING]
    where = calls[varying[-1] + 1] if varying else calls[0]
    yield Problem(
        where.path,
        "gives the same for all samples, and so does the model",
        "What the model is shown makes no difference to its output or to its gradient.",
        LSUV,
    )


def _along_depth(
    calls: Sequence[Seen], found: Growth | None, most: float, what: str
) -> Iterator[Problem]:
    kernels = along_depth(calls)
    # By chance alone the logarithm wanders by some 5 over the width a layer, in variance (Hanin &
    # Rolnick 2018, theorem 5: the sum of the reciprocal widths).
    chance = math.sqrt(sum(5.0 / call.statistics.width for call in kernels))
    if found is None or abs(math.log(found.total)) < math.log(most) + 3 * chance:
        return
    if abs(math.log(found.chi)) < 3 * found.stderr:
        return  # no steady change, but layers that differ
    grows = found.chi > 1
    at = kernels[-1] if what == "signal" else kernels[0]
    verb = "grows" if grows else "shrinks"
    order = "" if what == "signal" else ", from the output back"
    why = {
        ("signal", True): "Activations saturate or overflow, and the loss starts far too high.",
        ("signal", False): "The last layers hardly see the input, and learn next to nothing.",
        ("gradient", True): "The first steps are far too large for the first layers.",
        ("gradient", False): "The first layers learn next to nothing.",
    }
    yield Problem(
        at.path,
        f"the {what}'s second moment {verb} by a factor of {found.chi:.3g} a layer, "
        f"{found.total:.2g} over {found.layers} layers{order}",
        why[what, grows],
        remedy([call.place.layer for call in calls]),
    )


def remedy(layers: Sequence[Any]) -> str:
    """A line that draws the kernels for the activation that most layers have."""
    found = scheme_for(layers)
    if found is None:
        return LSUV
    return f'keras_inits.initialize(model, {{"kernel$": {found[0]}}}, seed=0)'


def _streams(calls: Sequence[Seen]) -> Iterator[Problem]:
    """Sums, or blocks of one class, one after another: a residual stream."""
    groups: dict[tuple[Any, ...], list[Seen]] = {}
    for call in calls:
        if not call.kernel and (isinstance(call.place.layer, keras.layers.Add) or _is_block(call)):
            around = tuple(map(id, call.place.around))
            groups.setdefault((type(call.place.layer), around, call.shape[1:]), []).append(call)
    for group in groups.values():
        found = growth("stream", [call.statistics.second_moment for call in group])
        if found is None or len(group) < 4 or found.total < STREAM or found.chi < 1.3:
            continue
        yield Problem(
            group[-1].path,
            f"the residual stream's second moment grows by a factor of {found.chi:.3g} a block, "
            f"{found.total:.2g} over {found.layers} blocks",
            "The last blocks drown the first ones, and the loss starts far too high.",
            'keras_inits.initialize(model, "gpt2", seed=0)  # or zero the last kernel of each branch',
        )


def _is_block(call: Seen) -> bool:
    return not type(call.place.layer).__module__.startswith("keras.") and bool(
        call.place.layer.trainable_variables
    )


def _grouped(
    found: Sequence[tuple[Seen, float]], text: str, why: str, code: str
) -> Iterator[Problem]:
    """One problem for all layers of a kind: the worst is named."""
    if found:
        call, figure = max(found, key=lambda pair: pair[1])
        more = f" (and {len(found) - 1} more layers)" if len(found) > 1 else ""
        yield Problem(call.path, text.format(figure) + more, why, code)


def _activates(call: Seen) -> bool:
    layer = call.place.layer
    kinds = (keras.layers.Activation, keras.layers.ReLU)
    return isinstance(layer, kinds) or (call.kernel and bool(name_of(layer)))


def _dead(calls: Sequence[Seen]) -> Iterator[Problem]:
    found = []
    for call in calls:
        figures = call.statistics
        # Units of a deep network see samples that are alike: half of them may be off for all.
        most = min(DEAD + 4 * 0.5 / math.sqrt(figures.width), 0.95)
        if _activates(call) and figures.width >= 4 and figures.dead > most:
            found.append((call, figures.dead))
    yield from _grouped(
        found,
        "{:.0%} of its units give one value on the whole batch",
        "They pass nothing on and get no gradient.",
        "keras_inits.data_dependent(model, x)",
    )


def _saturated(calls: Sequence[Seen]) -> Iterator[Problem]:
    found = [(c, c.saturated) for c in calls if c.saturated is not None and c.saturated > SATURATED]
    yield from _grouped(
        found,
        "{:.0%} of its values lie at the bounds of its activation",
        "The slope there is next to zero, and so is the gradient.",
        LSUV,
    )


def _collapsed(calls: Sequence[Seen]) -> Iterator[Problem]:
    """At once, or bit by bit until the samples are alike: a deep ReLU network loses some rank anyhow.

    To the end of the model: a branch or a gate may give little where its sum or product has more.
    """
    lookup = keras.layers.Embedding  # its rank is that of the few rows that are looked up
    kernels = [c for c in calls if c.kernel and not isinstance(c.place.layer, lookup)]
    for before, call in itertools.pairwise(kernels[:-1]):  # a classifier's last may be narrow
        past, now = before.statistics, call.statistics
        if now.width < 8 or call.shape[0] < 8 or now.rank is None:
            continue
        thin = now.rank < RANK and (past.rank or 0.0) >= 2 * RANK
        alike = now.spread < SPREAD <= past.spread
        if not thin and not alike:
            continue
        after = [later.statistics for later in calls[calls.index(call) + 1 :]]
        if thin and all((later.rank or 0.0) < 2 * RANK for later in after):
            text = f"its {now.width} units vary in one direction alone: rank {now.rank:.2f}"
        elif alike and all(later.spread < SPREAD for later in after):
            text = f"gives nearly the same for all samples: {now.spread:.1g} of the second moment differs"
        else:
            continue
        code = 'keras_inits.initialize(model, {"kernel$": "keras_inits>orthogonal"}, seed=0)'
        yield Problem(call.path, text, "Later layers can hardly tell samples apart any more.", code)
        return


def _no_gradient(calls: Sequence[Seen]) -> Iterator[Problem]:
    """Where the gradient ends on its way back."""
    kernels = [call for call in calls if call.kernel]
    without = [call for call in kernels if not call.gradient_norm2]
    if not without:
        return
    if not kernels[0].gradient_norm2 and len(without) >= len(kernels) / 2:
        last = without[-1]
        after = calls[min(calls.index(last) + 1, len(calls) - 1)]
        yield Problem(
            last.path,
            f"no gradient reaches its output, nor {len(without) - 1} more of {len(kernels)} weighted layers",
            f"They do not learn. It ends at {after.path} or in an operation before it.",
            LSUV,
        )


def _half_precision(calls: Sequence[Seen]) -> Iterator[Problem]:
    half = [c for c in calls if c.place.layer.compute_dtype == "float16"]
    small, large, lost = [], [], []
    for call in half:
        rms = math.sqrt(call.statistics.second_moment)
        if 0 < rms < SMALLEST_HALF:
            small.append((call, rms))
        if call.statistics.largest > LARGEST_HALF / 8:
            large.append((call, call.statistics.largest))
        # Keras's loss scale begins at 2^15.
        if call.gradient_std and call.gradient_std * 2.0**15 < SMALLEST_HALF:
            lost.append((call, call.gradient_std))
    why = "float16 holds numbers from 2^-14 = 6.1e-05 to 65504 in full precision."
    code = 'keras.config.set_dtype_policy("mixed_bfloat16")  # or scale the weights: ' + LSUV
    yield from _grouped(
        small, "its output of size {:.2g} is below float16's normal numbers", why, code
    )
    yield from _grouped(
        large, "its output reaches {:.2g}, near float16's largest number", why, code
    )
    yield from _grouped(
        lost, "its gradient of size {:.2g} is lost in float16, even times 2^15", why, code
    )
