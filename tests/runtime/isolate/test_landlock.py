"""Landlock: what an isolated process cannot reach."""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confined import evaluated
from paths import FOUR_BLOBS, MODELS

from edge_runtime import IsolatedPredictor
from edge_runtime.isolate import landlock


def version() -> int:
    if sys.platform != "linux":
        return 0
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))


pytestmark = pytest.mark.skipif(version() < 1, reason="this system does not have Landlock")


@pytest.fixture(scope="module")
def predictor() -> Iterator[IsolatedPredictor]:
    with IsolatedPredictor(FOUR_BLOBS) as opened:
        yield opened


def test_this_check_can_fail(predictor: IsolatedPredictor) -> None:
    assert evaluated(predictor, "1 + 1") == 2
    # It has weights in another file, and so is opened by its path.
    path = MODELS / "external.onnx"
    with IsolatedPredictor(path) as other:
        assert evaluated(other, f"len(open({str(path)!r}, 'rb').read())") == path.stat().st_size
    assert evaluated(predictor, "__import__('os').getcwd()") == "/"
    assert evaluated(predictor, "__import__('colorsys').ONE_SIXTH") < 1
    with pytest.raises(FileNotFoundError):
        evaluated(predictor, "open('/nothing')")


@pytest.mark.parametrize(
    "expression",
    [
        "open('/etc/passwd').read()",
        "__import__('os').listdir('/')",
        "__import__('os').listdir(__import__('os').path.expanduser('~root'))",
        "open('/dev/shm/file', 'w')",
        "open('/dev/null', 'w')",
        "__import__('os').mkdir('/dev/shm/folder')",
        "__import__('subprocess').run(['/bin/true'])",
        f"open({str(MODELS / 'mass.onnx')!r}, 'rb')",
        f"open({str(FOUR_BLOBS)!r}, 'ab')",
        f"__import__('os').remove({str(FOUR_BLOBS)!r})",
    ],
)
def test_files(predictor: IsolatedPredictor, expression: str) -> None:
    with pytest.raises(PermissionError):
        evaluated(predictor, expression)
    assert FOUR_BLOBS.exists()


def test_the_network(predictor: IsolatedPredictor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises((OSError, PermissionError)):
            evaluated(predictor, f"__import__('socket').create_connection({server.getsockname()!r}, 2).close()")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.skipif(version() < 6, reason="this Landlock does not know signals")
def test_signals(predictor: IsolatedPredictor) -> None:
    with pytest.raises(PermissionError):
        evaluated(predictor, f"__import__('os').kill({os.getpid()}, 0)")


def test_systems_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not landlock.read_only([tmp_path])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(landlock, "_CREATE_RULESET", -1)
    assert not landlock.read_only([tmp_path])
    assert list(tmp_path.iterdir()) == []
