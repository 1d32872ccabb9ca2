"""Pipes: lines are given on as they come, and nothing is read twice."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.tables.table import open_table


def test_a_pipe_gives_whole_lines_as_they_come() -> None:
    source, sink = os.pipe()
    os.write(sink, b"a,b\n1,x\n2,")
    table = open_table(f"/dev/fd/{source}")
    assert table.is_live
    blocks = table.blocks()
    assert next(blocks).parse().batch.to_pydict() == {"a": ["1"], "b": ["x"]}
    os.write(sink, b"y\n")
    assert next(blocks).parse().batch.to_pydict() == {"a": ["2"], "b": ["y"]}
    os.write(sink, b"3,z")
    os.close(sink)
    last = next(blocks)
    assert (last.place.row, last.parse().record(0)) == (3, "3,z")
    assert list(blocks) == []
    os.close(source)
    with pytest.raises(InvalidInput, match="can be read only once"):
        list(table.blocks())


def test_a_pipe_that_ends_before_a_line_does() -> None:
    source, sink = os.pipe()
    os.write(sink, b"a,b")
    os.close(sink)
    table = open_table(f"/dev/fd/{source}")
    assert (table.names, list(table.blocks())) == (("a", "b"), [])
    os.close(source)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("is_array", [True, False])
def test_json_of_many_lines_comes_in_pieces(indent: int | None, is_array: bool) -> None:
    objects = [{"a": number, "b": "[{"} for number in range(50)]
    separate = "\n".join(json.dumps(one, indent=indent) for one in objects)
    content = (json.dumps(objects, indent=indent) if is_array else separate).encode()
    source, sink = os.pipe()

    def write() -> None:
        for place in range(0, len(content), 7):
            os.write(sink, content[place : place + 7])
        os.close(sink)

    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(write)
        table = open_table(f"/dev/fd/{source}")
        rows = [row for block in table.blocks() for row in block.parse().batch.to_pylist()]
        written.result()
    os.close(source)
    assert rows == objects
