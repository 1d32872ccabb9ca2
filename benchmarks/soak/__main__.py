"""Everything at once for some time: calls, reloads, signals, forks, files, requests; every answer is checked.

    make soak                     a quarter of an hour
    make soak MINUTES=60
    .venv/bin/python -m benchmarks.soak --minutes 2

Two models with other answers are put in one another's place all the while. Exits with 1 if an answer was wrong, a
request was lost, something failed, or memory, open files or threads grew.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.pages import write_between
from benchmarks.soak import report
from benchmarks.soak.caller import save
from benchmarks.soak.counts import Counts
from benchmarks.soak.known import Known, prepared
from benchmarks.soak.load import Load, has_wrk
from benchmarks.soak.server import ENDS, served
from benchmarks.soak.watch import Watch

_KINDS = ("latencies", "threads", "signals", "forks", "files", "requests")
# Seconds of one run of wrk, and between two reloads.
_WRK, _RELOAD = 10, 0.7
# glibc would soon put large arrays where small objects are, between which they leave holes: 13 MB in four minutes, of
# which nothing is in use. This is the limit with which it begins, and now stays.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "131072"}


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=15, help="how long (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build/soak"), help="folder of models and soak.json")
    parser.add_argument("--page", type=Path, help="a page with the marks of the table, which is put between them")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("error: processes are watched in Linux's /proc")
    options.output.mkdir(parents=True, exist_ok=True)
    known = prepared(options.output)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="edge-soak-") as folder:
            found = soaked(known, Path(folder), options.minutes * 60)
    except KeyboardInterrupt:
        print("interrupted: nothing was found out, and nothing is written", file=sys.stderr)
        sys.exit(130)
    (options.output / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    text = report.markdown(found)
    print(text)
    if options.page:
        write_between(options.page, report.BEGIN, report.END, text)
    problems = report.problems(found)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


def soaked(known: Known, folder: Path, seconds: float) -> report.Found:
    """Use everything for so many seconds, with the models in `folder`."""
    save(known, folder)
    counts, load, watch = Counts(), Load(), Watch()
    live = folder / "live.onnx"
    shutil.copy(known.files[0], live)
    with served(live, folder / "serve.log", counts) as server, contextlib.ExitStack() as ended:
        watch.add({"server": server.pid} | {f"worker {n}": pid for n, pid in enumerate(server.workers, start=1)})
        (folder / "url").write_text(server.url)
        begin = time.monotonic()
        callers: dict[str, subprocess.Popen[str]] = {}
        ended.callback(_end, callers)
        # On another thread, which Ctrl-C does not interrupt between the start of a process and its place among them.
        with ThreadPoolExecutor(1) as starting:
            starting.submit(_start, callers, folder, seconds).result()
        watch.add({kind: caller.pid for kind, caller in callers.items()})
        _meanwhile(known, live, server.url, begin + seconds, load, counts)
        watch.end()
        times: dict[str, list[list[float]]] = {}
        for kind, caller in callers.items():
            try:
                written, _ = caller.communicate(timeout=ENDS)
                found = json.loads(written)
            except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
                _end({kind: caller})
                counts.fail(f"process: {kind}", f"exit code {caller.wait()}, {type(error).__name__}")
                continue
            counts.add(found["counts"])
            times |= {name: parts for name, parts in found["times"].items() if all(parts)}
        took = time.monotonic() - begin
        if "another one is started" in server.log.read_text():
            counts.fail("server's log", "a worker has ended")
    if load.percentiles:
        times["request, wrk"] = [list(load.percentiles[0]), list(load.percentiles[-1])]
    return {
        "machine": machine(),
        "seconds": took,
        "counts": counts.as_dict(),
        "wrk": has_wrk(),
        "lost": load.lost,
        "times": times,
        "samples": {name: [list(one) for one in samples] for name, samples in watch.samples.items()},
    }


def _start(callers: dict[str, "subprocess.Popen[str]"], folder: Path, seconds: float) -> None:
    for kind in _KINDS:
        words = [sys.executable, "-m", "benchmarks.soak.caller", kind, str(folder), str(seconds)]
        # A group of its own, which Ctrl-C does not reach, and which ends with all that it has started.
        callers[kind] = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **_MEMORY}
        )


def _end(callers: Mapping[str, "subprocess.Popen[str]"]) -> None:
    for caller in callers.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(caller.pid, signal.SIGKILL)
        caller.wait()


def _meanwhile(known: Known, live: Path, url: str, end: float, load: Load, counts: Counts) -> None:
    """Put the models in one another's place, and let wrk run, one run after the other."""
    wrk: subprocess.Popen[str] | None = None
    number = 0
    while time.monotonic() < end:
        number += 1
        new = live.with_suffix(".new")
        shutil.copy(known.files[number % 2], new)
        new.replace(live)
        counts.calls["model replaced"] += 1
        if has_wrk():
            if wrk is not None and wrk.poll() is not None:
                load.add(wrk.stdout.read() if wrk.stdout else "", counts)
                wrk = None
            if wrk is None and time.monotonic() + _WRK + 5 < end:
                wrk = load.started(known, number % len(known.rows), url, live.parent, _WRK)
        time.sleep(_RELOAD)
    if wrk is not None:
        written, _ = wrk.communicate(timeout=ENDS)
        load.add(written, counts)


if __name__ == "__main__":
    main()
