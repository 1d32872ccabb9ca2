"""Arrow decides text of the usual forms, so that long columns need not be read one by one; the rest stays null."""

from typing import Any

import pytest

from edge_runtime.contract.dates import parse_date
from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature_document import Order

pa = pytest.importorskip("pyarrow")

from edge_runtime.tables.arrow_text import numbers, seconds  # noqa: E402 - it imports pyarrow


@pytest.mark.parametrize(
    ("notation", "text", "expected"),
    [
        (None, [" 1.5", "-2e3", "+7", "inf"], [1.5, -2000, 7, float("inf")]),
        (None, ["1.5", "x", "1_0", "nan", None, ""], [1.5, None, None, None, None, None]),
        (
            Notation(prefix="$", grouping=","),
            ["$1,234.50", "-$5", "$-5", "7", "12,34", "($5)"],
            [1234.5, -5, -5, 7, None, None],
        ),
        (Notation(",", ".", suffix="€"), ["1.234,50 €", "-7€", "1,5", "1.5", "0.123"], [1234.5, -7, 1.5, None, None]),
        (Notation(suffix="%"), ["16.4%", "16.4 %", "5", "$5"], [16.4, 16.4, 5, None]),
        (Notation(",", " "), ["1 234,5", "1\u00a0234\u202f567", "12 34"], [1234.5, 1234567, None]),
        (Notation(grouping="'"), ["1'234", "1\u2019234.5"], [1234, 1234.5]),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_numbers(notation: Notation | None, text: list[Any], expected: list[Any], kind: Any) -> None:
    found = numbers(pa.array(text, kind), notation)
    assert found.type == pa.float64()
    assert found.to_pylist() == expected


@pytest.mark.parametrize(
    ("order", "decided", "undecided"),
    [
        ("ymd", ["2025-12-31", "0001-01-01", "1969-12-31T23:59", " 2025-01-30 14:30:05"], []),
        ("ymd", ["2025-12-31T14:30:05.75Z", "2025-12-31 14:30Z"], ["2025-02-29", "2024-02-29", "2025-12-31Z", "x", ""]),
        ("ymd", [], ["31.12.2025", "2025-12-31 14", "2025-12-31T24:00", "2025-12-31T14:30+02:00"]),
        ("dmy", ["31.12.2025", "31/12/2025 14:30", "30-11-1969", "2025-12-31"], ["1.2.2025", "31.12/2025"]),
        ("mdy", ["12/31/2025", "12.31.2025 14:30:05.5"], ["31/12/2025"]),
    ],
)
def test_dates(order: Order, decided: list[str], undecided: list[str]) -> None:
    found = seconds(pa.array([*decided, *undecided, None]), order)
    expected = [parse_date(text, order) for text in decided]
    assert found.to_pylist() == [*expected, *[None] * (len(undecided) + 1)]
    assert found.type == pa.int64()
