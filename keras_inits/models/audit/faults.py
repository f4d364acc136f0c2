"""What is wrong with one tensor, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from keras_inits.laws import Law
from keras_inits.laws.mixed import Times
from keras_inits.models.audit.expected import Expected
from keras_inits.models.audit.likelihood import expected_distinct, half_spacing, kolmogorov
from keras_inits.models.audit.measure import Measured
from keras_inits.models.variables.waiting import is_waiting
from keras_inits.models.weights.adapt import label
from keras_inits.schemes.recurrent import Gated
from keras_inits.schemes.variance_scaling import VarianceScaling
from keras_inits.streams.narrow import NARROW, numpy_dtype

Read = Callable[[], np.ndarray]

_FORM = 1e-4  # below it a law is no better for another scale
_MANY = 0.05  # repeated entries of a float32 or float64 tensor, where by chance there are 0.2 %


@dataclass(frozen=True)
class Finding:
    """A fault of the variable at `path`: of which kind, and what it is."""

    path: str
    kind: str
    text: str


#: Kinds of faults and why they matter.
WHY = {
    "not finite": "What it reaches is NaN, and after the first step most weights are.",
    "not drawn": "Units that begin equal stay equal.",
    "values": "It does not start where its initializer puts it.",
    "copies": "A part was drawn once and used again, as where processes draw shards with one seed.",
    "equal": "They are no independent draws: one seed, or one of them was copied.",
    "same start": "Draws of one seed are not independent of each other.",
    "permuted": "The same numbers in another order: shards that were exchanged, or drawn with one seed.",
    "zeros": "A part was never drawn, or is masked.",
    "few values": "As when drawn in a narrower dtype: coarse, and often with a shifted mean.",
    "outliers": "The law has no such entries, or not so many.",
    "tails": "The law is cut where it should not be.",
    "mean": "Every unit gets the same push.",
    "scale": "The law is the expected one but for its standard deviation.",
    "residual scale": "The last weights of residual branches were not scaled by depth.",
    "fans": "The scheme counted fans that the layer does not have.",
    "law": "It was drawn from another law, or has been trained.",
    "drawn again": "Where the others were loaded or trained, this one was left out, or drawn again.",
}


def faults(
    want: Expected, found: Measured, read: Read, p: dict[str, float], level: float
) -> Iterator[Finding]:
    """The faults of one tensor, whose entries `read` gives; `level` is that of a single test."""
    slot = want.action.slot

    def fault(kind: str, text: str) -> Finding:
        return Finding(slot.path, kind, text)

    if found.bad:
        yield fault("not finite", f"{found.bad} of its {found.size} entries are NaN or infinite")
        return
    if want.is_left_alone or not found.size:
        return
    if is_waiting(slot.variable):
        yield fault("not drawn", "was built under deferred() and never drawn")
        return
    if want.values is not None:
        if text := _differs(read(), want.values, slot.dtype):
            yield fault("values", f"{text} {label(want.action.initializer)}")
        return
    random = want.sample is not None or (want.law is not None and want.law.continuous)
    if random and found.size > 1 and found.low == found.high:
        yield fault("not drawn", f"all its {found.size} entries are {found.low:g}")
        return
    if found.copies and (want.independent or want.law is None):
        yield fault("copies", str(found.copies))
    if want.sample is not None and p["law"] < level:
        yield fault("law", f"its entries are not such as {label(want.action.initializer)} draws")
    elif want.law is not None:
        for kind, text in _by_law(want, want.law, found, read, p, level):
            yield fault(kind, text)


def _differs(values: np.ndarray, wanted: np.ndarray, dtype: str) -> str:
    """How values differ by more than rounding from what they should be."""
    apart = np.abs(values.astype("float64") - wanted.astype(numpy_dtype(dtype)).astype("float64"))
    wrong = apart > 4 * half_spacing(wanted.astype("float64"), dtype)
    if not wrong.any():
        return ""
    return f"{np.count_nonzero(wrong)} of its {wrong.size} entries differ, by up to {apart.max():.4g}, from"


def _by_law(
    want: Expected, law: Law, found: Measured, read: Read, p: dict[str, float], level: float
) -> Iterator[tuple[str, str]]:
    dtype = want.action.slot.dtype
    beyond, text = _beyond(law, found, read, dtype), ""
    if beyond:
        low, high = law.support
        text = f"{beyond} of its {found.size} entries are outside [{low:.6g}, {high:.6g}]"
    many = want.independent and law.continuous and not found.copies
    if many and (few := _few(law, found, dtype)):
        yield "few values", few
    elif p.get("zeros", 1.0) < level:
        yield "zeros", f"{found.zeros / found.size:.3g} of its entries are 0"
    elif p.get("mean", 1.0) < level and _fits(found.sample - found.mean + law.mean, law, dtype):
        off = (found.mean - law.mean) / law.std
        narrow = f": rounded or drawn in {dtype}" if dtype in NARROW else ""
        yield "mean", f"its mean is {found.mean:.4g}, off by {off:.3g} standard deviations{narrow}"
    elif min(p["law"], p.get("std", 1.0), p.get("mean", 1.0)) < level:
        yield _law_or_scale(want, law, found, text)
        return
    elif p.get("tails", 1.0) < level:
        yield (
            "tails",
            f"its {found.size} entries all lie within [{found.low:.4g}, {found.high:.4g}]",
        )
    if text:
        yield "outliers", text
    elif p.get("outliers", 1.0) < level:
        far = max(found.low, found.high, key=abs)
        out = abs(far - law.mean) / law.std
        yield "outliers", f"one of its entries is {far:.4g}, {out:.3g} standard deviations out"


def _beyond(law: Law, found: Measured, read: Read, dtype: str) -> int:
    """How many entries are outside the law's support by more than rounding."""
    low, high = law.support
    half = half_spacing(np.array([low, high]), dtype)
    low, high = low - 8 * half[0], high + 8 * half[1]
    if low <= found.low and found.high <= high:
        return 0
    values = read()
    return int(np.count_nonzero((values < low) | (values > high)))


def _few(law: Law, found: Measured, dtype: str) -> str:
    """Far fewer different values than draws of this dtype have."""
    entries = found.sample[found.sample != 0]
    n, distinct = entries.size, np.unique(entries).size
    least = expected_distinct(law, dtype, n) / 2 if dtype in NARROW else (1.0 - _MANY) * n
    if n < 64 or distinct >= least:
        return ""
    return f"{n} of its entries have {distinct} different values"


def _fits(sample: np.ndarray, law: Law, dtype: str) -> bool:
    return kolmogorov(sample, law, dtype) > _FORM


def _law_or_scale(want: Expected, law: Law, found: Measured, beyond: str) -> tuple[str, str]:
    """Whether another standard deviation would make the law fit; for fans, which."""
    other = _other(law, found) + (f"; {beyond}" if beyond else "")
    ratio = found.std / law.std if law.std else math.inf
    if not ratio or not math.isfinite(ratio) or law.mean:
        return "law", other
    dtype = want.action.slot.dtype
    if not _fits(found.sample, Times(law, ratio), dtype):
        return "law", other
    text = f"its standard deviation is {found.std:.4g}, {ratio:.3g} times that of its law, {law.std:.4g}"
    scheme = want.action.scheme
    scheme = scheme.initializer if isinstance(scheme, Gated) else scheme
    if not (isinstance(scheme, VarianceScaling) and scheme.by_fan):
        return "scale", text
    variance = law.std**2
    fan = scheme.scale / variance
    return (
        "fans",
        f"{text}: right for a {scheme.mode} of {fan / ratio**2:.4g}, and it has {fan:.4g}",
    )


def _other(law: Law, found: Measured) -> str:
    if np.isclose([found.mean, found.std], [law.mean, law.std], atol=0.02 * law.std, rtol=0).all():
        return "has the mean and standard deviation of its law, and another form"
    return (
        f"does not follow its law: mean {found.mean:.4g} and standard deviation {found.std:.4g} "
        f"for {law.mean:.4g} and {law.std:.4g}"
    )
