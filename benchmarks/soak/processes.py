"""Children that are forked and spawned, answer and end, while the parent goes on; and isolated predictors."""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.soak.caller import Caller
from edge_runtime import InvalidInput, Predictor

# Seconds between processes that import everything anew.
_SPAWN = 15
_CHILD_MAY_TAKE = 120


def run(caller: Caller) -> None:
    """Fork until the time is over; a thread of the parent calls meanwhile."""
    shared, spawned = Predictor(caller.live, threads=2), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        other = Caller(caller.known, caller.folder, caller.begin, caller.end, type(caller.counts)(), caller.times)
        meanwhile = pool.submit(_call, other, shared)
        while caller.goes_on():
            caller.counts.answer("forked child", lambda: _forked(caller, shared))
            caller.counts.answer("child of multiprocessing, fork", lambda: _child(caller, "fork", shared))
            caller.counts.answer("reload", lambda: shared.reload() in (True, False))
            if time.monotonic() - spawned > _SPAWN:
                spawned = time.monotonic()
                fixed = Predictor(caller.known.files[1], threads=1)
                caller.counts.answer("child of multiprocessing, spawn", lambda: _child(caller, "spawn", fixed))  # noqa: B023
                _isolated(caller)
            time.sleep(0.05)
        meanwhile.result()
    caller.counts.add(other.counts.as_dict())


def _call(caller: Caller, shared: Predictor) -> None:
    random = np.random.default_rng(3)
    while caller.goes_on():
        chosen = caller.chosen(random, 100)
        rows = caller.known.rows[chosen]
        caller.counts.answer(
            "predict, beside forks",
            lambda: caller.known.labels_fit(chosen, shared.predict(rows)),  # noqa: B023
        )
        time.sleep(0.001)


def answer(caller: Caller, predictor: Predictor, seed: int) -> None:
    """Answer as a child, and end with an exit code that says whether all was right."""
    random = np.random.default_rng(seed)
    for size in (1, 64, 20_000):
        chosen = caller.chosen(random, size)
        if not caller.known.fit(chosen, predictor.predict_proba(caller.known.rows[chosen])[:, 1]):
            sys.exit(3)


def _forked(caller: Caller, shared: Predictor) -> bool:
    pid = os.fork()
    if pid == 0:
        code = 4
        try:
            answer(caller, shared, os.getpid())
            code = 0
        except SystemExit:
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _child(caller: Caller, method: str, predictor: Predictor) -> bool:
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=answer, args=(caller, predictor, 7))
    child.start()
    child.join(_CHILD_MAY_TAKE)
    if child.exitcode is None:
        child.kill()
        child.join()
    is_right: bool = child.exitcode == 0
    child.close()
    return is_right


def _isolated(caller: Caller) -> None:
    """A model in a process of its own."""
    from edge_runtime import IsolatedPredictor

    chosen = caller.chosen(np.random.default_rng(4), 1000)
    rows = caller.known.rows[chosen]

    def is_right() -> bool:
        with IsolatedPredictor(caller.known.files[0]) as isolated:
            with caller.counts.refusal("bad rows, isolated", InvalidInput):
                isolated.predict([[1, 2, 3]])
            return caller.known.fit(chosen, isolated.predict_proba(rows)[:, 1])

    caller.counts.answer("isolated", is_right)
