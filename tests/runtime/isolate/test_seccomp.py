"""Seccomp: what an isolated process cannot ask of the system."""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confined import evaluated
from paths import FOUR_BLOBS

from edge_runtime import IsolatedPredictor
from edge_runtime.isolate import seccomp

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="there is no list of calls"
)


@pytest.fixture(scope="module")
def predictor() -> Iterator[IsolatedPredictor]:
    with IsolatedPredictor(FOUR_BLOBS) as opened:
        yield opened


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('socket').socket().close()",
        "__import__('socket').socket(1).close()",
        "__import__('socket').socketpair()[0].close()",
        "__import__('os').fork()",
        "__import__('os').posix_spawn('/bin/true', ['true'], {})",
        "__import__('subprocess').run(['/bin/true'])",
        "__import__('os').execv('/bin/true', ['true'])",
    ],
)
def test_sockets_and_processes(predictor: IsolatedPredictor, expression: str) -> None:
    with pytest.raises(PermissionError):
        evaluated(predictor, expression)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("number", [101, 310, 425, 272])
def test_other_calls(predictor: IsolatedPredictor, number: int) -> None:
    errno = f"(lambda c: (c.CDLL(None, use_errno=True).syscall({number}, 0, 0, 0, 0, 0, 0), c.get_errno()))"
    assert evaluated(predictor, f"{errno}(__import__('ctypes'))") == [-1, 13]


@pytest.mark.parametrize(
    "expression",
    [
        "os.kill(PARENT, 0)",
        "os.kill(0, 0)",
        "os.kill(-1, 0)",
        "os.setpriority(os.PRIO_PROCESS, PARENT, 19)",
        "os.sched_setaffinity(PARENT, [0])",
        "__import__('resource').prlimit(PARENT, 7)",
        "__import__('fcntl').fcntl(0, 8, PARENT)",
        "__import__('fcntl').fcntl(0, 10, 9)",
        "os.chmod(FILE, 0o666)",
        "os.utime(FILE)",
        "os.setxattr(FILE, 'user.a', b'')",
        "os.truncate(FILE, 0)",
    ],
)
def test_the_program_that_started_it_and_the_files_of_the_user(
    predictor: IsolatedPredictor, expression: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(PermissionError):
        evaluated(
            predictor,
            f"(lambda os, PARENT, FILE: {expression})(__import__('os'), {os.getpid()}, {str(tmp_path / 'file')!r})",
        )


@pytest.mark.parametrize("call", ["shmget(0, 4096, 0o1600)", "semget(0, 1, 0o1600)", "msgget(0, 0o1600)"])
def test_what_would_outlive_it(predictor: IsolatedPredictor, call: str) -> None:
    said = f"(lambda ctypes: (ctypes.CDLL(None, use_errno=True).{call}, ctypes.get_errno()))(__import__('ctypes'))"
    assert evaluated(predictor, said) == [-1, errno.EACCES]


def test_what_it_may_still_do_to_itself(predictor: IsolatedPredictor) -> None:
    assert evaluated(predictor, "__import__('os').kill(__import__('os').getpid(), 0)") is None
    assert evaluated(predictor, "__import__('signal').raise_signal(0)") is None
    assert evaluated(predictor, "__import__('resource').prlimit(0, 7)") == [256, 256]
    assert evaluated(predictor, "__import__('fcntl').fcntl(0, 1)") == 0


def test_threads_start(predictor: IsolatedPredictor) -> None:
    pool = "__import__('concurrent.futures', fromlist=['thread']).ThreadPoolExecutor(2)"
    assert evaluated(predictor, f"list({pool}.map(abs, [-1, -2]))") == [1, 2]
    with IsolatedPredictor(FOUR_BLOBS, session_options={"intra_op_num_threads": 3}) as several:
        assert several.predict([[-1, 1]]).tolist() == [1]


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(_: object) -> None:
        raise AssertionError("the filter would hold for this process")

    monkeypatch.setattr(ctypes, "CDLL", call)
    for name, value in ((platform, "machine"), (sys, "platform")):
        with monkeypatch.context() as patch:
            patch.setattr(name, value, (lambda: "riscv64") if name is platform else "darwin")
            assert not seccomp.give_up_sockets_and_processes()


@pytest.mark.parametrize("calls", seccomp._OF_MACHINE.values())
def test_the_program_is_whole(calls: seccomp._Calls) -> None:
    program = list(seccomp._program(calls, own=1000))
    assert {len(one) for one in program} == {8}
    # Each jump leads to an instruction.
    for place, one in enumerate(program):
        if one[0] in (seccomp._IF_EQUAL, seccomp._IF_NOT_LESS, seccomp._IF_BITS):
            assert place + 1 + max(one[2], one[3]) < len(program)


def verdict(program: list[bytes], architecture: int, number: int, *arguments: int) -> int:
    """What the filter says of a call, computed as Linux does."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    place = loaded = 0
    while True:
        code, if_true, if_false, operand = struct.unpack("HBBI", program[place])
        if code == seccomp._RETURN:
            return int(operand)
        if code == seccomp._LOAD:
            (loaded,) = struct.unpack_from("=I", data, operand)
            place += 1
            continue
        passes = {
            seccomp._IF_EQUAL: loaded == operand,
            seccomp._IF_NOT_LESS: loaded >= operand,
            seccomp._IF_BITS: loaded & operand != 0,
        }[code]
        place += 1 + (if_true if passes else if_false)


@pytest.mark.parametrize("calls", seccomp._OF_MACHINE.values())
def test_what_the_program_decides(calls: seccomp._Calls) -> None:
    program, own = list(seccomp._program(calls, own=1000)), 1000
    fail, unknown = (seccomp._FAIL | one for one in (errno.EACCES, errno.ENOSYS))

    def says(number: int, *arguments: int) -> int:
        return verdict(program, calls.architecture, number, *arguments)

    assert verdict(program, 0x40000003, 1) == seccomp._KILL
    assert says(seccomp._X32 + 1) == says(calls.clone3) == unknown
    assert {says(number, own, own) for number in calls.failing} == {fail}
    assert says(calls.clone, seccomp._CLONE_THREAD | 0x100) == seccomp._ALLOW
    assert says(calls.clone, 17) == says(calls.clone, 0x10000000) == fail
    for number in calls.to_itself:
        assert says(number, own, 9) == seccomp._ALLOW
        assert {says(number, other) for other in (0, 1, own + 1, 2**32 - 1)} == {fail}
    assert says(calls.of_itself, 0) == says(calls.of_itself, own) == seccomp._ALLOW
    assert says(calls.of_itself, own + 1) == fail
    for number in calls.controls:
        assert {says(number, 0, control) for control in seccomp._OWNERS} == {fail}
        assert {says(number, 8, control) for control in (0, 1, 2, 3, 4, 0x5401)} == {seccomp._ALLOW}
    # read and write, exit_group, futex, mmap.
    for number in {0xC000003E: (0, 1, 231, 202, 9), 0xC00000B7: (63, 64, 94, 98, 222)}[calls.architecture]:
        assert says(number, 8, 8) == seccomp._ALLOW
