"""JSON files: lines, objects one behind the other, arrays."""

import json
from pathlib import Path

import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.tables.table import open_table


def rows(path: Path) -> list[object]:
    return [row for block in open_table(path).blocks() for row in block.parse().batch.to_pylist()]


def test_an_array_of_many_objects_on_one_line(tmp_path: Path) -> None:
    objects = [{"a": number, "b": f'"[{{{number}'} for number in range(150_000)]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(objects))
    assert rows(path) == objects
    assert len(list(open_table(path).blocks())) > 1


def test_faults_in_an_array_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[\n{"a": 1},\n5,\n{"a":\n2}, {"a" 3}\n]\n')
    (block,) = open_table(path).blocks()
    parsed = block.parse()
    assert parsed.batch.to_pydict() == {"a": [1, 2]}
    assert parsed.rows.tolist() == [1, 3]
    assert [(fault.row, fault.line, fault.record) for fault in parsed.faults] == [(2, 3, "5"), (4, 5, '{"a" 3}')]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}] {"a": 2}', "goes on after the end of its array"),
        ('[{"a": 1}, {"a"', "ends within its array"),
    ],
)
def test_arrays_that_do_not_end_well(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    table = open_table(path)
    with pytest.raises(InvalidInput, match=message):
        list(table.blocks())


@pytest.mark.parametrize(
    ("text", "message"),
    [("1\n2\n", "line 1: not an object"), ("\n \t null", "line 2: not an object"), ("{}\n{}\n", "has no columns")],
)
def test_no_object_at_all(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        open_table(path).check_columns()


def test_lines_up_to_the_limit(tmp_path: Path) -> None:
    longest = '{"a": "' + "x" * 1000 + '"}'
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": "y"}\n' + longest + "\n")
    assert len(list(open_table(path, limits=Limits(line_bytes=len(longest))).blocks())) == 1
    with pytest.raises(InvalidInput, match="has a line of more than"):
        list(open_table(path, limits=Limits(line_bytes=len(longest) - 1)).blocks())
