"""Rows from CSV and TSV, with a header or without one."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from edge_runtime.contract.csv_cells import csv_cells
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import has_codes, is_number, listed, misspelt, parse_number, read_value
from edge_runtime.rows.row import Row, counted_values, read_row


def csv_rows(
    lines: Iterator[str],
    features: Sequence[Feature],
    source: str,
    note: Callable[[str], None],
    delimiter: str,
    limits: Limits = DEFAULTS,
) -> Iterator[Row]:
    """The rows in lines of CSV. Args and raises: as `text_rows.read_rows`."""
    columns: list[int] | None = None
    width = len(features)
    for number, cells in csv_cells(lines, delimiter, source, InvalidInput, limits):
        if not cells:
            continue
        try:
            if columns is not None:
                if len(cells) != width:
                    raise InvalidInput(f"{counted_values(width)} needed, found {len(cells)}")
                row = read_row([cells[column] for column in columns], features, read_value)
            elif names_every_feature(cells, features):
                columns, width = _header_columns(cells, features, source, note), len(cells)
                continue
            else:
                columns = list(range(width))
                row = first_row(cells, features, source, note)
        except InvalidInput as error:
            raise InvalidInput(f"{source} line {number}: {error}") from error
        yield row


def first_cells(line: str, delimiter: str, limits: Limits = DEFAULTS) -> list[str]:
    """The cells of a first line, if it is CSV; otherwise `csv_rows` says what is wrong with it."""
    try:
        return next(csv_cells([line], delimiter, "", InvalidInput, limits, strict=False))[1]
    except InvalidInput:
        return []


def names_every_feature(cells: Sequence[str], features: Sequence[Feature]) -> bool:
    """Whether a line with these cells is a header."""
    return {feature.name for feature in features} <= {cell.strip() for cell in cells}


def _header_columns(
    header: list[str], features: Sequence[Feature], source: str, note: Callable[[str], None]
) -> list[int]:
    """The column of each feature."""
    header = [cell.strip() for cell in header]
    names = dict.fromkeys(feature.name for feature in features)
    counts = Counter(name for name in header if name in names)
    if twice := [name for name in names if counts[name] > 1]:
        raise InvalidInput(f"the header names {twice[0]} more than once")
    if ignored := [name for name in header if name and name not in names]:
        note(f"{source}: ignored columns: {listed(ignored)}")
    if all(map(is_number, header)):
        note(f"{source}: the first line names the features, so it is read as a header")
    places = {name: place for place, name in enumerate(header)}
    return [places[name] for name in names]


def first_row(cells: list[str], features: Sequence[Feature], source: str, note: Callable[[str], None]) -> Row:
    """The first line of a file without a header. If it is not a row, it is most often a header that lacks features.

    Raises:
        InvalidInput: it is not a row; the message says what it lacks as a header.
    """
    try:
        row = _row_without_names(cells, features)
    except InvalidInput as error:
        names, given = [feature.name for feature in features], dict.fromkeys(cell.strip() for cell in cells)
        lacking = [name for name in names if name not in given]
        meant = misspelt((name for name in given if name not in names and not is_number(name)), lacking)
        hint = "; columns are separated by commas" if len(features) > 1 and _are_apart_otherwise(cells) else ""
        raise InvalidInput(f"{error}, and as a header the line lacks {listed(lacking)}{meant}{hint}") from None
    row = row or read_row(cells, features, read_value)
    if not any(_is_likely(cell, feature) for cell, feature in zip(cells, features, strict=True)):
        note(f"{source}: the first line does not name the features, so it is read as a row")
    return row


def _are_apart_otherwise(cells: Sequence[str]) -> bool:
    """Whether the columns of a line seem to be separated by something else, as 1;2 and 1,5;2,5 and 1 2."""
    return any(set(cell) & set(";\t") for cell in dict.fromkeys(cells)) or (
        len(cells) == 1 and len(cells[0].split()) > 1
    )


def _row_without_names(cells: list[str], features: Sequence[Feature]) -> Row | None:
    """The row in `cells`; None if there are too few or too many, but all of them could be values.

    Raises:
        InvalidInput: a cell looks like the name of a feature, or cannot be a value.
    """
    names = {feature.name.lower() for feature in features}
    # A line may be long, of the same few cells.
    distinct = dict.fromkeys(cells)
    if found := [cell.strip() for cell in distinct if cell.strip().lower() in names and not is_number(cell)]:
        raise InvalidInput(f"{found[0]!r} looks like the name of a feature")
    if len(cells) == len(features):
        return read_row(cells, features, read_value)
    in_words = _in_words(features)
    words = [cell for cell in distinct if not is_number(cell) and not any(_takes(one, cell) for one in in_words)]
    if words and (len(words) == len(distinct) or all(feature.kind == "numeric" for feature in features)):
        parse_number(words[0])
    return None


def _in_words(features: Sequence[Feature]) -> list[Feature]:
    """A feature for each way in which values are written that is not that of plain numbers and categories."""
    ways = {(one.kind, one.order, one.notation, one.words): one for one in features}
    return [one for one in ways.values() if one.kind == "date" or one.notation is not None or one.words is not None]


def _takes(feature: Feature, cell: str) -> bool:
    try:
        read_value(cell, feature)
    except InvalidInput:
        return False
    return True


def _is_likely(cell: str, feature: Feature) -> bool:
    """Whether a cell is more likely a value than a name: it is a number, a boolean or a known category."""
    return feature.kind != "categorical" or has_codes(feature) or cell.strip() in feature.spellings
