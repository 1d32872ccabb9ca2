"""Disks that fail or are full, and processes that are killed, at each call that touches a file.

Whatever is written is whole afterwards: all of it old, or all of it new; and the next run goes well.
"""

import errno
import gzip
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from limited import Ended, command, limited
from paths import FOUR_BLOBS

from edge_runtime import Predictor
from edge_runtime.contract.atomic_files import prepare_file

Failing = Callable[..., Ended]

KILLED = 0
HOW = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "killed": KILLED}


def contents(folder: Path) -> dict[str, bytes]:
    """All files, without those that a killed process leaves behind for the next run to remove."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def everywhere(
    failing: Failing,
    words: Sequence[object],
    folder: Path,
    old: Mapping[str, bytes],
    new: Mapping[str, bytes],
    how: int,
    calls: Sequence[int],
) -> int:
    """Let `words` fail at each of `calls`; `folder` has the files `old` before. Returns: how many ended well."""
    well = 0
    for after in calls:
        shutil.rmtree(folder)
        for name, content in old.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        folder.mkdir(exist_ok=True)
        # A disk on which nothing works any more lets nothing be undone either.
        ended = failing(words, folder, after, how, once=how != KILLED)
        if how == KILLED:
            # The next run begins with it.
            for name in new:
                prepare_file(folder / name)
        found = contents(folder)
        assert found in (old, new), (
            after,
            ended,
            sorted(found),
            [name for name in found if found[name] != old.get(name)],
        )
        if ended.code == 0:
            assert found == new, (after, ended)
            well += 1
        elif how == KILLED:
            assert ended.code == -signal.SIGKILL, (after, ended)
        else:
            assert ended.code == 1, (after, ended)
            assert ended.err.splitlines()[-1].startswith("error: "), (after, ended)
            assert "Traceback" not in ended.err, (after, ended)
    return well


def at_random(before: int, count: int) -> list[int]:
    """Some of the calls, other ones in each process."""
    return sorted(random.Random(os.getpid()).sample(range(before), count))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32))
    return path


@pytest.mark.parametrize("how", HOW)
def test_outputs(failing: Failing, rows: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    words = [*command("edge-predict"), FOUR_BLOBS, "--input", rows, "--output", folder / "outputs.npz"]
    assert failing(words, folder, 10**6, errno.EIO).code == 0
    new = contents(folder)
    calls = [*range(0, 12, 2), 1000]
    assert everywhere(failing, words, folder, {"outputs.npz": b"old"}, new, HOW[how], calls) >= 1


@pytest.mark.slow
@pytest.mark.parametrize(("how", "is_first"), [("EIO", False), ("ENOSPC", True), ("killed", False), ("killed", True)])
def test_training_and_export(failing_warm: Failing, tmp_path: Path, how: str, is_first: bool) -> None:
    folder = tmp_path / "made"
    train = ["edge-train", "--epochs", 3, "--seed", 1, "--output", folder]
    assert failing_warm(train, folder, 10**6, errno.EIO).code == 0
    trained = contents(folder)
    assert {"model.pt", "metrics.json"} <= set(trained)
    old = {} if is_first else dict.fromkeys(trained, b"old")
    everywhere(failing_warm, train, folder, old, trained, HOW[how], at_random(40, 4))
    checkpoint = tmp_path / "model.pt"
    checkpoint.write_bytes(trained["model.pt"])
    shutil.rmtree(folder)
    export = ["edge-export", checkpoint, "--output", folder]
    assert failing_warm(export, folder, 10**6, errno.EIO).code == 0
    exported = contents(folder)
    assert {"model.onnx", "model.torchscript"} <= set(exported)
    Predictor(folder / "model.onnx", verify=True)
    old = {} if is_first else dict.fromkeys(exported, b"old")
    everywhere(failing_warm, export, folder, old, exported, HOW[how], at_random(30, 3))


def test_after_a_kill_the_next_run_cleans_up(failing: Failing, rows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    folder.mkdir()
    words = [*command("edge-predict"), FOUR_BLOBS, "--input", rows, "--output", folder / "outputs.npz"]
    for after in range(1, 5):
        assert failing(words, folder, after, KILLED).code == -signal.SIGKILL
    assert failing(words, folder, 10**6, errno.EIO).code == 0
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "npz"])
def test_reading(failing: Failing, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "read"
    folder.mkdir()
    model, table = folder / "model.onnx", folder / f"rows.{kind}"
    shutil.copy(FOUR_BLOBS, model)
    lines = [f"{number % 7 - 3},{number % 5 - 2}" for number in range(20_000)]
    text = "x1,x2\n" + "\n".join(lines)
    if kind == "jsonl":
        text = "\n".join(f'{{"x1": {line.replace(",", chr(44) + chr(34) + "x2" + chr(34) + ":")}}}' for line in lines)
    if kind == "npz":
        np.savez(table, x=np.zeros((1000, 2), np.float32))
    else:
        table.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    words = [*command("edge-predict"), model, "--input", table]
    right = failing(words, folder, 10**6, errno.EIO)
    assert (right.code, right.err) == (0, ""), right
    for after in (0, 1, 2, 4, 8):
        failing(words, folder, after, errno.EIO).assert_right_or_one_line(right.out)
        failing(words, folder, after, errno.EIO, once=True).assert_right_or_one_line(right.out)


def cut(path: Path) -> None:
    os.truncate(path, 100)


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"other,columns\n" * 1000)
    other.replace(path)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody do that")
@pytest.mark.parametrize("kind", ["csv", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("csv.gz", "jsonl"))])
@pytest.mark.parametrize("harm", [cut, replaced, overwritten, Path.unlink])
def test_the_file_of_rows_that_are_being_read(tmp_path: Path, kind: str, harm: Callable[[Path], object]) -> None:
    table = tmp_path / f"rows.{kind}"
    rows = [(number % 7 - 3, number % 5 - 2) for number in range(60_000)]
    lines = [f'{{"x1": {x}, "x2": {y}}}' if kind == "jsonl" else f"{x},{y}" for x, y in rows]
    text = ("" if kind == "jsonl" else "x1,x2\n") + "\n".join(lines) + "\n"
    table.write_bytes(gzip.compress(text.encode(), 0) if kind == "csv.gz" else text.encode())
    words = [*command("edge-predict"), FOUR_BLOBS, "--input", table]
    right = limited(words).out
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # It waits for its reader, in the middle of the file.
        first = process.stdout.readline()
        harm(table)
        rest, err = process.stdout.read(), process.stderr.read()
    ended = Ended(process.returncode, first + rest, err)
    if harm in (replaced, Path.unlink):
        assert (ended.code, ended.out, ended.err) == (0, right, "")
    elif ended.code == 0:
        assert right.startswith(ended.out), ended
    else:
        ended.assert_right_or_one_line(right)
    assert len(ended.out) > len(first)
