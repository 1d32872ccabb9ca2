"""The options of `edge-predict`: answers from an exported model at the shell."""

import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from edge_runtime.cli import describe
from edge_runtime.cli.answers import Format, answer_words, answer_writer
from edge_runtime.contract import shell
from edge_runtime.contract.errors import InvalidInput, UnknownDevice, VerificationFailed
from edge_runtime.contract.text_files import delimiter_of, open_text, reading_text
from edge_runtime.rows.text_rows import in_batches, read_rows

if TYPE_CHECKING:
    from edge_runtime.predictor import Predictor

app = typer.Typer(**shell.SETTINGS)

# Rows of a file answered in one call: enough to make the call's own cost small, little enough to stay in cache.
_FILE_BLOCK = 4096


# Without ignore_unknown_options, -1 would be an option. No short option may be declared: with -e, -1e-3 would be two.
@app.command(context_settings={"ignore_unknown_options": True})
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX file, as edge-export writes it.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VALUES]...", help="One row: a value for each feature, in order, or name=value."),
    ] = None,
    input_file: Annotated[
        str | None,
        typer.Option("--input", metavar="FILE", help="Rows from a CSV, TSV or JSON Lines file, .gz too; - is a pipe."),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="How answers are written.")] = "text",
    flag_unseen: Annotated[
        bool, typer.Option("--flag-unseen", help="Say with each answer what in its row training never saw.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider.")
    ] = "auto",
    show_description: Annotated[bool, typer.Option("--describe", help="Show what the model takes and gives.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that the model gives here what torch gave at export.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=shell.version_of("edge-predict"), is_eager=True),
    ] = False,
) -> None:
    """Answer rows with an exported model: edge-predict model.onnx -1 1."""
    values = values or []
    if unknown := [value for value in values if _is_option(value)]:
        raise shell.UsageError(f"no such option: {unknown[0]}; a text that begins so is given as name={unknown[0]}")
    if sum([bool(values), input_file is not None, show_description, verify]) != 1:
        raise shell.UsageError("give the values of one row, --input FILE, --describe or --verify: one of the four")
    if output_format == "csv" and (show_description or verify):
        raise shell.UsageError(f"{'--verify' if verify else '--describe'} is written as text or json")
    if flag_unseen and (show_description or verify):
        raise shell.UsageError("--flag-unseen goes with the values of one row, or with --input FILE")
    predictor = _opened(model, device)
    if show_description:
        as_json = output_format == "json"
        sys.stdout.write(describe.description_json(predictor) if as_json else describe.description_text(predictor))
        return
    if verify:
        _verify(predictor, output_format)
        return
    if values:
        try:
            answer = answer_words(predictor, values, output_format, flag_unseen)
        except InvalidInput as error:
            raise shell.UsageError(str(error)) from error
        sys.stdout.write(answer)
        return
    header, answers = answer_writer(predictor, output_format, flag_unseen)
    features = predictor.required_signature.features
    assert input_file is not None
    source, block = ("stdin", 1) if input_file == "-" else (input_file, _FILE_BLOCK)
    lines = _lines(input_file, source)
    for rows in in_batches(read_rows(lines, features, source, shell.note, delimiter_of(input_file)), block):
        sys.stdout.write(header + answers(rows))
        sys.stdout.flush()
        header = ""


def _is_option(value: str) -> bool:
    """Whether `value` was meant as an option: it begins as one and is no negative number."""
    if not value.startswith("-"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _opened(model: str, device: str) -> "Predictor":
    from edge_runtime.predictor import Predictor

    try:
        return Predictor(model, device)
    except UnknownDevice as error:
        raise shell.UsageError(str(error)) from error


def _verify(predictor: "Predictor", output_format: Format) -> None:
    verification = predictor.verify()
    as_json = output_format == "json"
    sys.stdout.write(describe.verification_json(verification) if as_json else describe.verification_text(verification))
    sys.stdout.flush()
    if not verification.passed:
        raise VerificationFailed(verification.failure)


def _lines(input_file: str, source: str) -> Iterator[str]:
    """The lines of a file or of stdin, as UTF-8, with or without a byte order mark."""
    with reading_text(source, InvalidInput), _text(input_file) as text:
        yield from text


def _text(input_file: str) -> TextIO:
    if input_file == "-":
        if sys.stdin is None:
            raise InvalidInput("stdin is closed; pipe rows to it")
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
    return open_text(input_file)
