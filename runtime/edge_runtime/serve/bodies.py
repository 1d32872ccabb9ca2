"""The body of a request as a model's tensors: rows and arrays, in the forms in which people have them."""

import codecs
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from edge_runtime.answering import Answering
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import listed
from edge_runtime.rows.row_reader import RowReader
from edge_runtime.rows.tensor_reader import TensorReader
from edge_runtime.rows.text_rows import read_rows
from edge_runtime.serve.refusals import Refused

# Media types of text with a row in each line, and what is between its columns if only the type says it.
_TEXT = {
    "text/csv": None,
    "text/tab-separated-values": "\t",
    "application/jsonl": None,
    "application/x-ndjson": None,
}
# What clients say if nobody has told them: curl's --data, a program without a library.
_UNSAID = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"})

# How the names of codecs begin that are character sets. Some of Python's others take the square of a body's length.
_CHARACTER_SETS = ("utf-8", "utf-16", "utf-32", "ascii", "iso", "cp", "mac", "koi8", "gb", "big5", "euc", "shift")


@dataclass(frozen=True)
class Read:
    """What a body holds.

    Attributes:
        feed: the model's inputs by name; empty if there are no rows.
        notes: what the sender should know, such as the names of columns that are ignored.
    """

    feed: Mapping[str, npt.NDArray[Any]]
    notes: Sequence[str] = ()


def read_body(answering: Answering, body: bytes, content_type: str, most: int) -> Read:
    """The model's inputs in a body.

    JSON is an object by column name, a list of them, `{"rows": [...]}` around it, a list of values in the order of the
    columns, or a list of these; for a model of tensors nested lists, by the names of the inputs if there are several.
    CSV is as `text_rows.read_rows` takes it.

    Args:
        answering: the model.
        body: the bytes.
        content_type: the header of this name, or an empty string.
        most: how many rows may be there.

    Raises:
        InvalidInput: it is not JSON or CSV, its rows do not fit the model, or there are more; the message has the row
            and the column.
        Refused: the type is another one (415).
    """
    # Programs on Windows begin JSON and CSV with it.
    body = body.removeprefix(codecs.BOM_UTF8)
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if media_type in _UNSAID:
        is_json = body.lstrip()[:1] in (b"{", b"[")
    elif not is_json and media_type not in _TEXT:
        raise Refused(415, f"the body is {media_type}; send JSON (application/json) or CSV (text/csv)")
    reader = answering.reader
    if is_json:
        document = _document(body)
        if not isinstance(reader, RowReader):
            return _read_tensors(reader, document, most)
        # Nothing else has a byte of strings, true, false or null. To look for whole words takes ten times as long.
        is_numbers = b'"' not in body and b"u" not in body and b"l" not in body
        read = _read_json(answering, reader, document, most, is_numbers)
        if not is_numbers and (b"true" in body or b"false" in body):
            _refuse_booleans(_rows(document), answering.signature.features)
        return read
    if not isinstance(reader, RowReader):
        raise Refused(415, "the model takes tensors; send them as JSON (application/json)")
    return _read_text(answering, reader, _text(body, parameters), _TEXT.get(media_type), most)


def _document(body: bytes) -> Any:
    if not body.strip():
        raise InvalidInput("the body is empty; send a row, such as a JSON object by column name")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "Not enough memory" in str(error):
            raise MemoryError from error
        _decoded(body, "utf-8")
        hint = "; a missing value is null in JSON" if b"NaN" in body else ""
        raise InvalidInput(f"the body is not JSON: {error}{hint}") from None


def _text(body: bytes, parameters: str) -> str:
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip("\"' ")
    try:
        is_known = codecs.lookup(charset).name.startswith(_CHARACTER_SETS)
    except (LookupError, ValueError):
        is_known = False
    if not is_known:
        raise InvalidInput(f"the character set {charset!r} is not known; send UTF-8")
    # A byte order mark is not part of the first column's name.
    return _decoded(body, charset).removeprefix("\ufeff")


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not {charset}: byte {error.start} is {body[error.start]:#04x}") from None


def _read_text(answering: Answering, reader: RowReader, text: str, delimiter: str | None, most: int) -> Read:
    notes: list[str] = []
    features = answering.signature.features
    rows = []
    for row in read_rows(io.StringIO(text, newline=""), features, "the body", notes.append, delimiter):
        rows.append(row)
        if len(rows) > most:
            raise _too_many(most)
    return Read(reader.tensors_of_read(rows), notes)


def _rows(document: Any) -> Any:
    """What is in `{"rows": [...]}`; any other document as it is."""
    if isinstance(document, dict) and document.keys() == {"rows"} and isinstance(document["rows"], list):
        return document["rows"]
    return document


def _refuse_booleans(rows: Any, features: Sequence[Feature]) -> None:
    """Refuse booleans in columns of numbers: in JSON a boolean is not a number, as it is in Python."""
    if not rows:
        return
    numeric = [(place, feature.name) for place, feature in enumerate(features) if feature.kind == "numeric"]
    is_one = isinstance(rows, dict) or not isinstance(rows[0], dict | list)
    rows = [rows] if is_one else rows
    suspects = [(place, name) for place, name in numeric if bool in _types(rows, place, name)]
    for number, row in enumerate(rows if suspects else (), start=1):
        for place, name in suspects:
            value = row.get(name) if isinstance(row, dict) else row[place]
            if isinstance(value, bool):
                said = f"{name}: {str(value).lower()} is not a number"
                raise InvalidInput(said if is_one else f"row {number}: {said}")


def _types(rows: list[Any], place: int, name: str) -> set[type]:
    """The types of the values in a column of `rows`, which are all dicts or all lists."""
    try:
        return set(map(type, map(itemgetter(name if isinstance(rows[0], dict) else place), rows)))
    except KeyError:
        return {type(row.get(name)) for row in rows}


def _read_json(answering: Answering, reader: RowReader, document: Any, most: int, is_numbers: bool) -> Read:
    document = _rows(document)
    if not isinstance(document, dict | list):
        raise InvalidInput("the body must be an object by column name, or a list of rows")
    if not document and isinstance(document, list):
        return Read({})
    is_one = isinstance(document, dict) or not isinstance(document[0], dict | list)
    if not is_one and len(document) > most:
        raise _too_many(most)
    rows: list[Any] = [document] if is_one else list(document)
    is_plain = is_numbers and reader.is_plain and len(rows) > 1
    matrix = _matrix(rows, len(answering.signature.feature_names)) if is_plain else None
    try:
        feed = reader.tensors(document if matrix is None else matrix)
    except InvalidInput as error:
        raise _precise(rows, is_one, answering, error) from None
    ignored = _ignored(rows, answering) if isinstance(rows[0], dict) else []
    return Read(feed, [f"ignored columns: {listed(ignored)}"] if ignored else [])


def _matrix(rows: list[list[Any]], columns: int) -> npt.NDArray[np.float64] | None:
    """Lists of numbers and lists as an array, which numpy makes in half the time if it need not find out what they are.

    Returns: shape (rows, columns); None if they do not have it, or a number does not fit float64.
    """
    try:
        if [*map(len, rows)].count(columns) != len(rows):
            return None
        values = np.fromiter(itertools.chain.from_iterable(rows), np.float64, len(rows) * columns)
    except (TypeError, ValueError, OverflowError):
        return None
    return values.reshape(-1, columns)


def _precise(rows: list[Any], is_one: bool, answering: Answering, error: InvalidInput) -> InvalidInput:
    """`error` with the row and the column of the first value that is refused by itself too."""
    names = [feature.name for feature in answering.signature.features]
    for number, row in enumerate(rows, start=1):
        try:
            if not is_one and not isinstance(row, type(rows[0])):
                raise InvalidInput("all rows must be objects by column name, or all of them lists of values")
            for name, value in row.items() if isinstance(row, dict) else zip(names, row, strict=False):
                if isinstance(value, dict | list) and name in names:
                    found = "a list" if isinstance(value, list) else "an object"
                    raise InvalidInput(f"{name} is {found}, not one value")
            # Values with their names are read one by one.
            is_named = isinstance(row, list) and len(row) == len(names)
            answering.row_reader.tensors(dict(zip(names, row, strict=True)) if is_named else row)
        except InvalidInput as refused:
            return refused if is_one else InvalidInput(f"row {number}: {refused}")
    return error


def _ignored(rows: list[dict[str, Any]], answering: Answering) -> list[str]:
    """The names in `rows` that are not features, in their order."""
    others = set[str]().union(*rows).difference(feature.name for feature in answering.signature.features)
    return list(dict.fromkeys(name for row in rows for name in row if name in others)) if others else []


def _read_tensors(reader: TensorReader, document: Any, most: int) -> Read:
    feed = reader.tensors(document)
    if any(len(tensor) > most for tensor in feed.values() if tensor.ndim):
        raise _too_many(most)
    return Read(feed)


def _too_many(most: int) -> InvalidInput:
    return InvalidInput(f"more than {most:,} rows; send them in several requests")
