"""How low-rank adapters start, with the model's outputs as they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import keras
import numpy as np

from keras_inits import checks
from keras_inits.models.adapters.adapter import Adapter, adapters
from keras_inits.models.adapters.factors import Method, Target, Unfit, method_of
from keras_inits.models.adapters.moments import Moments, input_moments
from keras_inits.models.flow.batch import batch_of
from keras_inits.models.variables.assign import assign
from keras_inits.models.variables.together import Data, in_one_process
from keras_inits.models.variables.waiting import refuse_deferring
from keras_inits.models.variables.walk import walk
from keras_inits.reports.report import Panel, Report
from keras_inits.streams import Stream
from keras_inits.streams.seeds import as_stream, check_seed


@dataclass(frozen=True)
class LoraRow:
    """An adapter: the norms of its frozen kernel before and after, and of s A B.

    `change` is the largest change of an entry of W + s A B, over the largest entry: rounding.
    """

    path: str
    layer: str
    rank: int
    scale: float
    kernel_before: float | None = None
    kernel_after: float | None = None
    adapter: float | None = None
    change: float | None = None
    note: str = ""


class LoraReport(Report):
    """What `lora_init` did, adapter by adapter."""

    title: ClassVar[str] = "lora_init"
    columns: ClassVar = {
        "path": "path",
        "layer": "layer",
        "rank": "rank",
        "scale": "scale",
        "kernel_before": "kernel before",
        "kernel_after": "kernel after",
        "adapter": "adapter",
        "change": "change",
        "note": "note",
    }
    drop: ClassVar = ("layer", "scale", "note")
    panels: ClassVar = (Panel("norm of the frozen kernel", "kernel_before", "kernel_after"),)


def lora_init(model: Any, method: str, *, x: Any = None, seed: Any = None) -> LoraReport:
    """Start the adapters of a model that has them (`layer.enable_lora(rank)`); its outputs stay.

    A layer computes x (W + s A B) with s = lora_alpha / lora_rank. A and B are set anew; what they
    add to W, less what they added before, is taken off the frozen kernel.

    Args:
        model: A built Keras model with LoRA enabled in one Dense, EinsumDense, Embedding or
            convolution at least.
        method: "default" (as `enable_lora`), "kaiming" (as the LoRA paper's code), "gaussian",
            "orthogonal", "pissa", "pissa_niter" or "pissa_niter_4" (by 16 or 4 iterations: faster
            for large kernels), "olora", and from data "eva" or "corda".
        x: For "eva" and "corda" alone: an array, a list or dict of arrays, or a dataset, whose first
            batch is taken; the model runs on it once.
        seed: As in every scheme; each adapter's draw depends on it and on its path.

    Returns:
        A report with a row for each adapter; `.problems` lists those that the method does not fit
        and that were left as they were.

    Raises:
        RuntimeError: As for `lsuv`, where several processes hold the model.
        ValueError, TypeError: There is no adapter, a rank is above what its kernel or its inputs
            have, x is missing or does not fit. The model is then as it was.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(6, name="out")])
        >>> model.layers[0].enable_lora(2)
        >>> lora_init(model, "pissa").rows[0].path
        'out'

    Source: Hu et al. 2021 (arXiv 2106.09685); PiSSA: Meng et al. 2024 (arXiv 2404.02948);
    OLoRA: Büyükakyüz 2024 (arXiv 2406.01775); EVA: Paischer et al. 2024 (arXiv 2410.07170);
    CorDA: Yang et al. 2024 (arXiv 2406.05223), its instruction-previewed mode.
    """
    chosen = method_of("lora_init", method)
    check_seed("lora_init", seed)
    if chosen.reads_data != (x is not None):
        expected = f"{'given' if chosen.reads_data else 'left out'} for the method {method!r}"
        raise checks.value_error("lora_init", "x", expected, x)
    refuse_deferring("lora_init")
    slots = walk(model, "lora_init")
    found = adapters(slots)
    if not found:
        raise ValueError(
            f"lora_init: model {model.name!r} must have a layer with LoRA enabled, got none; call "
            "enable_lora(rank) of its layers first"
        )
    stream = as_stream("lora_init", seed)
    x = batch_of("lora_init", model, x) if chosen.reads_data else None
    same = {"method": method, "seed": stream, "x": Data(x)}
    with in_one_process("lora_init", model, slots, **same):
        started = [(adapter, _misfit(adapter, chosen)) for adapter in found]
        moments: dict[int, Moments] = {}
        if chosen.reads_data:
            layers = [(a.layer, a.given) for a, reason in started if not reason and a.given]
            moments = input_moments("lora_init", model, x, layers)
            started = [(a, reason or _unseen(a, moments)) for a, reason in started]
        rows, values = [], []
        for adapter, reason in started:
            row = LoraRow(adapter.path, type(adapter.layer).__name__, adapter.rank, adapter.scale)
            if reason:
                rows.append(replace(row, note=reason))
                continue
            fields, new = _start(adapter, chosen, stream, moments.get(id(adapter.layer)))
            rows.append(replace(row, **fields))
            values += new
        assign(values)
    return LoraReport(rows, [(a.path, reason) for a, reason in started if reason])


def _misfit(adapter: Adapter, method: Method) -> str:
    """Why an adapter is left as it was."""
    if method.reads_data and adapter.given is None:
        return "its inputs are not simply multiplied by its kernel; left as it was"
    if not adapter.quantized:
        return ""
    if method.moves_kernel:
        return "its kernel is quantized and cannot take what is taken off; left as it was"
    if np.any(adapter.product(*adapter.factors())):
        return "its kernel is quantized and cannot take what A B has learned; left as it was"
    return ""


def _unseen(adapter: Adapter, moments: dict[int, Moments]) -> str:
    return "" if id(adapter.layer) in moments else "not reached by the run on x; left as it was"


def _start(
    adapter: Adapter, method: Method, stream: Stream, moments: Moments | None
) -> tuple[dict[str, Any], list[tuple[Any, np.ndarray]]]:
    """(fields of the row, new values of the adapter's variables)."""
    kernel = adapter.weight()
    before = adapter.product(*adapter.factors())
    total = kernel + before
    if not np.isfinite(total).all():
        raise ValueError(f"lora_init: {adapter.path}: its weights must be finite")
    lookup = isinstance(adapter.layer, keras.layers.Embedding)
    drawn = stream.child(adapter.path)
    target = Target(total, adapter.rank, adapter.scale, drawn, lookup, moments)
    try:
        a, b = method.factors(target)
    except Unfit as unfit:
        raise ValueError(f"lora_init: {adapter.path}: {unfit}") from None
    a, b = a.astype("float32"), b.astype("float32")
    after = adapter.product(a.astype("float64"), b.astype("float64"))
    values = [(adapter.a, adapter.as_a(a)), (adapter.b, b)]
    if adapter.quantized:
        return {"adapter": float(np.linalg.norm(after)), "change": 0.0}, values
    new = kernel
    if np.any(before) or np.any(after):
        stored = adapter.as_kernel(total - after)
        values.append((adapter.kernel, stored))
        new = adapter.ordered(stored.astype("float64"))
    largest = np.abs(total).max(initial=0.0) or 1.0
    fields = {
        "kernel_before": float(np.linalg.norm(kernel)),
        "kernel_after": float(np.linalg.norm(new)),
        "adapter": float(np.linalg.norm(after)),
        "change": float(np.abs(new + after - total).max(initial=0.0) / largest),
    }
    return fields, values
