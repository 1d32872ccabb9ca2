"""Rows from text: CSV with or without a header, JSON Lines, and the words of a command line.

Read one at a time, so that a row that comes through a pipe can be answered before the next one is written.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import (
    has_codes,
    is_missing,
    is_number,
    parse_number,
    read_value,
    read_word,
    row_values,
)

# As the model's tensors hold them.
Row: TypeAlias = list[Any]


def parse_words(words: Sequence[str], features: Sequence[Feature]) -> Row:
    """One row from separate words: values in the order of `features`, or name=value in any order.

    Named, those that are left out are gaps where the model takes them.

    Raises:
        InvalidInput: there are too few or too many, one is no value of its feature, or names do not fit.
    """
    named = [_named(word, features) for word in words]
    # A text may have an equals sign in it too.
    known = {text for feature in features for text in feature.spellings}
    meant = all("=" in word and word not in known for word in words)
    if not meant and not any(named):
        _check_width(words, len(features), features)
        return [_read(word, feature) for word, feature in zip(words, features, strict=True)]
    values: dict[str, str] = {}
    for word, pair in zip(words, named, strict=True):
        if pair is None:
            name, equals, _ = word.partition("=")
            if equals:
                raise InvalidInput(f"{name!r} is no feature; they are {_listed(features)}")
            raise InvalidInput(f"{word!r} has no name, and another value has one: name all of them, or none")
        if pair[0] in values:
            raise InvalidInput(f"{pair[0]} is there twice")
        values[pair[0]] = pair[1]
    if absent := [feature for feature in features if feature.name not in values and feature.missing is None]:
        raise InvalidInput(f"missing {_listed(absent)}; the model takes no gaps there")
    return [_read(values.get(feature.name, ""), feature) for feature in features]


def read_rows(
    lines: Iterable[str],
    features: Sequence[Feature],
    source: str,
    note: Callable[[str], None],
    delimiter: str | None = None,
) -> Iterator[Row]:
    """The rows in `lines`, each as one value per feature, in the order of `features`, as the model's tensors hold it.

    JSON Lines if the first line that is not blank opens an object or an array, else CSV. A CSV line that names every
    feature is a header: columns may then stand in any order, and others are ignored; without one, columns are taken in
    the order of `features`. A JSON line is an array in that order, or an object by feature name.

    Args:
        lines: the text, line by line.
        features: the model's features.
        source: what to call the text in messages.
        note: called with a message if columns are ignored, once for each.
        delimiter: what separates columns of CSV; if None commas, or tabs where only they make the first line a header.

    Raises:
        InvalidInput: a line is no row for these features; the message gives its number.
    """
    lines = iter(lines)
    read: list[str] = []
    for line in lines:
        read.append(line)
        if line.strip():
            break
    else:
        raise InvalidInput(f"{source} is empty: it holds no row")
    by_commas, by_tabs = (_names_every_feature(_first_cells(line, delimiter), features) for delimiter in ",\t")
    # A name may start with a bracket too.
    if line.lstrip()[0] in "[{" and not by_commas and not by_tabs:
        rows = _json_rows(itertools.chain(read, lines), features, source, note)
    else:
        delimiter = delimiter or ("\t" if by_tabs and not by_commas else ",")
        rows = _csv_rows(itertools.chain(read, lines), features, source, note, delimiter)
    first = next(rows, None)
    if first is None:
        raise InvalidInput(f"{source} holds no row below its header")
    yield first
    yield from rows


def in_blocks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """`rows` in lists of `size`; the rows before a bad one still come before its error does."""
    block: list[Row] = []
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
    lines: Iterator[str], features: Sequence[Feature], source: str, note: Callable[[str], None], delimiter: str
) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
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
                    _check_no_header(cells, features)
                    if not any(_is_likely(cell, feature) for cell, feature in zip(cells, features, strict=False)):
                        note(f"{source}: the first line names no feature, and is taken for a row")
                    columns = list(range(width))
                _check_width(cells, width, features)
                row = [_read(cells[column], feature) for column, feature in zip(columns, features, strict=True)]
            except InvalidInput as error:
                raise InvalidInput(f"{source} line {reader.line_num}: {error}") from error
            yield row
    except csv.Error as error:
        raise InvalidInput(f"{source} line {reader.line_num}: not CSV: {error}") from error


def _first_cells(line: str, delimiter: str) -> list[str]:
    """The cells of the first line if it is CSV, whose reader will say what is wrong with it otherwise."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _names_every_feature(cells: list[str], features: Sequence[Feature]) -> bool:
    return {feature.name for feature in features} <= {cell.strip() for cell in cells}


def _header_columns(
    header: list[str], features: Sequence[Feature], source: str, note: Callable[[str], None]
) -> list[int]:
    """Where each feature stands in `header`."""
    header = [cell.strip() for cell in header]
    names = [feature.name for feature in features]
    if twice := [name for name in names if header.count(name) > 1]:
        raise InvalidInput(f"the header names {twice[0]} more than once")
    if ignored := [name for name in header if name and name not in names]:
        note(f"{source}: ignored columns: {', '.join(ignored)}")
    if all(map(is_number, header)):
        note(f"{source}: the first line names the features, and is taken for a header")
    return [header.index(name) for name in names]


def _check_no_header(cells: list[str], features: Sequence[Feature]) -> None:
    """Refuse a first line that does not name every feature, and is no row: most often a header that lacks some."""
    named = {cell.strip() for cell in cells}
    texts = [cell for cell in cells if not is_number(cell)]
    try:
        names = {feature.name.lower() for feature in features}
        if found := [cell for cell in map(str.strip, texts) if cell.lower() in names]:
            raise InvalidInput(f"{found[0]!r} is a feature's name")
        if len(cells) == len(features):
            for cell, feature in zip(cells, features, strict=True):
                read_word(cell, feature)
        elif texts and (len(texts) == len(cells) or all(feature.kind == "numeric" for feature in features)):
            parse_number(texts[0])
    except InvalidInput as error:
        lacking = [feature for feature in features if feature.name not in named]
        hint = "; columns are separated by commas" if len(cells) == 1 and set(cells[0]) & set(";\t") else ""
        raise InvalidInput(f"{error}, and as a header the line lacks {_listed(lacking)}{hint}") from None


def _is_likely(cell: str, feature: Feature) -> bool:
    """Whether a cell is rather a value than a name: of what has to be read, or known to the model."""
    return feature.kind != "categorical" or has_codes(feature) or cell.strip() in feature.spellings


def _json_rows(
    lines: Iterator[str], features: Sequence[Feature], source: str, note: Callable[[str], None]
) -> Iterator[Row]:
    names = {feature.name for feature in features}
    noted: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=parse_number)
            if isinstance(row, dict):
                if ignored := [name for name in row if name not in names and name not in noted]:
                    note(f"{source}: ignored columns: {', '.join(ignored)}")
                    noted.update(ignored)
                row = row_values(row, features)
            if not isinstance(row, list):
                raise InvalidInput("a JSON line is an array of values, or an object by feature name")
            _check_width(row, len(features), features)
            row = [_read_json(value, feature) for value, feature in zip(row, features, strict=True)]
        except (InvalidInput, RecursionError) as error:
            raise InvalidInput(f"{source} line {number}: {error}") from error
        except ValueError as error:
            raise InvalidInput(f"{source} line {number}: not JSON: {error}") from error
        yield row


def _check_width(values: Sequence[Any], width: int, features: Sequence[Feature]) -> None:
    if len(values) != width:
        names = f" ({_listed(features)})" if width == len(features) else ""
        raise InvalidInput(f"{width} values are needed{names}, found {len(values)}")


def _read(word: str, feature: Feature) -> float | str:
    try:
        return read_word(word, feature)
    except InvalidInput as error:
        raise InvalidInput(f"{feature.name}: {error}") from None


def _read_json(value: Any, feature: Feature) -> float | str:
    is_gap = feature.missing is not None and is_missing(value)
    # In JSON a truth is no number.
    if feature.kind == "numeric" and not is_gap and type(value) not in (int, float):
        raise InvalidInput(f"{feature.name}: {json.dumps(value, ensure_ascii=False)} is not a number")
    try:
        return read_value(value, feature)
    except InvalidInput as error:
        raise InvalidInput(f"{feature.name}: {error}") from None


def _named(word: str, features: Sequence[Feature]) -> tuple[str, str] | None:
    """The feature's name and the value in name=value; of several names the longest."""
    names = [feature.name for feature in features if word.startswith(f"{feature.name}=")]
    if not names:
        return None
    name = max(names, key=len)
    return name, word[len(name) + 1 :]


def _listed(features: Iterable[Feature]) -> str:
    return ", ".join(feature.name for feature in features)
