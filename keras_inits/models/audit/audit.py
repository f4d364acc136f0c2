"""`audit`: whether weights are really what their initializers, a preset or rules say."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits.models.audit import files
from keras_inits.models.audit.expected import expected, expected_of
from keras_inits.models.audit.faults import WHY, Finding, faults
from keras_inits.models.audit.likelihood import p_values, two_samples
from keras_inits.models.audit.measure import measure
from keras_inits.models.audit.rows import LEVEL, Audit, row_of
from keras_inits.models.audit.together import Seen, drawn_again, equal, residual
from keras_inits.models.choice.choose import Action
from keras_inits.models.choice.preset import Preset
from keras_inits.models.choice.presets import PRESETS
from keras_inits.models.residual.branches import residual_branches
from keras_inits.models.signal.weight_faults import is_kernel, misfits
from keras_inits.models.variables.together import in_one_process
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import Slot, Walk, walk
from keras_inits.reports.progress import progress as steps_of
from keras_inits.reports.report import Problem


def audit(model_or_file: Any, expected: Any = None, *, x: Any = None) -> Audit:
    """Look whether weights are really drawn as they should be.

    Every tensor is compared with its law: Kolmogorov and Smirnov's test, mean, standard deviation,
    extremes, zeros; and looked through for NaN, repeated values and slices, and values that other
    tensors have too. The model is not changed.

    Args:
        model_or_file: A built Keras model, or the path of a `.keras`, `.h5`, `.weights.h5` or
            `.safetensors` file. The last two hold no model: their tensors have the names that the
            file gives them.
        expected: What each variable should be drawn from: None for its own initializer, a preset's
            name, a preset, or rules, as `initialize` takes them. For a file without a model rules whose
            patterns are regular expressions; None tests no law. There fans are counted by the shape:
            where a file has its matrices as (outputs, inputs), give schemes `input_axes` and
            `output_axes`.
        x: Inputs of the model, where a preset that scales residual branches needs them.

    Returns:
        A report with a row for each floating-point variable: expected and measured figures, a p-value
        and the kinds of faults. `.problems` lists each kind of fault, and what could not be audited.
        By chance alone, a model that is as expected has a fault with probability `LEVEL`, 0.001.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: It is no built model and no such file; a rule matches nothing.
        ModuleNotFoundError: The file needs the safetensors package.

    Example:
        >>> from keras_inits import initialize
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
        >>> report = initialize(model, {"kernel": "keras_inits>he_normal"}, seed=0)
        >>> audit(model, {"kernel": "keras_inits>he_normal"}).problems
        []
        >>> audit(model).rows[0].findings
        ('law',)
    """
    refuse_deferring("audit")
    with ExitStack() as stack:
        if isinstance(model_or_file, (str, os.PathLike)):
            path = Path(model_or_file)
            if not path.is_file():
                raise ValueError(f"audit: {path}: no such file")
            if files.is_weights(path):
                slots, unread = stack.enter_context(files.slots(path))
                _check_rules(expected, x)
                if not slots:
                    raise ValueError(
                        f"audit: {path} must have floating-point tensors, and has none"
                    )
                return _audit(Walk(slots, unread), expected, None, None)
            model_or_file = files.load(path)
        found = walk(model_or_file, "audit")
        stack.enter_context(in_one_process("audit", model_or_file, found))
        return _audit(found, expected, x, model_or_file)


def _check_rules(rules: Any, x: Any) -> None:
    """What a file without a model can be compared with."""
    if isinstance(rules, (str, Preset)):
        raise ValueError(
            f"audit: expected must be rules by name for a file without a model, got the preset {rules!r}, "
            "which asks layers for their fans and branches; give the model, or its .keras file"
        )
    if x is not None:
        raise ValueError("audit: x must be None for a file without a model, which cannot run it")


def _audit(found: Walk, rules: Any, x: Any, model: Any) -> Audit:
    actions, problems = expected_of(found, rules, x)
    seen, findings, p = _look([action for action in actions if "float" in action.slot.dtype])
    findings += list(equal(seen))
    if rules is None and model is not None:
        findings += _fans(seen)
    findings += list(drawn_again(seen, _kinds(findings)))
    if _is_preset(rules) and any(f.kind in ("scale", "fans") for f in findings):
        findings = residual(findings, seen, _ends(model, x))
    kinds = _kinds(findings)
    rows = [row_of(one, p[one.path], kinds.get(one.path, [])) for one in seen]
    problems += _problems(findings, seen, rules, model)
    problems += _not_audited(seen, found)
    return Audit(rows, problems)


def _kinds(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Of the findings, by path."""
    kinds: dict[str, list[str]] = {}
    for finding in findings:
        kinds.setdefault(finding.path, []).append(finding.kind)
    return kinds


def _look(actions: list[Action]) -> tuple[list[Seen], list[Finding], dict[str, float | None]]:
    """Every tensor by itself."""
    seen, single = [], {}
    with steps_of("audit", len(actions)) as advance:
        for action in actions:
            want = expected(action)
            centre = 0.0 if want.law is None else want.law.mean
            read = functools.partial(_values, action.slot)
            one = Seen(want, measure(read(), centre), read)
            seen.append(one)
            single[action.slot.path] = _tests(one)
            advance()
    tests = sum(map(len, single.values()))
    findings = [
        fault
        for one in seen
        for fault in faults(one.want, one.found, one.read, single[one.path], LEVEL / max(tests, 1))
    ]
    p = {
        path: min(1.0, len(each) * min(each.values())) if each else None
        for path, each in single.items()
    }
    return seen, findings, p


def _tests(one: Seen) -> dict[str, float]:
    """p-values by the name of what is tested."""
    if one.found.bad or not one.found.size:
        return {}
    if one.want.sample is not None:
        return {"law": two_samples(one.found.sample, one.want.sample)}
    if one.want.law is None or one.want.values is not None:
        return {}
    return p_values(one.found, one.want.law, one.want.action.slot.dtype, one.want.independent)


def _values(slot: Slot) -> np.ndarray:
    value = slot.variable.value
    return value if isinstance(value, np.ndarray) else keras.ops.convert_to_numpy(value)


def _fans(seen: list[Seen]) -> list[Finding]:
    """Kernels whose own initializer takes fans from the shape, where the layer's are others."""
    kernels = [one for one in seen if is_kernel(one.want.action.slot) and one.found.std]
    slots = [(one.want.action.slot, one.found.std) for one in kernels]
    return [Finding(slot.path, "fans", text) for slot, _, text in misfits(slots)]


def _is_preset(rules: Any) -> bool:
    """Whether it may scale by the residual structure."""
    return isinstance(rules, Preset) or (
        isinstance(rules, str) and isinstance(PRESETS[rules], Preset)
    )


def _ends(model: Any, x: Any) -> dict[str, int]:
    try:
        branches = residual_branches(model, x)
    except ValueError:  # which the preset has said
        return {}
    return {path: branches.depth_of(row) for row in branches.rows for path in row.ends}


def _problems(
    findings: Iterable[Finding], seen: list[Seen], rules: Any, model: Any
) -> list[Problem]:
    """One for each kind of fault and class of layers."""
    layers = {one.path: type(one.want.action.slot.layer).__name__ for one in seen}
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, layers[finding.path]), []).append(finding)
    code = ""
    if model is not None and (rules is None or isinstance(rules, str)):
        code = f"keras_inits.initialize(model{', ' + repr(rules) if rules else ''}, seed=0)"
    order = list(WHY)
    made = []
    for (kind, layer), group in sorted(groups.items(), key=lambda entry: order.index(entry[0][0])):
        first, *others = group
        of = f" of {layer}" if model is not None else ""
        more = f" (and {len(others)} more{of}: see rows)" if others else ""
        again = code if kind not in ("fans", "law", "drawn again") or rules is not None else ""
        made.append(Problem(first.path, f"{kind}: {first.text}{more}", WHY[kind], again))
    return made


def _not_audited(seen: list[Seen], found: Walk) -> list[Problem]:
    """What has no law that is known, but for what rules or layers keep as it is."""
    reasons = {one.path: one.want.reason for one in seen if one.want.reason}
    drawn = {one.path for one in seen if one.want.action.kind == "draw"}
    listed = {path: reason for path, reason in found.problems if path not in drawn}
    listed |= {path: reason for path, reason in reasons.items() if path in drawn}
    return [Problem(path, f"not audited: {reason}") for path, reason in listed.items()]
