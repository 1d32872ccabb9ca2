"""The command `edge-train`: from the example's four blobs, or from a person's own table, to model.pt."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_runtime.contract import shell
from edge_runtime.contract.values import FLOAT32_MAX
from edge_train.loop.settings import Optimizer, Schedule

app = typer.Typer(**shell.SETTINGS)

_NAMES = "repeated, or with commas"


@app.command()
def train(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TABLE]",
            help="A table with a header: CSV, .tsv, .parquet or .jsonl, also .gz; without one, the four blobs.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of TABLE to predict.")] = None,
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(help="What the target is; found from its values by default."),
    ] = None,
    numeric: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help=f"Holds numbers ({_NAMES}).")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Holds categories: texts, or integers that are codes.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Is not learned from.")] = None,
    class_weight: Annotated[
        Literal["balanced"] | None, typer.Option(help="Let every class weigh the same, however rare.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where model.pt and metrics.json go.")] = Path(),
    plots: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw losses and test results there.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the split, the weights, the order of rows.")] = 0,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units of the hidden layers; 128,64 for a table, else 5.")
    ] = None,
    dropout: Annotated[float | None, typer.Option(min=0, max=0.99, help="Share of hidden values, 0.2.")] = None,
    optimizer: Annotated[Optimizer | None, typer.Option(help="adamw for a table, sgd for the example.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="0.001 with adamw, 0.03 with sgd.")] = None,
    weight_decay: Annotated[float | None, typer.Option(min=0, help="Of the optimizer; 0.05 with adamw.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows in a step: 32 to 512, with the table's size; all for the example.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="The most passes over the training rows: 20 to 200 for a table, else 2000."),
    ] = None,
    schedule: Annotated[Schedule | None, typer.Option(help="Of the learning rate; cosine for a table.")] = None,
    validation: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Share of the training rows that tells when to stop, 0.15; 0: never."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without a smaller validation loss before stopping, 40.")
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N, or auto: CUDA for large tables.")
    ] = "auto",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the run's progress there, to --resume it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --checkpoint, as if never interrupted.")] = False,
) -> None:
    """Train a network and write model.pt: edge-train, or edge-train table.csv --target column."""
    if table is None:
        of_tables = {
            "--target": target,
            "--task": task,
            "--numeric": numeric,
            "--categorical": categorical,
            "--drop": drop,
            "--class-weight": class_weight,
            "--dropout": dropout,
            "--validation": validation,
            "--patience": patience,
        }
        if given := [option for option, value in of_tables.items() if value is not None]:
            raise shell.UsageError(f"{given[0]} needs a TABLE")
    elif target is None:
        raise shell.UsageError(f"which column of {table} is to be predicted? Name it with --target COLUMN")
    shares = {"--dropout": dropout, "--weight-decay": weight_decay, "--validation": validation}
    if bad := [option for option, value in shares.items() if value is not None and not math.isfinite(value)]:
        raise shell.UsageError(f"{bad[0]} must be a finite number")
    if learning_rate is not None and not 0 < learning_rate <= FLOAT32_MAX:
        raise shell.UsageError("--learning-rate must be a positive number that float32 holds")
    if resume and checkpoint is None:
        raise shell.UsageError("--resume needs --checkpoint FOLDER, where the run's progress is")
    if patience is not None and validation == 0:
        raise shell.UsageError("--patience needs rows to validate with; leave out --validation 0")
    widths = None if hidden is None else _widths(hidden)
    if table is None and widths is not None and len(widths) != 1:
        raise shell.UsageError("the example's network has one hidden layer: --hidden N")
    chosen = {
        "hidden": widths,
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
    # torch, scikit-learn and Arrow take seconds to import; usage errors and --help need none of them.
    from edge_train.cli.run import Job, TableChoice

    choice = None
    if table is not None and target is not None:
        share = {} if validation is None else {"validation": validation}
        choice = TableChoice(table, target, task, numeric or (), categorical or (), drop or (), **share)
    Job(choice, output, plots, device, checkpoint, resume).run(chosen)


def _widths(hidden: str) -> tuple[int, ...]:
    try:
        widths = tuple(map(int, hidden.split(",")))
    except ValueError:
        widths = ()
    if not widths or not all(0 < width <= 65536 for width in widths):
        raise shell.UsageError(f"--hidden {hidden}: give one to 65536 units for each layer, such as 64,32")
    return widths


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-train` on `arguments` and return its exit code."""
    return shell.run(app, arguments)
