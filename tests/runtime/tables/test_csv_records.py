"""Where records of CSV begin and end: as Arrow sees it."""

import pyarrow as pa
import pyarrow.csv
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.tables.csv_records import count_lines, cut, lines_before, records, widths

PIECES = st.lists(
    st.sampled_from(["a", ",", '"', '""', ',"', '",', "\n", "\r\n", "\r", "é", '"\n', '\n"']), max_size=40
)


def arrow_rows(content: bytes) -> int | None:
    """How many records of two cells Arrow reads; None if it refuses them."""
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(content),
            pa.csv.ReadOptions(column_names=["x", "y"], use_threads=False, block_size=1 << 20),
            pa.csv.ParseOptions(newlines_in_values=True),
            pa.csv.ConvertOptions(column_types={"x": pa.string(), "y": pa.string()}),
        )
    except pa.ArrowInvalid:
        return None
    return int(table.num_rows)


@given(PIECES)
def test_records_are_those_that_arrow_reads(pieces: list[str]) -> None:
    content = "".join(pieces).encode()
    starts, stops = records(content, ",")
    found = [content[start:stop] for start, stop in zip(starts, stops, strict=True)]
    right = [record for record, width in zip(found, widths(content, ",", starts), strict=True) if width == 2]
    if right and not cut(content, ",", is_last=False).end < len(b"".join(found)) - len(found[-1]):
        # An open quote takes in the rest.
        closed = right[:-1] if right[-1] == found[-1] else right
        if closed:
            assert arrow_rows(b"\n".join(closed)) == len(closed)
    assert all(arrow_rows(record) in (1, None) for record in found)


@given(PIECES, PIECES)
def test_a_cut_is_where_a_record_ends_whatever_follows(before: list[str], after: list[str]) -> None:
    content = "".join(before).encode()
    found = cut(content, ",", is_last=False)
    whole = content + "".join(after).encode()
    starts, stops = records(whole, ",")
    assert all(stop <= found.end or start >= found.end for start, stop in zip(starts, stops, strict=True))
    assert found.rows == sum(stop <= found.end for stop in stops)
    assert found.lines == count_lines(content[: found.end])


def test_blank_lines_are_no_records() -> None:
    content = b"\n\na,b\r\n\r\n\rc,d\n\n"
    found = cut(content, ",", is_last=True)
    assert (found.end, found.rows, found.lines) == (len(content), 2, 7)
    starts, _ = records(content, ",")
    assert lines_before(content, starts).tolist() == [2, 5]


def test_line_ends_in_quotes_are_none() -> None:
    content = b'1,"a\nb"\n2,"c""\n"\n3,"d'
    found = cut(content, ",", is_last=False)
    assert (content[found.end :], found.rows, found.lines) == (b'3,"d', 2, 4)
    assert cut(content, ",", is_last=True).end == found.end


def test_quotes_within_cells_open_nothing() -> None:
    content = b'5" pipe,1\n"6"" pipe",2\n7" "x",3\n'
    assert cut(content, ",", is_last=False).rows == 3
    starts, _ = records(content, ",")
    assert widths(content, ",", starts).tolist() == [2, 2, 2]


def test_a_line_end_of_two_characters_stays_whole() -> None:
    assert cut(b"a,b\r", ",", is_last=False).end == 0
    assert cut(b"a,b\rc,d\r", ",", is_last=False).end == 4
    assert cut(b"a,b\r", ",", is_last=True).rows == 1
