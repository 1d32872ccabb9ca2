import os
import socket
from pathlib import Path

import pytest

from edge_runtime import Limits
from edge_runtime.contract.opened_files import most_unpacked, open_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither devices nor named pipes in folders")


def test_a_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"1,2")
    for given in (path, str(path)):
        with open_file(given, Limits()) as file:
            assert file.readall() == b"1,2"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/full", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(OSError, match="it is a device, not a file"):
        open_file(device, Limits())


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="it is a socket, not a file"):
            open_file(tmp_path / "socket", Limits())


def test_a_terminal_is_read(tmp_path: Path) -> None:
    first, second = os.openpty()
    with open_file(os.ttyname(second), Limits()) as file:
        os.write(first, b"1,2\n")
        assert file.read(100) == b"1,2\n"
    os.close(first)
    os.close(second)


def test_a_pipe_without_a_writer_ends_in_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"nobody has written to this pipe for 0\.05 seconds.*--limit pipe_seconds="):
        open_file(tmp_path / "pipe", Limits(pipe_seconds=0.05))


@pytest.mark.parametrize("seconds", [0.05, None])
def test_a_pipe_whose_writer_is_slow_is_read(tmp_path: Path, seconds: float | None) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # To open it as a writer waits for a reader.
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with path.open("wb", buffering=0) as writer:
        if seconds is None:
            writer.write(b"1")
        file = open_file(path, Limits(pipe_seconds=seconds))
        writer.write(b"2")
    os.close(reader)
    with file:
        assert file.readall() == (b"12" if seconds is None else b"2")


def test_a_pipe_of_this_process_is_not_waited_for() -> None:
    source, target = os.pipe()
    os.close(target)
    with open_file(f"/dev/fd/{source}", Limits()) as file:
        assert file.readall() == b""
    os.close(source)


def test_a_file_may_hold_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    full, holes = tmp_path / "full", tmp_path / "holes"
    full.write_bytes(os.urandom(100_000))
    with holes.open("wb") as file:
        file.truncate(10**12)
    for path, most in ((full, 100_000), (holes, 50)):
        with path.open("rb") as opened:
            os.fsync(opened.fileno())
            assert most_unpacked(opened.fileno(), Limits(unpacked_bytes=50)) == most
            assert most_unpacked(opened.fileno(), Limits(unpacked_bytes=10**6)) == 10**6
            assert most_unpacked(opened.fileno(), Limits(unpacked_bytes=None)) is None
