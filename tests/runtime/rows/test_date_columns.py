"""Dates in data frames of pandas, polars and pyarrow, and in arrays of numpy."""

from typing import Any

import numpy as np
import pytest
import sales
from paths import MODELS

from edge_runtime import Feature, InvalidInput, Predictor
from edge_runtime.contract.signature import Input, Signature
from edge_runtime.rows.date_columns import seconds_of_dates
from edge_runtime.rows.row_reader import RowReader

ANSWERS = sales.sales(sales.HELD)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODELS / "sales.onnx", device="cpu")


def assert_answers(found: Any, wanted: Any = ANSWERS) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_pandas(predictor: Predictor) -> None:
    pandas = pytest.importorskip("pandas")
    for rows in (sales.WRITTEN, sales.VALUES):
        frame = pandas.DataFrame(list(map(sales.named, rows)))
        assert_answers(predictor.predict(frame))
        assert_answers([predictor.predict_one(frame.iloc[place]) for place in range(len(rows))])
    held = pandas.DataFrame(list(map(sales.named, sales.HELD)))
    for name in ("sold", "paid"):
        held[name] = pandas.to_datetime(held[name].where(held[name] != sales.MISSING), unit="s")
    assert held["paid"].isna().sum() == 1
    for unit in ("ns", "ms"):
        frame = held.astype({"sold": f"datetime64[{unit}]", "paid": f"datetime64[{unit}]"})
        assert_answers(predictor.predict(frame))
        for zone in ("UTC", "Asia/Kolkata"):
            zoned = frame.assign(paid=frame["paid"].dt.tz_localize("UTC").dt.tz_convert(zone))
            assert_answers(predictor.predict(zoned))
    # What pandas makes of codes: an unknown category, which is told.
    codes = held.assign(zip=[7, 8001, 12345, 7])
    assert [one.get("zip") for one in predictor.unseen(codes)] == [
        "'7' was not seen in training",
        "'8001' was not seen in training",
        None,
        "'7' was not seen in training",
    ]


def test_polars(predictor: Predictor) -> None:
    polars = pytest.importorskip("polars")
    columns = {name: [row[place] for row in sales.HELD] for place, name in enumerate(sales.SALES.columns)}
    frame = polars.DataFrame(columns, strict=False).with_columns(
        polars.when(polars.col("paid") != sales.MISSING).then(polars.col("paid"))
    )
    for unit in ("ms", "us", "ns"):
        dates = [
            polars.from_epoch(polars.col(name), "s").cast(polars.Datetime(unit)).alias(name)
            for name in ("sold", "paid")
        ]
        assert_answers(predictor.predict(frame.with_columns(dates)))
        zoned = [date.dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York") for date in dates]
        assert_answers(predictor.predict(frame.with_columns(zoned)))
    written = dict(zip(sales.SALES.columns, zip(*sales.WRITTEN, strict=True), strict=True))
    assert_answers(predictor.predict(polars.DataFrame(written)))


def test_arrow(predictor: Predictor) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    columns = {name: [row[place] for row in sales.HELD] for place, name in enumerate(sales.SALES.columns)}
    columns["paid"] = [None if one == sales.MISSING else one for one in columns["paid"]]
    for unit, factor in (("s", 1), ("ms", 10**3), ("ns", 10**9)):
        for zone in (None, "Europe/Berlin"):
            dates = {
                name: pyarrow.array([None if one is None else one * factor for one in columns[name]], pyarrow.int64())
                for name in ("sold", "paid")
            }
            dates = {name: one.cast(pyarrow.timestamp(unit, zone)) for name, one in dates.items()}
            assert_answers(predictor.predict(pyarrow.table({**columns, **dates})))
    sold = pyarrow.array([one // sales.DAY for one in columns["sold"]], pyarrow.int32()).cast(pyarrow.date32())
    paid = pyarrow.array(columns["paid"], pyarrow.int64()).cast(pyarrow.timestamp("s"))
    held = sales.feed(sales.HELD)
    days = held["date"][:, 0] // sales.DAY * sales.DAY
    rows = [[day, *row[1:]] for day, row in zip(days.tolist(), sales.HELD, strict=True)]
    assert_answers(predictor.predict(pyarrow.table({**columns, "sold": sold, "paid": paid})), sales.sales(rows))
    written = dict(zip(sales.SALES.columns, map(list, zip(*sales.WRITTEN, strict=True)), strict=True))
    assert_answers(predictor.predict(pyarrow.table(written)))


def test_a_matrix_of_dates() -> None:
    """numpy's own dates, for a model that takes nothing else."""
    reader = RowReader(Signature((Input("date", (sales.SOLD, sales.PAID)),), "y", (), "regression"), np.dtype("f4"))
    dates = np.array([["2025-12-31", "NaT"], ["1969-12-31", "0001-01-01"]], "M8[D]")
    for unit in ("D", "h", "s", "ms"):
        (found,) = reader.tensors(dates.astype(f"M8[{unit}]")).values()
        assert found.tolist() == [[1767139200, sales.MISSING], [-sales.DAY, -62135596800]]
    for wrong, message in (
        (np.array([["NaT", "NaT"]] * 2, "M8[s]"), "sold: the value is missing, and missing values are not accepted"),
        (np.array([["2025", "20250"]] * 2, "M8[Y]"), "paid: 20250 is not in the years 1 to 9999"),
        (np.array([[2025, 20250]] * 2), r"sold: .*2025.* is not a date; write it like '31.12.2025'"),
        (np.array([[2025.0, 1.0]]), "sold: .*2025.0.* is not a date"),
    ):
        with pytest.raises(InvalidInput, match=message):
            reader.tensors(wrong)


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "s", "ms", "us", "ns"])
def test_seconds(unit: str) -> None:
    """Each second is that of the beginning of its unit, also before 1970."""
    texts = ["1969-12-31T23:59:59.9", "1970-01-01T00:00:00.9", "2025-12-31T14:30:00.5", "1700-02-03", "NaT"]
    dates = np.array(texts, "M8[ms]").astype(f"M8[{unit}]")
    wanted = [one.astype("M8[s]").astype(int) for one in dates[:-1]]
    found = seconds_of_dates(dates, Feature("d", "date", missing=0.0))
    assert found.tolist() == [*wanted, sales.MISSING]
    if unit in ("s", "ms", "us", "ns"):
        assert found[:3].tolist() == [-1, 0, 1767191400]
