"""One row, many rows, many threads, and opening the file: what happens inside one process."""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import onnxruntime
import torch

from benchmarks.models import Array, Model
from benchmarks.peers import ORT_DEFAULT, ORT_ONE, OURS, Missing, Peer, check, contestants
from benchmarks.timing import Call, Cell, Quartiles, cell, interleaved, ratio, settle, summary
from edge_runtime import Predictor, Signature

BATCHES = (1, 8, 64, 1024, 16_384, 1_000_000)
THREADS = 8
THREAD_BATCHES = (1, 8, 64, 512, 4096, 16_384, 65_536, 1_000_000)
# What `predict_one` is called in the place of a batch.
ONE = "predict_one"
# One processor for each call, as eight at once have it at most.
OURS_ONE = f"{OURS}, threads=1"
# A function without ONNX Runtime: what Python's own threads reach.
PYTHON = "Python alone"

# A call that is expected to take longer is skipped, and so is a batch that is expected to take more memory.
_LONGEST_CALL = 5.0
_MEMORY_SHARE = 0.5
# How long threads call at once in one round.
_RATE_SECONDS = 0.2

INFERENCE_SESSION = "InferenceSession"


class Rates(TypedDict):
    """Rows a second of one contestant from several threads at once.

    Keys:
        single: from one thread.
        several: from `THREADS` threads, together.
        gain: the second over the first.
    """

    single: Quartiles
    several: Quartiles
    gain: Quartiles


def latency(model: Model, rounds: int, seconds: float) -> Cell:
    """The time from a row as a Python list to its answer."""
    peers, missing = contestants(model)
    rows = model.rows(1)
    row = rows[0].tolist()
    expected = _expected(model, rows)
    calls: dict[str, Call] = {name: partial(peer.one, row) for name, peer in peers.items()}
    return cell(interleaved(_right(calls, expected, missing), rounds, seconds), missing)


def throughput(model: Model, rounds: int, seconds: float) -> dict[str, Cell]:
    """The time of one call with many rows, by their number."""
    peers, missing = contestants(model)
    cells: dict[str, Cell] = {}
    before: dict[str, float] = {}
    for batch in BATCHES:
        print(f"  {model.name}: {batch:,} rows", file=sys.stderr, flush=True)
        cells[str(batch)] = _one_batch(model, batch, peers, dict(missing), before, rounds, seconds)
        before = {name: found["median"] / batch for name, found in cells[str(batch)]["seconds"].items()}
    return cells


def _one_batch(
    model: Model,
    batch: int,
    peers: Mapping[str, Peer],
    missing: dict[str, str],
    before: Mapping[str, float],
    rounds: int,
    seconds: float,
) -> Cell:
    """One cell; `before` has the seconds per row of the batch before, which say what this one will take."""
    needed = batch * model.floats * np.dtype(np.float32).itemsize
    if needed > _MEMORY_SHARE * (memory := available_memory()):
        reason = f"takes about {needed / 2**30:.0f} GiB of memory, {memory / 2**30:.0f} are free"
        return {"rounds": 0, "seconds": {}, "over": {}, "missing": dict.fromkeys(peers, reason)}
    guesses = {name: before.get(name, 0.0) * batch for name in peers}
    for name, guess in guesses.items():
        # Ours is measured wherever a rival in the goals is, however long it takes.
        rivals = (OURS, ORT_ONE, ORT_DEFAULT) if name == OURS else (name,)
        if min(guesses[rival] for rival in rivals if rival in guesses) > _LONGEST_CALL:
            missing[name] = f"would take about {guess:.0f} s a call"
    rows = model.rows(batch)
    calls: dict[str, Call] = {n: partial(peer.many, rows) for n, peer in peers.items() if n not in missing}
    right = _right(calls, _expected(model, rows), missing) if calls else {}
    if OURS not in right:
        return {"rounds": 0, "seconds": {}, "over": {}, "missing": missing}
    return cell(interleaved(right, rounds, seconds), missing)


def threads(model: Model, rounds: int) -> dict[str, dict[str, Rates]]:
    """Rows a second from one thread and from several, by batch and contestant.

    A contestant that splits one call over the processors by itself has less to gain: both rates belong to it.
    """
    peers, _ = contestants(model)
    found: dict[str, dict[str, Rates]] = {}
    for batch in THREAD_BATCHES:
        print(f"  {THREADS} threads: {batch:,} rows", file=sys.stderr, flush=True)
        rows = model.rows(batch)
        calls: dict[str, Call] = {name: partial(peers[name].many, rows) for name in (OURS, ORT_ONE, ORT_DEFAULT)}
        calls[OURS_ONE] = partial(Predictor(model.onnx, device="cpu", threads=1).predict_proba, rows)
        found[str(batch)] = _rates(calls, batch, rounds)
    row = model.rows(1)[0].tolist()
    calls = {name: partial(peers[name].one, row) for name in (OURS, ORT_ONE, ORT_DEFAULT)}
    found[ONE] = _rates({**calls, PYTHON: _count}, 1, rounds)
    return found


def _count() -> int:
    """What takes about as long as `predict_one`, and never gives up Python's lock by itself."""
    return sum(number * number for number in range(50))


def _rates(calls: Mapping[str, Call], batch: int, rounds: int) -> dict[str, Rates]:
    """The rates of `calls`, each of `batch` rows."""
    rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    for turn in range(rounds):
        for name, call in calls.items():
            for many in (False, True) if turn % 2 else (True, False):
                settle()
                rates[name][many].append(batch * _calls_a_second(call, THREADS if many else 1))
    return {
        name: {"single": summary(single), "several": summary(several), "gain": ratio(several, single)}
        for name, (single, several) in rates.items()
    }


def loading(model: Model, rounds: int, seconds: float) -> dict[str, Cell]:
    """The time of opening a file again; and as if no model with its signature had been opened before."""

    def first() -> Predictor:
        Signature.from_json.cache_clear()
        return Predictor(model.onnx)

    again = partial(Predictor, model.onnx)
    session = partial(onnxruntime.InferenceSession, model.onnx, providers=["CPUExecutionProvider"])
    return {
        name: cell(interleaved({OURS: call, INFERENCE_SESSION: session}, rounds, seconds / 2))
        for name, call in ((model.name, again), (f"{model.name}, a new signature", first))
    }


def available_memory() -> int:
    """Bytes that can be had without swapping."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _right(calls: dict[str, Call], expected: Array, missing: dict[str, str]) -> dict[str, Call]:
    """Those of `calls` that answer as torch does; the others go to `missing`."""
    right: dict[str, Call] = {}
    for name, call in calls.items():
        try:
            check(name, call(), expected)
        except Missing as reason:
            missing[name] = str(reason)
        else:
            right[name] = call
    return right


def _expected(model: Model, rows: Array) -> Array:
    """What torch gives for `rows`, in blocks that need little memory."""
    module = model.module()
    with torch.inference_mode():
        answers = [module(block) for block in torch.split(torch.from_numpy(rows), 4096)]
    expected: Array = torch.cat(answers).numpy()
    return expected


def _calls_a_second(call: Callable[[], Any], count: int) -> float:
    """How many calls a second finish while `count` threads make them as fast as they can.

    All calls count over the time from the first thread's beginning to the last one's end.
    """
    done, begun, ended = [0], [math.inf], [0.0]
    barrier, counting = threading.Barrier(count), threading.Lock()

    def work() -> None:
        call()
        barrier.wait()
        calls, start = 0, time.perf_counter()
        while time.perf_counter() - start < _RATE_SECONDS:
            call()
            calls += 1
        with counting:
            done[0] += calls
            begun[0] = min(begun[0], start)
            ended[0] = max(ended[0], time.perf_counter())

    workers = [threading.Thread(target=work) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done[0] / (ended[0] - begun[0])
