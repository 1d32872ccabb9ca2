"""Rows from JSON Lines: arrays of values, or objects by feature name."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import is_missing, parse_number, read_value, row_values
from edge_runtime.rows.row import Row, read_row


def json_rows(
    lines: Iterator[str], features: Sequence[Feature], source: str, note: Callable[[str], None]
) -> Iterator[Row]:
    """The rows in JSON Lines. Args and raises: as `text_rows.read_rows`."""
    names = {feature.name for feature in features}
    noted: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            # Without the line break, at which json would count a second line.
            values = json.loads(line.rstrip(), parse_float=parse_number)
            if "\\u" in line:
                _refuse_half_characters(values)
            ignored: list[str] = []
            if isinstance(values, dict):
                ignored = [name for name in values if name not in names and name not in noted]
                values = row_values(values, features)
            if not isinstance(values, list):
                raise InvalidInput("a JSON line must be an array of values, or an object by feature name")
            row = read_row(values, features, _read_json)
        except (InvalidInput, RecursionError) as error:
            raise InvalidInput(f"{source} line {number}: {error}") from error
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{source} line {number}: not JSON: {error.msg} at character {error.colno}") from error
        except ValueError as error:
            raise InvalidInput(f"{source} line {number}: not JSON: {error}") from error
        # The error of a row says itself that the misspelt name of a feature is ignored.
        if ignored:
            note(f"{source}: ignored columns: {', '.join(ignored)}")
            noted.update(ignored)
        yield row


def _refuse_half_characters(values: Any) -> None:
    """Refuse what JSON can hold, and what can be written nowhere."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise InvalidInput(f"{half!a} is half a character") from None


def _read_json(value: Any, feature: Feature) -> float | str:
    # In JSON a boolean is not a number.
    is_accepted = type(value) in (int, float) or (feature.missing is not None and is_missing(value))
    if feature.kind == "numeric" and not is_accepted:
        raise InvalidInput(f"{json.dumps(value, ensure_ascii=False)} is not a number")
    return read_value(value, feature)
