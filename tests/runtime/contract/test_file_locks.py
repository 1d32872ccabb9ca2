"""Two runs do not write the same files at the same time, and a run that was killed locks nothing."""

import contextlib
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from concurrency import HANG
from faults import in_fork, kill, raising

from edge_runtime import CannotWrite
from edge_runtime.contract import file_locks
from edge_runtime.contract.file_locks import check_not_locked, locked, opened_held_in_turn

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")

HOLDS = """
import sys
from pathlib import Path

from edge_runtime.contract.file_locks import locked

with locked(map(Path, sys.argv[1:])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_run(*paths: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that has locked files, and that ends in the end."""
    command = [sys.executable, "-c", HOLDS, *map(str, paths)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.communicate(timeout=HANG)


def refuse(path: Path) -> None:
    with pytest.raises(CannotWrite, match="is writing"), locked([path]):
        pass
    with pytest.raises(CannotWrite, match="is writing"):
        check_not_locked([path])


def test_a_second_run_says_so_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with another_run(path, tmp_path / "metrics.json") as process:
        with pytest.raises(CannotWrite) as raised, locked([tmp_path / "other", path]):
            pass
        assert str(raised.value) == (
            f"another run (process {process.pid}) is writing {path}; wait until it has ended, or choose another folder"
        )
        check_not_locked([tmp_path / "other", tmp_path / "missing" / "model.pt"])
        with locked([tmp_path / "other"]):  # another file of the folder
            refuse(tmp_path / "other")
            refuse(tmp_path / "metrics.json")
        # By whatever name.
        (tmp_path / "link").symlink_to("model.pt")
        refuse(tmp_path / "link")
    with locked([path, path]):
        assert [entry.name for entry in tmp_path.iterdir() if entry.name[0] == "."] == [".model.pt.lock"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["link"]


def test_a_run_that_was_killed_locks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with another_run(path) as process:
        process.kill()
    assert (tmp_path / ".model.pt.lock").exists()
    check_not_locked([path])
    assert list(tmp_path.iterdir()) == []
    with another_run(path) as process:
        process.kill()
    with locked([path]):
        assert (tmp_path / ".model.pt.lock").read_text() == f"{os.getpid()}\n"
        refuse(path)
    assert list(tmp_path.iterdir()) == []


@forks
def test_a_fork_of_a_run_does_not_lock(tmp_path: Path) -> None:
    """Such as a worker that outlives it."""
    path = tmp_path / "model.pt"
    read, write = os.pipe()
    begun, begin = os.pipe()

    def run() -> None:
        with locked([path]):
            if os.fork() == 0:
                os.close(write)
                os.write(begin, b"1")
                os.read(read, 1)  # until the test has ended
                os._exit(0)
            os.read(begun, 1)
            kill()

    assert in_fork(run) == -9
    check_not_locked([path])
    for descriptor in (read, write, begun, begin):
        os.close(descriptor)


@forks
def test_a_fork_does_not_end_the_lock_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with locked([path]) as held:
        assert held is None

        def leaves() -> None:
            refuse(path)

        assert in_fork(leaves) == 0
        refuse(path)
        lock = locked([tmp_path / "other"])
        lock.__enter__()
        assert in_fork(lambda: lock.__exit__(None, None, None)) == 0
        assert (tmp_path / ".other.lock").exists()
        refuse(tmp_path / "other")
        lock.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    tmp_path.chmod(0o777)

    def other() -> None:
        os.setresuid(65534, 65534, 65534)
        os.chdir(tmp_path)
        with pytest.raises(CannotWrite, match="is writing"), locked([Path("model.pt")]):
            pass

    with locked([path]):
        assert in_fork(other) == 0
    # What is left does not lock, whosever it is.
    (tmp_path / ".model.pt.lock").touch(0o644)

    def free() -> None:
        os.setresuid(65534, 65534, 65534)
        os.chdir(tmp_path)
        with locked([Path("model.pt")]):
            pass

    assert in_fork(free) == 0


def test_a_folder_that_one_may_not_write_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", raising(OSError(errno.EROFS, os.strerror(errno.EROFS))))
    refused = pytest.raises(CannotWrite, match=r"\.model\.pt\.lock cannot be written: Read-only file system")
    with refused, locked([tmp_path / "model.pt"]):
        pass


@forks
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of other runs there, and a run goes on."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", raising(OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
    with locked([tmp_path / "model.pt"]), locked([tmp_path / "model.pt"]):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_held_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_WAIT", 0.0)
    descriptor = opened_held_in_turn(tmp_path / "journal")
    with pytest.raises(OSError, match="another process is writing there"):
        opened_held_in_turn(tmp_path / "journal")
    file_locks.close(descriptor)
    end = time.monotonic() + HANG
    file_locks.close(opened_held_in_turn(tmp_path / "journal"))
    assert time.monotonic() < end


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_lock_file_that_leads_to_another_file_is_refused(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    link(other, tmp_path / ".model.pt.lock")
    with pytest.raises(CannotWrite, match=r"\.model\.pt\.lock "), locked([tmp_path / "model.pt"]):
        pass
    assert other.read_text() == "kept"
    assert os.path.lexists(tmp_path / ".model.pt.lock")
