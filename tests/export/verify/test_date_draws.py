"""Dates like those in training, and at the edges of the calendar."""

import datetime

import numpy as np
import pytest
import torch
from date_module import SOLD, Dated, example, gregorian, is_last_of_february, julian
from hypothesis import given
from hypothesis import strategies as st

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.compare import compare
from edge_export.verify.comparison import ParityError
from edge_export.verify.date_draws import calendar_edges, ordinary_dates, range_in, range_of
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.probe_kinds import BOUNDARY, DATES, EXTREME, MISSING_VALUES, ProbeInputs
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler
from edge_runtime import Feature
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE

DAY = 86_400
seconds = st.integers(FIRST_SECOND, LAST_SECOND)


@given(seconds, seconds, st.integers(0, 99))
def test_ordinary_dates_are_near_their_range(one: int, other: int, seed: int) -> None:
    low, high = np.array([[one, other], [other, one]]).min(0), np.array([[one, other], [other, one]]).max(0)
    dates = ordinary_dates(np.random.default_rng(seed), (500, 2), low, high)
    assert dates.dtype == np.int64
    # A midnight may be the one before the first date.
    margin = np.maximum(0.1 * (high - low), 7 * DAY) + DAY
    assert (dates >= np.maximum(low - margin, FIRST_SECOND)).all()
    assert (dates <= np.minimum(high + margin, LAST_SECOND)).all()
    midnights = (dates % DAY == 0).mean()
    assert 0.3 < midnights < 0.7


def test_ranges_are_those_of_training_or_of_data() -> None:
    assert range_of(SOLD) == (1577836800, 1735603200)
    assert range_of(Feature("day", "date")) == (0, 2**31 - 1)
    assert range_of(Feature("day", "date", -1e300, 1e300)) == (FIRST_SECOND, LAST_SECOND)
    data = np.array([[5, MISSING_DATE], [MISSING_DATE, MISSING_DATE], [-7, MISSING_DATE]])
    assert range_in(data, (SOLD, SOLD)) == [(-7, 5), range_of(SOLD)]


@given(seconds, seconds)
def test_edges_are_in_every_column(one: int, other: int) -> None:
    low, high = np.array([one, min(one, other)]), np.array([one, max(one, other)])
    edges = calendar_edges(low, high)
    assert edges.min() >= FIRST_SECOND
    assert edges.max() <= LAST_SECOND
    assert not (edges[:, 0] == edges[:, 1]).all()
    for column, first, last in zip(edges.T, low, high, strict=True):
        assert {FIRST_SECOND, LAST_SECOND, 0, -1, int(first), int(last)} <= set(column.tolist())
        texts = set(column.astype("datetime64[s]").astype("datetime64[D]").astype(str).tolist())
        assert {"1900-02-28", "1900-03-01", "2000-02-29", "2100-03-01", "2024-02-29", "9999-12-31"} <= texts
        assert {date[5:] for date in texts} >= {"02-28", "02-29", "12-31", "01-01"}
        assert {date.weekday() for date in map(datetime.date.fromisoformat, texts)} == set(range(7))
        assert set((column % DAY // 3600).tolist()) == set(range(24))


@pytest.fixture(scope="module")
def dated() -> Program:
    return capture(Dated(), example())


@pytest.fixture(scope="module")
def probes(dated: Program) -> dict[str, ProbeInputs]:
    found = all_probe_inputs(Sampler(dated), References(dated).exact)
    return {probe.kind: probe for probe in found}


def joined(probe: ProbeInputs) -> np.ndarray:
    return np.concatenate([call["date"] for call in probe.calls])


def test_every_kind_of_rows_has_dates(probes: dict[str, ProbeInputs]) -> None:
    first = next(iter(probes.values()))
    ordinary = joined(first)
    is_missing = ordinary == MISSING_DATE
    assert 0.05 < is_missing[:, 0].mean() < 0.2
    assert not is_missing[:, 1].any()
    assert MISSING_DATE in joined(probes[MISSING_VALUES])[:, 0]
    extreme = joined(probes[EXTREME])
    for end in (FIRST_SECOND, LAST_SECOND):
        assert (extreme == end).all(axis=1).any()
        assert ((extreme == end).sum(axis=1) == 1).any()
    assert len(joined(probes[DATES])) > 1000
    assert all(not probe.not_run for probe in probes.values())
    # Between dates on both sides, to the second.
    boundary = joined(probes[BOUNDARY])
    assert boundary.dtype == np.int64
    assert len(boundary)


def test_a_wrong_calendar_is_found(dated: Program, probes: dict[str, ProbeInputs]) -> None:
    """1900 and 2100 have no leap day: who forgets it errs in no row that is like the training data."""
    dates = torch.from_numpy(joined(probes[DATES]))
    found_ends = is_last_of_february(dates, gregorian).numpy()
    known = dates.numpy().astype("datetime64[s]").astype("datetime64[D]")
    expected = (known + 1).astype("datetime64[M]").astype(int) % 12 == 2
    expected &= known.astype("datetime64[M]").astype(int) % 12 == 1
    np.testing.assert_array_equal(found_ends, expected)
    wrong = capture(Dated(julian), example())
    references = References(dated)
    first = next(iter(probes.values()))
    (found,) = compare(wrong.run, references.of_probes([first]), dated, "wrong")
    assert found.holds
    with pytest.raises(ParityError, match=f"among {DATES}, "):
        compare(wrong.run, references.of_probes([probes[DATES]]), dated, "wrong")
