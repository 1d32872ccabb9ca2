"""Dates, prices, words of booleans and codes with zeros before their digits, in every form in which rows are passed."""

import csv
import dataclasses
import datetime
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sales
from certificates import entry_in
from paths import MODELS

from edge_runtime import InvalidInput, Predictor, ReferenceBatch
from edge_runtime.cli.command import main
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

MODEL = MODELS / "sales.onnx"
ANSWERS = sales.sales(sales.HELD)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODEL, device="cpu")


def assert_answers(found: Any, wanted: Any = ANSWERS) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("rows", [sales.WRITTEN, sales.VALUES], ids=["as people write", "as programs hold"])
def test_rows(predictor: Predictor, rows: list[list[Any]]) -> None:
    assert_answers(predictor.predict(rows))
    assert_answers(predictor.predict(list(map(sales.named, rows))))
    assert_answers(predictor.predict(np.array(rows, object)))
    assert_answers([predictor.predict_one(row) for row in rows])
    assert_answers([predictor.predict_one(sales.named(row)) for row in rows])
    reader = predictor.answering.row_reader
    for name, tensor in reader.tensors(rows).items():
        np.testing.assert_array_equal(tensor, sales.feed(sales.HELD)[name], strict=True)
    assert reader.tensors([])["date"].dtype == np.int64


def test_tensors(predictor: Predictor) -> None:
    assert_answers(predictor.run(sales.feed(sales.HELD))["value"][:, 0])
    with pytest.raises(InvalidInput, match="date: int64 is expected, found float64"):
        predictor.run({**sales.feed(sales.HELD), "date": np.zeros((4, 2))})


def test_reference_rows_of_dates_are_replayed(certified: Callable[..., bytes]) -> None:
    value = ANSWERS.astype(np.float32)[:, None]
    tolerance = {"value": np.full(value.shape, 2**-6, np.float32)}
    batch = ReferenceBatch("ordinary rows", sales.feed(sales.HELD), {"value": value}, tolerance)
    signature = hashlib.sha256(entry_in(MODEL.read_bytes(), SIGNATURE_KEY).encode()).hexdigest()
    predictor = Predictor(certified(MODEL.read_bytes(), reference=(batch,), signature_sha256=signature), device="cpu")
    assert predictor.verify().passed
    # As the certificate in the file has them: whole seconds, and those of a missing date.
    assert predictor.certificate is not None
    np.testing.assert_array_equal(predictor.certificate.reference[0].inputs["date"], batch.inputs["date"], strict=True)
    dates = batch.inputs["date"]
    a_day_later = {**batch.inputs, "date": np.where(dates == sales.MISSING, dates, dates + sales.DAY)}
    wrong = dataclasses.replace(batch, inputs=a_day_later)
    content = certified(MODEL.read_bytes(), reference=(wrong,), signature_sha256=signature)
    assert "value[2, 0] is 679.0, but torch's is 678.625" in Predictor(content, device="cpu").verify().failure


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv(predictor: Predictor, delimiter: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["zip", "paid", "sold", "price", "new"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(map(sales.named, sales.WRITTEN))
    path = tmp_path / "rows.csv"
    path.write_text(text.getvalue())
    assert main([str(MODEL), "--input", str(path), "--format", "csv"]) == 0
    assert_answers(list(map(float, capsys.readouterr().out.split()[1:])))
    assert_answers(predictor.predict(csv.DictReader(io.StringIO(text.getvalue()), delimiter=delimiter)))


def test_csv_without_a_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(sales.WRITTEN)
    path = tmp_path / "rows.csv"
    path.write_text(text.getvalue())
    assert main([str(MODEL), "--input", str(path), "--format", "csv"]) == 0
    assert_answers(list(map(float, capsys.readouterr().out.split()[1:])))
    # A row with a value too few is not taken for a header.
    path.write_text("31.12.2025,5 €,ja,007\n")
    assert main([str(MODEL), "--input", str(path)]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: {path} line 1: 5 values are needed (sold, price, new, zip, paid), found 4"
    )


def test_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*sales.WRITTEN, *map(sales.named, sales.WRITTEN))))
    assert main([str(MODEL), "--input", str(path), "--format", "csv"]) == 0
    assert_answers(list(map(float, capsys.readouterr().out.split()[1:])), np.tile(ANSWERS, 2))
    for value, reason in (
        ('"1.5"', "line 1: price: '1.5' is not a number written like '1.234,50 €'"),
        ("true", "line 1: price: true is not a number"),
    ):
        path.write_text(f'["31.12.2025", {value}, true, "007", null]\n')
        assert main([str(MODEL), "--input", str(path)]) == 1
        assert reason in capsys.readouterr().err
    # A number in JSON is what it is, and nobody knows the unit of one that should be a date.
    path.write_text('[1767139200, 1.5, true, "007", null]\n')
    assert main([str(MODEL), "--input", str(path)]) == 1
    assert "sold: 1767139200 is not a date; write it like '31.12.2025'" in capsys.readouterr().err


@pytest.mark.parametrize("price", ["-1.234,50 €", "-€", "(5 €)", "-5€", "\u22125"])
def test_words(price: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also a price below zero, which begins as an option does."""
    for options in ([], ["--format", "text"]):
        code = main([str(MODEL), "31.12.2025", price, "JA", "007", "2025-12-31 14:30", *options])
        out, err = capsys.readouterr()
        if price == "-€":
            assert (code, out) == (2, "")
            assert err.startswith("error: no such option: -€")
            continue
        assert (code, err) == (0, "")
        number = -1234.5 if "1" in price else -5
        (wanted,) = sales.sales([[1767139200, number, 1.0, "007", 1767191400]])
        assert out == f"value {wanted:.6g}\n"


def test_unseen(predictor: Predictor) -> None:
    row = ["1.1.2030", "9.999,00 €", "", "7", datetime.datetime(2010, 1, 1, 12)]
    assert predictor.unseen([row, sales.WRITTEN[0]]) == [
        {
            "sold": "2030-01-01 is far above the 2025-12-31 seen in training",
            "price": "9999 is far above the 1200 seen in training",
            "new": "is missing, but never was in training",
            "zip": "'7' was not seen in training",
            "paid": "2010-01-01 12:00:00 is far below the 2020-01-01 01:00:00 seen in training",
        },
        {},
    ]
    # Near the range is near enough, and this date is missing at times.
    assert predictor.unseen(["1.1.2028", 5, True, "007", None]) == [{}]


def test_description(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(MODEL), "--describe"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("feature")] == [
        "feature   sold: date, 2020-01-01 to 2025-12-31 in training",
        "feature   price: numeric, written like 1.234,50 €, 2.5 to 1200 in training, 1% missing in training",
        "feature   new: boolean, ja or nein, never missing in training",
        "feature   zip: categorical, 007, 08001, 12345, never missing in training",
        "feature   paid: date, 2020-01-01 01:00:00 to 2025-12-31 in training, 25% missing in training",
    ]
    assert main([str(MODEL), "--describe", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"] == sales.SALES.to_dict()
