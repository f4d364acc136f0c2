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
    if name() == "torch":
        seconds = patience()
        rows, missing, is_late = dtensor.gathered(words, seconds)
        if missing:
            raise _absent(owner, missing, seconds if is_late else None)
        return rows
    # JAX's integers have 32 bits unless it is told otherwise.
    halves = _in_all(owner, "process_allgather", words.view(np.uint32))
    return np.ascontiguousarray(halves).view(np.uint64).reshape(-1, words.size)


def whole(owner: str, variable: Any) -> np.ndarray:
    """All entries of a variable on JAX; where processes hold parts of it, all of them call this.

    Raises RuntimeError as `gathered` does.
    """
    value = variable.value
    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    return _in_all(owner, "process_allgather", value, tiled=True)


def of_first(owner: str, array: np.ndarray) -> np.ndarray:
    """The array that process 0 has, on JAX; all of them have to call this. Raises as `gathered` does."""
    return np.asarray(_in_all(owner, "broadcast_one_to_all", array))


def _in_all(owner: str, function: str, array: Any, **named: Any) -> np.ndarray:
    """What a function of JAX's `multihost_utils` gives, which waits for as long as it takes."""
    import jax
    from jax.experimental import multihost_utils

    seconds = patience()
    others = [number for number in range(jax.process_count()) if number != jax.process_index()]
    try:
        return _within(seconds, lambda: getattr(multihost_utils, function)(array, **named))
    except TimeoutError as error:
        raise _absent(owner, others, seconds) from error
    except Exception as error:
        raise _absent(owner, others, None) from error


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
