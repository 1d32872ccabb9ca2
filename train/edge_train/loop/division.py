"""Which rows the members of a network learn from, and which they hold out to tell when to stop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_train.dataset import Dataset, Part
from edge_train.loop.folds import rows_learned
from edge_train.loop.settings import Settings


@dataclass(frozen=True)
class Division:
    """The rows of a training run and who learns from them.

    Attributes:
        rows: those that some member learns from or holds out.
        learned: which member learns from which of them, shape (rows, members).
        measured: how many of the members, the first ones, are measured on the test rows, and leave them out.
        training: how many of the rows, the first ones, are training rows; the others are test rows.
    """

    rows: Part
    learned: npt.NDArray[np.bool_]
    measured: int
    training: int

    @property
    def held_out(self) -> list[npt.NDArray[np.intp]]:
        """The places of the training rows that each measured member holds out; none if none holds out any."""
        places = [np.flatnonzero(~learned) for learned in self.learned[: self.training, : self.measured].T]
        return places if any(map(len, places)) else []

    @property
    def groups(self) -> list[tuple[slice, int]]:
        """The members that make one network together, and how many of the rows, the first ones, may be theirs.

        The first group is to be measured, and the last one is to be used.
        """
        members = self.learned.shape[1]
        counts = [self.training, len(self.rows)]
        starts = range(0, members, self.measured)
        return [(slice(start, start + self.measured), count) for start, count in zip(starts, counts, strict=False)]


def divided(dataset: Dataset, settings: Settings, members: int, all_rows: bool) -> Division:
    """The rows of `dataset` as `settings` divide them.

    Args:
        dataset: the rows.
        settings: what each member holds out.
        members: how many are to be measured.
        all_rows: whether there are as many members again, which learn from the test rows too.
    """
    learned = _learned(dataset.train, dataset, settings, members)
    if not all_rows or dataset.test is None:
        return Division(dataset.train, learned, members, len(dataset.train))
    rows = dataset.train.joined(dataset.test)
    measured = np.concatenate([learned, np.zeros((len(dataset.test), members), np.bool_)])
    learned = np.concatenate([measured, _learned(rows, dataset, settings, members)], 1)
    return Division(rows, learned, members, len(dataset.train))


def _learned(rows: Part, dataset: Dataset, settings: Settings, members: int) -> npt.NDArray[np.bool_]:
    classes = len(dataset.signature.labels)
    return rows_learned(rows.target, classes, members, settings.validation, settings.seed)
