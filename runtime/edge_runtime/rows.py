"""Rows of numbers from text: CSV with or without a header, JSON Lines, and the words of a command line.

Read one at a time, so that a row that comes through a pipe can be answered before the next one is written.
"""

import contextlib
import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from edge_runtime.errors import EdgePredictError, InvalidInput
from edge_runtime.values import LARGEST as LARGEST
from edge_runtime.values import is_number as is_number
from edge_runtime.values import parse_number as parse_number


def parse_values(words: Sequence[str], features: Sequence[str]) -> list[float]:
    """One row from separate words, in the order of `features`.

    Raises:
        InvalidInput: there are too few or too many, or one is no number.
    """
    _check_width(words, len(features), features)
    return [_parsed(word, feature) for word, feature in zip(words, features, strict=True)]


def read_rows(
    lines: Iterable[str], features: Sequence[str], source: str, note: Callable[[str], None]
) -> Iterator[list[float]]:
    """The rows in `lines`, each as one number per feature, in the order of `features`.

    JSON Lines if the first line that is not blank opens an object or an array, else CSV. A CSV line that names every
    feature is a header: columns may then stand in any order, and others are ignored; without one, columns are taken in
    the order of `features`. A JSON line is an array in that order, or an object by feature name.

    Args:
        lines: the text, line by line.
        features: the names of the model's features.
        source: what to call the text in messages.
        note: called once with a message if columns are ignored.

    Raises:
        InvalidInput: a line is no row of numbers for these features; the message gives its number.
    """
    lines = iter(lines)
    read: list[str] = []
    for line in lines:
        read.append(line)
        if line.strip():
            break
    else:
        raise InvalidInput(f"{source} is empty: it holds no row")
    # A name may start with a bracket too.
    is_json = line.lstrip()[0] in "[{" and not _names_every_feature(next(csv.reader([line])), features)
    parse = _json_rows if is_json else _csv_rows
    rows = parse(itertools.chain(read, lines), features, source, note)
    first = next(rows, None)
    if first is None:
        raise InvalidInput(f"{source} holds no row below its header")
    yield first
    yield from rows


@contextlib.contextmanager
def reading_text(source: object, kind: type[EdgePredictError]) -> Iterator[None]:
    """Turn what goes wrong while the UTF-8 text of `source` is opened and read into an error of `kind`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise kind(f"{source} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise kind(f"{source} cannot be read: {error.strerror}") from error


def in_blocks(rows: Iterable[list[float]], size: int) -> Iterator[list[list[float]]]:
    """`rows` in lists of `size`; the rows before a bad one still come before its error does."""
    block: list[list[float]] = []
    try:
        for row in rows:
            block.append(row)
            if len(block) == size:
                yield block
                block = []
    except EdgePredictError:
        if block:
            yield block
        raise
    if block:
        yield block


def _csv_rows(
    lines: Iterator[str], features: Sequence[str], source: str, note: Callable[[str], None]
) -> Iterator[list[float]]:
    reader = csv.reader(lines, strict=True)
    columns: list[int] | None = None
    width = len(features)
    try:
        for cells in reader:
            if not cells:
                continue
            try:
                if columns is None:
                    if _names_every_feature(cells, features):
                        columns, width = _header_columns(cells, features, source, note), len(cells)
                        continue
                    _check_numeric(cells, features)
                    columns = list(range(width))
                _check_width(cells, width, features)
                row = [_parsed(cells[column], name) for column, name in zip(columns, features, strict=True)]
            except InvalidInput as error:
                raise InvalidInput(f"{source} line {reader.line_num}: {error}") from error
            yield row
    except csv.Error as error:
        raise InvalidInput(f"{source} line {reader.line_num}: not CSV: {error}") from error


def _names_every_feature(cells: list[str], features: Sequence[str]) -> bool:
    return set(features) <= {cell.strip() for cell in cells}


def _header_columns(header: list[str], features: Sequence[str], source: str, note: Callable[[str], None]) -> list[int]:
    """Where each feature stands in `header`."""
    header = [cell.strip() for cell in header]
    if twice := [name for name in features if header.count(name) > 1]:
        raise InvalidInput(f"the header names {twice[0]} more than once")
    if ignored := [name for name in header if name and name not in features]:
        note(f"{source}: ignored columns: {', '.join(ignored)}")
    if all(map(is_number, header)):
        note(f"{source}: the first line names the features, and is taken for a header")
    return [header.index(name) for name in features]


def _check_numeric(cells: list[str], features: Sequence[str]) -> None:
    """Refuse a first line that neither names every feature nor holds numbers alone."""
    for cell in cells:
        try:
            parse_number(cell)
        except InvalidInput as error:
            named = [cell.strip() for cell in cells]
            missing = [name for name in features if name not in named]
            hint = "; columns are separated by commas" if len(cells) == 1 and set(cell) & set(";\t") else ""
            raise InvalidInput(f"{error}, and as a header the line lacks {', '.join(missing)}{hint}") from None


def _json_rows(
    lines: Iterator[str], features: Sequence[str], source: str, note: Callable[[str], None]
) -> Iterator[list[float]]:
    noted = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=parse_number)
            if isinstance(row, dict):
                if (ignored := [name for name in row if name not in features]) and not noted:
                    note(f"{source}: ignored columns: {', '.join(ignored)}")
                    noted = True
                if missing := [name for name in features if name not in row]:
                    raise InvalidInput(f"missing {', '.join(missing)}")
                row = [row[name] for name in features]
            if not isinstance(row, list):
                raise InvalidInput("a JSON line is an array of numbers, or an object by feature name")
            _check_width(row, len(features), features)
            row = [_number(value, name) for value, name in zip(row, features, strict=True)]
        except (InvalidInput, RecursionError) as error:
            raise InvalidInput(f"{source} line {number}: {error}") from error
        except ValueError as error:
            raise InvalidInput(f"{source} line {number}: not JSON: {error}") from error
        yield row


def _check_width(values: Sequence[Any], width: int, features: Sequence[str]) -> None:
    if len(values) != width:
        names = f" ({', '.join(features)})" if width == len(features) else ""
        raise InvalidInput(f"{width} values are needed{names}, found {len(values)}")


def _parsed(text: str, feature: str) -> float:
    try:
        return parse_number(text)
    except InvalidInput as error:
        raise InvalidInput(f"{feature}: {error}") from None


def _number(value: Any, feature: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{feature}: {json.dumps(value, ensure_ascii=False)} is no number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise InvalidInput(f"{feature}: the number does not fit float32")
    return float(value)
