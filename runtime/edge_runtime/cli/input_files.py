"""The files of --input and --output: rows, tables and arrays."""

import contextlib
import importlib.util
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.cli.answers import Asked, answer_writer
from edge_runtime.cli.tables import Bulk, answer_table
from edge_runtime.contract import shell
from edge_runtime.contract.atomic_files import prepare_file
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.extras import require
from edge_runtime.contract.file_kinds import GZIP
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import printable, unreadable
from edge_runtime.rows.text_rows import in_batches, read_rows

if TYPE_CHECKING:
    from edge_runtime.contract.limits import Limits
    from edge_runtime.contract.text_files import OpenedText
    from edge_runtime.predictor import Predictor

# How many rows of a file are answered in one call: enough to make its own cost small, few enough for the cache.
_FILE_BATCH = 4096
# The endings of files of arrays.
_ARRAYS = (".npz", ".npy")
_RAW = (*_ARRAYS, ".json")
# The endings of files that have columns, and not tensors, in any case: those of Parquet and Arrow, and of text.
_ARROW = (".parquet", ".pq", ".feather", ".arrow", ".ipc", ".arrows")
_COLUMNS = (".csv", ".tsv", ".tab", *_ARROW)
# So much of a file tells what it is.
_PEEKED = 4096


def check_input(input_file: str | None, bulk: Bulk, asked: Asked) -> None:
    """Refuse options for files that are wrong by themselves.

    Raises:
        UsageError: they do not go together.
        CannotWrite: the file of raw outputs cannot be written.
    """
    output = bulk.output
    if input_file is None:
        if output is not None or bulk.given:
            raise shell.UsageError(f"{bulk.given or '--output'} needs --input FILE")
        return
    if input_file.endswith(_ARRAYS) and bulk.given:
        raise shell.UsageError(f"{bulk.given} is for tables, and {input_file} holds arrays")
    if output is None or output.suffix not in _RAW:
        bulk.check(asked)
        return
    if asked != Asked() or bulk.given:
        given = bulk.given or "--format, --top, --flag-unseen and --interval"
        raise shell.UsageError(f"--output {output} is for raw outputs, and {given} for answers")
    if os.path.realpath(output) == os.path.realpath(input_file):
        raise shell.UsageError(f"--output {output} would overwrite the input; choose another name")
    prepare_file(output)


def answer_file(
    opened: "Callable[[], Predictor]", input_file: str, bulk: Bulk, asked: Asked, limits: "Limits", device: str
) -> int:
    """Answer the rows of a file or a pipe (-), or the arrays in it, and return the exit code."""
    output = bulk.output
    if input_file.endswith(_ARRAYS):
        # These import numpy, and the mistakes in a command line are found before.
        from edge_runtime.cli.tensor_answers import answer_arrays
        from edge_runtime.contract.array_files import read_arrays

        if output is not None and output.suffix not in _RAW:
            raise shell.UsageError(f"--output {output}: the outputs for arrays end in {', '.join(_RAW)}")
        given = read_arrays(Path(input_file), InvalidInput, limits)
        answer_arrays(opened(), given, input_file, output, asked)
        return 0
    is_raw = output is not None and output.suffix in _RAW
    if not is_raw:
        is_bulk = output is not None or bulk.given is not None
        if is_bulk:
            require("pyarrow", "tables", bulk.given or "--output")
        if is_bulk or importlib.util.find_spec("pyarrow") is not None:
            return _answer_table(opened, input_file, bulk, asked, limits, device if is_bulk else None)
    _answer_text(opened, input_file, output, asked, limits)
    return 0


def _answer_table(
    opened: "Callable[[], Predictor]", input_file: str, bulk: Bulk, asked: Asked, limits: "Limits", device: str | None
) -> int:
    from edge_runtime.tables.files import ending_of, find_files

    # The model is opened only if there is something to answer.
    for file in find_files(input_file):
        if file != "-" and not Path(file).exists():
            raise InvalidInput(unreadable(Path(file), FileNotFoundError()))
    predictor = opened()
    has_features = predictor.signature is not None and predictor.signature.has_features
    if has_features and device is None and _holds_lists(input_file):
        # Rows without names, each a list, which no table is.
        _answer_text(lambda: predictor, input_file, None, asked, limits)
        return 0
    if not has_features and device is None and ending_of(input_file) not in _COLUMNS:
        # Tensors, and not rows of columns.
        _answer_text(lambda: predictor, input_file, None, asked, limits)
        return 0
    return answer_table(predictor, input_file, bulk, asked, limits, device or "auto")


def _holds_lists(input_file: str) -> bool:
    """Whether a file, or stdin as far as it can be seen, begins as lists of JSON without objects in them."""
    if input_file == "-" and sys.stdin is None:
        return False
    if input_file == "-":
        start: bytes = sys.stdin.buffer.peek(_PEEKED) if isinstance(sys.stdin.buffer, io.BufferedReader) else b""
    else:
        if not Path(input_file).is_file():
            return False
        with Path(input_file).open("rb") as file:
            start = file.read(_PEEKED)
        if start.startswith(GZIP):
            with contextlib.suppress(zlib.error):  # whoever reads it says what is wrong
                start = zlib.decompressobj(wbits=31).decompress(start, _PEEKED)
    return re.match(rb"(?:\xef\xbb\xbf)?\s*\[\s*[^\s{]", start) is not None


def _answer_text(
    opened: "Callable[[], Predictor]", input_file: str, output: Path | None, asked: Asked, limits: "Limits"
) -> None:
    """Answer rows one by one, without pyarrow; or tensors in JSON."""
    # Help and the mistakes in a command line need it not.
    from edge_runtime.contract.text_files import reading_text
    from edge_runtime.tables.files import ending_of

    needs_tables = output is None and ending_of(input_file) in _COLUMNS
    if needs_tables and ending_of(input_file) in _ARROW:
        require("pyarrow", "tables", f"--input {printable(input_file)}")
    with reading_text("stdin" if input_file == "-" else input_file, InvalidInput):
        text = _text(input_file, limits)
    with text:
        predictor = opened()
        has_features = predictor.signature is not None and predictor.signature.has_features
        if output is None and has_features:
            _answer_rows(predictor, text, input_file, asked, limits)
            return
        if needs_tables:
            require("pyarrow", "tables", f"--input {printable(input_file)}")
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
