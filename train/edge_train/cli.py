"""The command `edge-train`: from the example's four blobs, or from a person's own table, to model.pt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import shell
from edge_runtime.rows import LARGEST

app = typer.Typer(**shell.SETTINGS)


@app.command()
def train(
    table: Annotated[
        Path | None, typer.Argument(metavar="[TABLE]", help="A CSV file with a header; without one, the four blobs.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of TABLE to predict.")] = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where model.pt goes.")] = Path(),
    plots: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw data, losses and regions there.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the blobs, the split and the weights.")] = 0,
    hidden_size: Annotated[int, typer.Option(min=1, max=65536, help="Units of the hidden layer.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training rows.")] = 2000,
    learning_rate: Annotated[float, typer.Option(help="Of the gradient descent.")] = 0.03,
) -> None:
    """Train the two-layer network and write model.pt: edge-train, or edge-train table.csv --target column."""
    if table is None and target is not None:
        raise shell.UsageError("--target needs a TABLE")
    if table is not None and target is None:
        raise shell.UsageError(f"which column of {table} is to be predicted? Name it with --target COLUMN")
    if not 0 < learning_rate <= LARGEST:
        raise shell.UsageError("--learning-rate must be a positive number that float32 holds")
    # torch, scikit-learn and matplotlib take seconds to import; usage errors and --help need none of them.
    from tqdm import tqdm

    from edge_train.checkpoint import save_checkpoint
    from edge_train.data import four_blobs, from_table
    from edge_train.files import make_folder, prepare_file
    from edge_train.table import read_table
    from edge_train.training import REPORT_EVERY, Score
    from edge_train.training import train as train_network

    dataset = four_blobs(seed) if table is None else from_table(read_table(table, target or ""), seed)
    path = output / "model.pt"
    prepare_file(path)
    if plots is not None:
        make_folder(plots)
    print(
        f"{len(dataset.y_train)} rows to train, {len(dataset.y_test)} to test, {len(dataset.features)} features, "
        f"classes {dataset.labels[0]} and {dataset.labels[1]}"
    )

    # A bar on a terminal only, on stderr; the lines go to stdout, past the bar.
    with tqdm(total=epochs, unit="epoch", leave=False, disable=not sys.stderr.isatty()) as bar:

        def on_start(before: Score) -> None:
            bar.write(f"test loss before training {before.loss:.3f}", file=sys.stdout)

        def on_epoch(epoch: int, loss: float) -> None:
            if epoch % REPORT_EVERY == 0:
                bar.write(f"epoch {epoch:>5}  training loss {loss:.3f}", file=sys.stdout)
            bar.update()

        run = train_network(
            dataset,
            hidden_size=hidden_size,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            standardize=table is not None,
            on_start=on_start,
            on_epoch=on_epoch,
        )
    print(f"test loss after training {run.after.loss:.3f}  accuracy {run.after.accuracy:.3f}")
    save_checkpoint(run.model, path)
    print(f"wrote {path}")
    if plots is not None:
        from edge_train.plots import save_plots

        for picture in save_plots(dataset, run, plots):
            print(f"wrote {picture}")


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-train` on `arguments` and return its exit code."""
    return shell.run(app, arguments)
