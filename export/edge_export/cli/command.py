"""The command `edge-export`: from a trained model to files that are proven to compute the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_export.formats.choices import Format, Precision
from edge_runtime.contract import shell

if TYPE_CHECKING:
    from edge_export.results import Export

app = typer.Typer(**shell.SETTINGS)


@app.command()
def export(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A model.pt, a .pt2 of torch.export, or with --module any state_dict."),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; beside MODEL by default.")
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="What to make; repeat for several; onnx and torchscript by default."),
    ] = None,
    precisions: Annotated[
        list[Precision] | None,
        typer.Option("--precision", help="Of ONNX and ORT files; repeat for several; float32 by default."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows to compare, calibrate and measure on: CSV, JSON Lines or .npz."),
    ] = None,
    max_flips: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Of rows whose label a lower precision may change.")
    ] = 0.01,
    max_change: Annotated[
        float, typer.Option(metavar="CHANGE", min=0, help="Of a probability, or share of an output's largest value.")
    ] = 0.05,
    module: Annotated[
        str | None, typer.Option(metavar="PACKAGE.MODULE:NAME", help="What makes the module that MODEL's weights fit.")
    ] = None,
    example: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --module: an .npz with its forward's inputs by name.")
    ] = None,
    dynamic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AXIS,...",
            help="With --module: names for the axes of an input whose size may change, _ where it is fixed; "
            "by default the first axis is the batch.",
        ),
    ] = None,
    finite: Annotated[
        bool, typer.Option("--finite", help="Leave what is not finite in torch out of the proof.")
    ] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page on all of it.")] = None,
    reproduce: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="On a mismatch, write a script that shows it.")
    ] = None,
) -> None:
    """Export MODEL to files that are compared with torch before they are put in place."""
    if (example is not None or dynamic) and module is None:
        raise shell.UsageError("--example and --dynamic are for --module")
    if module is not None and example is None:
        raise shell.UsageError("--module needs --example, an .npz file with an array for each input of its forward")
    axes = dict(map(_axes, dynamic or []))
    # torch and onnx take seconds to import; usage errors and --help need neither.
    from edge_export.options import Options
    from edge_export.pipeline import export_checkpoint
    from edge_export.verify.quantization_budget import Budget

    options = Options(
        formats=[kind for kind in Format if kind in (formats or (Format.ONNX, Format.TORCHSCRIPT))],
        precisions=[precision for precision in Precision if precision in (precisions or (Precision.FLOAT32,))],
        budget=Budget(max_flips, max_change),
        finite_only=finite,
        note=shell.note,
    )
    if data is not None:
        options["data"] = data
    if report is not None:
        options["report"] = report
    if reproduce is not None:
        options["reproduce"] = reproduce
    for made in export_checkpoint(model, output, module, example, axes, **options):
        print(_table(made))


def main(arguments: list[str] | None = None) -> int:
    """Run `edge-export` on `arguments` and return its exit code."""
    return shell.run(app, arguments)


def _axes(text: str) -> tuple[str, list[str | None]]:
    """`ids=batch,length` as the name of an input and those of its axes."""
    name, equals, axes = text.partition("=")
    if not equals or not name:
        raise shell.UsageError(f"--dynamic {text}: write it as name=axis,axis, such as ids=batch,length")
    return name, [None if axis in ("_", "") else axis for axis in axes.split(",")]


def _table(made: "Export") -> str:
    text = [f"wrote {made.path}  ({len(made.content):,} bytes, {made.precision})"]
    if made.measured is not None:
        change, one, many = made.measured.change, made.measured.one, made.measured.many
        flips = "" if change.flipped is None else f"{change.flips} labels differ, "
        text.append(
            f"  {change.rows:,} rows: {flips}largest change {change.largest:.2g}; "
            f"{made.measured.size_ratio:.2f} of float32's size; "
            f"{one.median:.2f} of its time on one row, {many.median:.2f} on 64"
        )
        text.append(f"  {made.measured.verdict}")
        return "\n".join(text)
    head = (
        "compared with torch in float64",
        "rows",
        "calls",
        "torch float32",
        "this file",
        "allowed",
        "used",
        "decided",
        "left out",
    )
    lines = [head]
    for comparison in made.comparisons:
        decided = comparison.decided
        lines.append(
            (
                comparison.case.name,
                f"{comparison.rows:,}" if comparison.case.batches else "none found",
                f"{len(comparison.case.batches):,}",
                f"{comparison.torch_error:.1e}",
                f"{comparison.error:.1e}",
                f"{comparison.largest_allowed:.1e}",
                f"{comparison.share:.0%}",
                "-" if decided is None else f"{decided[0]:,}",
                f"{comparison.undecided:,}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *cells in lines:
        text.append(f"  {name:<{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths[1:], strict=True)))
    return "\n".join(text)
