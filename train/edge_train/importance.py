"""How much each column matters to a network: permutation importance on rows that it has not learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.terminal import printable
from edge_train.dataset import Part
from edge_train.networks.answers import answers
from edge_train.networks.base import Network

# On fewer rows chance decides.
_FEWEST_ROWS = 20
_MOST_ROWS = 1000
_REPEATS = 5
# Of more columns, one trial finds the few to measure: in it so many rows are answered, divided among all columns.
_MOST_COLUMNS, _FEW_COLUMNS = 50, 30
_TRIAL_ROWS = 100_000
# As scikit-learn clips probabilities in its log loss.
_SMALLEST_PROBABILITY = np.finfo(np.float64).eps
_SHOWN_COLUMNS = 5
_LONGEST_NAME = 30  # characters


@dataclass(frozen=True)
class ColumnImportance:
    """How much a network loses without one column.

    Attributes:
        column: the name.
        mean: the mean increase of the loss when the column is shuffled; below zero by chance.
        standard_deviation: of the increases in the repeats.
    """

    column: str
    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class Importance:
    """Permutation importance, in the terms of metrics.json.

    Attributes:
        loss: what increases: "log_loss", in nats, or "rmse", in the target's unit.
        rows: how many rows were shuffled.
        repeats: how often each column was.
        columns: those that were measured, the most important first.
    """

    loss: Literal["log_loss", "rmse"]
    rows: int
    repeats: int
    columns: tuple[ColumnImportance, ...]


def permutation_importance(network: Network, part: Part, seed: int) -> Importance | None:
    """How much the loss of `network` on `part` grows when the values of one column are shuffled among the rows.

    Permutation importance as scikit-learn defines it (Breiman, Random Forests, 2001): the mean over several shuffles.
    What two columns both say is lost with neither, so that each of them may seem to matter little.

    It takes at most 1,000 rows, and the network answers about 250,000 at most, however large the table. Of more than 50
    columns, those 30 are measured whose shuffling increases the loss most in a single trial, which has fewer rows the
    more columns there are.

    Args:
        network: in evaluation mode, on the CPU.
        part: rows with their targets, best those that the network was not trained on; they stay as they are.
        seed: of the shuffles; the same seed gives the same result.

    Returns:
        The importance of each column, or None if there are fewer than 20 rows.
    """
    if len(part) < _FEWEST_ROWS:
        return None
    rows = np.random.default_rng(seed).permutation(len(part))[:_MOST_ROWS]
    columns = list(_columns(network))
    if len(columns) > _MOST_COLUMNS:
        trial = _Shuffler(network, part, rows[: max(2, _TRIAL_ROWS // len(columns))], seed)
        increases = [trial.increase(place, column, _REPEATS) for place, column in enumerate(columns)]
        measured = sorted(np.argsort(increases, kind="stable")[-_FEW_COLUMNS:].tolist())
    else:
        measured = list(range(len(columns)))
    shuffler = _Shuffler(network, part, rows, seed)
    found = []
    for place in measured:
        increases = [shuffler.increase(place, columns[place], repeat) for repeat in range(_REPEATS)]
        found.append(ColumnImportance(columns[place].name, float(np.mean(increases)), float(np.std(increases))))
    found.sort(key=lambda column: -column.mean)
    loss: Literal["log_loss", "rmse"] = "rmse" if network.signature.task == "regression" else "log_loss"
    return Importance(loss, len(rows), _REPEATS, tuple(found))


def importance_line(importance: Importance) -> str:
    """The most important columns, and how much the loss increases when each is shuffled, for the terminal."""
    shown = []
    for column in importance.columns[:_SHOWN_COLUMNS]:
        name = printable(column.column)
        name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
        if column.mean > 0:
            shown.append(f"{name} {column.mean:.3g}")
    loss = "RMSE" if importance.loss == "rmse" else "log loss"
    if not shown:
        return f"shuffling a column does not raise the {loss}, whichever it is"
    return f"shuffling a column raises the {loss}: {', '.join(shown)}"


@dataclass(frozen=True)
class _Place:
    """Where a column is: its name, the input that has it, and its place there."""

    name: str
    tensor: str
    place: int


def _columns(network: Network) -> Iterator[_Place]:
    for tensor in network.signature.inputs:
        for place, feature in enumerate(tensor.features):
            yield _Place(feature.name, tensor.name, place)


class _Shuffler:
    """Some rows of a part, of which one column at a time is shuffled."""

    def __init__(self, network: Network, part: Part, rows: npt.NDArray[np.intp], seed: int) -> None:
        self._network, self._seed = network, seed
        self._part = part.taken(rows)
        self._before = self._loss()

    def increase(self, number: int, column: _Place, repeat: int) -> float:
        """By how much the loss increases when `column`, which is the `number`th, is shuffled."""
        values = self._part.inputs[column.tensor][:, column.place]
        before = values.copy()
        # What is drawn depends on neither the order nor the choice of columns.
        values[:] = np.random.default_rng((self._seed, number, repeat)).permutation(before)
        loss = self._loss()
        values[:] = before
        return loss - self._before

    def _loss(self) -> float:
        found, target = answers(self._network, self._part), self._part.target
        if self._network.signature.task == "regression":
            return float(np.sqrt(np.mean((found - target) ** 2)))
        of_class = found[np.arange(len(target)), target.astype(np.int64)]
        return float(-np.log(of_class.clip(_SMALLEST_PROBABILITY, 1)).mean())
