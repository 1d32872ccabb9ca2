"""The options of `edge-predict`: answers from an exported model at the shell."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.cli import describe
from edge_runtime.cli.answers import Asked, Format, answer_words
from edge_runtime.cli.explanations import explained_words
from edge_runtime.cli.input_files import answer_file, check_input
from edge_runtime.cli.tables import Bulk
from edge_runtime.contract import shell
from edge_runtime.contract.conformal import check_coverage
from edge_runtime.contract.errors import InvalidInput, UnknownDevice, VerificationFailed
from edge_runtime.contract.progress import Progress
from edge_runtime.rows.words import is_option
from edge_runtime.scoring.options import device_here

if TYPE_CHECKING:
    from edge_runtime.contract.limits import Limits
    from edge_runtime.predictor import Predictor

app = typer.Typer(**shell.SETTINGS)


# Without ignore_unknown_options, -1 would be an option. No short option may be declared: with -e, -1e-3 would be two.
@app.command(context_settings={"ignore_unknown_options": True})
def predict(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A file that edge-export wrote.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VALUES]...", help="One row: the values in order, or name=value."),
    ] = None,
    input_file: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="CSV, JSON, Parquet, Feather, .npz; - is stdin.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table, or raw outputs: .npz, .npy."),
    ] = None,
    keep: Annotated[str | None, typer.Option(metavar="COLUMNS", help="Columns to put before answers, or all.")] = None,
    rejects: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows that cannot be read.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after a run that was killed.")] = False,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write counts of the answers as JSON.")] = None,
    delimiter: Annotated[str | None, typer.Option(metavar="MARK", help="What separates columns; else found.")] = None,
    decimal: Annotated[str | None, typer.Option(metavar="MARK", help="The decimal mark; else found.")] = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Of text, such as cp1252.")] = None,
    engine: Annotated[str | None, typer.Option(metavar="ray", help="Answer a table on a cluster of Ray.")] = None,
    address: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Of the cluster; else one here.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="COUNT", min=1, help="How many, of the cluster.")] = None,
    output_format: Annotated[Format, typer.Option("--format", help="The format of the answers.")] = "text",
    top: Annotated[int | None, typer.Option(metavar="COUNT", min=1, help="Show only the most probable labels.")] = None,
    flag_unseen: Annotated[bool, typer.Option("--flag-unseen", help="Add what is unlike the training data.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each value contributes.")] = False,
    interval: Annotated[
        float | None,
        typer.Option(metavar="COVERAGE", help="Add intervals or label sets, say 0.9."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:N or a provider.")] = "auto",
    custom_operators: Annotated[
        list[Path] | None,
        typer.Option("--operators", metavar="FILE", help="A library of custom operators."),
    ] = None,
    isolate: Annotated[bool, typer.Option("--isolate", help="Open an untrusted model in a bounded process.")] = False,
    trust: Annotated[list[Path] | None, shell.trust_option()] = None,
    limit: Annotated[list[str] | None, shell.limit_option()] = None,
    show_description: Annotated[
        bool, typer.Option("--describe", help="Show what the model takes and returns.")
    ] = False,
    details: Annotated[bool, typer.Option("--details", help="With --describe: versions, hashes and more.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare with torch's outputs at export.")] = False,
    doctor: Annotated[bool, typer.Option("--doctor", help="Show what is installed, and what is wrong.")] = False,
    version: Annotated[bool, shell.version_option("edge-predict")] = False,
) -> int | None:
    """Answer rows with an exported model: edge-predict model.onnx -1 1."""
    values = values or []
    if unknown := [value for value in values if is_option(value)]:
        advice = "; write a value that begins with - as name=value"
        raise shell.UsageError(shell.no_such_option(unknown[0], context, advice))
    text = delimiter, decimal, encoding
    bulk = Bulk(output, keep, rejects, strict, resume, summary, *text, engine, address, workers)
    if doctor:
        from edge_runtime.cli.doctor import show

        options = [values, input_file, output, bulk.given, show_description, details, verify, flag_unseen, top, trust]
        if any([*options, explain, interval, limit, device != "auto", isolate and model is None]):
            raise shell.UsageError("--doctor goes with MODEL, --isolate and --format alone")
        if output_format == "csv":
            raise shell.UsageError("--doctor is written as text or json")
        return show(output_format, model, isolate=isolate)
    if model is None:
        raise shell.UsageError("MODEL is missing")
    if sum([bool(values), input_file is not None, show_description, verify]) != 1:
        raise shell.UsageError("give one of these: the values of one row, --input FILE, --describe or --verify")
    if input_file == "":
        raise shell.UsageError("--input needs the name of a file, or - for stdin")
    asked = Asked(output_format, flag_unseen, top, explain, interval)
    _check_shown(show_description, details, verify, asked, bool(values))
    check_input(input_file, bulk, asked)
    names = dict.fromkeys([*shell.OPENING, *shell.READING, *(shell.ISOLATING if isolate else ())])
    if not isolate and (bounds := [word for word in limit or () if word.partition("=")[0] in shell.ISOLATING]):
        raise shell.UsageError(f"--limit {bounds[0]} needs --isolate")
    limits = shell.limits_of(limit, *names)
    opening = device_here(device, engine), custom_operators, limits, trust or None
    opened = functools.partial(_opened, isolate, model, *opening)
    if input_file is not None:
        return answer_file(opened, input_file, bulk, asked, limits, device)
    predictor = opened()
    if show_description:
        as_json = output_format == "json"
        described = describe.description_json(predictor) if as_json else describe.description_text(predictor, details)
        sys.stdout.write(described)
    elif verify:
        _verify(predictor, output_format)
    else:
        try:
            answer = (explained_words if explain else answer_words)(predictor, values, asked)
        except InvalidInput as error:
            raise shell.UsageError(str(error)) from error
        sys.stdout.write(answer)
    return None


def _check_shown(show_description: bool, details: bool, verify: bool, asked: Asked, is_row: bool) -> None:
    """Refuse options of answers where none are given, and details of nothing."""
    if asked.output_format == "csv" and (show_description or verify):
        raise shell.UsageError(f"{'--verify' if verify else '--describe'} is written as text or json")
    if asked.flag_unseen and (show_description or verify):
        raise shell.UsageError("--flag-unseen needs the values of one row, or --input FILE")
    if asked.top is not None and (show_description or verify):
        raise shell.UsageError("--top needs the values of one row, or --input FILE")
    if asked.explain and not is_row:
        raise shell.UsageError("--explain needs the values of one row, in order or as name=value")
    others = {"--flag-unseen": asked.flag_unseen, "--top": asked.top, "--interval": asked.interval}
    if asked.explain and (given := next((name for name, value in others.items() if value), None)):
        raise shell.UsageError(f"{given} does not go with --explain")
    if asked.interval is not None:
        if show_description or verify:
            raise shell.UsageError("--interval needs the values of one row, or --input FILE")
        try:
            check_coverage(asked.interval)
        except InvalidInput as error:
            raise shell.UsageError(f"--interval: {error}") from error
    if details and not show_description:
        raise shell.UsageError("--details needs --describe")


def _opened(
    isolate: bool,
    model: str,
    device: str,
    custom_operators: list[Path] | None,
    limits: "Limits",
    trust: list[Path] | None,
) -> "Predictor":
    import edge_runtime

    kind = edge_runtime.IsolatedPredictor if isolate else edge_runtime.Predictor
    try:
        return kind(model, device, custom_operators=custom_operators, limits=limits, trust=trust)
    except UnknownDevice as error:
        raise shell.UsageError(str(error)) from error


def _verify(predictor: "Predictor", output_format: Format) -> None:
    certificate = predictor.certificate
    with Progress("verifying", None if certificate is None else len(certificate.reference)) as progress:
        verification = predictor.verify(progress.advance)
    as_json = output_format == "json"
    sys.stdout.write(describe.verification_json(verification) if as_json else describe.verification_text(verification))
    sys.stdout.flush()
    if not verification.passed:
        raise VerificationFailed(verification.failure)
