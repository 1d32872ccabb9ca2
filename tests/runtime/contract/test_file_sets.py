"""Sets of files are all old or all new, whatever fails and wherever the process is killed."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import at_call, in_fork, kill, raising
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import CannotWrite
from edge_runtime.contract.atomic_files import prepare_file, write_files

# Without a disk below, flushing takes no time.
MEMORY = Path("/dev/shm")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="locks that a fork gives back, and kills, are POSIX")

Files = dict[str, bytes | None]
# What is there, and what is written: a file that is replaced, made, removed; in several folders; of one file alone.
SETS: dict[str, tuple[Files, Files]] = {
    "one": ({"model.pt": b"old"}, {"model.pt": b"new!"}),
    "a new one": ({}, {"model.pt": b"new!"}),
    "two": ({"model.pt": b"old", "metrics.json": b"{}"}, {"model.pt": b"new!", "metrics.json": b"{1}"}),
    "two new ones": ({}, {"model.pt": b"new!", "metrics.json": b"{1}"}),
    "of all kinds": (
        {"model.pt": b"old", "plots/roc.png": b"old", "plots/data.png": b"old", "report": b"old"},
        {"model.pt": b"new!", "metrics.json": b"{1}", "plots/roc.png": None, "plots/data.png": b"new", "report": b"1"},
    ),
    "nothing changes in size": ({"a": b"one", "b": b"two"}, {"a": b"two", "b": b"one"}),
}
each_set = pytest.mark.parametrize("name", SETS)


@pytest.fixture
def folder() -> Iterator[Path]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="edge-predict-test-") as name:
        yield Path(name) / "files"


def begin(folder: Path, name: str) -> Callable[[], None]:
    """Put the old files there; what writes the new ones."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "plots").mkdir(parents=True)
    old, new = SETS[name]
    for path, content in old.items():
        assert content is not None
        (folder / path).write_bytes(content)
    contents = {folder / path: content for path, content in new.items()}
    return lambda: write_files(contents)


def found(folder: Path) -> Files:
    """All files, also those that are not ours to leave."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def old_files(name: str) -> Files:
    return SETS[name][0]


def new_files(name: str) -> Files:
    old, new = SETS[name]
    return {path: content for path, content in {**old, **new}.items() if content is not None}


def next_run(folder: Path, name: str) -> None:
    for path in SETS[name][1]:
        prepare_file(folder / path)


def calls(folder: Path, name: str) -> int:
    write = begin(folder, name)
    with at_call(None, kill) as counter:
        write()
    assert found(folder) == new_files(name)
    return counter.count


def assert_whole(folder: Path, name: str, place: object) -> None:
    """Each file is the old or the new one, whatever became of the others."""
    there, old, new = found(folder), old_files(name), new_files(name)
    for path in {**old, **new}:
        assert there.get(path) in (old.get(path), new.get(path)), place


@each_set
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_a_call_that_fails(folder: Path, name: str, code: int) -> None:
    for number in range(calls(folder, name)):
        write = begin(folder, name)
        is_done = False
        with at_call(number, raising(OSError(code, os.strerror(code)))), contextlib.suppress(CannotWrite):
            write()
            is_done = True
        there, expected = found(folder), new_files(name) if is_done else old_files(name)
        # Without a next run, too, but for what lies beside.
        assert {path: there.get(path) for path in {**old_files(name), **new_files(name)}} == {
            path: expected.get(path) for path in {**old_files(name), **new_files(name)}
        }, number
        next_run(folder, name)
        assert found(folder) == expected, (number, there)


@each_set
def test_an_interrupt(folder: Path, name: str) -> None:
    for number in range(calls(folder, name)):
        write = begin(folder, name)

        def interrupted(number: int = number, write: Callable[[], None] = write) -> None:
            with at_call(number, raising(KeyboardInterrupt())), contextlib.suppress(KeyboardInterrupt):
                write()

        assert in_fork(interrupted) == 0
        assert_whole(folder, name, number)
        next_run(folder, name)
        assert found(folder) in (old_files(name), new_files(name)), number


@each_set
def test_a_disk_that_fails_from_then_on(folder: Path, name: str) -> None:
    for number in range(calls(folder, name)):
        write = begin(folder, name)
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        with at_call(number, raising(error), and_later=True), contextlib.suppress(OSError):
            write()
        assert_whole(folder, name, number)
        next_run(folder, name)
        assert found(folder) in (old_files(name), new_files(name)), number


@each_set
def test_a_kill(folder: Path, name: str) -> None:
    for number in range(calls(folder, name)):
        write = begin(folder, name)

        def killed(number: int = number, write: Callable[[], None] = write) -> None:
            with at_call(number, kill):
                write()

        assert in_fork(killed) == -9
        assert_whole(folder, name, number)
        next_run(folder, name)
        assert found(folder) in (old_files(name), new_files(name)), number


@given(name=st.sampled_from(list(SETS)), first=st.integers(0, 120), others=st.lists(st.integers(0, 40), max_size=3))
def test_kills_of_what_puts_files_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, first: int, others: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("killed") / "files"
    write = begin(folder, name)

    def killed(number: int, work: Callable[[], None]) -> None:
        with at_call(number, kill):
            work()

    in_fork(lambda: killed(first, write))
    for number in others:
        in_fork(lambda number=number: killed(number, lambda: next_run(folder, name)))  # type: ignore[misc]
        assert_whole(folder, name, (first, others))
    next_run(folder, name)
    assert found(folder) in (old_files(name), new_files(name))


def killed_between(folder: Path, name: str) -> None:
    """Leave the set with its first file moved, and the others not."""
    write = begin(folder, name)
    in_place = os.replace

    def replace(source: Path, target: Path) -> None:
        in_place(source, target)
        kill()

    def work() -> None:
        os.replace = replace  # type: ignore[assignment]
        write()

    assert in_fork(work) == -9
    there = found(folder)
    assert there["model.pt"] == b"new!"
    assert [path for path in there if path.endswith(".journal")]


def test_a_write_is_a_next_run(folder: Path) -> None:
    killed_between(folder, "two")
    write_files({folder / "report": b""})
    assert found(folder) == {**old_files("two"), "report": b""}


def test_what_others_have_written_since_stays(folder: Path) -> None:
    killed_between(folder, "two")
    (folder / "model.pt").unlink()
    (folder / "model.pt").write_bytes(b"theirs")
    next_run(folder, "two")
    assert found(folder) == {"model.pt": b"theirs", "metrics.json": b"{}"}
    killed_between(folder, "two new ones")
    (folder / "model.pt").write_bytes(b"theirs")
    next_run(folder, "two new ones")
    assert found(folder) == {"model.pt": b"theirs"}


def test_a_folder_that_was_moved_since(folder: Path) -> None:
    moved = folder.with_name("moved")
    killed_between(folder, "of all kinds")
    folder.rename(moved)
    prepare_file(moved / "model.pt")
    assert old_files("of all kinds").items() <= found(moved).items()


@pytest.mark.parametrize(
    "journal",
    [
        *(b"", b"{", b"[]\ndone\n", b"[[1, 2, 3, 4]]\n", b'[["/etc/x", "../../..", 1, 1]]\n'),
        pytest.param(b"[" * 50_000, id="nested"),
        b'[["a\\u0000", "01234567", true, null]]\n',
        b'[["/", "01234567", true, [1, 2]]]\n',
    ],
)
def test_a_damaged_record(tmp_path: Path, journal: bytes) -> None:
    path = tmp_path / f".edge-predict.{os.geteuid()}.journal"
    path.write_bytes(journal)
    (tmp_path / "a").write_bytes(b"old")
    prepare_file(tmp_path / "a")
    assert found(tmp_path) == {"a": b"old"}
    path.write_bytes(journal)
    write_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert found(tmp_path) == {"a": b"new", "b": b"new"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_a_record_that_another_user_can_write_is_not_obeyed(folder: Path) -> None:
    killed_between(folder, "two")
    (journal,) = folder.glob(".*.journal")
    os.chown(journal, 1, 1)
    before = found(folder)
    prepare_file(folder / "model.pt")
    assert found(folder)["model.pt"] == before["model.pt"] == b"new!"
    with pytest.raises(CannotWrite, match="was not written by this user"):
        write_files({folder / "model.pt": b"newer", folder / "metrics.json": b"newer"})
    assert found(folder)["model.pt"] == b"new!"


def test_a_file_system_without_hard_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", raising(OSError(errno.EPERM, os.strerror(errno.EPERM))))
    test_a_call_that_fails(folder, "two", errno.EIO)
    # A kill may leave a place empty until the next run.
    monkeypatch.setitem(globals(), "assert_whole", lambda *_: None)
    test_a_kill(folder, "two")


def test_a_file_system_without_locks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells whether the process lives that was writing: nothing is undone, and the next write goes on."""
    import fcntl

    killed_between(folder, "two")
    monkeypatch.setattr(fcntl, "flock", raising(OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
    next_run(folder, "two")
    assert found(folder)["model.pt"] == b"new!"
    write_files({folder / name: content for name, content in new_files("two").items()})
    assert new_files("two").items() <= found(folder).items()
