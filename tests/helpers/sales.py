"""The signature and weights of sales.onnx, a model of values as people write them, and what it computes, in numpy."""

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime import Feature, Input, Notation, Signature

DAY = 86400
ORIGIN = 1577836800  # 2020-01-01
MISSING = -(2**63)

PRICE = Feature("price", "numeric", 2.5, 1200.0, missing=0.01, notation=Notation(",", ".", suffix="€"))
NEW = Feature("new", "boolean", missing=0.0, words=("nein", "ja"))
ZIP = Feature("zip", "categorical", missing=0.0, categories=("007", "08001", "12345"))
SOLD = Feature("sold", "date", float(ORIGIN), float(ORIGIN + 2191 * DAY), order="dmy")  # to 2025-12-31
PAID = Feature("paid", "date", float(ORIGIN + 3600), float(ORIGIN + 2191 * DAY), missing=0.25)

# A row is (sold, price, new, zip, paid).
SALES = Signature(
    (Input("x", (PRICE, NEW)), Input("text", (ZIP,)), Input("date", (SOLD, PAID))),
    "value",
    (),
    "regression",
    columns=("sold", "price", "new", "zip", "paid"),
)
MEAN, WEIGHT = np.array([100.0, 0.5]), np.array([[0.5], [100.0]])
# For an unknown category, for a missing value, and for each category.
OF_ZIP = np.array([[0.0], [1.0], [20.0], [300.0], [-400.0]])
# Of days since 2020; a missing date counts as so many.
MISSING_DAYS, WEIGHT_OF_DAYS = np.array([0.0, -50.0]), np.array([[0.25], [0.125]])

# As a person writes them, as a program does, and as the tensors hold them.
WRITTEN: list[list[Any]] = [
    ["31.12.2025", "1.234,50 €", "ja", "007", "2025-12-31T14:30:00Z"],
    ["01/02/2020 06:00", "-2,5", "Nein", "7", ""],
    ["2019-12-31", "NA", "true", "08001", "2025/1/5"],
    ["1.3.2024", "1200", "", "NA", "2020-01-01 01:30:00+01:00"],
]
VALUES: list[list[Any]] = [
    [datetime.date(2025, 12, 31), 1234.5, True, "007", datetime.datetime(2025, 12, 31, 14, 30)],
    [np.datetime64("2020-02-01T06:00"), -2.5, 0, 7, None],
    [datetime.datetime(2019, 12, 31), None, 1, "08001", datetime.date(2025, 1, 5)],
    [
        datetime.date(2024, 3, 1),
        1200,
        None,
        "",
        datetime.datetime(2020, 1, 1, 1, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    ],
]
HELD: list[list[Any]] = [
    [1767139200, 1234.5, 1.0, "007", 1767191400],
    [1580536800, -2.5, 0.0, "7", MISSING],
    [1577750400, np.nan, 1.0, "08001", 1736035200],
    [1709251200, 1200.0, np.nan, "", 1577838600],
]


def named(row: list[Any]) -> dict[str, Any]:
    """A row by column name."""
    return dict(zip(SALES.columns, row, strict=True))


def feed(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The tensors of rows as `HELD` has them."""
    return {
        "x": np.array([[price, new] for _, price, new, _, _ in rows], np.float32).reshape(len(rows), 2),
        "text": np.array([[code] for _, _, _, code, _ in rows], object).reshape(len(rows), 1),
        "date": np.array([[sold, paid] for sold, *_, paid in rows], np.int64).reshape(len(rows), 2),
    }


def sales(rows: Sequence[Sequence[Any]]) -> Any:
    """The values of sales.onnx, shape (rows,), of rows as the tensors hold them."""
    held = feed(rows)
    codes: dict[object, int] = {text: code for code, text in enumerate(["", *ZIP.categories], start=1)}
    dates = held["date"]
    days = np.where(dates == MISSING, MISSING_DAYS, (dates - ORIGIN) / DAY)
    of_zip = OF_ZIP[[codes.get(text, 0) for text in held["text"][:, 0]]]
    return (np.where(np.isnan(held["x"]), MEAN, held["x"]) @ WEIGHT + of_zip + days @ WEIGHT_OF_DAYS)[:, 0]
