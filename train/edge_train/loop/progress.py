"""Where a training run stands: kept in a file, so that a run that was killed goes on and ends as if it had not been."""

import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_runtime.contract.atomic_files import make_folder, write_files
from edge_train.errors import CheckpointError

_NAME = "training.pt"
# Writing takes a millisecond or two for small networks; often enough that little is lost.
_SECONDS = 1.0


@dataclass
class Progress:
    """Where a training run stands after an epoch.

    Attributes:
        epoch: how many epochs are done.
        finished: whether there is nothing left to do.
        weights: the network's state_dict now.
        optimizer: the optimizer's state_dict.
        best_epoch: after how many epochs the validation loss was the smallest so far.
        best_loss: that loss.
        best_weights: the network's state_dict then; None if no such loss is known.
        losses: the mean loss on the training rows, by epoch.
        watched: epochs done, and the loss on the rows that are watched then.
    """

    epoch: int = 0
    finished: bool = False
    weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best_epoch: int = 0
    best_loss: float = float("inf")
    best_weights: dict[str, Tensor] | None = None
    losses: list[float] = field(default_factory=list)
    watched: list[tuple[int, float]] = field(default_factory=list)


class Checkpointer:
    """Keeps the progress of one run in a folder."""

    def __init__(self, folder: Path, resume: bool) -> None:
        """Keep it in `folder`, made if missing.

        Args:
            folder: for this run alone.
            resume: whether to go on from what is there.

        Raises:
            CannotWrite: nothing can be written there.
            CheckpointError: without `resume`, an unfinished run is there, which would be lost.
        """
        make_folder(folder)
        self.path = folder / _NAME
        # What a run left that was killed while it wrote.
        for left in folder.glob(f".{_NAME}.*.tmp"):
            left.unlink(missing_ok=True)
        self._resume = resume
        self._next = 0.0
        if not resume and self.path.exists() and not self._read()["progress"]["finished"]:
            raise CheckpointError(
                f"{self.path} is a run that did not end; go on with --resume, or remove it to start anew"
            )

    def earlier(self, run: str) -> Progress | None:
        """What is there of the run, if it is to be resumed and there is any.

        Args:
            run: the SHA-256 of what the run depends on: rows, settings, versions.

        Raises:
            CheckpointError: it is another run, or damaged.
        """
        if not self._resume or not self.path.exists():
            return None
        state = self._read()
        if state["run"] != run:
            raise CheckpointError(
                f"{self.path} is a run with another table, other options or another torch; repeat those, or remove it"
            )
        return Progress(**state["progress"])

    def keep(self, run: str, progress: Progress) -> None:
        """Write where the run stands, if it ended or the last time is a while ago. Raises CannotWrite."""
        if not progress.finished and time.monotonic() < self._next:
            return
        content = io.BytesIO()
        torch.save({"run": run, "progress": vars(progress)}, content)
        write_files({self.path: content.getvalue()})
        self._next = time.monotonic() + _SECONDS

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            Progress(**state["progress"])
            state["run"]
        except Exception as error:  # bytes that are no such file end in whatever the unpickler stumbles over
            raise CheckpointError(
                f"{self.path} is no training run, or a damaged one; remove it to start anew"
            ) from error
        return state
