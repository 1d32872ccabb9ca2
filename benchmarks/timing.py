"""Timing of calls side by side: interleaved rounds in random order, medians with quartiles, ratios taken in pairs."""

import contextlib
import gc
import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median, quantiles
from typing import TypedDict

Call = Callable[[], object]
Samples = dict[str, list[float]]

# A call shorter than this is repeated until the repetitions take as long.
LEAST_SECONDS = 0.004
LEAST_ROUNDS = 5
# Calls at least this long do not need another one just before to be warm.
_LONG_CALL = 0.01


class Quartiles(TypedDict):
    """The middle of some values, and the quartiles on both sides of it."""

    median: float
    low: float
    high: float


class Cell(TypedDict):
    """What one comparison gave.

    Keys:
        rounds: how many there were.
        seconds: of one call, by contestant.
        over: the first contestant's time over each other one's, from the ratios of single rounds.
        missing: contestants that could not take part, and why.
    """

    rounds: int
    seconds: dict[str, Quartiles]
    over: dict[str, Quartiles]
    missing: dict[str, str]


def summary(values: Iterable[float]) -> Quartiles:
    """Median and quartiles."""
    listed = list(values)
    low, _, high = quantiles(listed, n=4, method="inclusive") if len(listed) > 1 else listed * 3
    return {"median": median(listed), "low": low, "high": high}


def ratio(over: Iterable[float], under: Iterable[float]) -> Quartiles:
    """The ratios of values from the same rounds, which a slow spell of the machine strikes alike."""
    return summary(above / below for above, below in zip(over, under, strict=True))


def cell(samples: Samples, missing: Mapping[str, str] | None = None) -> Cell:
    """The summary of `samples`, whose first contestant is compared with each of the others."""
    first, *others = samples
    return {
        "rounds": len(samples[first]),
        "seconds": {name: summary(values) for name, values in samples.items()},
        "over": {name: ratio(samples[first], samples[name]) for name in others},
        "missing": dict(missing or {}),
    }


def interleaved(calls: Mapping[str, Call], rounds: int, seconds: float, wait: bool = True) -> Samples:
    """The time of one call of each contestant, in every round.

    Args:
        calls: the contestants.
        rounds: at most; each has every contestant once, in random order.
        seconds: no round is begun after these, once there are `LEAST_ROUNDS`.
        wait: whether to let the threads of the one before go to sleep first. Thread pools spin for some time
            after a call, and would take a processor from whoever is next.
    """
    order = random.Random(0)
    repeats = {name: _calibrated(call) for name, call in calls.items()}
    samples: Samples = {name: [] for name in calls}
    names = list(calls)
    end = time.perf_counter() + seconds
    for done in range(rounds):
        if done >= min(LEAST_ROUNDS, rounds) and time.perf_counter() > end:
            break
        order.shuffle(names)
        for name in names:
            if wait:
                settle()
            with collection_paused():
                if repeats[name] > 1 or _was_short(samples[name]):
                    _seconds(calls[name], math.ceil(repeats[name] / 2))
                samples[name].append(_seconds(calls[name], repeats[name]))
    return samples


def settle(limit: float = 0.1) -> None:
    """Wait until the process uses no processor, for `limit` seconds at most."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(0.002)
        if time.process_time() - used < 0.0005:
            return


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Without the garbage collector, whose turns would fall on whoever happens to be running."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _calibrated(call: Call) -> int:
    """How often to repeat `call`, which is warm afterwards."""
    call()
    repeats = 1
    while (took := _seconds(call, repeats) * repeats) < LEAST_SECONDS:
        repeats = math.ceil(repeats * min(10.0, max(1.5, 1.2 * LEAST_SECONDS / max(took, 1e-7))))
    return repeats


def _was_short(earlier: list[float]) -> bool:
    return bool(earlier) and earlier[-1] < _LONG_CALL


def _seconds(call: Call, repeats: int) -> float:
    """The mean time of one of `repeats` calls."""
    loop = itertools.repeat(None, repeats)
    start = time.perf_counter()
    for _ in loop:
        call()
    return (time.perf_counter() - start) / repeats
