"""What the processes of one program tell each other, and how long one waits for the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from keras_inits.backend import dtensor, name


def process() -> int:
    """This process's number among those that run the program together."""
    if name() == "torch":
        return dtensor.rank()
    if name() != "jax":
        return 0
    import jax

    return jax.process_index()


def patience() -> int:
    """Seconds to wait for the others: KERAS_INITS_TIMEOUT where it is set, else ten minutes."""
    text = os.environ.get("KERAS_INITS_TIMEOUT", "") or "600"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"KERAS_INITS_TIMEOUT must be an integer >= 1, of seconds, got {text!r}")
    return int(text)


def gathered(owner: str, words: np.ndarray) -> np.ndarray:
    """The 64-bit words of every process, one row each; all of them have to call this.

    Raises RuntimeError, which names `owner`, where one has ended or does not come in time.
    """
    seconds = patience()
    if name() == "torch":
        rows, missing, is_late = dtensor.gathered(words, seconds)
        if missing:
            raise _absent(owner, missing, seconds if is_late else None)
        return rows
    import jax
    from jax.experimental import multihost_utils

    others = [number for number in range(jax.process_count()) if number != jax.process_index()]
    try:
        # JAX's integers have 32 bits unless it is told otherwise, and it waits for as long as it takes.
        halves = _within(seconds, lambda: multihost_utils.process_allgather(words.view(np.uint32)))
    except TimeoutError as error:
        raise _absent(owner, others, seconds) from error
    except Exception as error:
        raise _absent(owner, others, None) from error
    return np.ascontiguousarray(halves).view(np.uint64).reshape(-1, words.size)


def _absent(owner: str, missing: list[int], seconds: int | None) -> RuntimeError:
    one = "process" if len(missing) == 1 else "one of the processes"
    numbers = ", ".join(map(str, missing))
    if seconds is None:
        what = "does not answer: it has ended, or does something else; see its output"
    else:
        what = (
            f"did not come within {seconds} seconds (KERAS_INITS_TIMEOUT): it does something else, or "
            "is slow; see its output, and start all of them again"
        )
    return RuntimeError(
        f"{owner}: every process that holds a part of the model must take part, and {one} {numbers} {what}"
    )


def _within(seconds: int, function: Callable[[], Any]) -> Any:
    """What the function gives; TimeoutError where it takes longer, and its thread goes on."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(seconds)
