"""Where the results of a run go."""

from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contract.atomic_files import check_folder, prepare_file
from edge_runtime.contract.file_locks import check_not_locked
from edge_train.loop import torchrun


@dataclass(frozen=True)
class Outputs:
    """The folders of a run.

    Attributes:
        folder: for model.pt and metrics.json.
        plots: for the plots; None to draw none.
        checkpoint: for the progress of the run; None to keep none.
    """

    folder: Path
    plots: Path | None = None
    checkpoint: Path | None = None

    @property
    def model(self) -> Path:
        """The file of the network."""
        return self.folder / "model.pt"

    @property
    def metrics(self) -> Path:
        """The file of the measures."""
        return self.folder / "metrics.json"

    @property
    def locked(self) -> list[Path]:
        """What no other run may write at the same time; with the loss, the other plots."""
        files = [self.model, self.metrics]
        if self.plots is not None:
            files.append(self.plots / "loss.png")
        if self.checkpoint is not None:
            files.append(self.checkpoint / "training.pt")
        return files


def check_outputs(outputs: Outputs) -> None:
    """See that everything can be written, without making any folder: the table may still be wrong.

    Raises:
        CannotWrite: a folder cannot be made or written in, there is a folder where a file should go, or another run
            writes one of the files.
    """
    for folder in (outputs.folder, outputs.plots, outputs.checkpoint):
        if folder is not None:
            check_folder(folder)
    for path in (outputs.model, outputs.metrics):
        if path.is_dir():
            prepare_file(path)
    # Of several processes that train together, the first one writes.
    if torchrun.rank() == 0:
        check_not_locked(outputs.locked)


def prepare_outputs(outputs: Outputs) -> None:
    """Make the folders that are missing, before hours of training.

    Raises:
        CannotWrite: as `check_outputs`.
    """
    for path in outputs.locked:
        prepare_file(path)
