"""Where the results of a run go."""

from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contract.atomic_files import check_folder, make_folder, prepare_file


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


def check_outputs(outputs: Outputs) -> None:
    """See that everything can be written, without making any folder: the table may still be wrong.

    Raises:
        CannotWrite: a folder cannot be made or written in, or there is a folder where a file should go.
    """
    for folder in (outputs.folder, outputs.plots, outputs.checkpoint):
        if folder is not None:
            check_folder(folder)
    for path in (outputs.model, outputs.metrics):
        if path.is_dir():
            prepare_file(path)


def prepare_outputs(outputs: Outputs) -> None:
    """Make the folders that are missing, before hours of training.

    Raises:
        CannotWrite: as `check_outputs`.
    """
    prepare_file(outputs.model)
    prepare_file(outputs.metrics)
    if outputs.plots is not None:
        make_folder(outputs.plots)
