"""What calls take, at the beginning and at the end, beside what Python takes for something else."""

import time

import numpy as np

from benchmarks.soak.caller import Caller
from edge_runtime import Predictor

# Calls in a row. Then it sleeps: others are to run too.
_BURST = 2000


def run(caller: Caller) -> None:
    """Call until the time is over."""
    predictor, random = Predictor(caller.known.files[0], threads=1), np.random.default_rng(6)
    row, clock = [-1.0, 1.0], time.perf_counter_ns
    expected = predictor.predict_one(row)
    while caller.goes_on():
        part = caller.part()
        for _ in range(_BURST):
            begin = clock()
            found = predictor.predict_one(row)
            took = clock() - begin
            begin = clock()
            sum(range(64))
            control = clock() - begin
            if part is not None:
                caller.times["one"].add(part, took)
                caller.times["control"].add(part, control)
            if found != expected:
                caller.counts.wrong["predict_one, timed"] += 1
        caller.counts.calls["predict_one, timed"] += _BURST
        for _ in range(50):
            chosen = caller.chosen(random, 1024)
            rows = caller.known.rows[chosen]
            begin = clock()
            labels = predictor.predict(rows)
            if part is not None:
                caller.times["batch"].add(part, clock() - begin)
            caller.counts.answer("predict of 1,024 rows, timed", lambda: caller.known.labels_fit(chosen, labels))  # noqa: B023
        time.sleep(0.1)
