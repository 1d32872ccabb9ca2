"""Where values of JSON begin and end, whatever is in them."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.tables.json_records import are_objects, values

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\[]{},:\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"{', max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), ANY, max_size=3), max_size=6)


@given(OBJECTS, st.sampled_from([None, 1]), st.integers(1, 30))
def test_an_array_in_parts_of_any_size(objects: list[Any], indent: int | None, size: int) -> None:
    text = json.dumps(objects, indent=indent).encode()
    content, found, is_closed = b"", [], False
    for start in range(1, len(text), size):
        content += text[start : start + size]
        one = values(content, is_last=False)
        found += one.records
        content = content[one.end :]
        is_closed |= one.is_closed
    assert is_closed
    assert [json.loads(record) for record in found] == objects


@given(OBJECTS, st.sampled_from([None, 2]))
def test_objects_one_behind_the_other(objects: list[Any], indent: int | None) -> None:
    text = "".join(json.dumps(one, indent=indent) for one in objects).encode()
    found = values(text, is_last=True)
    assert [json.loads(record) for record in found.records] == objects
    assert all(text[start : start + 1] == b"{" for start in found.starts)


def test_other_values_in_an_array() -> None:
    found = values(b'{"a": 1}, 5, "x,]", [1, 2], null , {"b": "}"}] ', is_last=False)
    assert found.records == [b'{"a": 1}', b"5", b'"x,]"', b"[1, 2]", b"null", b'{"b": "}"}']
    assert found.is_closed


def test_a_value_that_is_not_whole() -> None:
    assert values(b'{"a": 1}{"b', is_last=False).records == [b'{"a": 1}']
    assert values(b'{"a": 1}{"b', is_last=True).records == [b'{"a": 1}', b'{"b']


def test_lines_that_are_objects() -> None:
    assert are_objects(b'{"a": 1}\n{"b": [1]}\r\n', 5)
    assert not are_objects(b'{"a": [[[1]]]}\n', 3)
    assert are_objects(b'{"a": [[[1]]]}\n', 4)
    for content in (b"", b'{"a": 1}', b'{"a": 1}\nnull\n', b'{"a":\n1}\n', b'\n{"a": 1}\n'):
        assert not are_objects(content, 5)
