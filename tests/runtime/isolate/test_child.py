"""The isolated process itself, by questions to it."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from concurrency import HANG
from identical import assert_identical

from edge_runtime import IsolationFailed, Limits
from edge_runtime.isolate.process import IsolatedProcess

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")


@pytest.fixture
def process() -> Iterator[IsolatedProcess]:
    started = IsolatedProcess(Limits(isolated_bytes=256 * 2**20))
    yield started
    started.end()


def test_a_question_that_fails_is_not_the_last_one(process: IsolatedProcess) -> None:
    for what in ("nothing", "run", "metadata"):
        with pytest.raises(IsolationFailed, match="the isolated model failed: "):
            process.ask(what, seconds=HANG)
    assert process.ask("start", None, seconds=HANG) is None


def test_a_question_for_which_there_is_no_memory(process: IsolatedProcess) -> None:
    with pytest.raises(IsolationFailed, match="more memory than 256 MiB"):
        process.ask("start", np.zeros(400 * 2**20, np.uint8), "and what follows", seconds=HANG)
    assert_identical(process.ask("start", None, seconds=HANG), None)


def test_what_it_prints_goes_nowhere(process: IsolatedProcess, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(IsolationFailed):
        process.ask("open", b"cprint\n(S'loud'\ntR.", seconds=HANG)
    assert capfd.readouterr() == ("", "")
