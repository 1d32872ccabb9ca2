"""The options of `edge-predict`: answers from an exported model at the shell."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_runtime.cli import describe
from edge_runtime.cli.answers import Asked, Format, answer_words, answer_writer
from edge_runtime.contract import shell
from edge_runtime.contract.atomic_files import prepare_file
from edge_runtime.contract.errors import InvalidInput, UnknownDevice, VerificationFailed
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import printable
from edge_runtime.rows.text_rows import in_batches, read_rows
from edge_runtime.rows.words import is_option

if TYPE_CHECKING:
    from edge_runtime.contract.limits import Limits
    from edge_runtime.contract.text_files import OpenedText
    from edge_runtime.predictor import Predictor

app = typer.Typer(**shell.SETTINGS)

# How many rows of a file are answered in one call: enough to make its own cost small, few enough for the cache.
_FILE_BATCH = 4096
# The endings of files of arrays.
_ARRAYS = (".npz", ".npy")


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
            help="CSV, TSV, JSON (.gz), .npz or .npy; - is stdin.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write raw outputs: .npz, .npy or .json."),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="The format of the answers.")] = "text",
    top: Annotated[int | None, typer.Option(metavar="COUNT", min=1, help="Show only the most probable labels.")] = None,
    flag_unseen: Annotated[bool, typer.Option("--flag-unseen", help="Add what is unlike the training data.")] = False,
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
    if doctor:
        from edge_runtime.cli.doctor import show

        options = [input_file, output, show_description, details, verify, flag_unseen, top, trust, limit]
        if any([values, device != "auto", *options, isolate and model is None]):
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
    if output_format == "csv" and (show_description or verify):
        raise shell.UsageError(f"{'--verify' if verify else '--describe'} is written as text or json")
    if flag_unseen and (show_description or verify):
        raise shell.UsageError("--flag-unseen needs the values of one row, or --input FILE")
    if top is not None and (show_description or verify):
        raise shell.UsageError("--top needs the values of one row, or --input FILE")
    if details and not show_description:
        raise shell.UsageError("--details needs --describe")
    if output is not None:
        if input_file is None or top is not None or flag_unseen or output_format != "text":
            raise shell.UsageError(
                "--output writes the raw outputs for --input; --format, --top and --flag-unseen are for answers"
            )
        _check_output(output, input_file)
    names = dict.fromkeys([*shell.OPENING, *shell.READING, *(shell.ISOLATING if isolate else ())])
    if not isolate and (bounds := [word for word in limit or () if word.partition("=")[0] in shell.ISOLATING]):
        raise shell.UsageError(f"--limit {bounds[0]} needs --isolate")
    limits = shell.limits_of(limit, *names)
    opened = functools.partial(_opened, isolate, model, device, custom_operators, limits, trust or None)
    if input_file is not None:
        _answer_file(opened, input_file, output, Asked(output_format, flag_unseen, top), limits)
        return None
    predictor = opened()
    if show_description:
        as_json = output_format == "json"
        described = describe.description_json(predictor) if as_json else describe.description_text(predictor, details)
        sys.stdout.write(described)
    elif verify:
        _verify(predictor, output_format)
    else:
        try:
            answer = answer_words(predictor, values, Asked(output_format, flag_unseen, top))
        except InvalidInput as error:
            raise shell.UsageError(str(error)) from error
        sys.stdout.write(answer)
    return None


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


def _check_output(output: Path, input_file: str) -> None:
    endings = (*_ARRAYS, ".json")
    if output.suffix not in endings:
        raise shell.UsageError(f"--output {output}: its name must end in {', '.join(endings)}")
    if os.path.realpath(output) == os.path.realpath(input_file):
        raise shell.UsageError(f"--output {output} would overwrite the input; choose another name")
    prepare_file(output)


def _answer_file(
    opened: Callable[[], "Predictor"], input_file: str, output: Path | None, asked: Asked, limits: "Limits"
) -> None:
    """Answer the rows of a file or a pipe (-), or the arrays in it."""
    if input_file.endswith(_ARRAYS):
        # These import numpy, and the mistakes in a command line are found before.
        from edge_runtime.cli.tensor_answers import answer_arrays
        from edge_runtime.contract.array_files import read_arrays

        given = read_arrays(Path(input_file), InvalidInput, limits)
        answer_arrays(opened(), given, input_file, output, asked)
        return
    # Help and the mistakes in a command line need it not.
    from edge_runtime.contract.text_files import reading_text

    with reading_text("stdin" if input_file == "-" else input_file, InvalidInput):
        text = _text(input_file, limits)
    with text:
        predictor = opened()
        if output is None and predictor.signature is not None and predictor.signature.has_features:
            _answer_rows(predictor, text, input_file, asked, limits)
            return
        from edge_runtime.cli.tensor_answers import answer_arrays
        from edge_runtime.cli.tensor_files import json_tensors

        with reading_text(text.name, InvalidInput):
            content = text.whole()
        answer_arrays(predictor, json_tensors(content, text.name, limits), text.name, output, asked)


def _answer_rows(predictor: "Predictor", text: "OpenedText", input_file: str, asked: Asked, limits: "Limits") -> None:
    """Answer the rows of a file batch by batch, or of a pipe row by row."""
    from edge_runtime.contract.text_files import delimiter_of

    header, answers = answer_writer(predictor, asked)
    reader, features = predictor.answering.row_reader, predictor.required_signature.features
    with Progress(f"answering {printable(text.name)}", _bytes_to_read(text, input_file)) as progress:

        def note(message: str) -> None:
            with progress.above():
                shell.note(message)

        rows = read_rows(_lines(text), features, text.name, note, delimiter_of(input_file), limits)
        for batch in in_batches(rows, 1 if input_file == "-" else _FILE_BATCH):
            sys.stdout.write(header + answers(reader.tensors_of_read(batch)))
            sys.stdout.flush()
            header = ""
            if progress.total:
                # Of the file itself, compressed or not.
                progress.advance(os.lseek(text.fileno(), 0, os.SEEK_CUR) - progress.done)


def _text(input_file: str, limits: "Limits") -> "OpenedText":
    from edge_runtime.contract.text_files import OpenedText, open_text

    if input_file != "-":
        return open_text(input_file, limits)
    if sys.stdin is None:
        raise InvalidInput("stdin is closed; pipe rows to it")
    return OpenedText(sys.stdin.buffer, "stdin", limits)


def _lines(text: "OpenedText") -> Iterator[str]:
    from edge_runtime.contract.text_files import reading_text

    with reading_text(text.name, InvalidInput):
        yield from text.lines()


def _bytes_to_read(text: "OpenedText", input_file: str) -> int:
    """The size of the file; 0 for a pipe, and if the answers on the terminal show the progress themselves."""
    return 0 if input_file == "-" or sys.stdout.isatty() else os.fstat(text.fileno()).st_size
