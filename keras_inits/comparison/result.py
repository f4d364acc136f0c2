"""What a comparison found: a report with a row per network and scheme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from keras_inits import checks
from keras_inits.comparison.training import Curve
from keras_inits.reports.plain import plain
from keras_inits.reports.report import Problem, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The accuracy that a scheme is asked to reach.
TARGET = 0.9
#: With fewer seeds the ranges say too little: of two equal normal laws 22 % would be told apart.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Row:
    """One network trained from one scheme, once per seed.

    Args:
        network: Which network.
        scheme: The scheme's name.
        law: Its law, in one line.
        loss: Cross-entropy in nats on the validation data, a list per seed: before the first step
            and after every epoch.
        accuracy: The same for the share of validation rows that are right.
        path: The saved model of the first seed; "" where none is saved.
        reloads: Whether another process that loads it predicts the same bits; None: not tried.
    """

    network: str
    scheme: str
    law: str
    loss: list[list[float]]
    accuracy: list[list[float]]
    path: str = ""
    reloads: bool | None = None

    @classmethod
    def of(
        cls, network: str, scheme: str, law: str, curves: Sequence[Curve], path: str = ""
    ) -> Row:
        """From curves of (loss, accuracy), one per seed."""
        loss = [[point[0] for point in curve] for curve in curves]
        accuracy = [[point[1] for point in curve] for curve in curves]
        return cls(network, scheme, law, loss, accuracy, path)

    @property
    def loss_at_start(self) -> float:
        """The validation loss before the first step, the median over the seeds."""
        return median(curve[0] for curve in self.loss)

    @property
    def median_accuracy(self) -> list[float]:
        """The median over the seeds, before the first step and after every epoch."""
        return [median(values) for values in zip(*self.accuracy, strict=True)]

    @property
    def final_accuracy(self) -> float:
        """The validation accuracy after the last epoch, the median over the seeds."""
        return self.median_accuracy[-1]

    @property
    def lowest(self) -> float:
        """The final accuracy of the worst seed."""
        return min(curve[-1] for curve in self.accuracy)

    @property
    def highest(self) -> float:
        """The final accuracy of the best seed."""
        return max(curve[-1] for curve in self.accuracy)

    @property
    def epochs_to_target(self) -> int | None:
        """The first epoch after which the median accuracy is 90 % or more."""
        reached = (i for i, value in enumerate(self.median_accuracy) if value >= TARGET)
        return next(reached, None)


def differ(first: Row, second: Row) -> bool:
    """Whether two final accuracies differ by more than the seeds spread them.

    Three seeds or more, ranges that do not overlap, and medians further apart than the larger range
    is wide: two equal normal laws pass for different in 4.4 % of pairs with 3 seeds, 0.2 % with 5.
    """
    apart = first.lowest > second.highest or second.lowest > first.highest
    spread = max(row.highest - row.lowest for row in (first, second))
    step = abs(first.final_accuracy - second.final_accuracy)
    enough = min(len(first.accuracy), len(second.accuracy)) >= FEWEST_SEEDS
    return enough and apart and step > spread


class Comparison(Report):
    """A row per network and scheme; in `problems` the models that do not come back from their files.

    Args:
        data: Name of the data.
        backend: Keras's backend: "tensorflow", "jax" or "torch".
        epochs: How often each network saw the training data.
        seeds: From which the weights and the order of the data came, run by run.
        networks: What each network is, in words, by its name.
        rows: One `Row` per network and scheme.
        problems: Paths of models, and why they do not come back.
    """

    title: ClassVar = "Comparison"
    columns: ClassVar = {
        "network": "network",
        "scheme": "scheme",
        "loss_at_start": "loss at start",
        "final_accuracy": "accuracy",
        "lowest": "lowest",
        "highest": "highest",
        "epochs_to_target": "epochs to 90 %",
        "reloads": "reloads",
    }

    def __init__(
        self,
        data: str,
        backend: str,
        epochs: int,
        seeds: Iterable[int],
        networks: Mapping[str, str],
        rows: Iterable[Row] = (),
        problems: Iterable[Problem | tuple[str, str]] = (),
    ) -> None:
        super().__init__(rows, problems)
        self.data, self.backend, self.epochs = data, backend, epochs
        self.seeds, self.networks = list(seeds), dict(networks)

    def of(self, network: str) -> list[Row]:
        """The rows of one network, by the name of the function that builds it."""
        return [row for row in self.rows if row.network == network]

    def best(self, network: str) -> Row:
        """The row of the highest median accuracy after the last epoch."""
        names = tuple(dict.fromkeys(row.network for row in self.rows))
        checks.one_of("Comparison", "network", network, names)
        return max(self.of(network), key=lambda row: row.final_accuracy)

    def worse(self, network: str) -> list[Row]:
        """The rows that are worse than the best by more than the seeds spread them."""
        best = self.best(network)
        return [row for row in self.of(network) if differ(row, best)]

    def summary(self) -> str:
        """For each network its best scheme, and how many are worse beyond doubt."""
        lines = [f"{super().summary()}; {self.data}, {len(self.seeds)} seeds"]
        for network in dict.fromkeys(row.network for row in self.rows):
            best, rest = self.best(network), len(self.of(network)) - 1
            found = f"{network}: best {best.scheme} {best.final_accuracy:.1%}"
            if len(self.seeds) < FEWEST_SEEDS:
                lines.append(f"{found}; no difference is called with fewer than 3 seeds")
            else:
                lines.append(f"{found}; {len(self.worse(network))} of {rest} others are worse")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values, curves included; a loss that is not finite is None."""
        about = {"data": self.data, "backend": self.backend, "epochs": self.epochs}
        report = super().to_dict()
        for values, row in zip(report["rows"], self.rows, strict=True):
            values["final_accuracy"] = plain(row.final_accuracy)
            values["epochs_to_90_percent"] = row.epochs_to_target
            values["worse_than_best"] = row in self.worse(row.network)
        return about | {"seeds": self.seeds, **report, "networks": self.networks}

    def plot(self) -> Figure:
        """Draw the learning curves, networks side by side: median and range over the seeds.

        Returns:
            A matplotlib figure; `plot().savefig(path)` writes it.

        Raises:
            ModuleNotFoundError: Matplotlib is not installed.
        """
        from keras_inits.comparison.curves import learning_curves

        return learning_curves(self)
