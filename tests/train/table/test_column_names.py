"""What names of columns say, and what they do not."""

import pytest

from edge_train.table.column_names import is_code, is_identifier, is_time_or_rank

IDENTIFIERS = ("id", "ID", "uid", "uuid", "patient_id", "Patient ID", "customerID", "PassengerId", "index", "rownames")
TIMES = (
    "t",
    "time",
    "Year",
    "year_start",
    "SeasonEnd",
    "day_of_year",
    "monthsSinceY2K",
    "AGE",
    "Jahr",
    "année",
    "rank",
)
CODES = ("occ10", "occ", "zip", "zipcode", "zip_code", "movieId", "case.id", "MS.SubClass", "county", "id_2", "ICD")


@pytest.mark.parametrize("name", [*IDENTIFIERS, "row.names", "Row", "rowid", "Unnamed: 0"])
def test_identifiers(name: str) -> None:
    assert is_identifier(name)


@pytest.mark.parametrize("name", ["paid", "grid", "idea", "liquid", "price_index", "rows sold", "id_type", "case", ""])
def test_no_identifiers(name: str) -> None:
    assert not is_identifier(name)


@pytest.mark.parametrize("name", TIMES)
def test_times_and_ranks(name: str) -> None:
    assert is_time_or_rank(name)


@pytest.mark.parametrize("name", ["price", "tea", "timer", "stage", "wage", "orange", "daytona", "id", ""])
def test_no_times_or_ranks(name: str) -> None:
    assert not is_time_or_rank(name)


@pytest.mark.parametrize("name", CODES)
def test_codes(name: str) -> None:
    assert is_code(name)


@pytest.mark.parametrize(
    "name", ["school", "income", "zipper", "typed", "age", "group_size", "state_tax", "ageOFocc", ""]
)
def test_no_codes(name: str) -> None:
    assert not is_code(name)
