"""Bodies of requests, read into the tensors of a model."""

from typing import Any

import numpy as np
import orjson
import pytest
from paths import FOUR_BLOBS, MODELS
from penguin_rows import ORDER, ROWS, assert_same, listed

from edge_runtime import InvalidInput, Predictor
from edge_runtime.answering import Answering
from edge_runtime.serve.bodies import read_body
from edge_runtime.serve.refusals import Refused

JSON = "application/json"
CSV = "island,bill,mass,ringed,year\nDream,40.5,3000,true,2007\n,,,false,\n Foo ,50,9000,0,2050\n"


@pytest.fixture(scope="module")
def answering() -> Answering:
    return Predictor(MODELS / "penguins.onnx", device="cpu").answering


def read(answering: Answering, body: Any, content_type: str = JSON, most: int = 9) -> Any:
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
    return read_body(answering, content, content_type, most)


@pytest.mark.parametrize("body", [ROWS, {"rows": ROWS}, listed(), {"rows": listed()}])
def test_rows_as_json(answering: Answering, body: Any) -> None:
    for content_type in (JSON, "application/json; charset=utf-8", "application/vnd.rows+json", "", "text/plain"):
        assert_same(read(answering, body, content_type).feed)


def test_one_row_as_json(answering: Answering) -> None:
    for row in (ROWS[0], listed()[0], {"rows": [ROWS[0]]}, {**ROWS[0], "note": "ignored"}):
        assert_same(read(answering, row).feed, slice(1))


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        (CSV, "text/csv"),
        (CSV, "application/x-www-form-urlencoded"),  # of curl --data-binary
        (CSV.replace("\n", "\r\n"), "text/csv; charset=utf-8"),
        ("\ufeff" + CSV, "text/csv"),
        ("\ufeff" + orjson.dumps(ROWS).decode(), JSON),
        ("\ufeff" + orjson.dumps(ROWS).decode(), ""),
        (CSV.split("\n", 1)[1], "text/csv; header=absent"),
        (CSV.replace(",", "\t"), "text/tab-separated-values"),
        ("\n".join(orjson.dumps(row).decode() for row in ROWS), "application/x-ndjson"),
    ],
)
def test_rows_as_text(answering: Answering, text: str, content_type: str) -> None:
    assert_same(read(answering, text, content_type).feed)


def test_text_in_another_encoding(answering: Answering) -> None:
    line = 'island,bill,mass,ringed,year\n"Ö=1, ""ö""",40,3000,1,2007\n'
    for charset in ("charset=latin-1", 'charset="utf-16"', "header=present; Charset=latin-1 ; x=y"):
        found = read(answering, line.encode("utf-16" if "16" in charset else "latin-1"), f"text/csv; {charset}")
        assert found.feed["text"].tolist() == [['Ö=1, "ö"', "2007"]]
    for body, content_type, message in (
        (line.encode("latin-1"), "text/csv", "the body is not utf-8: byte 30 is 0xd6"),
        (line.encode(), "text/csv; charset=klingon", "the character set 'klingon' is not known; send UTF-8"),
        (line.encode(), "text/csv; charset=punycode", "the character set 'punycode' is not known; send UTF-8"),
        (line.encode(), "text/csv; charset=undefined", "the character set 'undefined' is not known; send UTF-8"),
    ):
        with pytest.raises(InvalidInput) as info:
            read(answering, body, content_type)
        assert str(info.value) == message


def test_a_line_separator_within_a_cell_is_not_the_end_of_a_line(answering: Answering) -> None:
    found = read(answering, "island,bill,mass,ringed,year\n\u2028x\x0by,40,3000,1,2007\n", "text/csv")
    assert found.feed["text"].tolist() == [["x\x0by", "2007"]]


def test_names_that_are_not_columns_are_noted(answering: Answering) -> None:
    rows = [{**ROWS[0], "species": "Gentoo"}, {**ROWS[1], "mas": 3, "species": ""}]
    assert read(answering, rows).notes == ["ignored columns: species, mas"]
    assert read(answering, ROWS).notes == read(answering, listed()).notes == []
    assert read(answering, "x," + CSV.replace("\n", "\n1,", 3), "text/csv").notes == ["the body: ignored columns: x"]


def test_no_rows(answering: Answering) -> None:
    for text in ("[]", '{"rows": []}', '{"rows": [[true]], "rows": []}'):
        assert read(answering, text).feed == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([ROWS[0], {**ROWS[1], "bill": "abc"}], "row 2: bill: 'abc' is not a number"),
        ([listed()[0], ["Dream", "abc", 3000, True, 2007]], "row 2: bill: 'abc' is not a number"),
        ([ROWS[0], {"island": "Dream"}], "row 2: missing bill, ringed"),
        ([ROWS[0], {**ROWS[0], "bill": [1, 2]}], "row 2: bill is a list"),
        ([ROWS[0], listed()[0]], "row 2: all rows must be objects by column name, or all of them lists of values"),
        ([listed()[0], 3], "row 2: all rows must be objects"),
        ([listed()[0], listed()[1][:4]], "row 2: a row has 5 values (island, bill, mass, ringed, year), found 4"),
        ([ROWS[0], {**ROWS[0], "mass": False}], "row 2: mass: false is not a number"),
        (["Dream", True, 3000, True, 2007], "bill: true is not a number"),
        ({"rows": [["Dream", 40, True, True, 2007]]}, "row 1: mass: true is not a number"),
        ([ROWS[0], {**ROWS[0], "bill": False, "mass": True}], "row 2: bill: false is not a number"),
        (
            [{name: value for name, value in ROWS[0].items() if name != "mass"}, {**ROWS[0], "mass": True}],
            "row 2: mass: true is not a number",
        ),
        ({**ROWS[0], "ringed": "maybe"}, "ringed: 'maybe' is neither true nor false"),
        (["Dream", "abc", 3000, True, 2007], "bill: 'abc' is not a number"),
        ({"rows": 3}, "missing island, bill, ringed"),
        (3, "the body must be an object by column name, or a list of rows"),
        (b" ", "the body is empty; send a row, such as a JSON object by column name"),
        (b"[{", "the body is not JSON: "),
        (b'{"island": "\xd6"}', "the body is not utf-8: byte 12 is 0xd6"),
        ({**ROWS[0], "bill": {"mm": 1}}, "bill is an object, not one value"),
        (["Dream", [1], 3000, True, 2007], "bill is a list, not one value"),
        (b"[" * 100_000, "the body is not JSON: "),
        (b'{"bill": NaN}', "a missing value is null in JSON"),
        ([ROWS[0]] * 10, "more than 9 rows; send them in several requests"),
    ],
)
def test_json_that_is_refused(answering: Answering, body: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as info:
        read(answering, body)
    assert message in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace("50,", "abc,"), "the body line 4: bill: 'abc' is not a number"),
        (CSV + "Dream,1\n", "the body line 5: 5 values are needed, found 2"),
        ("", "the body is empty; it must hold at least one row"),
        (CSV + "Dream,40.5,3000,true,2007\n" * 7, "more than 9 rows; send them in several requests"),
    ],
)
def test_text_that_is_refused(answering: Answering, text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as info:
        read(answering, text, "text/csv")
    assert str(info.value) == message


def test_other_types_are_refused(answering: Answering) -> None:
    images = Predictor(MODELS / "images.onnx", device="cpu").answering
    for reader, content_type in ((answering, "image/png"), (answering, "multipart/form-data"), (images, "text/csv")):
        with pytest.raises(Refused) as info:
            read(reader, "x", content_type)
        assert info.value.status == 415


def test_tensors() -> None:
    images = Predictor(MODELS / "images.onnx", device="cpu").answering
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for body in ([image.tolist()], image.tolist(), {"image": [image.tolist()]}):
        np.testing.assert_array_equal(read(images, body).feed["image"], image[None], strict=True)
    with pytest.raises(InvalidInput, match="more than 9 rows"):
        read(images, [image.tolist()] * 10)
    words = Predictor(MODELS / "words.onnx", device="cpu").answering
    feed = read(words, {"ids": [[1, 2]], "mask": [[True, False]]}).feed
    assert {name: tensor.dtype for name, tensor in feed.items()} == {"ids": np.int64, "mask": np.bool_}
    with pytest.raises(InvalidInput, match="missing mask"):
        read(words, {"ids": [[1, 2]]})


def test_the_order_of_columns_is_that_of_the_signature(answering: Answering) -> None:
    assert tuple(feature.name for feature in answering.signature.features) == ORDER


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("[[1, 2], [3, -4.5e-7]]", [[1, 2], [3, -4.5e-7]]),
        (f"[[1, 2], [{10**30}, {2**63}]]", [[1, 2], [10**30, 2**63]]),
        ("[[1, 2], 3]", "row 2: all rows must be objects by column name, or all of them lists of values"),
        ("[[1, 2], [3]]", "row 2: a row has 2 values (x1, x2), found 1"),
        ("[[1], [2, 3, 4]]", "row 1: a row has 2 values (x1, x2), found 1"),
        ("[[1, 2], [3, [4]]]", "row 2: x2 is a list, not one value"),
        ("[[1, 2], [3, 1e39]]", "row 2: x2: 1e+39 does not fit float32"),
        ('[[1, 2], [3, "4"]]', [[1, 2], [3, 4]]),
        ('[[1, 2], [3, "four"]]', "row 2: x2: 'four' is not a number"),
        ("[[1, 2], [3, null]]", "row 2: x2: None is not a number"),
        ("[[1, 2], [3, true]]", "row 2: x2: true is not a number"),
        ("[[1, false], [3, 4]]", "row 1: x2: false is not a number"),
    ],
)
def test_lists_of_numbers(body: str, found: object) -> None:
    answering = Predictor(FOUR_BLOBS, device="cpu").answering
    if isinstance(found, str):
        with pytest.raises(InvalidInput) as info:
            read(answering, body)
        assert str(info.value) == found
    else:
        assert np.array_equal(read(answering, body).feed["x"], np.array(found, np.float32))
