"""The main figures of `inspect` while a model takes its first steps."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import keras

from keras_inits import checks
from keras_inits.models.inspect import SignalReport, examine


class SignalMonitor(keras.callbacks.Callback):
    """A callback that runs `inspect` on a fixed batch during the first steps of `fit`.

    Its figures go to the logs, under `signal_chi`, `gradient_chi`, `dead` and `problems`: of the step
    to the callbacks after it, of the last sampled step to `History` at the end of an epoch. All
    sampled steps stand in `.samples`, as pairs of step and figures. What is trained is the same as
    without it. A sample takes some forward and backward passes of the batch: with 32 samples every 50
    steps that is little beside the steps themselves.

    Args:
        x: The batch to look at, as for `inspect`.
        y: Its targets, if the loss needs them; the loss is the compiled one.
        every: Every how many steps, from the first on.
        steps: After how many steps it ends.
        log_dir: A folder for TensorBoard, written by tensorboardX or, without it, by TensorFlow and
            TensorBoard.

    Raises:
        ModuleNotFoundError: `log_dir` is given, and neither is installed.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> x = keras.random.normal((8, 4), seed=0)
        >>> monitor = SignalMonitor(x, every=1)
        >>> history = model.fit(x, x[:, :2], verbose=0, callbacks=[monitor])
        >>> monitor.samples[0][0], "dead" in history.history
        (0, True)
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        every: int = 50,
        steps: int = 1000,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.every = checks.integer("SignalMonitor", "every", every, low=1)
        self.steps = checks.integer("SignalMonitor", "steps", steps, low=1)
        self.samples: list[tuple[int, dict[str, float]]] = []
        self.step = 0
        self.log_dir = None if log_dir is None else os.fspath(log_dir)
        self._open = None if log_dir is None else _writer()
        self._events: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the file for TensorBoard."""
        self._events = self._open and self._open(self.log_dir)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close it: what is buffered is written."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the model, every so many steps."""
        step, self.step = self.step, self.step + 1
        if step >= self.steps or step % self.every:
            return
        report = examine("SignalMonitor", self.model, self.x, self.y, weights=False)
        figures = _figures(report)
        self.samples.append((step, figures))
        if logs is not None:
            logs.update(figures)
        for name, value in figures.items() if self._events is not None else ():
            self._events.add_scalar(f"keras_inits/{name}", value, step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """The last figures stand for the epoch."""
        if logs is not None and self.samples:
            logs.update(self.samples[-1][1])


def _figures(report: SignalReport) -> dict[str, float]:
    found = {"problems": float(len(report.problems))}
    for name, growth in (("signal_chi", report.forward), ("gradient_chi", report.backward)):
        if growth is not None:
            found[name] = growth.chi
    found["dead"] = max((row.dead for row in report.rows if row.dead is not None), default=0.0)
    return found


def _writer() -> Callable[..., Any]:
    """What opens a folder for events: an object with `add_scalar` and `close`."""
    if importlib.util.find_spec("tensorboardX") is not None:
        from tensorboardX import SummaryWriter

        return SummaryWriter
    if any(importlib.util.find_spec(name) is None for name in ("tensorflow", "tensorboard")):
        message = "SignalMonitor: log_dir needs tensorboardX: pip install tensorboardX"
        raise ModuleNotFoundError(message)
    return _TensorFlowEvents


class _TensorFlowEvents:
    def __init__(self, folder: str) -> None:
        import tensorflow as tf

        self.summary = tf.summary
        self.writer = tf.summary.create_file_writer(folder)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        with self.writer.as_default():
            self.summary.scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()
