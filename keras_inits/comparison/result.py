"""What a comparison found: a report with a row per network and scheme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from keras_inits.comparison.training import BATCH, NETWORKS
from keras_inits.reports.plain import plain
from keras_inits.reports.report import Problem, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The accuracy that a scheme is asked to reach.
TARGET = 0.9


@dataclass(frozen=True)
class Row:
    """One network trained from one scheme; index 0 of the curves is before the first step.

    `loss` is the cross-entropy in nats and `accuracy` a share, both on the validation data;
    `seconds` are those of training, `path` is the saved model, and `reloads` says whether another
    process that loaded it predicts the same bits.
    """

    network: str
    scheme: str
    law: str
    loss: list[float]
    accuracy: list[float]
    seconds: float
    path: str = ""
    reloads: bool = False

    @property
    def loss_at_start(self) -> float:
        """The validation loss before the first step."""
        return self.loss[0]

    @property
    def final_accuracy(self) -> float:
        """The validation accuracy after the last epoch."""
        return self.accuracy[-1]

    @property
    def epochs_to_target(self) -> int | None:
        """The first epoch after which the validation accuracy is 90 % or more."""
        return next((epoch for epoch, value in enumerate(self.accuracy) if value >= TARGET), None)


class Comparison(Report):
    """A row per network and scheme; in `problems` the models that do not come back from their files.

    Args:
        data: Name of the data.
        backend: Keras's backend: "tensorflow", "jax" or "torch".
        epochs: How often each network saw the training data.
        seed: What the weights, the split and the order of the data came from.
        rows: One `Row` per network and scheme.
        problems: Paths of models, and why they do not come back.
    """

    title: ClassVar = "Comparison"
    columns: ClassVar = {
        "network": "network",
        "scheme": "scheme",
        "loss_at_start": "loss at start",
        "final_accuracy": "accuracy",
        "epochs_to_target": "epochs to 90 %",
        "seconds": "seconds",
        "reloads": "reloads",
    }

    def __init__(
        self,
        data: str,
        backend: str,
        epochs: int,
        seed: int,
        rows: Iterable[Row] = (),
        problems: Iterable[Problem | tuple[str, str]] = (),
    ) -> None:
        super().__init__(rows, problems)
        self.data, self.backend, self.epochs, self.seed = data, backend, epochs, seed

    def of(self, network: str) -> list[Row]:
        """The rows of one network."""
        return [row for row in self.rows if row.network == network]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values, curves included; a loss that is not finite is None."""
        about = {"data": self.data, "backend": self.backend, "epochs": self.epochs}
        report = super().to_dict()
        for values, row in zip(report["rows"], self.rows, strict=True):
            values["epochs_to_90_percent"] = row.epochs_to_target
        networks = plain(NETWORKS)
        return about | {"seed": self.seed, **report, "batch": BATCH, "networks": networks}

    def plot(self) -> Figure:
        """Draw the learning curves, networks side by side.

        Returns:
            A matplotlib figure; `plot().savefig(path)` writes it.

        Raises:
            ModuleNotFoundError: Matplotlib is not installed.
        """
        from keras_inits.comparison.curves import learning_curves

        return learning_curves(self)
