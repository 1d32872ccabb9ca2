"""Record batches as lines: what readers of CSV and JSON find in them."""

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.scoring import lines
from edge_runtime.scoring.lines import CsvLines, JsonLines, TextLines

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=8)
FLOATS = st.lists(st.one_of(st.floats(width=32), st.integers(-(10**7), 10**7).map(float)), max_size=8)


def of_csv(columns: dict[str, Any], delimiter: str = ",") -> list[list[str]]:
    batch = pa.record_batch(columns)
    writer = CsvLines(batch.schema.names, delimiter)
    text = (writer.header + bytes(writer.of(batch))).decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@given(TEXTS)
def test_csv_has_the_same_texts(delimiter: str, texts: list[str | None]) -> None:
    found = of_csv({"a;b": pa.array(texts, pa.string()), "n": pa.array(range(len(texts)))}, delimiter)
    assert found == [["a;b", "n"], *([text or "", str(place)] for place, text in enumerate(texts))]


@given(FLOATS)
def test_numbers_come_back_as_they_were(values: list[float]) -> None:
    numbers = np.array(values, np.float32)
    found = [row[0] for row in of_csv({"x": numbers, "one": pa.array([1] * len(numbers))})[1:]]
    np.testing.assert_array_equal(np.array(found, np.float32), numbers)
    # Nobody takes a column of floating numbers for one of integers.
    assert not any(text.lstrip("-").isdigit() for text in found)
    batch = pa.record_batch({"x": numbers})
    read = [json.loads(line)["x"] for line in bytes(JsonLines(["x"]).of(batch)).splitlines()]
    expected = [None if not np.isfinite(number) else number for number in numbers]
    assert [None if one is None else np.float32(one) for one in read] == expected
    assert all(one is None or type(one) is float for one in read)


@given(TEXTS)
def test_json_has_the_same_texts(texts: list[str | None]) -> None:
    batch = pa.record_batch({'na"me': pa.array(texts, pa.string())})
    found = bytes(JsonLines(batch.schema.names).of(batch)).decode()
    assert [json.loads(line)['na"me'] for line in found.split("\n")[:-1]] == texts
    assert all(line.isprintable() for line in found.split("\n"))


def test_other_types() -> None:
    columns = {
        "time": pa.array([0, None], pa.timestamp("s")),
        "list": pa.array([[1, 2], None]),
        "flag": pa.array([True, None]),
        "half": pa.array(np.array([0.5, 1], np.float16)),
    }
    assert of_csv(columns)[1:] == [["1970-01-01 00:00:00", "[1, 2]", "true", "0.5"], ["", "", "", "1.0"]]
    batch = pa.record_batch(columns)
    first, second = (json.loads(line) for line in bytes(JsonLines(batch.schema.names).of(batch)).splitlines())
    assert first == {"time": "1970-01-01 00:00:00", "list": [1, 2], "flag": True, "half": 0.5}
    assert second == {"time": None, "list": None, "flag": None, "half": 1.0}


def test_a_probability_is_written_as_that_of_its_label() -> None:
    two = np.array([[0.25, 0.75], [1, 0], [0.5, 0.5], [np.nan, np.nan]], np.float32)
    columns = {"label": [1, 0, 0, 0], "p": two[[0, 1, 2, 3], [1, 0, 0, 0]], "p_0": two[:, 0], "p_1": two[:, 1]}
    batch = pa.record_batch(columns)
    plain = CsvLines(batch.schema.names).of(batch)
    assert bytes(CsvLines(batch.schema.names, either=1).of(batch)) == bytes(plain)


def test_large_batches_are_written_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pa.record_batch({"a": [f"text {number}" for number in range(100)]})
    whole = bytes(CsvLines(["a"]).of(batch))
    monkeypatch.setattr(lines, "_MOST_BYTES", 50)
    assert bytes(CsvLines(["a"]).of(batch)) == whole


def test_text_for_people() -> None:
    batch = pa.record_batch({"id": ["a\x1b"], "label": [1], "probability": [0.5], "p": [0.5], "unseen": ["x: far"]})
    assert (
        bytes(TextLines(batch.schema.names, ["p"]).of(batch))
        == b"id a\\x1b  label 1  probability 0.5000  unseen: x: far\n"
    )
