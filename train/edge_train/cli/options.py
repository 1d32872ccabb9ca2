"""The options of `edge-train`, and what is wrong with them before any work starts."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_runtime.contract import shell
from edge_runtime.contract.errors import UnknownDevice
from edge_runtime.contract.values import FLOAT32_MAX
from edge_train.cli.goals import Goal, read_goal
from edge_train.cli.outputs import Outputs, check_outputs
from edge_train.loop.settings import EXAMPLE_DEFAULTS, Optimizer, Schedule, table_defaults, with_choices

app = typer.Typer(**shell.SETTINGS)

_DEVICE = re.compile("auto|cpu|cuda(:[0-9]+)?")
# What the help says of the defaults: of the smallest table, of one that is very large, and of the example.
_SMALL, _LARGE, _EXAMPLE = table_defaults(1), table_defaults(10**9), EXAMPLE_DEFAULTS
_HIDDEN, _EXAMPLE_HIDDEN = (",".join(map(str, one.hidden)) for one in (_SMALL, _EXAMPLE))


@app.command()
def train(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TABLE]",
            help="Table: CSV with a header, JSON, Parquet or Feather, also packed; a file, a pattern or a folder. "
            "Without one, the example is trained.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column to predict.")] = None,
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(help="What the target holds; by default found from its values."),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of numbers; repeat the option, or separate names by commas."),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of categories: strings, or integers that are codes."),
    ] = None,
    date: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Column of dates, with times or without.")
    ] = None,
    date_order: Annotated[
        Literal["dmy", "mdy"] | None,
        typer.Option(help="Order of day, month and year of dates in text where nothing in their column tells."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Column to drop.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHARACTER", help="What separates columns of CSV; by default found.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(metavar="MARK", help="Decimal mark of CSV, a point or a comma; by default found.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of text such as cp1252; by default UTF-8 or UTF-16.")
    ] = None,
    class_weight: Annotated[
        Literal["balanced"] | None, typer.Option(help="Give all classes the same weight, however rare.")
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="GOAL",
            help="Of two classes, predict the second above this probability: a number, balanced, f1, or cost=A:B.",
        ),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for model.pt and metrics.json.")] = Path(),
    plots: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for plots of losses and test results.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML page on the data, the training and the results.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=2**32 - 1, help="Seed of the split, the weights and the order of rows."),
    ] = 0,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help=f"Units of each hidden layer: {_HIDDEN} for a table, {_EXAMPLE_HIDDEN} for the example.",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=64,
            help=f"Networks to average: {_SMALL.members} for a table; 1 is the smallest file.",
        ),
    ] = None,
    distill: Annotated[
        bool, typer.Option("--distill", help="Make one network of all members in the end, as small as one of them.")
    ] = False,
    dropout: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=0.99,
            help=f"Fraction of hidden values to drop out, {_SMALL.dropout:g} for a table.",
        ),
    ] = None,
    optimizer: Annotated[
        Optimizer | None,
        typer.Option(help=f"Optimizer: {_SMALL.optimizer} for a table, {_EXAMPLE.optimizer} for the example."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help=f"Learning rate: {_SMALL.learning_rate:g} with adamw, {_EXAMPLE.learning_rate:g} with sgd.",
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            help=f"Weight decay: {_SMALL.weight_decay:g} with adamw, {_EXAMPLE.weight_decay:g} with sgd.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"Rows in a step: {_SMALL.batch_size} to {_LARGE.batch_size} for a table, all rows for the example.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"Most passes over the training rows: {_LARGE.epochs} to {_SMALL.epochs} for a table, "
            f"{_EXAMPLE.epochs} for the example.",
        ),
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(
            help=f"How the learning rate changes: {_SMALL.schedule} for a table, {_EXAMPLE.schedule} for the example."
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            min=0,
            max=0.9,
            help=f"Fraction of the rows that each member holds out, {_SMALL.validation:g}; "
            "they tell when to stop. 0 for none.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"Epochs without a smaller validation loss until annealing begins, {_SMALL.patience}.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N, or auto: CUDA for large tables.")
    ] = "auto",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder that keeps the progress of this run, to resume it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --checkpoint as if it had not been interrupted.")
    ] = False,
    limit: Annotated[list[str] | None, shell.limit_option("unpacked_bytes=8GiB")] = None,
    version: Annotated[bool, shell.version_option("edge-train")] = False,
) -> None:
    """Train a network and write model.pt: edge-train, or edge-train table.csv --target column."""
    for_tables = {
        "--target": target,
        "--task": task,
        "--numeric": numeric,
        "--categorical": categorical,
        "--date": date,
        "--date-order": date_order,
        "--drop": drop,
        "--delimiter": delimiter,
        "--decimal": decimal,
        "--encoding": encoding,
        "--class-weight": class_weight,
        "--members": members,
        "--distill": distill or None,
        "--threshold": threshold,
        "--dropout": dropout,
        "--validation": validation,
        "--patience": patience,
        "--limit": limit,
    }
    goal = None if threshold is None else read_goal(threshold)
    _check_table(table, target, for_tables)
    _check_classes(task, {"--class-weight": class_weight, "--threshold": threshold})
    _check_numbers({"--dropout": dropout, "--weight-decay": weight_decay, "--validation": validation}, learning_rate)
    _check_needs(resume, checkpoint, distill, members)
    if validation == 0:
        _check_without_validation(patience, goal)
    _check_device(device)
    choices = {
        "hidden": None if hidden is None else _widths(hidden, is_example=table is None),
        "members": members,
        "validation": validation,
        "dropout": dropout,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "batch_size": batch_size,
        "epochs": epochs,
        "patience": patience,
        "schedule": schedule,
        "balanced": None if class_weight is None else True,
        "seed": seed,
    }
    reading = (shell.limits_of(limit, *shell.READING, "columns"), encoding, delimiter, decimal)
    outputs = Outputs(output, plots, checkpoint, report)
    check_outputs(outputs, table)
    # Arrow, scikit-learn and torch take seconds to import: each comes when all that can be checked before is right.
    from edge_train.cli.data import TableOptions, example_dataset, table_dataset

    if table is None or target is None:
        dataset, defaults = example_dataset(seed), EXAMPLE_DEFAULTS
    else:
        columns = (numeric or (), categorical or (), date or (), date_order, drop or (), *reading, goal is not None)
        dataset = table_dataset(TableOptions(table, target, task, class_weight, *columns), seed)
        defaults = table_defaults(len(dataset.train))
    from edge_train.cli.run import run

    settings = with_choices(defaults, choices)
    run(dataset, settings, device, outputs, resume=resume, is_example=table is None, goal=goal, distill=distill)


def _check_table(table: Path | None, target: str | None, for_tables: Mapping[str, object]) -> None:
    """Refuse options that need a table without one, and a table without a target."""
    if table is not None and target is None:
        raise shell.UsageError(f"which column of {table} is to be predicted? Name it with --target COLUMN")
    if table is None and (given := [option for option, value in for_tables.items() if value is not None]):
        raise shell.UsageError(f"{given[0]} needs a TABLE")


def _check_numbers(fractions: Mapping[str, float | None], learning_rate: float | None) -> None:
    """Refuse what typer takes for numbers and training cannot use."""
    if bad := [option for option, value in fractions.items() if value is not None and not math.isfinite(value)]:
        raise shell.UsageError(f"{bad[0]} must be a finite number")
    if learning_rate is not None and not 0 < learning_rate <= FLOAT32_MAX:
        raise shell.UsageError("--learning-rate must be a positive number that float32 holds")


def _check_needs(resume: bool, checkpoint: Path | None, distill: bool, members: int | None) -> None:
    """Refuse options without what they work on."""
    if resume and checkpoint is None:
        raise shell.UsageError("--resume needs --checkpoint FOLDER, where the progress of the run is")
    if distill and members == 1:
        raise shell.UsageError("--distill makes one network of several; remove --distill or --members 1")


def _check_device(device: str) -> None:
    """Refuse what is not the name of a device."""
    if not _DEVICE.fullmatch(device):
        raise UnknownDevice(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N")


def _check_without_validation(patience: int | None, goal: Goal | None) -> None:
    """Refuse options that need rows to validate."""
    if patience is not None:
        raise shell.UsageError("--patience needs rows to validate; remove --patience or --validation 0")
    if goal is not None and goal.kind != "number":
        raise shell.UsageError(
            f"--threshold {goal.kind} needs rows that are held out; give a number or remove --validation 0"
        )


def _check_classes(task: str | None, for_classes: Mapping[str, object]) -> None:
    """Refuse options that need classes if the target holds values."""
    for option, value in for_classes.items():
        if task == "regression" and value is not None:
            raise shell.UsageError(f"{option} is for classes; remove {option} or --task regression")


def _widths(hidden: str, is_example: bool) -> tuple[int, ...]:
    try:
        widths = tuple(map(int, hidden.split(",")))
    except ValueError:
        widths = ()
    if not widths or not all(0 < width <= 65536 for width in widths):
        raise shell.UsageError(f"--hidden {hidden}: give 1 to 65536 units for each layer, such as 64,32")
    if is_example and len(widths) != 1:
        raise shell.UsageError("the example's network has one hidden layer: --hidden N")
    return widths
