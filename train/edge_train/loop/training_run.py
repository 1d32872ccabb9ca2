"""What a training run ends with."""

from dataclasses import dataclass

from edge_train.loop.held_out import Trained
from edge_train.networks.base import Network


@dataclass(frozen=True)
class TrainingRun:
    """A trained network and how it was trained.

    Attributes:
        final: the network that is to be used.
        measured: the network that the test rows are to measure, which has not learned from them: `final` itself, unless
            that learns from all rows.
        losses: the mean loss on the training rows, by epoch, as its steps found it.
        evaluations: how many epochs were done, and the loss then of each member on the rows that it holds out;
            without such rows, every `REPORT_EVERY` epochs on the test rows.
        epoch: how many epochs were done when the weights were those of `final`.
        validated: whether the evaluations are on rows that were held out.
    """

    final: Trained
    measured: Trained
    losses: list[float]
    evaluations: list[tuple[int, float]]
    epoch: int
    validated: bool

    @property
    def model(self) -> Network:
        """The network that is to be used."""
        return self.final.network

    def __repr__(self) -> str:
        return f"TrainingRun({self.model!r}, weights of epoch {self.epoch:,} of {len(self.losses):,})"
