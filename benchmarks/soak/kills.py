"""Commands that are killed at a random moment, or whose disk is full, and a server with a worker that is killed."""

import functools
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.soak.caller import Caller
from benchmarks.soak.known import SEEDS, command
from benchmarks.soak.server import ENDS, served
from edge_runtime.contract.atomic_files import prepare_file

# A disk of $3 bytes at $1, with what is in $2; what the command has made there is in $2 afterwards.
_DISK = """
disk=$1 kept=$2 size=$3; shift 3
mount -t tmpfs -o size="$size" none "$disk" || exit 2
cp "$kept"/* "$disk"/ 2> /dev/null
"$@"; code=$?
cp "$disk"/* "$kept"/ 2> /dev/null
exit $code
"""
_PAGE, _LARGE = 4096, 10_000_000
# How many requests must be answered after a worker was killed.
_AFTER = 200


@dataclass
class Making:
    """A command that makes files.

    Attributes:
        what: its name in the table.
        words: the command, from the folder for its files.
        names: of the files, the first one first put in place.
        is_whole: whether what is in a folder was made by one run.
        took: seconds of a whole run.
    """

    what: str
    words: Callable[[Path], list[str]]
    names: tuple[str, ...]
    is_whole: Callable[[Path], bool]
    took: float = 0.0


def kills(caller: Caller, arrays: Path, chosen: Sequence[int]) -> Iterator[Callable[[], None]]:
    """What to do, one after the other, for ever.

    Args:
        caller: counts.
        arrays: a table in .npz.
        chosen: its rows.
    """
    drawn = random.Random(9)
    steps: list[Callable[[], None]] = []
    for making in _makings(caller, arrays, chosen, drawn):
        steps.append(functools.partial(_kill, caller, making, drawn))
        if has_mounts():
            steps.append(functools.partial(_fill, caller, making, drawn))
    return cycle([*steps, functools.partial(_kill_worker, caller, drawn)])


def has_mounts() -> bool:
    """Whether a process may have mounts of its own here."""
    return shutil.which("unshare") is not None and subprocess.run([*_unshared(), "true"], check=False).returncode == 0


def _unshared() -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", *([] if os.getuid() == 0 else ["--map-root-user"])]


def _makings(caller: Caller, arrays: Path, chosen: Sequence[int], drawn: random.Random) -> list[Making]:
    files, trained = caller.known.files, ("model.pt", "metrics.json")

    def outputs_are_whole(folder: Path) -> bool:
        output = folder / "outputs.npz"
        with zipfile.ZipFile(output) as archive:
            assert archive.testzip() is None
        with np.load(output) as found:
            return caller.known.fit(chosen, found["probability"][:, 0])

    def are_made(names: tuple[str, ...], folder: Path) -> bool:
        found = [(folder / name).read_bytes() for name in names]
        return found in [[file.with_name(name).read_bytes() for name in names] for file in files]

    return [
        Making(
            "outputs",
            lambda folder: command(
                "edge_runtime.cli", caller.live, "--input", arrays, "--output", folder / "outputs.npz"
            ),
            ("outputs.npz",),
            outputs_are_whole,
        ),
        Making(
            "training",
            lambda folder: command("edge_train", "--seed", drawn.choice(SEEDS), "--output", folder),
            trained,
            functools.partial(are_made, trained),
        ),
        Making(
            "export",
            lambda folder: command(
                "edge_export", drawn.choice(files).with_suffix(".pt"), "--format", "onnx", "--output", folder
            ),
            ("model.onnx",),
            functools.partial(are_made, ("model.onnx",)),
        ),
    ]


def _kill(caller: Caller, making: Making, drawn: random.Random) -> None:
    folder = caller.folder / f"{making.what}-killed"

    def is_whole() -> bool:
        limit = None if (is_first := not folder.exists()) else drawn.uniform(0.1, making.took)
        folder.mkdir(exist_ok=True)
        begin = time.monotonic()
        process = subprocess.Popen(making.words(folder), stdout=subprocess.DEVNULL)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if is_first:
            making.took = time.monotonic() - begin
        # The next run begins with it.
        for name in making.names:
            prepare_file(folder / name)
        return making.is_whole(folder)

    caller.counts.answer(f"{making.what} killed at a random moment", is_whole)


def _fill(caller: Caller, making: Making, drawn: random.Random) -> None:
    disk, kept = (caller.folder / f"{making.what}-{name}" for name in ("disk", "kept"))
    disk.mkdir(exist_ok=True)
    kept.mkdir(exist_ok=True)
    kind = f"{making.what} on a disk that may be too small"

    def is_whole() -> bool:
        before = {path.name: path.read_bytes() for path in kept.iterdir()}
        # A new file lies beside the old one until it is whole.
        pages = sum(-(-len(content) // _PAGE) for content in before.values())
        size = drawn.randint(pages, 3 * pages) * _PAGE if before else _LARGE
        words = [*_unshared(), "sh", "-c", _DISK, "sh", str(disk), str(kept), str(size), *making.words(disk)]
        ended = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if ended.returncode == 0:
            return making.is_whole(kept)
        if ended.returncode != 1 or not re.search(r"^error: .*No space left on device\n\Z", ended.stderr, re.MULTILINE):
            raise RuntimeError(f"exit code {ended.returncode}, {ended.stderr[-300:]}")
        caller.counts.refused[kind] += 1
        return before == {path.name: path.read_bytes() for path in kept.iterdir()}

    caller.counts.answer(kind, is_whole)


def _kill_worker(caller: Caller, drawn: random.Random) -> None:
    """Whether each answer of a server is right, of which a worker is killed, and whether it goes on."""
    chosen = [drawn.randrange(len(caller.known.rows))]
    body, headers = json.dumps(caller.known.rows[chosen].tolist()).encode(), {"content-type": "application/json"}

    def is_right() -> bool:
        with served(caller.live, caller.folder / "killed.log", caller.counts) as server:
            victim = drawn.choice(server.workers)
            threading.Timer(drawn.uniform(0, 1), os.kill, (victim, signal.SIGKILL)).start()
            end, after = time.monotonic() + ENDS, 0
            while after < _AFTER and time.monotonic() < end:
                goes_on = "another one is started" in server.log.read_text()
                request = urllib.request.Request(f"{server.url}/models/live/predict", body, headers)
                try:
                    with urllib.request.urlopen(request, timeout=ENDS) as response:
                        answers = json.loads(response.read())["answers"]
                except (ConnectionError, urllib.error.URLError, http.client.HTTPException):
                    # The worker that was killed had taken it.
                    if goes_on:
                        raise
                    continue
                if not caller.known.answers_fit(chosen, answers):
                    return False
                after += goes_on
            return after == _AFTER

    caller.counts.answer("server with a worker that is killed", is_right)
