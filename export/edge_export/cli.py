"""The command `edge-export`: from model.pt to files that are proven to compute the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_export.formats import Format
from edge_runtime import shell

if TYPE_CHECKING:
    from edge_export.exporting import Export

app = typer.Typer(**shell.SETTINGS)


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A model.pt.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; beside CHECKPOINT by default.")
    ] = None,
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="What to make; repeat for several; all by default.")
    ] = None,
) -> None:
    """Export CHECKPOINT to ONNX and TorchScript, compared with torch before they are put in place."""
    # torch and onnx take seconds to import; usage errors and --help need neither.
    from edge_export.exporting import export_checkpoint

    chosen = [kind for kind in Format if not formats or kind in formats]
    for export in export_checkpoint(checkpoint, output, chosen):
        print(_table(export))


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-export` on `arguments` and return its exit code."""
    return shell.run(app, arguments)


def _table(export: "Export") -> str:
    head = (
        "compared with torch in float64",
        "rows",
        "batches",
        "torch float32",
        "this file",
        "allowed",
        "used",
        "labels decided",
    )
    lines = [head]
    for comparison in export.comparisons:
        batches = comparison.case.batches
        sizes = sorted({len(batch) for batch in batches})
        lines.append(
            (
                comparison.case.name,
                f"{sum(map(len, batches)):,}",
                ", ".join(map(str, sizes)) or "none found",
                f"{comparison.torch_error:.1e}",
                f"{comparison.error:.1e}",
                f"{comparison.allowed:.1e}",
                f"{comparison.share:.0%}",
                f"{comparison.decided:,}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [f"wrote {export.path}"]
    for name, *cells in lines:
        text.append(f"  {name:<{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths[1:], strict=True)))
    return "\n".join(text)
