"""An isolated process that was taken over by its model, and says what it likes."""

import os

import pytest
from concurrency import HANG

from edge_runtime import EdgePredictError, IsolationFailed, Limits
from edge_runtime.isolate import process
from edge_runtime.isolate.process import IsolatedProcess

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems"),
    pytest.mark.usefixtures("nothing_is_left"),
]

CONNECTED = "import socket, sys, time, os; s = socket.socket(fileno=int(sys.argv[1])); "
READ = "s.recv(100); "


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sys.exit(3)", "exit code 3"),
        (READ + "s.sendall(b'x' * 1000)", "does not answer as it should"),
        (READ + "s.sendall(bytes(12))", "does not answer as it should"),
        (READ + "s.sendall(b'\\x04' + bytes(11) + b'null')", "does not answer as it should"),
        (READ + "s.sendall(b'\\x10' + bytes(11) + b'[\"error\", 1, 2] ')", "does not answer as it should"),
        (READ + "s.sendall(b'\\xff' * 12)", "does not answer as it should"),
        (READ + "s.sendall(b'\\x08' + bytes(11))", "exit code 0"),
        (READ + "time.sleep(1000)", "does not start within 1 s"),
        ("time.sleep(1000)", "does not start within 1 s"),
        (READ + "[(s.sendall(b'['), time.sleep(0.1)) for _ in range(1000)]", "does not answer as it should"),
        (READ + "[(s.sendall(b'\\x00'), time.sleep(0.5)) for _ in range(1000)]", "does not start within 1 s"),
        (READ + "[s.sendall(b'\\x08' + bytes(11) + b'[\"step\"]') for _ in iter(int, 1)]", "does not start within 1 s"),
        (READ + "s.shutdown(2); time.sleep(1000)", "does not answer any more"),
        (READ + 't = b\'["error", "SystemExit", "no"]\'; s.sendall(bytes([len(t)]) + bytes(11) + t)', "SystemExit: no"),
    ],
)
def test_a_process_that_was_taken_over(script: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", CONNECTED + script)
    is_awaited = "within 1 s" in said or "any more" in said
    for name in ("_STARTING", "_GRACE"):
        monkeypatch.setattr(process, name, 1.0 if is_awaited else float(HANG))
    with pytest.raises(IsolationFailed) as found:
        IsolatedProcess(Limits())
    assert said in str(found.value)


def test_it_raises_no_errors_but_those_of_this_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EdgePredictError", "InvalidModel", "IsolationFailed", "KeyboardInterrupt", "OSError", "errors"):
        text = f'["error", "{name}", "no"]'
        script = f"t = {text.encode()!r}; s.sendall(bytes([len(t)]) + bytes(11) + t); s.recv(1)"
        monkeypatch.setattr(process, "_START", CONNECTED + READ + script)
        with pytest.raises(EdgePredictError, match="no"):
            IsolatedProcess(Limits())


def test_messages_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "t = b'[\"error\", \"InvalidModel\", \"' + b'no ' * 100_000 + b'\"]'; n = len(t).to_bytes(4, 'little'); "
    monkeypatch.setattr(process, "_START", CONNECTED + READ + script + "s.sendall(n + bytes(8) + t); s.recv(1)")
    with pytest.raises(EdgePredictError, match="no no") as found:
        IsolatedProcess(Limits())
    assert len(str(found.value)) < 1000


def test_messages_control_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("InvalidModel", "Other", "\\u001b[2J"):
        script = f't = br\'["error", "{name}", "no\\u001b[31m\\nline\\u202e"]\'; '
        script += "s.sendall(len(t).to_bytes(4, 'little') + bytes(8) + t); s.recv(1)"
        monkeypatch.setattr(process, "_START", CONNECTED + READ + script)
        with pytest.raises(EdgePredictError, match="no") as found:
            IsolatedProcess(Limits())
        assert str(found.value).isprintable()
        assert "\\x1b" in str(found.value)
