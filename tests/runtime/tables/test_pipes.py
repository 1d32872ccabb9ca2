import io
from types import SimpleNamespace

import pytest

from edge_runtime import InvalidInput
from edge_runtime.tables.pipes import Behind, Stdin


def test_what_was_looked_at_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BufferedReader(io.BytesIO(b"0123456789"), 4)
    assert buffer.peek(1)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=buffer))
    stdin = Stdin()
    assert [stdin.read(3), stdin.read(3), stdin.read(9), stdin.read(9)] == [b"012", b"3", b"456789", b""]


def test_stdin_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InvalidInput, match="stdin is closed"):
        Stdin()


def test_what_was_read_comes_first() -> None:
    assert io.BufferedReader(Behind(b"ab", io.BytesIO(b"cd"))).read() == b"abcd"
