import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from concurrency import in_threads
from faults import in_fork

from edge_runtime import CannotWrite
from edge_runtime.contract.atomic_files import check_folder, folder_beside, make_folder, prepare_file, write_files


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_files({path: b"one"})
    write_files({path: b"two"})
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_finished_file_is_moved(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "finished").write_bytes(b"large")
    (tmp_path / "file.data").write_bytes(b"old")
    write_files({tmp_path / "file.data": tmp_path / "work" / "finished", tmp_path / "file": b"small"})
    assert ((tmp_path / "file.data").read_bytes(), (tmp_path / "file").read_bytes()) == (b"large", b"small")
    assert list((tmp_path / "work").iterdir()) == []
    with pytest.raises(CannotWrite, match=r"file\.data cannot be written"):
        write_files({tmp_path / "file": b"new", tmp_path / "file.data": tmp_path / "work" / "finished"})
    assert (tmp_path / "file").read_bytes() == b"small"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "file.data", "work"]


def test_the_users_umask_decides_who_may_read(tmp_path: Path) -> None:
    write_files({tmp_path / "ours": b""})
    (tmp_path / "theirs").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_files({tmp_path / "link": b"new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_what_goes_wrong_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, moment: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail) if moment == "fsync" else monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((CannotWrite, KeyboardInterrupt)) as raised:
        write_files({path: b"new"})
    assert isinstance(raised.value, KeyboardInterrupt) or "No space left on device" in str(raised.value)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(CannotWrite, match="file cannot be written"):
        write_files({tmp_path / "file": b""})
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_files({tmp_path / "nowhere" / "file": b""})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 10_000 for number in range(4)]
    to_write = iter(contents)

    def write() -> None:
        content = next(to_write)
        for _ in range(20):
            write_files({path: content})

    in_threads(write, 4)
    assert path.read_bytes() in contents
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_several_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(CannotWrite, match="b cannot be written"):
        write_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "b"]


def test_links(tmp_path: Path) -> None:
    """They stay: of a link, of a link into another folder, and of one that leads nowhere yet."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("second")
    (tmp_path / "second").symlink_to("other/real")
    prepare_file(tmp_path / "link")
    write_files({tmp_path / "link": b"new", tmp_path / "more": b"new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert (tmp_path / "other" / "real").read_bytes() == b"new"
    (tmp_path / "far").symlink_to("missing/folder/file")
    prepare_file(tmp_path / "far")
    write_files({tmp_path / "far": b"new"})
    assert (tmp_path / "missing" / "folder" / "file").read_bytes() == b"new"


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refused = pytest.raises(CannotWrite, match="loop cannot be written: Too many levels of symbolic links")
    with refused:
        write_files({tmp_path / "loop": b"new"})
    with refused:
        prepare_file(tmp_path / "loop")
    assert (tmp_path / "loop").is_symlink()


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    for name in ("a" * 255, "\N{GREEK SMALL LETTER ALPHA}" * 127):
        write_files({tmp_path / name: b"1", tmp_path / "short": b"1"})
        write_files({tmp_path / name: b"2", tmp_path / "short": b"2"})
        assert (tmp_path / name).read_bytes() == b"2"
    assert len(list(tmp_path.iterdir())) == 3


def test_prepare_file(tmp_path: Path) -> None:
    prepare_file(tmp_path / "new" / "model.pt")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(CannotWrite, match="is a folder"):
        prepare_file(tmp_path / "model.pt")


def test_make_folder(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    with pytest.raises(CannotWrite, match="no file can be written in"):
        make_folder(Path("/proc/nothing"))


def test_files_are_written_beside_their_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under names that tell what they are, if a crash leaves them behind."""
    moved: list[str] = []
    replace = Path.replace

    def recording(beside: Path, target: Path) -> Path:
        moved.append(beside.name)
        assert (beside.parent, beside.read_bytes()) == (tmp_path, b"new")
        return replace(beside, target)

    monkeypatch.setattr(Path, "replace", recording)
    write_files({tmp_path / "model.pt": b"new"})
    (name,) = moved
    assert re.fullmatch(r"\.model\.pt\.[0-9a-f]{8}\.tmp", name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: write_files({folder: b""}), "{0} cannot be written: Is a directory"),
        (lambda folder: write_files({folder / "c": b"", folder: b""}), "{0} cannot be written: Is a directory"),
        (lambda folder: write_files({folder / "a" / "b": b""}), "{0}/a/b cannot be written: No such file or directory"),
        (prepare_file, "{0} is a folder; move it, or choose another folder"),
        (lambda folder: make_folder(folder / "file"), "{0}/file is a file, not a folder"),
        (lambda folder: make_folder(folder / "file" / "a" / "b"), "{0}/file is a file, not a folder"),
        (lambda folder: check_folder(folder / "file"), "{0}/file is a file, not a folder"),
    ],
)
def test_what_goes_wrong_in_words(tmp_path: Path, call: Callable[[Path], None], message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite) as raised:
        call(tmp_path)
    assert str(raised.value) == message.format(tmp_path)


def test_what_killed_runs_have_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    own = [".model.pt.0123abcd.tmp", ".metrics.json.01234567.tmp"]
    others = [
        *(".model.pt.backup.tmp", ".model.pt.0123ABCD.tmp", ".model.pt.0123abcd.tmp2", "model.pt.0123abcd.tmp"),
        *(".other.pt.0123abcd.tmp", ".model.pt.0123abcd.old", ".model.pt.lock.bak"),
    ]
    for name in (*own, *others):
        (tmp_path / name).touch()
    (tmp_path / ".model.pt.89abcdef.tmp" / "more").mkdir(parents=True)
    (tmp_path / ".model.pt.00000000.tmp").symlink_to("nowhere")
    prepare_file(tmp_path / "model.pt")
    left = [*others, own[1], ".model.pt.00000000.tmp"]
    assert {path.name for path in tmp_path.iterdir()} == set(left)
    write_files({tmp_path / "metrics.json": b""})
    assert {path.name for path in tmp_path.iterdir()} == {*left, "metrics.json"} - {own[1]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="on Windows nothing tells what is in use")
def test_what_a_run_that_lives_is_writing_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with folder_beside(path) as folder:
        (folder / "data").write_bytes(b"large")
        assert in_fork(lambda: write_files({path: b"new"})) == 0
        prepare_file(path)
        assert (folder / "data").read_bytes() == b"large"
        write_files({path: folder / "data"})
    assert [(left.name, left.read_bytes()) for left in tmp_path.iterdir()] == [("model.pt", b"large")]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_what_another_user_has_left_is_not_removed(tmp_path: Path) -> None:
    left = tmp_path / ".model.pt.0123abcd.tmp"
    left.touch()
    os.chown(left, 1, 1)
    prepare_file(tmp_path / "model.pt")
    assert left.exists()


def test_pairs_of_two_writers_at_once_are_not_mixed(tmp_path: Path) -> None:
    numbers = iter(range(4))

    def write() -> None:
        content = bytes([next(numbers)]) * 100
        for _ in range(10):
            write_files({tmp_path / "a": content, tmp_path / "b": content})

    in_threads(write, 4)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
