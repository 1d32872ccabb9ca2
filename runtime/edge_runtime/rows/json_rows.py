"""Rows from JSON Lines: arrays of values, or objects by feature name."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edge_runtime.contract import schema
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.json_depth import is_too_deep, too_deep
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.terminal import shortened
from edge_runtime.contract.values import is_missing, listed, parse_number, read_value, row_values
from edge_runtime.rows.row import Row, read_row

# How many names of columns that are ignored are told: each line may have others.
_NOTED = 1000
# json.loads would make one for each line, which takes longer than to read it.
_ROWS = json.JSONDecoder(parse_float=parse_number)


def json_rows(
    lines: Iterator[str],
    features: Sequence[Feature],
    source: str,
    note: Callable[[str], None],
    limits: Limits = DEFAULTS,
) -> Iterator[Row]:
    """The rows in JSON Lines. Args and raises: as `text_rows.read_rows`."""
    names = {feature.name for feature in features}
    noted: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if is_too_deep(line, limits):
                raise InvalidInput(too_deep(limits))
            # Without the line break, at which json would count a second line.
            values = _ROWS.decode(line.rstrip())
            if "\\u" in line:
                _refuse_half_characters(values)
            ignored: list[str] = []
            if isinstance(values, dict):
                if len(noted) < _NOTED:
                    ignored = [name for name in values if name not in names and name not in noted]
                values = row_values(values, features)
            if isinstance(values, list) and values and all(isinstance(value, list | dict) for value in values):
                raise InvalidInput("a line holds one row, and this is a list of rows; give each its own line")
            if not isinstance(values, list):
                raise InvalidInput("a JSON line must be an array of values, or an object by feature name")
            row = read_row(values, features, _read_json)
        except RecursionError as error:
            raise InvalidInput(f"{source} line {number}: arrays and objects are nested too deeply") from error
        except InvalidInput as error:
            raise InvalidInput(f"{source} line {number}: {error}") from error
        except json.JSONDecodeError as error:
            raise InvalidInput(
                f"{source} line {number}: not JSON: {error.msg} at character {error.colno}; a line holds one row"
            ) from error
        except ValueError as error:  # of int, which does not take thousands of digits
            raise InvalidInput(f"{source} line {number}: an integer has too many digits") from error
        # The error of a row says itself that the misspelt name of a feature is ignored.
        if ignored:
            note(f"{source}: ignored columns: {listed(ignored)}")
            noted.update(ignored)
        yield row


def _refuse_half_characters(values: Any) -> None:
    """Refuse what JSON can hold, and what can be written nowhere."""
    try:
        schema.refuse_half_characters(values)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _read_json(value: Any, feature: Feature) -> float | str:
    # In JSON a boolean is not a number, and neither is a string, unless the training table wrote numbers in words.
    is_accepted = type(value) in (int, float) or (feature.missing is not None and is_missing(value))
    is_accepted |= feature.notation is not None and isinstance(value, str)
    if feature.kind == "numeric" and not is_accepted:
        raise InvalidInput(f"{shortened(json.dumps(value, ensure_ascii=False))} is not a number")
    return read_value(value, feature)
