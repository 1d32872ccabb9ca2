"""Signals that come all the time, whose handlers make calls of the predictor that they interrupt."""

import os
import signal
import threading
import time

import numpy as np

from benchmarks.soak.caller import Caller
from benchmarks.soak.threads import answers_one
from edge_runtime import Predictor


def run(caller: Caller) -> None:
    """Call until the time is over, with a timer and storms of SIGUSR1."""
    shared, random = Predictor(caller.live, threads=2), np.random.default_rng(1)
    handled = np.random.default_rng(2)

    def handle(number: int, _: object) -> None:
        answers_one(caller, shared, caller.chosen(handled, 1))
        if number == signal.SIGALRM:
            rows = caller.chosen(handled, 64)
            caller.counts.answer(
                "predict, in a handler",
                lambda: caller.known.labels_fit(rows, shared.predict(caller.known.rows[rows])),
            )

    def storm() -> None:
        while caller.goes_on():
            for _ in range(200):
                os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.05)

    before = {number: signal.signal(number, handle) for number in (signal.SIGALRM, signal.SIGUSR1)}
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    storms = threading.Thread(target=storm)
    storms.start()
    while caller.goes_on():
        chosen = caller.chosen(random, int(random.choice((1, 64, 20_000))))
        rows = caller.known.rows[chosen]
        caller.counts.answer(
            "predict, interrupted",
            lambda: caller.known.labels_fit(chosen, shared.predict(rows)),  # noqa: B023
        )
        caller.counts.answer("reload, interrupted", lambda: shared.reload() in (True, False))
    storms.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
