"""Tables that the command scores, while the model's file changes, between faults of all commands."""

import json
import subprocess
import time

import numpy as np

from benchmarks.soak.caller import Caller
from benchmarks.soak.kills import kills
from benchmarks.soak.known import command

_ROWS = 20_000


def run(caller: Caller) -> None:
    """Score until the time is over."""
    random = np.random.default_rng(5)
    chosen = caller.chosen(random, _ROWS)
    rows = caller.known.rows[chosen]
    table, lines, arrays = (caller.folder / f"rows.{kind}" for kind in ("csv", "jsonl", "npz"))
    table.write_text("x2,x1\n" + "".join(f"{second},{first}\n" for first, second in rows.tolist()))
    lines.write_text("".join(json.dumps({"x1": first, "x2": second}) + "\n" for first, second in rows.tolist()))
    np.savez(arrays, x=rows)
    steps = kills(caller, arrays, chosen)
    while caller.goes_on():
        for file in (table, lines):
            caller.counts.answer(f"table scored, {file.suffix[1:]}", lambda: _scored(caller, file, chosen))  # noqa: B023
        next(steps)()
        with caller.counts.refusal("table with a bad row", ValueError):
            _refused(caller)
        time.sleep(0.2)


def _scored(caller: Caller, file: object, chosen: object) -> bool:
    words = command("edge_runtime.cli", caller.live, "--input", file, "--format", "json")
    written = subprocess.run(words, check=True, capture_output=True, text=True)
    if written.stderr:
        raise RuntimeError(written.stderr)
    return caller.known.answers_fit(chosen, [json.loads(line) for line in written.stdout.splitlines()])  # type: ignore[arg-type]


def _refused(caller: Caller) -> None:
    words = command("edge_runtime.cli", caller.live, "--input", "-")
    written = subprocess.run(words, check=False, input="1,2\n1,x\n", capture_output=True, text=True)
    if written.returncode == 1 and written.stderr.count("\n") == 1 and "'x' is not a number" in written.stderr:
        raise ValueError(written.stderr)
    raise RuntimeError(f"{written}")
