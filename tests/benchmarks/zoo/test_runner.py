"""Exports in processes of their own, with limits."""

import pytest
from benchmarks.zoo.runner import Limits, run

pytestmark = pytest.mark.slow


def test_both_exporters_on_a_network() -> None:
    (row,) = run(["dcn_v2"], 1, Limits(300, 8))
    assert (row["name"], row["family"], row["weights"]) == ("dcn_v2", "tables", "random")
    assert row["bare"]["verdict"] == "right"
    assert row["bare"]["cpu"] > 0
    assert row["bare"]["before"] <= row["bare"]["peak"]
    assert row["ours"]["verdict"] == "right"
    assert 0 < row["ours"]["tolerance_used"] < 1


def test_what_takes_too_long_is_ended() -> None:
    (row,) = run(["dcn_v2"], 1, Limits(0.5, 8))
    assert row["bare"] == {"verdict": "broken", "reason": "not done within 0 s"}


def test_what_takes_too_much_memory_is_ended() -> None:
    (row,) = run(["dcn_v2"], 1, Limits(300, 0.05))
    assert row["bare"]["verdict"] == "broken"
