"""Stamps: a later change of a file shows in its stamp, however soon after the stamp it comes."""

import os
import time
from pathlib import Path

import pytest

from edge_runtime import ContentMismatch, InvalidModel
from edge_runtime.engine.file_stamps import NO_STAMP, StampedFiles, stamp, stamp_of


def test_every_change_shows_once_it_is_settled(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for turn in range(30):
        path.write_bytes(b"one")
        known = stamp(path)
        files = StampedFiles([(str(path), known)])
        assert files.are_unchanged()
        with path.open("r+b") as file:
            file.write(b"two")
        # As a careful forger does.
        os.utime(path, ns=(known[3], known[3]))
        assert not files.are_unchanged(), turn


def test_what_is_another_file(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"one")
    other.write_bytes(b"one")
    known = stamp(path)
    assert known == stamp(str(path)) == stamp_of(path.stat()) == stamp(path)
    other.replace(path)
    assert stamp(path) != known
    path.unlink()
    assert stamp(path) == stamp("a\0b") == stamp("a" * 5000) == NO_STAMP


@pytest.mark.parametrize(
    ("age", "times", "waits"),
    [
        (10**10, 1, 0),
        (15_000_000, 1, 0.005),
        (0, 1, 0.02),
        # The clock was set back, or a server's is ahead.
        (-(10**12), 1, 0.02),
        # Whole seconds.
        (10**8, 10**9, 1.9),
        (3 * 10**9, 10**9, 0),
    ],
)
def test_how_long_it_waits(age: int, times: int, waits: float, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = 1_700_000_000 * 10**9 + times % 10**9
    waited: list[float] = []
    monkeypatch.setattr(time, "time_ns", lambda: changed + age)
    monkeypatch.setattr(time, "sleep", waited.append)
    StampedFiles([("file", (1, 2, 3, changed, changed))])
    assert sum(waited) == pytest.approx(waits)


def test_what_is_read_is_the_same_throughout(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    files = StampedFiles([(str(path), stamp(path))])
    assert files.read(path.read_bytes) == b"one"
    with pytest.raises(InvalidModel, match=r"nowhere: no such file"):
        files.read((tmp_path / "nowhere").read_bytes)
    for _ in range(2):
        with pytest.raises(ContentMismatch, match=r"file was changed after it was opened; open the model again"):
            files.read(lambda: path.write_bytes(b"two"))
