"""Turns of threads that make small calls at the same time."""

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from commands import assert_python_runs
from concurrency import call_within, held, in_threads
from paths import FOUR_BLOBS

from edge_runtime import Predictor
from edge_runtime.engine import turns as module
from edge_runtime.engine.turns import Turns


class Clock:
    """The time of the machine and that of this thread, which pass only here."""

    def __init__(self) -> None:
        self.now, self.used = 1000.0, 0
        self.on_sleep: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def thread_time_ns(self) -> int:
        return self.used

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def turns(clock: Clock) -> Turns[int]:
    return Turns(itertools.count().__next__)


def contend(turns: Turns[int], count: int, between: Callable[[], object] = lambda: None) -> list[int]:
    """What so many calls hold, one after the other, while another one is under way."""
    found = []
    for _ in range(count):
        turn, number = turns.other(is_small=True)
        found.append(number)
        turn.append(number)
        between()
    return found


def test_calls_at_the_same_time_hold_different_things(turns: Turns[int]) -> None:
    current = turns.current
    assert current.pop() == 0
    turn, number = turns.other()
    assert number == 1
    # As a signal handler calls, or another thread.
    inner, another = turns.other()
    assert another == 2
    inner.append(another)
    turn.append(number)
    found = [turns.are_taken]
    current.append(0)
    assert [*found, turns.are_taken] == [True, False]
    assert turns.current is current


def test_after_some_coincidences_a_thread_takes_its_turn(turns: Turns[int]) -> None:
    before = turns.current
    before.pop()
    assert contend(turns, 5) == 5 * [1]
    # The next call of this thread finds what it needs, and the other one does not.
    assert list(turns.current) == [1]
    before.append(0)
    assert list(turns.current) == [1]


def test_a_turn_lasts_twice_as_long_as_python_lets_a_thread_keep_its_lock(turns: Turns[int], clock: Clock) -> None:
    turns.current.pop()
    contend(turns, 5)
    begun = clock.now
    turns.current.pop()
    assert contend(turns, 1) == [2]
    assert clock.now - begun == pytest.approx(2 * sys.getswitchinterval())


def test_who_waits_goes_on_when_no_call_is_under_way(turns: Turns[int], clock: Clock) -> None:
    turns.current.pop()
    contend(turns, 5)
    current = turns.current
    number = current.pop()
    begun = clock.now
    clock.on_sleep = lambda: current.append(number)
    assert contend(turns, 1) == [number]
    assert clock.now - begun < sys.getswitchinterval()
    assert turns.current is current


def test_who_interrupts_a_thread_that_waits_does_not_wait(turns: Turns[int], clock: Clock) -> None:
    """A signal handler that takes longer than the time between its signals would be called within itself for ever."""
    turns.current.pop()
    contend(turns, 5)
    turns.current.pop()
    found: list[int] = []
    clock.on_sleep = lambda: None if found else found.extend(contend(turns, 20))
    contend(turns, 1)
    assert len(found) == 20


def test_a_thread_that_does_other_things_too_does_not_wait(turns: Turns[int], clock: Clock) -> None:
    def do_other_things() -> None:
        clock.used += 300_000

    current = turns.current
    current.pop()
    assert contend(turns, 20, do_other_things) == 20 * [1]
    assert turns.current is current


def test_large_calls_do_not_wait(turns: Turns[int]) -> None:
    current = turns.current
    current.pop()
    for _ in range(20):
        turn, number = turns.other(is_small=False)
        turn.append(number)
    assert turns.current is current


def test_without_a_lock_of_python_nobody_waits(turns: Turns[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    current = turns.current
    current.pop()
    contend(turns, 20)
    assert turns.current is current


def test_it_is_crowded_for_a_while_after_a_coincidence(turns: Turns[int], clock: Clock) -> None:
    found = [turns.are_crowded]
    contend(turns, 1)
    found.append(turns.are_crowded)
    clock.now += 1
    assert [*found, turns.are_crowded] == [False, True, False]


def test_threads_seldom_meet_in_small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time costs more than a call."""
    predictor = Predictor(FOUR_BLOBS, device="cpu")
    rows = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    one, many = predictor.predict_one([0.25, -1.5]), predictor.predict_proba(rows)
    met: Counter[str] = Counter()
    other = Turns.other

    def counted(self: Turns[object], is_small: bool | None = None) -> object:
        met["times"] += 1
        return other(self, is_small)

    monkeypatch.setattr(Turns, "other", counted)

    def call() -> None:
        for _ in range(3000):
            assert predictor.predict_one([0.25, -1.5]) == one
            assert (predictor.predict_proba(rows) == many).all()
            assert (predictor.run({"x": rows})["probability"][:, 0] == many[:, 1]).all()

    in_threads(call, 4)
    assert met["times"] < 4 * 3000 * 3 / 10


def test_many_calls_within_a_call() -> None:
    """As a signal handler makes them: none of them may wait for the call that it interrupts for good."""
    predictor = Predictor(FOUR_BLOBS, device="cpu")
    one = predictor.predict_one([0.5, 1.5])
    inner: list[object] = []
    call_within(held(predictor).one, lambda: inner.extend(predictor.predict_one([-1.0, -1.0]) for _ in range(50)))
    assert predictor.predict_one([0.5, 1.5]) == one
    assert inner == 50 * inner[:1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have() -> None:
    assert_python_runs(f"""
import os, sys, threading
from edge_runtime import Predictor
predictor = Predictor({str(FOUR_BLOBS)!r}, device="cpu")
one = predictor.predict_one([-1, 1])
turns = predictor._runner.placement.turns
holding, done = threading.Event(), threading.Event()
def hold():
    turns.current.pop()
    for _ in range(3):
        turn, buffers = turns.other()
        turns._waiting.append(threading.Lock())
    holding.set()
    done.wait()
import _thread
_thread.start_new_thread(hold, ())
holding.wait()
child = os.fork()
if not child:
    assert not turns.are_taken and not turns._waiting
    assert predictor.predict_one([-1, 1]) == one
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
""")
