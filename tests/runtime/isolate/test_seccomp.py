"""Seccomp: what an isolated process cannot ask of the system."""

import ctypes
import platform
import sys
from collections.abc import Iterator

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
    program = list(seccomp._program(calls))
    assert {len(one) for one in program} == {8}
    # Each jump leads to an instruction.
    for place, one in enumerate(program):
        if one[0] in (seccomp._IF_EQUAL, seccomp._IF_NOT_LESS, seccomp._IF_BITS):
            assert place + 1 + max(one[2], one[3]) < len(program)
