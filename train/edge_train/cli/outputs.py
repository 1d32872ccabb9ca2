"""Where the results of a run go."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.contract.atomic_files import check_folder, prepare_file
from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.extras import require
from edge_runtime.contract.file_locks import check_not_locked
from edge_train.loop import torchrun


@dataclass(frozen=True)
class Outputs:
    """The folders and files of a run.

    Attributes:
        folder: for model.pt and metrics.json.
        plots: the folder of the plots; None to draw none.
        checkpoint: the folder of the progress of the run; None to keep none.
        report: the file of the report; None to write none.
    """

    folder: Path
    plots: Path | None = None
    checkpoint: Path | None = None
    report: Path | None = None

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
        if self.report is not None:
            files.append(self.report)
        return files


def check_outputs(outputs: Outputs, table: Path | None = None) -> None:
    """See that everything can be written, without making any folder: the table may still be wrong.

    Args:
        outputs: where the results go.
        table: what is read.

    Raises:
        CannotWrite: a folder cannot be made or written in, there is a folder where a file should go, the report would
            be written over another file of this run, or another run writes one of the files.
    """
    for folder in (outputs.folder, outputs.plots, outputs.checkpoint):
        if folder is not None:
            check_folder(folder)
    for path in (outputs.model, outputs.metrics):
        if path.is_dir():
            prepare_file(path)
    if outputs.report is not None:
        _check_report(outputs.report, outputs, table)
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


def _check_report(report: Path, outputs: Outputs, table: Path | None) -> None:
    """See that the report can be written, over no other file of the run, and that what it is made with is there."""
    target = Path(os.path.realpath(report))
    others = [*replace(outputs, report=None).locked, *([] if table is None else [table])]
    is_plot = outputs.plots is not None and target.parent == Path(os.path.realpath(outputs.plots))
    if str(target) in map(os.path.realpath, others) or (is_plot and target.suffix == ".png"):
        raise CannotWrite(f"{report} is another file of this run; choose another path for --report")
    if report.parent.is_dir():
        prepare_file(report)
    else:
        check_folder(report.parent)
    require("jinja2", "train", "--report")
