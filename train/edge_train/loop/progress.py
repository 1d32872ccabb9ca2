"""The progress of a training run, kept in a file, so that a run that was interrupted ends as if it had not been."""

import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from edge_runtime.contract.atomic_files import prepare_file, write_files
from edge_runtime.contract.limits import DEFAULTS
from edge_train.errors import CheckpointError
from edge_train.networks.torch_files import check_file, check_tensors

_NAME = "training.pt"
# Writing takes a millisecond or two for small networks: often enough that little is lost.
_SECONDS = 1.0


@dataclass
class TrainingProgress:
    """Where a training run stands after an epoch.

    Attributes:
        epoch: how many epochs are done.
        finished: whether the run has ended.
        weights: the network's state_dict.
        optimizer: the optimizer's state_dict.
        best_epoch: how many epochs were done when the validation loss was the smallest.
        best_loss: that loss.
        best_weights: the network's state_dict then; None if no validation loss is known.
        annealing: how many epochs were done when annealing began, and how many will be when it ends; None before.
        losses: the mean loss on the training rows, by epoch.
        evaluations: how many epochs were done, and the loss on the rows that are evaluated then.
    """

    epoch: int = 0
    finished: bool = False
    weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best_epoch: int = 0
    best_loss: float = float("inf")
    best_weights: dict[str, Tensor] | None = None
    annealing: tuple[int, int] | None = None
    losses: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)

    def __repr__(self) -> str:
        best = "" if self.best_weights is None else f", best epoch {self.best_epoch:,}"
        return f"TrainingProgress({self.epoch:,} epochs{best}{', finished' if self.finished else ''})"


class Checkpointer:
    """Keeps the progress of one run in a folder."""

    def __init__(self, folder: Path, resume: bool) -> None:
        """Keep the progress in `folder`, which is made if it is missing.

        Args:
            folder: the folder, for this run alone.
            resume: whether to continue the run that is there.

        Raises:
            CannotWrite: nothing can be written in the folder.
            CheckpointError: an unfinished run is there, and `resume` is false: it would be lost.
        """
        self.path = folder / _NAME
        prepare_file(self.path)
        self._resume = resume
        self._next = 0.0
        if not resume and self.path.exists() and not self._read()["progress"]["finished"]:
            raise CheckpointError(
                f"{self.path} is a run that has not finished; continue it with --resume, or remove the file"
            )

    def load(self, run_sha256: str) -> TrainingProgress | None:
        """The progress to continue from; None to start at the first epoch.

        Args:
            run_sha256: the SHA-256 of all that the run depends on: rows, settings, versions.

        Raises:
            CheckpointError: the file is of another run, or damaged.
        """
        if not self._resume or not self.path.exists():
            return None
        state = self._read()
        if state["run"] != run_sha256:
            raise CheckpointError(
                f"{self.path} is a run with another table, other options or another version of torch; use the same "
                "ones, or remove the file"
            )
        return TrainingProgress(**state["progress"])

    def save(self, run_sha256: str, progress: TrainingProgress) -> None:
        """Write `progress` if the run has finished, or if the last time was a second ago.

        Raises:
            CannotWrite: the file cannot be written; an earlier one stays as it was.
        """
        if not progress.finished and time.monotonic() < self._next:
            return
        content = io.BytesIO()
        torch.save({"run": run_sha256, "progress": vars(progress)}, content)
        write_files({self.path: content.getvalue()})
        self._next = time.monotonic() + _SECONDS

    def _read(self) -> dict[str, Any]:
        try:
            most = check_file(self.path, DEFAULTS)
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            check_tensors(self.path, pytree.tree_leaves(state), most)
            TrainingProgress(**state["progress"])
            state["run"]
        except Exception as error:  # the unpickler raises anything on bytes that are not such a file
            raise CheckpointError(f"{self.path} is not a training run, or a damaged one; remove the file") from error
        return state
