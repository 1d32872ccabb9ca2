"""Rows of JSON, and records that are none."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from edge_runtime.tables.table import open_table

F, S = pa.float64(), pa.string()


def parsed(folder: Path, content: str | bytes, types: Any = None) -> Any:
    path = folder / "t.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return next(iter(open_table(path).blocks())).parse(types)


def test_columns_are_of_the_types_that_they_have(tmp_path: Path) -> None:
    text = '{"a": 1, "b": " x ", "c": true, "d": "2020-01-01", "e": null}\n{"a": 2.5}\n'
    found = parsed(tmp_path, text).batch
    assert found.to_pydict() == {
        "a": [1, 2.5],
        "b": ["x", None],
        "c": [True, None],
        "d": ["2020-01-01", None],
        "e": [None, None],
    }
    wanted = {"d": S, "a": F, "c": F, "b": F, "z": F}
    assert parsed(tmp_path, text, wanted).batch.to_pydict() == {
        "d": ["2020-01-01", None],
        "a": [1, 2.5],
        "c": [True, None],
        "b": ["x", None],
        "z": [None, None],
    }


def test_values_of_different_types_keep_them(tmp_path: Path) -> None:
    text = '{"a": 1}\n{"a": "x"}\n{"a": 2.0}\n{"a": true}\n'
    for types in (None, {"a": F}, {"a": S}):
        assert parsed(tmp_path, text, types).batch.to_pydict() == {"a": [1, "x", 2.0, True]}


def test_a_list_among_plain_values_is_not_a_row(tmp_path: Path) -> None:
    found = parsed(tmp_path, '{"a": 1}\n{"a": [2]}\n{"a": null}\n')
    assert found.batch.to_pydict() == {"a": [1, None]}
    assert [(fault.row, fault.reason) for fault in found.faults] == [
        (2, "a is a list, but a plain value in other rows")
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("null", "not an object with the values by column name"),
        ("[1]", "not an object"),
        ("{oops", "not JSON: Expecting property name"),
        ('{"a": 1', "not JSON: Expecting ',' delimiter at character 8"),
        ('{"a": 1, "a": 2}', "a is specified twice"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "nested deeper than 100 levels"),
    ],
)
def test_records_that_are_no_rows(tmp_path: Path, record: str, reason: str) -> None:
    found = parsed(tmp_path, '{"a": 1}\n\n' + record + '\n{"a": 2}\n', {"a": F})
    assert found.batch.to_pydict() == {"a": [1, 2]}
    assert found.rows.tolist() == [1, 3]
    (fault,) = found.faults
    assert (fault.row, fault.line, fault.record) == (2, 3, record)
    assert reason in fault.reason
    assert [found.record(0), found.record(1)] == ['{"a": 1}', '{"a": 2}']


def test_what_is_not_utf8(tmp_path: Path) -> None:
    found = parsed(tmp_path, '{"a": "x"}\n{"a": "ü"}\n'.encode("latin-1"))
    assert found.batch.to_pydict() == {"a": ["x"]}
    assert found.faults[0].reason.startswith("not UTF-8 text")
