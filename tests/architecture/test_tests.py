"""What tests have in common: an exception in a thread is a failed test."""

import re
import threading

import pytest
from concurrency import HANG, in_threads
from paths import ROOT


def test_an_exception_in_any_thread_reaches_the_test() -> None:
    numbers = iter(range(4))

    def fail_in_the_third() -> None:
        if next(numbers) == 2:
            raise AssertionError("no")

    with pytest.raises(AssertionError, match="no"):
        in_threads(fail_in_the_third, 4)


def test_threads_run_at_the_same_time() -> None:
    together = threading.Barrier(4)
    in_threads(lambda: together.wait(HANG), 4)


def test_no_test_starts_threads_of_its_own() -> None:
    """`threading.Thread` would lose what is raised in it."""
    started = re.compile(r"\bThread\(")
    found = {path.name for path in (ROOT / "tests").rglob("*.py") if started.search(path.read_text("utf-8"))}
    assert found == set()
