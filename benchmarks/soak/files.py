"""Tables that the command scores, while the model's file changes; some of the runs are killed."""

import json
import signal
import subprocess
import time
import zipfile

import numpy as np

from benchmarks.soak.caller import Caller
from benchmarks.soak.known import SEEDS, command
from edge_runtime.contract.atomic_files import prepare_file

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
    while caller.goes_on():
        for file in (table, lines):
            caller.counts.answer(f"table scored, {file.suffix[1:]}", lambda: _scored(caller, file, chosen))  # noqa: B023
        caller.counts.answer("outputs killed at a random moment", lambda: _killed(caller, arrays, chosen, random))
        caller.counts.answer("training killed at a random moment", lambda: _killed_training(caller, random))
        with caller.counts.refusal("table with a bad row", ValueError):
            _refused(caller)
        time.sleep(0.2)


def _scored(caller: Caller, file: object, chosen: object) -> bool:
    words = command("edge_runtime.cli", caller.live, "--input", file, "--format", "json")
    written = subprocess.run(words, check=True, capture_output=True, text=True)
    if written.stderr:
        raise RuntimeError(written.stderr)
    return caller.known.answers_fit(chosen, [json.loads(line) for line in written.stdout.splitlines()])  # type: ignore[arg-type]


def _killed(caller: Caller, arrays: object, chosen: object, random: np.random.Generator) -> bool:
    """Whether the outputs are whole, old or new, after the command was killed, and nothing else is in their folder."""
    folder = caller.folder / "killed"
    folder.mkdir(exist_ok=True)
    output = folder / "outputs.npz"
    words = command("edge_runtime.cli", caller.live, "--input", arrays, "--output", output)
    if not output.exists():
        subprocess.run(words, check=True)
    process = subprocess.Popen(words)
    try:
        process.wait(random.uniform(0.1, 1.5))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with zipfile.ZipFile(output) as archive:
        assert archive.testzip() is None
    with np.load(output) as found:
        return caller.known.fit(chosen, found["probability"][:, 0])


def _killed_training(caller: Caller, random: np.random.Generator) -> bool:
    """Whether the checkpoint and its metrics are those of one training, after another one was killed."""
    folder, names = caller.folder / "trained", ("model.pt", "metrics.json")
    process = subprocess.Popen(
        command("edge_train", "--seed", random.choice(SEEDS), "--output", folder), stdout=subprocess.DEVNULL
    )
    try:
        process.wait(random.uniform(1, 8))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    # The next run begins with it.
    for name in names:
        prepare_file(folder / name)
    found = [(folder / name).read_bytes() if (folder / name).exists() else None for name in names]
    trained = [[file.with_name(name).read_bytes() for name in names] for file in caller.known.files]
    return found in ([None, None], *trained)


def _refused(caller: Caller) -> None:
    words = command("edge_runtime.cli", caller.live, "--input", "-")
    written = subprocess.run(words, check=False, input="1,2\n1,x\n", capture_output=True, text=True)
    if written.returncode == 1 and written.stderr.count("\n") == 1 and "'x' is not a number" in written.stderr:
        raise ValueError(written.stderr)
    raise RuntimeError(f"{written}")
