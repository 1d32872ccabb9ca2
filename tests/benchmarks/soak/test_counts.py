import json

import pytest
from benchmarks.soak.counts import Counts, Times


def test_one_wrong_answer_of_a_million_is_counted() -> None:
    counts = Counts()
    for number in range(1_000_000):
        counts.answer("predict", lambda: number != 765_432)  # noqa: B023
    assert (counts.calls["predict"], counts.wrong["predict"], counts.failed["predict"]) == (1_000_000, 1, 0)
    assert counts.messages == ["predict: a wrong answer"]


def test_what_is_raised_is_a_failure() -> None:
    counts = Counts()
    counts.answer("predict", lambda: 1 / 0 > 0)
    assert counts.failed["predict"] == 1
    assert counts.messages == ["predict: ZeroDivisionError: division by zero"]


def test_refusals() -> None:
    counts = Counts()
    for call in (lambda: int("x"), lambda: 1 / 0, lambda: None):
        with counts.refusal("bad", ValueError):
            call()
    assert (counts.calls["bad"], counts.refused["bad"], counts.failed["bad"]) == (3, 1, 2)
    assert counts.messages == ["bad: ZeroDivisionError: division by zero", "bad: nothing was raised"]


def test_counts_of_processes_are_added() -> None:
    counts, other = Counts(), Counts()
    for one in (counts, other):
        one.answer("a", lambda: False)
    counts.add(json.loads(json.dumps(other.as_dict())))
    assert counts.wrong == {"a": 2}
    assert counts.messages == ["a: a wrong answer"]


def test_times_of_the_first_and_the_last_part() -> None:
    times = Times()
    assert times.percentiles() == [[], []]
    for number in range(1, 1001):
        times.add(0, number * 1000)
        times.add(1, 5000)
    first, last = times.percentiles()
    assert first == pytest.approx([500.5e-6, 990e-6, 999e-6], rel=1e-3)
    assert last == [5e-6] * 3
