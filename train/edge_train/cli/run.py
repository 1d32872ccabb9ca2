"""What `edge-train` does: read, show what was found, train, measure, and put the results in place."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from edge_runtime.contract.atomic_files import make_folder, prepare_file, write_files
from edge_runtime.contract.errors import DeviceUnavailable
from edge_train.dataset import Dataset
from edge_train.errors import TableError
from edge_train.example import four_blobs
from edge_train.loop.distributed import Group, joined, local_rank
from edge_train.loop.progress import Checkpointer
from edge_train.loop.settings import EXAMPLE_DEFAULTS, Settings, table_defaults
from edge_train.loop.train import REPORT_EVERY, TrainingRun, mean_loss, new_network, train
from edge_train.metrics import as_text, measure
from edge_train.networks.checkpoint import checkpoint_bytes
from edge_train.table.columns import Column, DroppedColumn, find_columns, no_such_column
from edge_train.table.files import read_table
from edge_train.table.split import VALIDATION_FRACTION, split
from edge_train.table.target import Target, TargetKind, find_target

# Values in the training rows from which on `auto` takes a GPU: for fewer, its start takes longer than all of training.
_MANY_VALUES = 10_000_000
_SHOWN_EPOCHS = 20
# So many different integers may be codes.
_FEW_INTEGERS = 12


@dataclass(frozen=True)
class TableChoice:
    """Which table, and how to take its columns; see `find_target`, `find_columns` and `split`."""

    path: Path
    target: str
    question: TargetKind | None = None
    numeric: Sequence[str] = ()
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    validation: float = VALIDATION_FRACTION


@dataclass(frozen=True)
class Job:
    """One run of the command.

    Attributes:
        table: what to learn from; the example if None.
        output: the folder for model.pt and metrics.json.
        plots: the folder for pictures; none are drawn if None.
        device: "auto", "cpu", "cuda" or "cuda:N".
        checkpoint: the folder for the run's progress; it is not kept if None.
        resume: whether to go on from there.
    """

    table: TableChoice | None
    output: Path
    plots: Path | None
    device: str
    checkpoint: Path | None
    resume: bool

    def run(self, chosen: Mapping[str, Any]) -> None:
        """Do it, with the `Settings` in `chosen` that are not None, and otherwise what suits the data.

        Raises:
            EdgePredictError: what went wrong, in one line; earlier files stay as they were.
        """
        dataset, described = self._data(chosen["seed"])
        settings = self._settings(dataset, chosen)
        if settings.balanced and dataset.signature.task == "regression":
            raise TableError("--class-weight needs classes; if the target's values are such, --task classification")
        device = self._device(dataset)
        with joined(device) as group:
            # All processes go the same way; one of them speaks and writes.
            bar_disabled = not group.leads or not sys.stderr.isatty()
            if group.leads:
                for path in self._files:
                    prepare_file(path)
                if self.plots is not None:
                    make_folder(self.plots)
                print(described)
            keeper = None if self.checkpoint is None else Checkpointer(self.checkpoint, self.resume)
            with tqdm(total=settings.epochs, unit="epoch", leave=False, disable=bar_disabled) as bar:
                run = self._train(dataset, settings, device, group, keeper, bar)
            if group.leads:
                self._finish(dataset, run)

    @property
    def _files(self) -> tuple[Path, Path]:
        return self.output / "model.pt", self.output / "metrics.json"

    def _data(self, seed: int) -> tuple[Dataset, str]:
        """The rows, and what to say of them."""
        if (choice := self.table) is None:
            dataset = four_blobs(seed)
            return dataset, _size(dataset)
        table = read_table(choice.path)
        names = table.column_names
        numeric, categorical, drop = (
            _named(given, names, choice) for given in (choice.numeric, choice.categorical, choice.drop)
        )
        if twice := (set(numeric) & set(categorical)) | (set(drop) & {*numeric, *categorical}):
            raise TableError(f"{sorted(twice)[0]} is said to be two things; name it once")
        if choice.target in (*numeric, *categorical, *drop):
            raise TableError(f"{choice.target} is the target; what it is, --task says")
        target = find_target(table, choice.target, choice.path, choice.question)
        rows = table.num_rows
        only_reference = [table.drop_columns([*drop, choice.target])]
        del table
        found = find_columns(only_reference.pop(), choice.path, numeric, categorical)
        columns = [column for column in found if isinstance(column, Column)]
        if not columns:
            reasons = "; ".join(f"{one.name}: {one.reason}" for one in found if isinstance(one, DroppedColumn))
            raise TableError(
                f"{choice.path}: no column is left to learn from beside the target"
                + (f" ({shorten(reasons, 300)}); take some with --numeric or --categorical" if reasons else "")
            )
        dataset = split(columns, target, seed, validation=choice.validation)
        lines = [_columns_text(found), _target_text(target)]
        if rows > len(target.rows):
            lines.append(f"{rows - len(target.rows):,} rows without {target.name} are left out")
        taken = {feature.name for feature in dataset.signature.features}
        if empty := [column.name for column in columns if column.name not in taken]:
            lines.append(f"{', '.join(empty)}: left out, since the rows to train have no value there")
        return dataset, "\n".join([*lines, _size(dataset)])

    def _settings(self, dataset: Dataset, chosen: Mapping[str, Any]) -> Settings:
        base = EXAMPLE_DEFAULTS if self.table is None else table_defaults(len(dataset.train))
        optimizer = chosen["optimizer"] or base.optimizer
        if optimizer != base.optimizer:
            # Each has its own usual step.
            other = EXAMPLE_DEFAULTS if optimizer == "sgd" else table_defaults(len(dataset.train))
            base = replace(base, learning_rate=other.learning_rate, weight_decay=other.weight_decay)
        given = {name: value for name, value in chosen.items() if value is not None}
        if dataset.validation is None:
            base = replace(base, patience=None)
        return replace(base, **given)

    def _device(self, dataset: Dataset) -> torch.device:
        available = torch.cuda.is_available()
        if self.device == "auto":
            values = sum(array.size for array in dataset.train.inputs.values())
            return torch.device("cuda", local_rank()) if available and values >= _MANY_VALUES else torch.device("cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError:
            device = torch.device("meta")
        if device.type not in ("cpu", "cuda"):
            raise DeviceUnavailable(f"unknown device {self.device!r}: use auto, cpu, cuda or cuda:N")
        if device.type == "cuda" and (not available or (device.index or 0) >= torch.cuda.device_count()):
            raise DeviceUnavailable(
                f"torch finds no {self.device} here"
                + ("" if torch.version.cuda else ": it is a build for the CPU alone")
                + "; use --device cpu"
            )
        return torch.device("cuda", local_rank()) if device.type == "cuda" and device.index is None else device

    def _train(
        self,
        dataset: Dataset,
        settings: Settings,
        device: torch.device,
        group: Group,
        keeper: Checkpointer | None,
        bar: "tqdm[Any]",
    ) -> TrainingRun:
        network = new_network(dataset, settings)
        every = REPORT_EVERY if self.table is None else max(1, settings.epochs // _SHOWN_EPOCHS)

        def say(line: str) -> None:
            # Past the bar, which is on stderr.
            if group.leads:
                bar.write(line, file=sys.stdout)

        def on_epoch(epoch: int, loss: float, watched: float | None) -> None:
            if epoch % every == 0:
                shown = f"  validation loss {watched:.3f}" if dataset.validation and watched is not None else ""
                say(f"epoch {epoch:>5}  training loss {loss:.3f}{shown}")
            bar.update(epoch + 1 - bar.n)

        if self.table is None and dataset.test is not None:
            say(f"test loss before training {mean_loss(network, dataset.test):.3f}")
        return train(
            dataset, settings, network=network, device=str(device), group=group, keeper=keeper, on_epoch=on_epoch
        )

    def _finish(self, dataset: Dataset, run: TrainingRun) -> None:
        """Measure the network on the test rows, and write it."""
        network, test = run.model, dataset.test
        assert test is not None
        found = measure(network, test)
        if self.table is None:
            print(f"test loss after training {mean_loss(network, test):.3f}  accuracy {found['accuracy']:.3f}")
        else:
            print(f"weights of epoch {run.epoch} of {len(run.losses)}; on the {len(test):,} test rows:")
            print(as_text(found, network.signature.labels))
        parts = {"train": dataset.train, "validation": dataset.validation, "test": test}
        document = {
            "task": network.signature.task,
            "target_labels": list(network.signature.labels),
            "rows": {name: len(part) for name, part in parts.items() if part is not None},
            "epochs": {"trained": len(run.losses), "taken": run.epoch},
            "test": found,
        }
        # Both or neither: measures beside another model would be taken for its own.
        contents = (checkpoint_bytes(network), (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
        write_files(dict(zip(self._files, contents, strict=True)))
        print(f"wrote {' and '.join(map(str, self._files))}")
        if self.plots is not None:
            from edge_train.plots import save_plots  # matplotlib takes a second to import

            for picture in save_plots(dataset, run, self.plots):
                print(f"wrote {picture}")


def _named(given: Sequence[str], names: Sequence[str], choice: TableChoice) -> list[str]:
    """The columns in an option's words, each a name, or several between commas."""
    columns = [
        part.strip() for word in given for part in ([word] if word in names else word.split(",")) if part.strip()
    ]
    if unknown := [column for column in columns if column not in names]:
        raise no_such_column(choice.path, unknown[0], names)
    return list(dict.fromkeys(columns))


def _size(dataset: Dataset) -> str:
    signature = dataset.signature
    parts = {"to train": dataset.train, "to validate": dataset.validation, "to test": dataset.test}
    rows = ", ".join(
        f"{len(part):,} {'rows ' if what == 'to train' else ''}{what}"
        for what, part in parts.items()
        if part is not None
    )
    classes = ""
    if signature.task == "binary_classification":
        classes = f", classes {signature.labels[0]} and {signature.labels[1]}"
    return f"{rows}, {len(signature.features)} features{classes}"


def _columns_text(found: Sequence[Column | DroppedColumn]) -> str:
    """A table of what the columns were taken for."""
    lines = [("column", "taken as", "missing", "values")]
    for column in found:
        if isinstance(column, DroppedColumn):
            lines.append((column.name, "left out", "", column.reason))
        else:
            missing = f"{column.missing.mean():.1%}" if column.missing.any() else "none"
            lines.append((column.name, column.kind, missing, _values_text(column)))
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _values_text(column: Column) -> str:
    if column.kind == "boolean":
        return f"{np.nanmean(column.values):.1%} true"
    if column.kind == "categorical":
        shown = ", ".join(map(str, column.categories[:5]))
        return shown if len(column.categories) <= 5 else f"{shown}, ... {len(column.categories):,} in all"
    known = column.values[~column.missing]
    text = f"{known.min():.6g} to {known.max():.6g}"
    different = np.unique(known)
    if 2 < len(different) <= _FEW_INTEGERS and (different == np.floor(different)).all():
        text += f", {len(different)} integers: if they are codes, --categorical {column.name}"
    return text


def _target_text(target: Target) -> str:
    if target.task == "regression":
        low, high = target.values.min(), target.values.max()
        return f"target {target.name}: values from {low:.6g} to {high:.6g} (--task classification if they are classes)"
    counts = np.bincount(target.values.astype(np.int64))
    classes = [f"{label} ({count:,})" for label, count in zip(target.labels, counts, strict=True)]
    shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    number = not isinstance(target.labels[0], str | bool)
    hint = "; --task regression if they are values" if number and len(classes) > 2 else ""
    return f"target {target.name}: {len(classes)} classes: {shown}{hint}"
