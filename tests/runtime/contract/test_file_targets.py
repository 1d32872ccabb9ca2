"""Only regular files are replaced: devices, FIFOs and descriptors are written into, and the rest is refused."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from concurrency import HANG

from edge_runtime import CannotWrite
from edge_runtime.contract.atomic_files import prepare_file, write_files
from edge_runtime.contract.file_locks import locked

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="devices are POSIX, descriptors in /proc")


def kind(path: Path) -> int:
    return stat.S_IFMT(os.lstat(path).st_mode)


def test_a_device(tmp_path: Path) -> None:
    null = Path("/dev/null")
    (tmp_path / "link").symlink_to(null)
    for path in (null, tmp_path / "link"):
        prepare_file(path)
        write_files({path: b"lost", tmp_path / "file": b"kept"})
        assert kind(null) == stat.S_IFCHR
        assert (tmp_path / "file").read_bytes() == b"kept"
    assert (tmp_path / "link").is_symlink()
    with locked([null]):  # for all runs at once
        assert not Path("/dev/.null.lock").exists()


def test_a_device_that_is_full(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    prepare_file(Path("/dev/full"))
    with pytest.raises(CannotWrite, match=r"^/dev/full cannot be written: No space left on device$"):
        write_files({tmp_path / "file": b"new", Path("/dev/full"): b"new"})
    assert kind(Path("/dev/full")) == stat.S_IFCHR
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


WRITES = """
import sys
from pathlib import Path

from edge_runtime.contract.atomic_files import write_files

write_files({Path(sys.argv[1]): b"12345678" * 100_000})
"""


def test_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        prepare_file(fifo)
        assert reader.stdout is not None
        # More than a pipe holds: it is read while it is written.
        with subprocess.Popen([sys.executable, "-c", WRITES, fifo]) as writer:
            assert reader.stdout.read() == b"12345678" * 100_000
        assert writer.returncode == 0
    assert kind(fifo) == stat.S_IFIFO


def test_the_content_of_a_file_into_a_device(tmp_path: Path) -> None:
    (tmp_path / "finished").write_bytes(b"data")
    read, write = os.pipe()
    write_files({Path(f"/proc/self/fd/{write}"): tmp_path / "finished"})
    os.close(write)
    assert os.read(read, 100) == b"data"
    os.close(read)


BETWEEN = r"""
import sys
from pathlib import Path

from edge_runtime.contract.atomic_files import prepare_file, write_files

path = Path(sys.argv[1])
print("before")
prepare_file(path)
write_files({path: b"report\n"})
print("after")
"""


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link"])
@pytest.mark.parametrize("is_file", [False, True])
def test_descriptors(tmp_path: Path, path: str, is_file: bool) -> None:
    """What is written goes between what was printed before and after, into pipes and files alike."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", BETWEEN, path]
    if is_file:
        with (tmp_path / "out").open("wb") as out:
            result = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=tmp_path, timeout=HANG)
        said = (tmp_path / "out").read_bytes()
    else:
        result = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=HANG)
        said = result.stdout
    assert (result.returncode, result.stderr, said) == (0, b"", b"before\nreport\nafter\n")


def test_descriptors_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="Bad file descriptor"):
        write_files({Path("/proc/self/fd/987"): b""})
    (tmp_path / "file").write_bytes(b"old")
    with (tmp_path / "file").open("rb") as file, pytest.raises(CannotWrite, match="cannot be written"):
        write_files({Path(f"/dev/fd/{file.fileno()}"): b"new"})
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the paths of sockets are short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for call in (prepare_file, lambda path: write_files({Path("file"): b"", path: b""})):
            with pytest.raises(CannotWrite, match=r"^socket cannot be written: it is a socket; choose another path$"):
                call(Path("socket"))
        assert kind(Path("socket")) == stat.S_IFSOCK
    assert not Path("file").exists()


def test_a_disk_is_not_overwritten(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    try:
        os.mknod(disk, stat.S_IFBLK | 0o600, os.makedev(1, 250))
    except OSError:
        pytest.skip("only root makes devices")
    for call in (prepare_file, lambda path: write_files({path: b""})):
        with pytest.raises(CannotWrite, match="it is a block device; choose another path"):
            call(disk)
    assert kind(disk) == stat.S_IFBLK


def test_what_may_not_be_written_into(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write into everything")
    os.mkfifo(tmp_path / "fifo", 0o400)
    with pytest.raises(CannotWrite, match="fifo cannot be written: Permission denied"):
        prepare_file(tmp_path / "fifo")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "folder/\0"])
def test_what_is_not_a_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "\ud800" and os.name == "nt":
        pytest.skip("is a name there")
    for write in (prepare_file, lambda path: write_files({path: b"new", tmp_path / "other": b"new"})):
        with pytest.raises(CannotWrite, match=r"is not a path of a file; choose another one$") as raised:
            write(path)
        assert str(raised.value).isprintable()
    with pytest.raises(CannotWrite, match="is not a path of a file"), locked([path]):
        raise AssertionError
    assert not list(tmp_path.iterdir())
