"""Threads that share a predictor, while it is reloaded, copied, closed, and given bad rows."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.soak.caller import Caller
from edge_runtime import DeadlineExceeded, InvalidInput, Limits, Predictor, PredictorClosed

_THREADS = 4
_BAD = ([1, "x"], [1], [[1, 2, 3]], None, {"x1": 1}, {"x1": 1, "x2": "?!"}, np.zeros((2, 2, 2)), "x", [[1, 2], [3]])


def run(caller: Caller) -> None:
    """Call until the time is over."""
    shared = Predictor(caller.live, threads=2)
    with ThreadPoolExecutor(_THREADS) as pool:
        done = [pool.submit(_call, caller, shared, number) for number in range(_THREADS)]
    for one in done:
        one.result()


def _call(caller: Caller, shared: Predictor, number: int) -> None:
    # Counters are changed by one thread at a time: each thread has its own.
    own = Caller(caller.known, caller.folder, caller.begin, caller.end, type(caller.counts)(), caller.times)
    random = np.random.default_rng(number)
    # Once: what is as large, and comes and goes, leaves holes in memory that look like a leak.
    many = np.tile(own.known.rows, (2000 if number == 0 else 1, 1))
    while own.goes_on():
        for _ in range(50):
            _one_call(own, shared, random)
        if number == 0:
            own.counts.answer("reload", lambda: shared.reload() in (True, False))
            _others(own, shared, random, many)
    caller.counts.add(own.counts.as_dict())


def _one_call(caller: Caller, shared: Predictor, random: np.random.Generator) -> None:
    known, counts = caller.known, caller.counts
    size = int(random.choice((1, 3, 64, 5000), p=(0.7, 0.15, 0.1, 0.05)))
    chosen = caller.chosen(random, size)
    rows = known.rows[chosen]
    match random.integers(5):
        case 0:
            counts.answer("predict", lambda: known.labels_fit(chosen, shared.predict(rows)))
        case 1:
            counts.answer("predict_proba", lambda: known.fit(chosen, shared.predict_proba(rows)[:, 1]))
        case 2:
            counts.answer("run", lambda: known.fit(chosen, shared.run({"x": rows})["probability"][:, 0]))
        case 3:
            with counts.refusal("bad rows", InvalidInput):
                shared.predict(_BAD[random.integers(len(_BAD))])
        case _:
            answers_one(caller, shared, chosen[:1])


def answers_one(caller: Caller, predictor: Predictor, chosen: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
    """Ask for one row, in one of the forms of a row."""
    known, row = caller.known, caller.known.rows[chosen[0]].tolist()

    def is_right() -> bool:
        label, probability = predictor.predict_one(row)
        positive = probability if label == 1 else 1 - probability
        return known.fit(chosen, [positive])

    caller.counts.answer("predict_one", is_right)


def _others(
    caller: Caller, shared: Predictor, random: np.random.Generator, many: "np.ndarray[Any, np.dtype[np.float32]]"
) -> None:
    """What is done now and then; `many` are rows that no call can answer in a millisecond."""
    known, counts, chosen = caller.known, caller.counts, caller.chosen(random, 3)
    rows = known.rows[chosen]

    def copied() -> bool:
        with pickle.loads(pickle.dumps(Predictor(known.files[0], threads=1))) as copy:
            return known.labels_fit(chosen, copy.predict(rows))

    counts.answer("pickled", copied)

    def opened() -> bool:
        with Predictor(caller.live, verify=True, threads=1, limits=Limits(call_seconds=60)) as other:
            return known.fit(chosen, other.predict_proba(rows)[:, 1])

    counts.answer("opened, verified and closed", opened)
    closed = Predictor(known.files[1], threads=1)
    closed.close()
    with counts.refusal("closed", PredictorClosed):
        closed.predict(rows)
    hurried = Predictor(known.files[1], threads=1, limits=Limits(call_seconds=1e-3))

    def in_time() -> bool:
        try:
            return known.fit(np.arange(len(many)) % len(known.rows), hurried.predict_proba(many)[:, 1])
        except DeadlineExceeded:
            counts.refused["with a deadline"] += 1
            return True

    counts.answer("with a deadline", in_time)
