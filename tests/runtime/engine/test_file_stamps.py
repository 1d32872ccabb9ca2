"""Stamps: a later change of a file shows in its stamp, however soon after the stamp it comes."""

import errno
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime import ContentMismatch, InvalidModel
from edge_runtime.engine import file_stamps
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


def unreadable(path: Path) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def test_what_is_read_is_the_same_throughout(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    files = StampedFiles([(str(path), stamp(path))])
    assert files.read(path.read_bytes) == b"one"
    with pytest.raises(InvalidModel, match=r"nowhere: no such file"):
        files.read((tmp_path / "nowhere").read_bytes)
    with pytest.raises(InvalidModel, match=f"^{re.escape(str(path))} cannot be read: "):
        files.read(unreadable, path)
    for _ in range(2):
        with pytest.raises(ContentMismatch, match=r"file was changed after it was opened; open the model again"):
            files.read(lambda: path.write_bytes(b"two"))


Turn = Callable[[], object]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a file has another path there while it is open")


@pytest.fixture(params=["a link", "a folder", "a folder above it"])
def led_astray(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Turn]:
    """A folder with files, and what puts another one in its place, and that one in place again."""
    top = tmp_path / "top"
    for name in ("good", "bad"):
        (tmp_path / name / "deep" / "sub").mkdir(parents=True)
        for file in ("model", "sub/weights"):
            (tmp_path / name / "deep" / file).write_text(name)
    if request.param == "a link":
        top.symlink_to("good")

        def turn() -> None:
            other = "bad" if top.readlink() == Path("good") else "good"
            (tmp_path / "new").symlink_to(other)
            (tmp_path / "new").replace(top)

        return top / "deep", turn
    first, second = tmp_path / "good", tmp_path / "bad"
    if request.param == "a folder":
        first, second = first / "deep", second / "deep"

    def exchange() -> None:
        first.rename(tmp_path / "aside")
        second.rename(first)
        (tmp_path / "aside").rename(second)

    return tmp_path / "good" / "deep", exchange


@LINUX
def test_what_is_held_is_read_wherever_its_path_leads_meanwhile(led_astray: tuple[Path, Turn]) -> None:
    """Neither a folder nor a link that is put back changes the stamps of the files behind it."""
    folder, turn = led_astray
    model, weights = folder / "model", folder / "sub" / "weights"
    files = StampedFiles([(str(one), stamp(one)) for one in (model, weights)])

    def read(*held: Path) -> list[str]:
        turn()
        assert model.read_text() == "bad"
        found = [one.read_text() for one in held]
        turn()
        return found

    assert files.read(read, model, weights) == ["good", "good"]
    with files.opening(str(model)) as place:
        assert read(Path(place), Path(place).with_name("sub") / "weights") == ["good", "good"]
    turn()
    with pytest.raises(ContentMismatch, match="model was changed after it was opened"), files.opening(str(model)):
        raise AssertionError


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("name", ["model", "sub"])
def test_a_link_or_a_folder_of_weights_that_is_put_back_shows(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "good", tmp_path / "bad", folder / "sub" / "weights"):
        path.write_text(path.name)
    (folder / "model").symlink_to(tmp_path / "good")
    paths = (folder / "model", folder / "sub" / "weights")
    files = StampedFiles([(str(one), stamp(one)) for one in paths])
    with files.opening(str(paths[0])) as place:
        assert Path(place).read_text() == "good"

    def turn() -> None:
        (folder / name).rename(folder / "aside")
        (folder / name).symlink_to(tmp_path / "bad")
        (folder / name).unlink()
        (folder / "aside").rename(folder / name)

    with pytest.raises(ContentMismatch, match="was changed after it was opened"), files.opening(str(paths[0])):
        turn()
    # The files themselves are as they were.
    assert files.are_unchanged()


@LINUX
def test_stamps_of_links_to_what_is_open_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system forgets such links when it needs memory, and makes others."""
    (tmp_path / "model").write_bytes(b"one")
    with (tmp_path / "model").open("rb") as file:
        path = f"/proc/self/fd/{file.fileno()}"
        files = StampedFiles([(path, stamp(path))])
        forgotten = os.lstat(path)
        monkeypatch.setattr(os, "lstat", lambda _: os.stat_result([*forgotten[:1], 5, *forgotten[2:]]))
        with files.opening(path) as place:
            assert Path(place).read_bytes() == b"one"


def test_errors_name_files_as_the_user_knows_them(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"one")
    with (
        pytest.raises(ValueError, match=f"^{re.escape(str(path))} is not a model$"),
        StampedFiles([(str(path), stamp(path))]).opening(str(path)) as place,
    ):
        raise ValueError(f"{place} is not a model")


def test_without_proc_files_are_opened_by_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stamps, "_OPENED", str(tmp_path / "none"))
    path = tmp_path / "model"
    path.write_bytes(b"one")
    files = StampedFiles([(str(path), stamp(path))])
    with files.opening(str(path)) as place:
        assert place == str(path)
    assert files.read(Path.read_bytes, path) == b"one"
