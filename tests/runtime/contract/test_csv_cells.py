import csv

import pytest

from edge_runtime import InvalidInput, InvalidModel, Limits
from edge_runtime.contract.csv_cells import csv_cells


def cells(text: str, limits: Limits, *, strict: bool = True) -> list[tuple[int, list[str]]]:
    return list(csv_cells(text.splitlines(keepends=True), ",", "rows.csv", InvalidInput, limits, strict=strict))


def test_cells_come_with_the_number_of_their_last_line() -> None:
    found = cells('a,"b,""c"""\r\n\n"d\ne",f', Limits())
    assert found == [(1, ["a", 'b,"c"']), (2, []), (4, ["d\ne", "f"])]


@pytest.mark.parametrize("most", [1, 1000, 131_072, 131_073, 2_000_000])
def test_a_cell_up_to_the_limit(most: int) -> None:
    limits = Limits(line_bytes=most)
    longest = "x" * most
    assert cells(f"{longest},1\n", limits) == [(1, [longest, "1"])]
    with pytest.raises(InvalidInput) as raised:
        cells(f"1,2\n1,{longest}x\n", limits)
    count = "1 character" if most == 1 else f"{most:,} characters"
    assert str(raised.value) == (
        f"rows.csv line 2: a cell has more than {count}, or its quote is never closed; if you trust it, raise the "
        "limit: limits=Limits(line_bytes=...), at the shell --limit line_bytes=..."
    )


def test_without_a_limit() -> None:
    longest = "x" * 5_000_000
    assert cells(longest, Limits(line_bytes=None)) == [(1, [longest])]
    assert cells(longest, Limits(line_bytes=2**63 - 1)) == [(1, [longest])]


@pytest.mark.parametrize("own", [100, 131_072, 10**9])
def test_the_limit_of_the_rest_of_the_program_stays_and_has_no_effect(own: int) -> None:
    before = csv.field_size_limit(own)
    try:
        reading = csv_cells(["x" * 500, "y" * 900], ",", "rows.csv", InvalidInput, Limits(line_bytes=500))
        assert next(reading) == (1, ["x" * 500])
        # In the middle of reading too, and for a second reader with another limit.
        assert csv.field_size_limit() == own
        assert cells("x" * 900, Limits(line_bytes=900)) == [(1, ["x" * 900])]
        with pytest.raises(InvalidInput, match="line 2: a cell has more than 500 characters"):
            next(reading)
        assert csv.field_size_limit() == own
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('1,"2\n', "rows.csv line 1: not CSV: unexpected end of data"),
        ('1\n1,"2"3\n', "rows.csv line 2: not CSV: ',' expected after '\"'"),
    ],
)
def test_what_is_not_csv(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        cells(text, Limits())
    assert str(raised.value) == message
    assert cells(text, Limits(), strict=False)


def test_the_kind_of_error_is_the_callers() -> None:
    with pytest.raises(InvalidModel):
        list(csv_cells(['"'], ",", "rows.csv", InvalidModel))
