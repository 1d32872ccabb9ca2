"""Columns whose blocks are encoded, each in its own way."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_train import TableError, read_table
from edge_train.table.columns import find_columns
from edge_train.table.gathered_column import GatheredColumn

INDICES = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64()]
TEXT = [pa.string(), pa.large_string(), pa.string_view()]


def gathered(*blocks: Any) -> pa.ChunkedArray:
    column = GatheredColumn("c")
    for block in blocks:
        column.add(block)
    return column.cells()


def dictionary(entries: Any, kind: pa.DataType | None = None, indices: pa.DataType | None = None) -> Any:
    """A dictionary, each of whose entries is a cell."""
    places = pa.array(range(len(entries)), indices or pa.int8())
    return pa.DictionaryArray.from_arrays(places, pa.array(entries, kind))


def runs(values: Any) -> Any:
    """Each of the values in two rows."""
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(2, 2 * len(values) + 1, 2), pa.int32()), values)


@st.composite
def encoded(draw: st.DrawFn) -> tuple[Any, list[str | None]]:
    """A part of a column of text, encoded in any way, and its cells."""
    entries = draw(st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=9))
    places = draw(st.lists(st.none() | st.integers(0, len(entries) - 1), max_size=9))
    values = pa.array(entries, draw(st.sampled_from(TEXT)))
    cells = [None if place is None else entries[place] for place in places]
    block = pa.DictionaryArray.from_arrays(pa.array(places, draw(st.sampled_from(INDICES))), values)
    form = draw(st.sampled_from(["dictionary", "runs", "runs of a dictionary", "plain", "nothing"]))
    if form.startswith("runs"):
        block = runs(block if form != "runs" else pa.array(cells, values.type))
        cells = [cell for cell in cells for _ in range(2)]
    elif form == "plain":
        block = pa.array(cells, pa.string())
    elif form == "nothing":
        block, cells = pa.nulls(len(cells)), [None] * len(cells)
    start, length = draw(st.integers(0, 4)), draw(st.integers(0, 18))
    return block.slice(start, length), cells[start : start + length]


@given(st.lists(encoded(), min_size=1, max_size=5))
def test_text_may_be_encoded_in_any_way(blocks: list[tuple[Any, list[str | None]]]) -> None:
    cells = gathered(*(block for block, _ in blocks))
    assert cells.to_pylist() == [cell for _, cells in blocks for cell in cells]


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("kind", TEXT)
def test_dictionaries_become_one(kind: pa.DataType, indices: pa.DataType) -> None:
    first, second = [f"a{n}" for n in range(100)], [None, *(f"b{n}" for n in range(100))]
    cells = gathered(dictionary(first, kind, indices), dictionary(second, kind, indices))
    assert (cells.type, cells.num_chunks) == (pa.dictionary(pa.int32(), pa.string()), 1)
    assert cells.to_pylist() == first + second


@pytest.mark.parametrize(
    "values",
    [
        [float(number) for number in range(100)],
        [True, None, False],
        [b"x", None],
        [[1, 2], None],
        [{"a": "x"}, None],
        [None, None],
    ],
)
def test_other_values_are_decoded(values: list[Any]) -> None:
    plain = pa.array(values)
    cells = gathered(dictionary(values), dictionary(values[::-1]))
    assert (cells.type, cells.to_pylist()) == (plain.type, values + values[::-1])
    assert gathered(runs(plain), runs(plain)).to_pylist() == [value for value in values * 2 for _ in range(2)]


def test_what_is_nested_may_hold_dictionaries() -> None:
    blocks = [
        pa.StructArray.from_arrays([dictionary([f"{letter}{n}" for n in range(100)] + [None])], ["x"])
        for letter in "ab"
    ]
    cells = gathered(*blocks)
    assert cells.to_pylist() == [cell for block in blocks for cell in block.to_pylist()]


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_categories_of_many_files(tmp_path: Path, suffix: str) -> None:
    for letter in "ab":
        table = pa.table({"c": dictionary([f"{letter}{n}" for n in range(100)]).take(np.arange(1000) % 100)})
        if suffix == "parquet":
            pa.parquet.write_table(table, tmp_path / f"{letter}.parquet")
        else:
            pa.feather.write_feather(table, str(tmp_path / f"{letter}.feather"))
    (column,) = find_columns(read_table(tmp_path), "t")
    assert column.categories == tuple(sorted(f"{letter}{n}" for letter in "ab" for n in range(100)))  # type: ignore[union-attr]


def test_batches_of_one_file_whose_dictionaries_hold_nulls(tmp_path: Path) -> None:
    kind = pa.dictionary(pa.int8(), pa.string())
    blocks = [["a", None, "b"], [None, "c"]]
    with pa.ipc.new_stream(tmp_path / "t.arrows", pa.schema({"c": kind})) as writer:
        for block in blocks:
            writer.write_batch(pa.record_batch({"c": dictionary(block)}))
    assert read_table(tmp_path / "t.arrows")["c"].to_pylist() == [cell for block in blocks for cell in block]


def test_numbers_in_one_file_and_words_in_another(tmp_path: Path) -> None:
    numbers = [f"{number / 100:.2f}" for number in range(5_000)]
    (tmp_path / "1.csv").write_text("c\n" + "".join(f"{number}\n" for number in numbers))
    pa.feather.write_feather(pa.table({"c": dictionary(["x", None])}), str(tmp_path / "2.feather"))
    (tmp_path / "3.jsonl").write_text('{"d": 1}\n')
    assert read_table(tmp_path)["c"].to_pylist() == [*numbers, "x", None, None]


@pytest.mark.parametrize("numbers", [["1.234", "3"], ["1.234", "true"]])
def test_numbers_of_json_among_text_with_commas_are_refused(tmp_path: Path, numbers: list[str]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"a": {value}}}\n' for value in [*numbers, '"5,00 €"']))
    with pytest.raises(TableError, match="a has numbers in some rows, and text such as '5,00 €' in others"):
        read_table(path)
    path.write_text("".join(f'{{"a": {value}}}\n' for value in ["5", "true", '"5,00 €"', "null"]))
    assert read_table(path)["a"].to_pylist() == ["5", "true", "5,00 €", None]
    # Text and numbers in blocks of their own.
    with pytest.raises(TableError, match="such as '1,5' in others"):
        gathered(pa.array(["1,5"]), pa.array([1.5]))
