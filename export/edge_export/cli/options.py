"""The options of `edge-export`, and what is wrong with them before any work starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_export.cli.passphrases import signing_key
from edge_export.formats.choices import LOWEST_OPSET, Format, Precision
from edge_runtime.contract import shell
from edge_runtime.contract.terminal import printable

if TYPE_CHECKING:
    from edge_export.results import Export

app = typer.Typer(**shell.SETTINGS)


@app.command()
def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A model.pt, a .pt2 of torch.export, or with --module any file of weights."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the files go; beside MODEL by default.")
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Format of the files; repeat for several; onnx and torchscript by default."),
    ] = None,
    precisions: Annotated[
        list[Precision] | None,
        typer.Option(
            "--precision", help="Precision of the ONNX and ORT files; repeat for several; float32 by default."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows to compare, calibrate and measure on: CSV, JSON Lines or .npz."),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LOW:HIGH,...",
            help="The smallest and largest value of an input that rows are drawn for, or of each place on its last "
            "axis; repeat for several inputs.",
        ),
    ] = None,
    max_flips: Annotated[
        float,
        typer.Option(
            metavar="FRACTION", min=0, max=1, help="Largest fraction of rows whose label a lower precision may change."
        ),
    ] = 0.01,
    max_change: Annotated[
        float,
        typer.Option(
            metavar="CHANGE",
            min=0,
            help="Largest change that a lower precision may cause: of a probability, or of another output, as a "
            "fraction of its largest value.",
        ),
    ] = 0.05,
    module: Annotated[
        str | None,
        typer.Option(metavar="PACKAGE.MODULE:NAME", help="What makes the module that MODEL's weights are for."),
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --module: an .npz file with an array for each argument of its forward."
        ),
    ] = None,
    dynamic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AXIS,...",
            help="With --module: names for the axes of an input whose size may change, _ for a fixed axis; "
            "by default the first axis is the batch.",
        ),
    ] = None,
    finite: Annotated[
        bool, typer.Option("--finite", help="Exclude what is not finite in torch from the comparison.")
    ] = False,
    require_nonfinite: Annotated[
        bool,
        typer.Option(
            "--require-nonfinite",
            help="Refuse a file that does not do what torch does for NaN, infinity and numbers that overflow; by "
            "default it is made, and what it does is said.",
        ),
    ] = False,
    opset: Annotated[
        int,
        typer.Option(metavar="N", min=LOWEST_OPSET, help="The version of ONNX's operators that files are written in."),
    ] = LOWEST_OPSET,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The labels of the module's classes, one a line, in the order of its output."
        ),
    ] = None,
    from_logits: Annotated[
        bool,
        typer.Option("--from-logits", help="With --labels: the module returns logits; export their probabilities."),
    ] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page on all of it.")] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an HTML page that holds model.onnx, and answers in any browser."),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEY.pem", help="Write a signature file (.sig) of all files, with this private key."),
    ] = None,
    reproduce: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="On a mismatch, write a script that shows it.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Show what was compared or measured for each file.")
    ] = False,
    limit: Annotated[list[str] | None, shell.limit_option("unpacked_bytes=8GiB")] = None,
    version: Annotated[bool, shell.version_option("edge-export")] = False,
) -> None:
    """Export MODEL to files that are compared with torch before they are put in place."""
    if (example is not None or dynamic) and module is None:
        raise shell.UsageError("--example and --dynamic are for --module")
    if module is not None and example is None:
        raise shell.UsageError("--module needs --example, an .npz file with an array for each input of its forward")
    axes = dict(map(_axes, dynamic or []))
    ends = dict(map(_ends, ranges or []))
    limits = shell.limits_of(limit, *shell.READING)
    # torch and onnx take seconds to import; mistakes in the command line are found before.
    key = None if sign is None else signing_key(sign)
    from edge_export.budget import Budget
    from edge_export.errors import ExportError
    from edge_export.inputs.label_files import read_labels
    from edge_export.options import Options, check_paths, choose, signature_path, split_factory, stem_of
    from edge_runtime.contract.progress import Progress

    with Progress("loading torch") as progress:
        options = Options(
            formats=[kind for kind in Format if kind in (formats or (Format.ONNX, Format.TORCHSCRIPT))],
            precisions=[precision for precision in Precision if precision in (precisions or (Precision.FLOAT32,))],
            ranges=ends,
            limits=limits,
            finite_only=finite,
            require_nonfinite=require_nonfinite,
            opset=opset,
            from_logits=from_logits,
            note=shell.note,
            progress=progress,
        )
        if data is not None:
            options["data"] = data
        if report is not None:
            options["report"] = report
        if page is not None:
            options["page"] = page
        if key is not None:
            options["sign"] = key
        if reproduce is not None:
            options["reproduce"] = reproduce
        if labels is not None:
            options["labels"] = read_labels(labels, limits)
        try:
            options["budget"] = Budget(max_flips, max_change)
            if module is not None:
                split_factory(module)
            choices = choose(options)
        except ExportError as error:
            raise shell.UsageError(str(error)) from error
        read = [path for path in (model, example, labels) if path is not None]
        check_paths(model.parent if output is None else output, stem_of(model), choices, read)
        from edge_export.pipeline.export import export_checkpoint

        exports = export_checkpoint(model, output, module, example, axes, **options)
        signature = None if key is None else signature_path(exports[0].path.parent, stem_of(model))
        for line in _lines(exports, page, signature, details):
            progress.write(line)


def _lines(exports: Sequence["Export"], page: Path | None, signature: Path | None, details: bool) -> Iterator[str]:
    """What is shown of the files that were made."""
    from edge_export.cli.details import LEGEND, details_of

    for made in exports:
        yield made.summary
        if details:
            yield from (f"  {line}" for line in details_of(made))
    if page is not None:
        yield f"{printable(page)}: open it in a browser; it needs no network"
    if signature is not None:
        yield f"{printable(signature)}: signs all of these"
    if details and any(made.comparisons for made in exports):
        yield from LEGEND


def _axes(text: str) -> tuple[str, list[str | None]]:
    """`ids=batch,length` as the name of an input and those of its axes."""
    name, equals, axes = text.partition("=")
    if not equals or not name:
        raise shell.UsageError(f"--dynamic {text}: write it as name=axis,axis, such as ids=batch,length")
    return name, [None if axis in ("_", "") else axis for axis in axes.split(",")]


def _ends(text: str) -> tuple[str, list[tuple[float, float]] | tuple[float, float]]:
    """`codes=0:2,0:899` as the name of an input and the smallest and largest value at each place on its last axis."""
    name, equals, ends = text.partition("=")
    try:
        pairs = [(_number(low), _number(high)) for low, high in (pair.split(":") for pair in ends.split(","))]
    except ValueError:
        pairs = []
    if not equals or not name or not pairs:
        raise shell.UsageError(
            f"--ranges {text}: write it as name=low:high, such as ids=0:899, or with a pair for each place on the last "
            "axis: codes=0:2,0:899"
        )
    return name, pairs[0] if len(pairs) == 1 else pairs


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)
