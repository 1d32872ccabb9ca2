"""Dates in the calendar: torch and ONNX Runtime agree bit by bit."""

import numpy as np
import torch
from exports import onnx_bytes
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_runtime import Feature, Predictor
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE, date_seconds
from edge_train.networks.date_columns import DateColumns, days_and_seconds, weekday, year_and_day


class Calendar(nn.Module):
    def __init__(self, columns: DateColumns) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, date: Tensor) -> tuple[Tensor, Tensor]:
        days, seconds = days_and_seconds(date.clamp(FIRST_SECOND, LAST_SECOND))
        year, day = year_and_day(days)
        return torch.cat([year, day, weekday(days), seconds // 3600], 1), self.columns(date)


def test_the_same_calendar_bit_by_bit() -> None:
    random = np.random.default_rng(0)
    edges = [FIRST_SECOND, LAST_SECOND, -1, 0, MISSING_DATE, -(2**63) + 1, 2**63 - 1]
    leap_days = list(map(date_seconds, ("0004-02-29", "2000-02-29", "2000-03-01", "1900-03-01")))
    dates = np.concatenate([random.integers(FIRST_SECOND, LAST_SECOND, 100_000), edges, leap_days])[:, None]
    columns = DateColumns([Feature("when", "date", missing=0.1)])
    columns.fit(dates)
    module, rows = Calendar(columns).eval(), torch.from_numpy(dates)
    runtime = Predictor(onnx_bytes(capture(module, rows[:2])), device="cpu")
    calendar, found = runtime.run({"date": dates}).values()
    expected_calendar, expected = (values.numpy() for values in module(rows))
    assert (calendar == expected_calendar).all()
    # Time elapsed and the year are calculated in float32.
    np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-6)
    assert (found[:, 2:] == expected[:, 2:]).all()
